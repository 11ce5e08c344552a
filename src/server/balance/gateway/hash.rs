//! The hash key of a request: the client's address, a header field, a cookie, or the path.

use std::net::IpAddr;

use super::normal_path;
use crate::net::addr::Prefixes;
use crate::net::resilience::pick::{key_of, key_of_address};
use crate::proto::http::forwarded;
use crate::proto::http::head::Head;
use crate::server::http::request::Request;
use crate::server::peer::Peer;

/// The part of a request that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The client's address.
    Source,
    /// A header field; the client's address if it is absent.
    Field(String),
    /// A cookie; the client's address if it is absent.
    Cookie(String),
    /// The path.
    Path,
}

impl HashBy {
    /// The key of a request. Addresses from `trusted` proxies are used.
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

/// The client of a request, taken from trusted proxies where they apply; `None` for a Unix socket.
pub(super) fn client(head: &Head, peer: &Peer, trusted: &Prefixes) -> Option<IpAddr> {
    let peer = peer.addr.ip()?;
    Some(forwarded::client(head, peer, |ip| trusted.contains(ip)))
}
