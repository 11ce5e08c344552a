//! One job of the blocking lane: a closure at one end, a future for its result at the other.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It panicked.
    #[error("the job panicked")]
    Panicked,
    /// The lane was shut down before the job started.
    #[error("the workers were shut down")]
    ShutDown,
}

/// A job's result, once it is there. Dropping this before the job has started cancels the job.
#[derive(Debug)]
#[must_use = "a job whose handle is dropped is cancelled unless it has started"]
pub struct Job<T>(oneshot::Receiver<Result<T, JobError>>);

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A sender that is gone without a word was thrown out of the queue.
        Pin::new(&mut self.0).poll(context).map(|received| received.unwrap_or(Err(JobError::ShutDown)))
    }
}

/// What a job that runs can ask: whether anybody waits for it still. A thread cannot be stopped; a long job looks at this now and then, and
/// returns early.
pub struct Cancelled<'a>(&'a dyn Fn() -> bool);

impl std::fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cancelled").field(&self.is_cancelled()).finish()
    }
}

impl Cancelled<'_> {
    /// Whether the job's [`Job`] was dropped. It costs the reading of one number.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        (self.0)()
    }
}

/// Makes a job of a closure: what the lane runs, and what the submitter waits for.
pub(super) fn job<F, T>(work: F) -> (Box<dyn Task>, Job<T>)
where
    F: FnOnce(&Cancelled<'_>) -> T + Send + 'static,
    T: Send + 'static,
{
    let (result, receiver) = oneshot::channel();
    (Box::new(Typed { work, result }), Job(receiver))
}

/// A job without its type.
pub(super) trait Task: Send {
    /// Whether nobody waits for the result any more.
    fn is_cancelled(&self) -> bool;
    /// Does the work and sends the result. `false` after a panic.
    fn run(self: Box<Self>) -> bool;
}

struct Typed<F, T> {
    work: F,
    result: oneshot::Sender<Result<T, JobError>>,
}

impl<F: FnOnce(&Cancelled<'_>) -> T + Send, T: Send> Task for Typed<F, T> {
    fn is_cancelled(&self) -> bool {
        self.result.is_closed()
    }

    fn run(self: Box<Self>) -> bool {
        let Self { work, result } = *self;
        // The closure is consumed, so nobody sees what it left half done.
        let closed = || result.is_closed();
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&Cancelled(&closed))));
        let outcome = outcome.map_err(|_| JobError::Panicked);
        let fine = outcome.is_ok();
        // The result may have nobody to go to, and its drop may panic as well.
        fine & catch_unwind(AssertUnwindSafe(|| drop(result.send(outcome)))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_ends_in_one_of_three_ways() {
        let (task, handle) = job(|_| 5);
        assert!(!task.is_cancelled() && task.run());
        assert_eq!(handle.await, Ok(5));
        let (task, handle) = job(|_| panic!("on purpose"));
        assert!(!task.run());
        assert_eq!(handle.await, Err::<(), _>(JobError::Panicked));
        let (task, handle) = job(|_| 5);
        drop(task);
        assert_eq!(handle.await, Err(JobError::ShutDown));
    }

    #[test]
    fn a_job_without_its_handle_is_cancelled() {
        let (task, handle) = job(|_| ());
        drop(handle);
        assert!(task.is_cancelled());
    }

    #[test]
    fn a_job_that_runs_can_see_that_nobody_waits() {
        let (told, tell) = std::sync::mpsc::channel();
        let (gone, wait) = std::sync::mpsc::channel();
        let (task, handle) = job(move |cancelled: &Cancelled<'_>| {
            let before = cancelled.is_cancelled();
            gone.send(()).unwrap();
            while !cancelled.is_cancelled() {
                std::thread::yield_now();
            }
            told.send(before).unwrap();
        });
        let thread = std::thread::spawn(move || task.run());
        wait.recv().unwrap();
        drop(handle);
        let before = tell.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert!(!before && thread.join().unwrap());
    }
}
