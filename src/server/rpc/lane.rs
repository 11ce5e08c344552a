//! Where heavy work is left: that of handlers, and the compression of long messages, which the other calls of a connection must not wait for.

use std::future::Future;

use futures_util::future::{Either, ready};

use super::pressure::Pressure;
use super::stream::unreadable;
use crate::net::workers::{Blocking, Cancelled, Job, JobError, Priority, QueueFull};
use crate::proto::rpc::payload::compress;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Advice, Code, Status};

#[cfg(test)]
mod tests;

/// Messages of so many bytes and more are compressed and decompressed by the workers: at 500 MB/s it takes an eighth of a millisecond and more.
pub(super) const OFFLOAD: usize = 64 << 10;

/// Whether a message that has come takes long to decompress.
pub(super) fn is_long(message: &Message) -> bool {
    message.compressed && compress::may_reach(&message.bytes, OFFLOAD)
}

/// The workers of a server, for its connections.
#[derive(Debug)]
pub(super) struct Lane {
    workers: Blocking,
    pressure: Pressure,
}

impl Lane {
    pub(super) fn new(workers: Blocking) -> Self {
        Self { workers, pressure: Pressure::new() }
    }

    /// Does work on another thread.
    ///
    /// # Errors
    /// What the caller of a call is told: the queue is full, the work panicked, or the server stops.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce(&Cancelled<'_>) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let job = self.workers.submit_cancellable(priority, work);
        let job = job.map_err(|QueueFull| self.busy(Advice::Again))?;
        job.await.map_err(failed)
    }

    /// Queues work that somebody waits for.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Job<T>, QueueFull> {
        self.workers.submit(Priority::Normal, work)
    }

    /// Decompresses a message. The work is queued at once.
    ///
    /// # Errors
    /// What the caller of a call is told: the queue is full, which is no fault of the message; the message cannot be read; or the server stops.
    pub(super) fn decompress(
        &self,
        message: Message,
        limit: usize,
    ) -> impl Future<Output = Result<Message, Status>> + Send + use<> {
        let Message { bytes, credit, .. } = message;
        let Ok(job) = self.submit(move || compress::decompress(&bytes, limit)) else {
            return Either::Left(ready(Err(self.busy(Advice::Later))));
        };
        Either::Right(async move {
            let plain = job.await.map_err(failed)?;
            let bytes = plain.map_err(|error| unreadable(Code::InvalidArgument, &error))?;
            Ok(Message { bytes, compressed: false, credit })
        })
    }

    /// The queue is full: how long to wait.
    fn busy(&self, advice: impl FnOnce(std::time::Duration) -> Advice) -> Status {
        let wait = self.pressure.refused(self.workers.stats().done);
        Status::new(Code::ResourceExhausted, "all workers are busy").advice(advice(wait))
    }
}

/// What becomes of a call whose work has no result.
fn failed(error: JobError) -> Status {
    match error {
        JobError::Panicked => Status::new(Code::Internal, "the work panicked"),
        JobError::ShutDown => Status::new(Code::Unavailable, "the server stops"),
    }
}
