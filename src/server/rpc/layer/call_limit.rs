//! How many calls may be at work in a whole server. Over it a call ends at once with `resource_exhausted`: a server that has too much to do says so
//! in time and goes on reading, rather than let everybody wait.
//!
//! Who is refused is told how long to wait: as long as the server needs for what it has refused lately.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Answer, Incoming};
use crate::net::service::{Layer, Service};
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::pressure::Pressure;

/// The layer that limits how many calls are at work at a time, on all connections together. A stream is at work until its end.
#[derive(Clone, Debug)]
pub struct CallLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    at_work: AtomicUsize,
    ended: AtomicU64,
    refused: AtomicU64,
    pressure: Pressure,
}

impl CallLimit {
    /// At most so many calls at a time; at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            most: most.max(1),
            at_work: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            pressure: Pressure::new(),
        }))
    }

    /// Calls that are at work.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.0.at_work.load(Ordering::Relaxed)
    }

    /// Calls that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for CallLimit {
    type Service = CallLimited<S>;

    fn layer(&self, inner: S) -> CallLimited<S> {
        CallLimited { inner, shared: Arc::clone(&self.0) }
    }
}

/// A service with a [`CallLimit`] around it.
#[derive(Debug)]
pub struct CallLimited<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S: Service<Incoming, Res = Answer>> Service<Incoming> for CallLimited<S> {
    type Res = Answer;

    async fn call(&self, incoming: Incoming) -> Answer {
        let Some(_place) = self.shared.place() else { return self.shared.busy() };
        self.inner.call(incoming).await
    }
}

impl Shared {
    fn place(&self) -> Option<Place<'_>> {
        if self.at_work.fetch_add(1, Ordering::Relaxed) < self.most {
            return Some(Place(self));
        }
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        None
    }

    fn busy(&self) -> Answer {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let wait = self.pressure.refused(self.ended.load(Ordering::Relaxed));
        Status::new(Code::ResourceExhausted, "the server is busy").advice(Advice::Later(wait)).into()
    }
}

/// The place of a call at work.
struct Place<'a>(&'a Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
