//! What of a request the choices go by that keep a client where it is: its address, a field, a cookie, or the path.

use std::net::IpAddr;

use super::normal_path;
use crate::net::addr::Prefixes;
use crate::net::resilience::pick::{key_of, key_of_address};
use crate::proto::http::forwarded;
use crate::proto::http::head::Head;
use crate::server::http::request::Request;
use crate::server::peer::Peer;

/// What of a request a choice goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The client's address.
    Source,
    /// A field of this name; the client's address without one.
    Field(String),
    /// A cookie of this name; the client's address without one.
    Cookie(String),
    /// The path.
    Path,
}

impl HashBy {
    /// The key of a request. The word of `trusted` proxies counts for the client's address.
    pub(super) fn key(&self, request: &Request, trusted: &Prefixes) -> u64 {
        let source = || client(request.head(), request.peer(), trusted).map_or(0, key_of_address);
        match self {
            Self::Source => source(),
            Self::Field(name) => request.field(name).map_or_else(source, |value| key_of(value.as_bytes())),
            Self::Cookie(name) => request.cookie(name).map_or_else(source, |value| key_of(value.as_bytes())),
            Self::Path => key_of(normal_path(request.head(), request.extensions()).as_bytes()),
        }
    }
}

/// The client of a request, as far as trusted proxies tell of it; `None` for a Unix socket.
pub(super) fn client(head: &Head, peer: &Peer, trusted: &Prefixes) -> Option<IpAddr> {
    let peer = peer.addr.ip()?;
    Some(forwarded::client(head, peer, |ip| trusted.contains(ip)))
}
