//! What goes on beside the sockets: tasks of the process, which one of its shards runs.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::{Part, Serving};
use crate::net::clock::Clock;

/// Something that goes on for as long as the process does, or until it is done.
pub(in crate::server) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The part of the process that has these tasks. They run at once, each by itself. One that panics ends the process, since what it kept in order would be so no longer.
pub(in crate::server) struct Background(Mutex<Vec<Task>>);

impl Background {
    /// These tasks.
    pub(in crate::server) fn new(tasks: Vec<Task>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(tasks)))
    }
}

impl Part for Background {
    fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move {
            let mut running: JoinSet<()> = tasks.into_iter().collect();
            while let Some(ended) = running.join_next().await {
                ended.map_err(io::Error::other)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::shards::Threading;
    use crate::server::process::Process;

    fn process(tasks: Vec<Task>) -> Process {
        let mut process = Process::new(Threading::PerCore, 2, Duration::from_secs(5));
        process.signals = false;
        process.parts.push(Background::new(tasks));
        process
    }

    #[test]
    fn a_task_that_panics_ends_the_process() {
        let lasting: Task = Box::pin(std::future::pending());
        let failing: Task = Box::pin(async { panic!("on purpose") });
        let error = process(vec![lasting, failing]).run(|_| {}).unwrap_err();
        assert!(error.to_string().contains("on purpose"), "{error}");
    }

    #[test]
    fn tasks_that_are_done_do_not() {
        let mut process = process(vec![Box::pin(std::future::ready(()))]);
        let drain = process.drain.clone();
        process.parts.push(Background::new(vec![Box::pin(async move { drain.stop() })]));
        assert_eq!(process.run(|_| {}).unwrap().aborted, 0);
    }
}
