//! The server's own routes, asked from within the process.

use std::sync::Arc;

use bytes::Bytes;

use crate::net::addr::PeerAddr;
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;
use crate::server::hls::kinds::MAX_SEGMENT;
use crate::server::http::body::Body;
use crate::server::http::handler::{Handler, SharedHandler};
use crate::server::http::request::Request;
use crate::server::peer::Peer;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// It is not there, or not any more.
    #[error("{0} is not there")]
    Gone(String),
    /// Another status.
    #[error("{path}: status {status}")]
    Status { path: String, status: u16 },
    /// The body did not come, or is too long.
    #[error("{0} cannot be read")]
    Body(String),
}

/// Asks the routes of a server.
#[derive(Clone)]
pub(super) struct Origin(SharedHandler);

impl Origin {
    pub(super) fn new(handler: SharedHandler) -> Self {
        Self(handler)
    }

    /// The playlist at a path, with a query.
    pub(super) async fn playlist(&self, target: &str) -> Result<Bytes, Unanswered> {
        self.ask(target, MAX_PLAYLIST as u64).await
    }

    /// The bytes at a path.
    pub(super) async fn resource(&self, path: &str) -> Result<Bytes, Unanswered> {
        self.ask(path, MAX_SEGMENT).await
    }

    async fn ask(&self, target: &str, limit: u64) -> Result<Bytes, Unanswered> {
        let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let gone = || Unanswered::Gone(target.to_owned());
        let (head, _) = parse(text.into(), &Limits::default()).map_err(|_| gone())?;
        let peer = Arc::new(Peer::new(PeerAddr::Unix, false, 0));
        let mut response = self.0.handle(Request::new(head, Body::empty(), peer)).await;
        match response.code().as_u16() {
            200 => {}
            404 | 410 => return Err(gone()),
            status => return Err(Unanswered::Status { path: target.to_owned(), status }),
        }
        let body = std::mem::take(response.body_mut());
        body.collect(limit).await.map_err(|_| Unanswered::Body(target.to_owned()))
    }
}
