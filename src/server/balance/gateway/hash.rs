//! What of a request the choices go by that keep a client where it is: its address, a field, a cookie, or the path.

use std::net::IpAddr;

use crate::net::addr::Prefixes;
use crate::net::resilience::pick::key_of;
use crate::proto::http::forwarded;
use crate::server::http::request::Request;

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
    /// The key of a request with this path, in its normal form. The word of `trusted` proxies counts for the client's address.
    pub(super) fn key(&self, request: &Request, path: &str, trusted: &Prefixes) -> u64 {
        let source = || match client(request, trusted) {
            Some(IpAddr::V4(address)) => key_of(&address.octets()),
            Some(IpAddr::V6(address)) => key_of(&address.octets()),
            None => 0,
        };
        match self {
            Self::Source => source(),
            Self::Field(name) => request.field(name).map_or_else(source, |value| key_of(value.as_bytes())),
            Self::Cookie(name) => request.cookie(name).map_or_else(source, |value| key_of(value.as_bytes())),
            Self::Path => key_of(path.as_bytes()),
        }
    }
}

/// The client of a request, as far as trusted proxies tell of it; `None` for a Unix socket.
pub(super) fn client(request: &Request, trusted: &Prefixes) -> Option<IpAddr> {
    let peer = request.peer().addr.ip()?;
    Some(forwarded::client(request.head(), peer, |ip| trusted.contains(ip)))
}
