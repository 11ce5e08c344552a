//! What a handler knows of the call that it answers.

use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

use crate::net::drain::Drain;
use crate::proto::rpc::frame::Trace;
use crate::proto::rpc::metadata::Metadata;
use crate::server::http::request::Peer;

/// A call, as its handler sees it beside its request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who calls: the address, and what TLS tells of it.
    pub peer: Arc<Peer>,
    /// What came with the call.
    pub metadata: Metadata,
    /// When the call is given up: the lesser of what the caller said and the server's own limit.
    pub deadline: Instant,
    /// How often the call was tried before.
    pub attempt: u8,
    /// Where the call stands in a trace.
    pub trace: Option<Box<Trace>>,
    /// What [layers](super::layer) have found out about the call: who the caller is, say. By type.
    pub extensions: Extensions,
    /// The payload codec of the request, which the answer has too.
    pub(super) codec: u8,
    /// The longest message, decompressed.
    pub(super) max_message: usize,
    /// The shutdown of the server.
    pub(super) drain: Drain,
}

impl Context {
    /// How much time is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the server was told to stop. Calls under way are answered still.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.drain.is_stopping()
    }

    /// Resolves when the server is told to stop: a stream without an end should end then.
    pub async fn stopping(&self) {
        self.drain.stopping().await;
    }
}
