//! One POST: the answer's head, and no redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::guard::Endpoint;
use crate::proto::http::client::{Finish, RequestWriter};
use crate::server::http::body::Body;
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::client::{Client, SendError, Server};

/// How long a request may take, connection and all.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("no answer: {0}")]
    Send(#[from] SendError),
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

/// Sends a body. What the answer has behind its head is not waited for.
pub(super) async fn post(
    client: &Client,
    endpoint: &Endpoint,
    fields: &[(HeaderName, HeaderValue)],
    body: Vec<u8>,
) -> Result<Answer, PostError> {
    let asking = ask(client, endpoint, fields, Bytes::from(body));
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(PostError::Late))
}

async fn ask(
    client: &Client,
    endpoint: &Endpoint,
    fields: &[(HeaderName, HeaderValue)],
    body: Bytes,
) -> Result<Answer, PostError> {
    let Endpoint { tls, host, port, authority, target } = endpoint;
    let server = Server::Tcp { tls: *tls, host: host.clone(), port: *port };
    let mut writer = RequestWriter::new(&Method::POST, target, authority).map_err(SendError::from)?;
    fields.iter().for_each(|(name, value)| writer.field(name, value));
    let request = writer.finish(Finish { length: Some(body.len() as u64), ..Finish::default() });
    let reply = client.send(&server, request, || Body::from(body.clone()), Timeouts::default()).await?;
    let told = reply.head.field(RETRY_AFTER.as_str());
    let retry_after = told.map(|value| String::from_utf8_lossy(value).into_owned());
    Ok(Answer { status: reply.status(), retry_after })
}
