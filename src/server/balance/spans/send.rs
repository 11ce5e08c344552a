//! One batch on its way to the collector: a connection, a POST, and the word of the collector.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};

use super::Collector;
use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{ExchangeError, Timeouts, exchange};

/// What is spoken within TLS.
const ALPN: &[&[u8]] = &[b"http/1.1"];

/// Why a collector has not taken a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the collector gave no answer: {0}")]
    Exchange(ExchangeError),
    #[error("the collector took too long")]
    Slow,
    #[error("the collector answered {0}")]
    Refused(StatusCode),
}

impl SendError {
    /// Whether the batch may be taken later: the statuses are those that the protocol names.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Exchange(_) | Self::Slow => true,
            Self::Request(_) => false,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

/// Hands a batch over.
pub(super) async fn send(collector: &Collector, batch: Bytes) -> Result<(), SendError> {
    let Collector { host, port, tls, path, .. } = collector;
    let io = Connector::new().connect(host, *port, tls.then_some(ALPN)).await?;
    let mut writer = RequestWriter::new(&Method::POST, path, &format!("{host}:{port}"))?;
    writer.field(&CONTENT_TYPE, &HeaderValue::from_static("application/json"));
    let request = writer.finish(Finish { length: Some(batch.len() as u64), upgrade: None, close: true });
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    let conn = Conn::new(io, ClientCodec::new(limits), Clock::new().timer());
    let answer = exchange(Box::new(conn), request, Body::from(batch), Timeouts::default()).await;
    let answer = answer.map_err(|(error, _)| SendError::Exchange(error))?;
    match answer.head.status() {
        status if status.is_success() => Ok(()),
        status => Err(SendError::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_sent_again() {
        for (status, expected) in [(400, false), (404, false), (429, true), (500, false), (503, true)] {
            let refused = SendError::Refused(StatusCode::from_u16(status).unwrap());
            assert_eq!(refused.is_temporary(), expected, "{status}");
        }
        assert!(SendError::Slow.is_temporary());
    }
}
