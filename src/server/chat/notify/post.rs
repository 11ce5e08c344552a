//! One POST: a connection of its own, the answer's head, and no redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::guard::Endpoint;
use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{ExchangeError, Timeouts, exchange};

/// What is spoken within TLS.
const ALPN: &[&[u8]] = &[b"http/1.1"];

/// How long a request may take, connection and all.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("no answer: {0}")]
    Exchange(ExchangeError),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The field `Retry-After`.
    pub(super) retry_after: Option<String>,
}

/// Sends a body. What the answer has behind its head is not read.
pub(super) async fn post(
    connector: &Connector,
    endpoint: &Endpoint,
    fields: &[(HeaderName, HeaderValue)],
    body: Vec<u8>,
) -> Result<Answer, PostError> {
    let asking = ask(connector, endpoint, fields, Bytes::from(body));
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(PostError::Late))
}

async fn ask(
    connector: &Connector,
    endpoint: &Endpoint,
    fields: &[(HeaderName, HeaderValue)],
    body: Bytes,
) -> Result<Answer, PostError> {
    let Endpoint { tls, host, port, authority, target } = endpoint;
    let mut writer = RequestWriter::new(&Method::POST, target, authority)?;
    for (name, value) in fields {
        writer.field(name, value);
    }
    let request = writer.finish(Finish { length: Some(body.len() as u64), upgrade: None, close: true });
    let io = connector.connect(host, *port, tls.then_some(ALPN)).await?;
    let limits = Limits { body: u64::MAX, ..Limits::default() };
    let conn = Conn::new(io, ClientCodec::new(limits), Clock::new().timer());
    let answer = exchange(Box::new(conn), request, Body::from(body), Timeouts::default()).await;
    let answer = answer.map_err(|(error, _)| PostError::Exchange(error))?;
    let mut named = answer.head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(RETRY_AFTER.as_str()));
    let retry_after = named.next().map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    Ok(Answer { status: answer.head.status(), retry_after })
}
