//! The wiring between a server's options and its engine: gate, server, who is told, sockets.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::{ConnectionLimits, Refused};
use crate::net::listen::Bound;
use crate::net::serve::{Arrival, Gate, GateSettings, OnRefused};
use crate::server::http::body::Sent;
use crate::server::http::connection::Connection;
use crate::server::http::engine::{Engine, OnRefusal};
use crate::server::http::handler::SharedHandler;
use crate::server::http::metrics::HttpMetrics;
use crate::server::http::middleware::access_log::AccessLog;
use crate::server::http::settings::Settings;
use crate::server::lines::Writer;
use crate::server::listening::{Accept, Listening};

/// What a connection over the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
      Content-Type: text/plain; charset=utf-8\r\n\
      Content-Length: 50\r\n\
      Retry-After: 1\r\n\
      Connection: close\r\n\r\n\
      503 Service Unavailable: too many connections now\n";

/// Connections to the metrics at once: a few scrapers and health checks.
const STATUS_CONNECTIONS: usize = 64;

/// A log that has lines for requests that no handler sees.
pub(in crate::server) trait RefusalLog: Send + Sync + 'static {
    /// Tells of a request or a connection that was refused; `reason` in snake case.
    fn refused(&self, peer: &PeerAddr, status: StatusCode, reason: &'static str);

    /// Where its lines go.
    fn writer(&self) -> &Arc<Writer>;
}

/// Who is told of every request.
#[derive(Clone, Default)]
pub(super) struct Observers {
    pub(super) access_log: Option<AccessLog>,
    pub(super) metrics: Option<HttpMetrics>,
    /// A log of the handler's own.
    pub(super) refusals: Option<Arc<dyn RefusalLog>>,
}

impl Observers {
    /// Tells them of requests that no handler sees, or whose handler was stopped. The latter have a line in the log already.
    fn on_refusal(&self) -> Option<OnRefusal> {
        let observers = self.wanted()?;
        Some(Box::new(move |refusal| {
            observers.count(refusal.reason);
            if !refusal.begun {
                observers.log(&refusal.peer, refusal.status, refusal.reason);
            }
        }))
    }

    /// Tells them of connections over a limit. One that was closed without a word has no line in the access log: there was
    /// no reply.
    fn on_refused_connection(&self) -> Option<OnRefused> {
        let observers = self.wanted()?;
        Some(OnRefused::new(move |connection| {
            let reason = match connection.refused {
                Refused::Total => "too_many_connections",
                Refused::Address => "too_many_connections_of_address",
            };
            observers.count(reason);
            if connection.told {
                observers.log(&connection.peer, StatusCode::SERVICE_UNAVAILABLE, reason);
            }
        }))
    }

    /// A clone, if there is anybody.
    fn wanted(&self) -> Option<Self> {
        (self.access_log.is_some() || self.metrics.is_some() || self.refusals.is_some()).then(|| self.clone())
    }

    fn count(&self, reason: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.refused(reason);
        }
    }

    fn log(&self, peer: &PeerAddr, status: StatusCode, reason: &'static str) {
        if let Some(log) = &self.refusals {
            log.refused(peer, status, reason);
        }
        if let Some(log) = &self.access_log {
            let sent = Sent { complete: true, ..Sent::default() };
            log.refused(peer, status, sent);
        }
    }
}

/// A server behind its gate.
pub(super) fn http(
    server: Engine,
    gate: GateSettings,
    observers: &Observers,
    sockets: Vec<Vec<Bound>>,
    drain: Drain,
) -> Listening<Engine> {
    let gate = Gate::new(GateSettings {
        refusal: Bytes::from_static(REFUSAL),
        on_refusal: observers.on_refused_connection(),
        ..gate
    });
    let server = Engine { drain, on_refusal: observers.on_refusal(), ..server };
    let own = observers.refusals.as_ref().map(|log| Arc::clone(log.writer()));
    let lines = observers.access_log.as_ref().map(|log| Arc::clone(log.writer())).or(own);
    Listening::new(server, gate, sockets).logging(lines)
}

/// The small server beside it, for metrics and health.
pub(in crate::server) fn status(
    handler: SharedHandler,
    sockets: Vec<Vec<Bound>>,
    drain: Drain,
) -> Listening<Engine> {
    let gate = Gate::new(GateSettings {
        limits: ConnectionLimits { total: STATUS_CONNECTIONS, per_address: 0 },
        refusal: Bytes::from_static(REFUSAL),
        ..GateSettings::default()
    });
    let server = Engine { drain, ..Engine::new(Settings::default(), handler) };
    Listening::new(server, gate, sockets)
}

impl Accept for Engine {
    fn connection(
        self: Arc<Self>,
        arrival: Arrival,
        clock: Clock,
    ) -> impl Future<Output = ()> + Send + 'static {
        Connection::new(self, arrival, clock.timer()).run()
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_a_whole_reply() {
        let text = std::str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        assert!(head.lines().all(|line| !line.starts_with(' ')));
    }
}
