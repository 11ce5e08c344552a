//! A recorded network before a real one: what comes faster than it is held back.
//!
//! Bytes are taken from a connection, and count as come when the trace would have let them through; until then no more are taken, so that the server is held back by TCP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::proto::hls::abr::{Bits, Ms};
use crate::proto::hls::simulate::{Link, Trace};

/// Bytes that are let through at once: some five packets.
pub(super) const SLICE: usize = 8 << 10;

/// The network of one viewer. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    link: Arc<Mutex<Link>>,
    began: Instant,
}

impl Throttle {
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        Self { link: Arc::new(Mutex::new(Link::new(trace))), began: Instant::now() }
    }

    fn now(&self) -> Ms {
        self.began.elapsed().as_secs_f64() * 1000.0
    }

    async fn until(&self, at: Ms) {
        sleep_until(self.began + Duration::try_from_secs_f64(at / 1000.0).unwrap_or_default()).await;
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as a request does for its answer to begin.
    pub(super) async fn request(&self) {
        let now = self.now();
        let latency = self.link().latency(now);
        self.until(now + latency).await;
    }

    /// Waits until these bytes are through.
    pub(super) async fn carry(&self, bytes: usize) {
        let bits: Bits = bytes as f64 * 8.0;
        let at = self.link().carry(self.now(), bits);
        self.until(at).await;
    }
}
