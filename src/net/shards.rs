//! Threads: one runtime a core that shares nothing, or one runtime whose threads share all.
//!
//! The first is the default. Each shard has a listener of its own (`SO_REUSEPORT`) and its connections never leave it, so no
//! request crosses a core. Handlers are `Send` all the same, so either works.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;

/// How the work is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Threading {
    /// One single-threaded runtime a thread, each with its own listener.
    PerCore,
    /// One runtime; idle threads take work from busy ones.
    Shared,
}

/// The number of threads to use when nobody says: one a core.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Runs `make(shard)` for each shard from 0 to `threads - 1`, and returns their outputs when all are through.
///
/// [`Threading::PerCore`] runs each on a thread of its own, shard 0 on the calling one; [`Threading::Shared`] runs all of
/// them as tasks of one runtime with `threads` threads.
///
/// # Errors
/// A thread or a runtime cannot be made, or a shard panicked.
pub fn run<F, Fut>(threading: Threading, threads: usize, make: F) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    match threading {
        Threading::PerCore => per_core(threads, &Arc::new(make)),
        Threading::Shared => shared(threads, &make),
    }
}

fn per_core<F, Fut>(threads: usize, make: &Arc<F>) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    let mut others = Vec::new();
    for shard in 1..threads {
        let make = Arc::clone(make);
        let thread = thread::Builder::new().name(format!("wireworks-{shard}"));
        others.push(thread.spawn(move || io::Result::Ok(one()?.block_on(make(shard))))?);
    }
    let mut outputs = vec![one()?.block_on(make(0))];
    for thread in others {
        outputs.push(
            thread
                .join()
                .map_err(|_| io::Error::other("a thread of the server panicked"))??,
        );
    }
    Ok(outputs)
}

/// A runtime of one thread. It looks for new events every 61 tasks, as tokio does by default.
fn one() -> io::Result<tokio::runtime::Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn shared<F, Fut>(threads: usize, make: &F) -> io::Result<Vec<Fut::Output>>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output: Send + 'static> + Send + 'static,
{
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("wireworks")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let tasks: Vec<_> = (0..threads).map(|shard| tokio::spawn(make(shard))).collect();
        let mut outputs = Vec::new();
        for task in tasks {
            outputs.push(task.await.map_err(io::Error::other)?);
        }
        Ok(outputs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_runs_once() {
        for threading in [Threading::PerCore, Threading::Shared] {
            assert_eq!(
                run(threading, 3, |shard| async move { shard * 2 }).unwrap(),
                [0, 2, 4]
            );
        }
    }

    #[test]
    fn a_panic_in_a_shard_is_an_error() {
        for threading in [Threading::PerCore, Threading::Shared] {
            let result = run(
                threading,
                2,
                |shard| async move { assert_eq!(shard, 0, "on purpose") },
            );
            assert!(result.is_err());
        }
    }
}
