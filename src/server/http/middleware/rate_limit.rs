//! How many requests a second one client may make, by token bucket: so many at once, then so many a second.
//!
//! A client is its IPv4 address or its IPv6 /64 (a customer of a provider has that many, RFC 6177), or what a field of
//! the request says: an API key, say. Peers on a Unix socket, and those that have no key, share no fate: they pass.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use http::{HeaderName, StatusCode};

use super::later;
use crate::net::addr::PeerAddr;
use crate::net::bucket::{Buckets, Rate};
use crate::net::limits::Source;
use crate::net::service::{RateLimit as Limiter, Service};
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Whom requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// The peer's address.
    Peer,
    /// The first line of a field; the peer's address when the request has none.
    Field(HeaderName),
}

/// A client, in few bytes whatever it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Source(Source),
    /// The hash of a field, with a seed that no client knows.
    Field(u64),
}

impl Key {
    fn of(peer: &PeerAddr) -> Option<Self> {
        peer.ip().map(|ip| Self::Source(Source::of(ip)))
    }
}

/// The service behind the limiter, which answers for nothing: only the permission counts.
#[derive(Debug)]
struct Permission;

impl Service<Key> for Permission {
    type Res = ();

    async fn call(&self, _: Key) {}
}

/// The key of a key: the limiter is asked with the key alone.
type KeyOf = fn(&Key) -> Option<Key>;

/// The part that limits rates: over it 429 with `Retry-After`.
#[derive(Debug)]
pub struct RateLimit {
    by: RateKey,
    hasher: RandomState,
    limiter: Limiter<Permission, Key, KeyOf>,
}

impl RateLimit {
    /// Keys that are remembered at most by default.
    pub const MAX_KEYS: usize = Buckets::<u64>::MAX_KEYS;

    /// Requests at `rate` for each client, remembering at most `max_keys` of them: beyond that the least busy are
    /// forgotten.
    #[must_use]
    pub fn new(rate: Rate, by: RateKey, max_keys: usize) -> Self {
        let key: KeyOf = |key| Some(*key);
        Self { by, hasher: RandomState::new(), limiter: Limiter::new(Permission, rate, max_keys, key) }
    }

    /// Whom the request counts for; `None` to let it pass.
    pub(super) fn key(&self, request: &Request) -> Option<Key> {
        let field = match &self.by {
            RateKey::Peer => None,
            RateKey::Field(name) => request.head.field(name.as_str()),
        };
        field.map(|value| Key::Field(self.hasher.hash_one(value))).or_else(|| Key::of(&request.peer.addr))
    }

    /// Counts a request.
    pub(super) async fn before(&self, key: Key) -> ControlFlow<Response> {
        match self.limiter.call(key).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(limited) => ControlFlow::Break(later(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests",
                limited.seconds(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::test_support::{field, get, peer};
    use super::*;
    use crate::server::http::handler::SharedHandler;
    use crate::server::http::middleware::Stack;
    use crate::server::peer::Peer;

    async fn fine(_: Request) -> &'static str {
        "fine"
    }

    fn shared(by: RateKey) -> SharedHandler {
        let rate = Rate::new(0.5, 2).unwrap();
        let stack = Stack { rate_limit: Some(RateLimit::new(rate, by, 100)), ..Stack::default() };
        stack.around(Arc::new(fine))
    }

    async fn status(handler: &SharedHandler, addr: &str, fields: &[(&str, &str)]) -> u16 {
        let mut request = get("/", fields);
        request.peer = peer(addr, false);
        handler.handle(request).await.code().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_429_then_a_token_again() {
        let handler = shared(RateKey::Peer);
        assert_eq!(status(&handler, "192.0.2.1:1", &[]).await, 200);
        assert_eq!(status(&handler, "192.0.2.1:2", &[]).await, 200, "the port does not count");
        let refused = handler.handle(get("/", &[])).await;
        assert_eq!(refused.code(), 429);
        assert_eq!(field(&refused, "retry-after"), Some("2"));
        assert_eq!(status(&handler, "192.0.2.2:1", &[]).await, 200, "another client");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(status(&handler, "192.0.2.1:1", &[]).await, 200);
        assert_eq!(status(&handler, "192.0.2.1:1", &[]).await, 429);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_client_is_its_64() {
        let handler = shared(RateKey::Peer);
        assert_eq!(status(&handler, "[2001:db8:0:1::1]:1", &[]).await, 200);
        assert_eq!(status(&handler, "[2001:db8:0:1:ffff::9]:1", &[]).await, 200);
        assert_eq!(status(&handler, "[2001:db8:0:1:8::2]:1", &[]).await, 429);
        assert_eq!(status(&handler, "[2001:db8:0:2::1]:1", &[]).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_field_is_the_key_where_there_is_one() {
        let handler = shared(RateKey::Field(HeaderName::from_static("x-api-key")));
        let key = |key: &'static str| [("X-Api-Key", key)];
        assert_eq!(status(&handler, "192.0.2.1:1", &key("a")).await, 200);
        assert_eq!(status(&handler, "192.0.2.2:1", &key("a")).await, 200);
        assert_eq!(status(&handler, "192.0.2.3:1", &key("a")).await, 429);
        assert_eq!(status(&handler, "192.0.2.3:1", &key("b")).await, 200);
        for expected in [200, 200, 429] {
            assert_eq!(status(&handler, "192.0.2.3:1", &[]).await, expected, "then the address");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn peers_on_a_unix_socket_pass() {
        let handler = shared(RateKey::Peer);
        for _ in 0..5 {
            let mut request = get("/", &[]);
            request.peer = Arc::new(Peer::new(PeerAddr::Unix, false, 1));
            assert_eq!(handler.handle(request).await.code(), 200);
        }
    }
}
