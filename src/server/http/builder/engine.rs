//! The wiring between a builder and the engine: gate, server, TLS, PROXY header, sockets.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::Plan;
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::{ConnectionLimits, Refused};
use crate::net::listen::Bound;
use crate::net::serve::{Gate, GateSettings, OnRefused, Preamble, PreambleSettings};
use crate::net::tls::{Tls, TlsConfig, TlsError, WATCH_INTERVAL};
use crate::proto::proxy::{self, Addresses, Parsed};
use crate::server::http::body::Sent;
use crate::server::http::handler::SharedHandler;
use crate::server::http::metrics::HttpMetrics;
use crate::server::http::middleware::access_log::AccessLog;
use crate::server::http::serve::{OnRefusal, Server};
use crate::server::http::settings::Settings;
use crate::server::process::{Part, Serving};

/// What a connection over the limit is told.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
      Content-Type: text/plain; charset=utf-8\r\n\
      Content-Length: 50\r\n\
      Retry-After: 1\r\n\
      Connection: close\r\n\r\n\
      503 Service Unavailable: too many connections now\n";

/// Connections to the metrics at once: a few scrapers and health checks.
const STATUS_CONNECTIONS: usize = 64;

/// A server with its sockets, as a part of a process.
pub(super) struct HttpPart {
    pub(super) server: Arc<Server>,
    pub(super) gate: Arc<Gate>,
    /// Those of each shard, until it takes them.
    sockets: Mutex<Vec<Vec<Bound>>>,
    access_log: Option<AccessLog>,
}

/// Who is told of every request.
#[derive(Clone, Default)]
pub(super) struct Observers {
    pub(super) access_log: Option<AccessLog>,
    pub(super) metrics: Option<HttpMetrics>,
}

impl Observers {
    /// Tells them of requests that no handler sees, or whose handler was stopped. The latter have a line in the log already.
    fn on_refusal(&self) -> Option<OnRefusal> {
        let observers = self.wanted()?;
        Some(Box::new(move |refusal| {
            observers.count(refusal.reason);
            if !refusal.begun {
                observers.log(&refusal.peer, refusal.status);
            }
        }))
    }

    /// Tells them of connections over a limit. One that was closed without a word has no line in the access log: there was
    /// no reply.
    fn on_refused_connection(&self) -> Option<OnRefused> {
        let observers = self.wanted()?;
        Some(OnRefused::new(move |connection| {
            observers.count(match connection.refused {
                Refused::Total => "too_many_connections",
                Refused::Address => "too_many_connections_of_address",
            });
            if connection.told {
                observers.log(&connection.peer, StatusCode::SERVICE_UNAVAILABLE);
            }
        }))
    }

    /// A clone, if there is anybody.
    fn wanted(&self) -> Option<Self> {
        (self.access_log.is_some() || self.metrics.is_some()).then(|| self.clone())
    }

    fn count(&self, reason: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.refused(reason);
        }
    }

    fn log(&self, peer: &PeerAddr, status: StatusCode) {
        if let Some(log) = &self.access_log {
            let sent = Sent { bytes: 0, received: 0, took: Duration::ZERO, complete: true };
            log.refused(peer, status, sent);
        }
    }
}

/// The server of a plan.
pub(super) fn http(
    plan: Plan,
    handler: SharedHandler,
    observers: &Observers,
    tls: Option<Tls>,
    sockets: Vec<Vec<Bound>>,
    drain: Drain,
) -> HttpPart {
    let preamble = (!plan.proxies.is_empty()).then_some(PreambleSettings {
        trusted: plan.proxies,
        timeout: plan.settings.head_timeout,
        parse: proxy_header,
    });
    let gate = Gate::new(GateSettings {
        limits: plan.connections,
        tls,
        tls_handshake_timeout: plan.tls_handshake_timeout,
        preamble,
        refusal: Bytes::from_static(REFUSAL),
        on_refusal: observers.on_refused_connection(),
    });
    let server = Server { drain, on_refusal: observers.on_refusal(), ..Server::new(plan.settings, handler) };
    HttpPart {
        server: Arc::new(server),
        gate: Arc::new(gate),
        sockets: Mutex::new(sockets),
        access_log: observers.access_log.clone(),
    }
}

