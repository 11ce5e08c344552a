//! One batch on its way to the collector: a POST, and the word of the collector.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};

use super::Collector;
use crate::proto::http::client::{Finish, RequestWriter};
use crate::server::http::body::Body;
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::client::{Client, SendError, Server};

/// Why a collector has not taken a batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untaken {
    #[error("the collector gave no answer: {0}")]
    Send(#[from] SendError),
    #[error("the collector took too long")]
    Slow,
    #[error("the collector answered {0}")]
    Refused(StatusCode),
}

impl Untaken {
    /// Whether the batch may be taken later: the statuses are those that the protocol names.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Send(error) => !matches!(error, SendError::Request(_)),
            Self::Slow => true,
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

/// Hands a batch over.
pub(super) async fn send(client: &Client, collector: &Collector, batch: Bytes) -> Result<(), Untaken> {
    let Collector { host, port, tls, path, .. } = collector;
    let named = format!("{host}:{port}");
    let mut writer = RequestWriter::new(&Method::POST, path, &named).map_err(SendError::from)?;
    writer.field(&CONTENT_TYPE, &HeaderValue::from_static("application/json"));
    let request = writer.finish(Finish { length: Some(batch.len() as u64), ..Finish::default() });
    let server = Server::Tcp { tls: *tls, host: host.clone(), port: *port };
    let reply = client.send(&server, request, || Body::from(batch.clone()), Timeouts::default()).await?;
    match reply.status() {
        status if status.is_success() => Ok(()),
        status => Err(Untaken::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_sent_again() {
        for (status, expected) in [(400, false), (404, false), (429, true), (500, false), (503, true)] {
            let refused = Untaken::Refused(StatusCode::from_u16(status).unwrap());
            assert_eq!(refused.is_temporary(), expected, "{status}");
        }
        assert!(Untaken::Slow.is_temporary());
    }
}
