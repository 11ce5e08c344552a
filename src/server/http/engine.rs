//! A server: settings, a handler, and the way from a listener to its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use super::connection::Connection;
use super::handler::SharedHandler;
use super::inbound::HttpConn;
use super::settings::Settings;
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::listen::Listener;
use crate::net::pace::Direction;
use crate::net::serve::{self, Gate};

/// What all connections of a server share.
pub struct Engine {
    /// How connections are treated.
    pub settings: Settings,
    /// What answers.
    pub handler: SharedHandler,
    /// The shutdown.
    pub drain: Drain,
    /// Who is told of requests that no handler sees, or whose handler was stopped.
    pub on_refusal: Option<OnRefusal>,
    /// What happened.
    pub stats: Arc<EngineStats>,
}

/// Told of each request that was refused.
pub type OnRefusal = Box<dyn Fn(&Refusal) + Send + Sync>;

/// A request that no handler saw, or whose handler was stopped.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Whose it was.
    pub peer: PeerAddr,
    /// The status of the answer.
    pub status: StatusCode,
    /// Whether a handler had begun to answer: then its place in the log says how it ended.
    pub begun: bool,
    /// What was wrong, in snake case: [`Reject::name`](crate::proto::http::reject::Reject::name), or a deadline.
    pub reason: &'static str,
}

/// Counters of a server, since its start.
#[derive(Debug, Default)]
pub struct EngineStats {
    /// Connections that were cut within a reply: the client was gone or too slow, the handler's stream or file failed.
    pub cut: AtomicU64,
}

impl Engine {
    /// A server with a drain of its own.
    #[must_use]
    pub fn new(settings: Settings, handler: SharedHandler) -> Self {
        Self { settings, handler, drain: Drain::new(), on_refusal: None, stats: Arc::default() }
    }

    /// Serves what `listener` accepts, through `gate`, until the shutdown begins. `clock` is the one of this runtime, or of
    /// this thread's runtime where each has its own.
    pub async fn serve(self: Arc<Self>, listener: Listener, gate: Arc<Gate>, clock: Clock) {
        let drain = self.drain.clone();
        drain.attach(&clock);
        let server = self;
        serve::serve(listener, gate, drain, move |arrival| {
            Connection::new(Arc::clone(&server), arrival, clock.timer()).run()
        })
        .await;
    }

    /// Holds the client to the least rate of `direction`.
    pub(super) fn pace(&self, conn: &mut HttpConn, direction: Direction) {
        let min = match direction {
            Direction::Reading => self.settings.min_read_rate,
            Direction::Writing => self.settings.min_write_rate,
        };
        conn.set_pace(direction, min, self.settings.stall_timeout);
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("settings", &self.settings)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