/// The small server beside it, for metrics and health.
pub(super) fn status(handler: SharedHandler, sockets: Vec<Vec<Bound>>, drain: Drain) -> HttpPart {
    let gate = Gate::new(GateSettings {
        limits: ConnectionLimits { total: STATUS_CONNECTIONS, per_address: 0 },
        refusal: Bytes::from_static(REFUSAL),
        ..GateSettings::default()
    });
    let server = Server { drain, ..Server::new(Settings::default(), handler) };
    HttpPart {
        server: Arc::new(server),
        gate: Arc::new(gate),
        sockets: Mutex::new(sockets),
        access_log: None,
    }
}

/// TLS, with its files read.
pub(super) fn tls(config: TlsConfig) -> Result<Tls, TlsError> {
    let tls = Tls::new(config)?;
    if let Some(sha256) = tls.fingerprint() {
        tracing::info!(sha256, "made up a certificate for localhost");
    }
    Ok(tls)
}

/// Reads a PROXY header for the gate, which knows no protocol.
fn proxy_header(bytes: &[u8]) -> Result<Preamble, Box<dyn StdError + Send + Sync>> {
    Ok(match proxy::parse(bytes)? {
        Parsed::Incomplete { .. } => Preamble::Incomplete,
        Parsed::Complete { consumed, header } => Preamble::Complete {
            consumed,
            client: header.addresses.map(|addresses| match addresses {
                Addresses::Ip { source, .. } => PeerAddr::from(source),
                Addresses::Unix { .. } => PeerAddr::Unix,
            }),
        },
    })
}

impl HttpPart {
    fn take(&self, shard: usize) -> Vec<Bound> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.get_mut(shard).map(std::mem::take).unwrap_or_default()
    }

    /// Looks after the certificates until the drain.
    async fn watch(&self) {
        let Some(tls) = self.gate.tls() else { return };
        tokio::select! {
            () = tls.watch(WATCH_INTERVAL, CancellationToken::new()) => {}
            () = self.server.drain.stopping() => {}
        }
    }
}

impl Part for HttpPart {
    fn serve(self: Arc<Self>, shard: usize, clock: Clock) -> Serving {
        let sockets = self.take(shard);
        Box::pin(async move {
            let mut loops = Vec::new();
            for bound in sockets {
                let listener = bound.into_async()?;
                let server = Arc::clone(&self.server);
                loops.push(server.serve(listener, Arc::clone(&self.gate), clock.clone()));
            }
            let accepting = join_all(loops);
            if shard == 0 {
                tokio::join!(accepting, self.watch());
            } else {
                accepting.await;
            }
            Ok(())
        })
    }

    fn reload(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
        match self.gate.tls().map(Tls::reload) {
            Some(Ok(())) => tracing::info!("the certificates were read again"),
            Some(Err(error)) => {
                tracing::error!(%error, "the new certificates are bad; the old ones stay in use");
            }
            None => {}
        }
    }
}

impl Drop for HttpPart {
    fn drop(&mut self) {
        // The last lines are written by a thread that the end of the process would cut off.
        if let Some(log) = &self.access_log {
            let _ = log.flush(FLUSH);
        }
    }
}

/// What the last lines of the access log get to be written.
const FLUSH: Duration = Duration::from_secs(1);

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

    #[test]
    fn a_proxy_header_names_the_client() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\nGET /";
        for at in 0..line.len() - 5 {
            assert_eq!(proxy_header(&line[..at]).unwrap(), Preamble::Incomplete, "{at}");
        }
        let client = PeerAddr::Ip("192.0.2.1:1000".parse().unwrap());
        let complete = Preamble::Complete { consumed: line.len() - 5, client: Some(client) };
        assert_eq!(proxy_header(line).unwrap(), complete);
        assert!(proxy_header(b"GET / HTTP/1.1\r\n").is_err());
    }
}
