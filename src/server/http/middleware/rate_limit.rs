//! How many requests a second one client may make, by token bucket: so many at once, then so many a second.
//!
//! A client is its IPv4 address or its IPv6 /64 (a customer of a provider has that many, RFC 6177), what a field of
//! the request says, or the name under which it was let in. Peers on a Unix socket, and those that have no key, share no
//! fate: they pass.

mod shared;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use http::{HeaderName, StatusCode};
use ring::digest::{SHA256, digest};

use self::shared::Shared;
pub use self::shared::{Leasing, TokenStore};
use super::auth::AuthName;
use super::later;
use crate::net::addr::Prefixes;
use crate::net::bucket::{Buckets, Rate};
use crate::net::leases::Terms;
use crate::net::limits::Source;
use crate::net::service::{Limited, RateLimit as Limiter, Service};
use crate::proto::http::{forwarded, retry_after};
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Whom requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// The client's address: the peer's, or the one that trusted proxies tell ([`RateLimit::trusting`]).
    Peer,
    /// The first line of a field; the client's address when the request has none. A field that clients may choose freely
    /// limits nobody.
    Field(HeaderName),
    /// The name under which the request was let in ([`AuthName`]); the client's address when it has none.
    User,
}

/// A client, in few bytes whatever it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Source(Source),
    /// The hash of a field or a name, with a seed that no client knows.
    Text(u64),
    /// The first half of its SHA-256, which is the same in all processes.
    Digest([u8; 16]),
}

/// As other processes write it, too: `192.0.2.1`, `2001:db8:0:1::/64`, or the digest in hex.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(Source::V4(octets)) => write!(f, "{}", Ipv4Addr::from(*octets)),
            Self::Source(Source::V6Net(net)) => {
                let net = u128::from(u64::from_be_bytes(*net)) << 64;
                write!(f, "{}/64", Ipv6Addr::from(net))
            }
            Self::Text(hash) => write!(f, "{hash:016x}"),
            Self::Digest(digest) => write!(f, "{:032x}", u128::from_be_bytes(*digest)),
        }
    }
}

/// The digest of a field or a name.
fn digested(text: &[u8]) -> Key {
    let mut half = [0; 16];
    half.copy_from_slice(&digest(&SHA256, text).as_ref()[..16]);
    Key::Digest(half)
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

/// The part that limits rates: over it 429 with `Retry-After`. Clones count together.
#[derive(Clone, Debug)]
pub struct RateLimit {
    by: RateKey,
    trusted: Prefixes,
    hasher: RandomState,
    rate: Rate,
    max_keys: usize,
    limiter: Arc<Limiter<Permission, Key, KeyOf>>,
    /// What counts first.
    shared: Option<Arc<Shared>>,
}

impl RateLimit {
    /// Keys that are remembered at most by default.
    pub const MAX_KEYS: usize = Buckets::<u64>::MAX_KEYS;

    /// Requests at `rate` for each client, remembering at most `max_keys` of them: beyond that the least busy are
    /// forgotten.
    #[must_use]
    pub fn new(rate: Rate, by: RateKey, max_keys: usize) -> Self {
        let key: KeyOf = |key| Some(*key);
        let limiter = Arc::new(Limiter::new(Permission, rate, max_keys, key));
        let hasher = RandomState::new();
        Self { by, trusted: Prefixes::default(), hasher, rate, max_keys, limiter, shared: None }
    }

    /// The same, counted together with other processes, which give this limit the same name. While the store does not answer, requests are
    /// counted here alone.
    #[must_use]
    pub fn sharing(mut self, name: String, terms: Terms, store: Arc<dyn TokenStore>) -> Self {
        self.shared = Some(Arc::new(Shared::new(name, terms, self.max_keys, store)));
        self
    }

    /// Counts on from where `before` is, together with it, if both count the same at the same rate; says whether they do.
    pub fn count_on(&mut self, before: &Self) -> bool {
        let same = self.by == before.by && self.rate == before.rate && self.max_keys == before.max_keys;
        if same {
            self.hasher = before.hasher.clone();
            self.limiter = Arc::clone(&before.limiter);
        }
        same
    }

    /// The same behind these proxies: of whom they tell, by `X-Forwarded-For`, is the client.
    #[must_use]
    pub fn trusting(mut self, proxies: Prefixes) -> Self {
        self.trusted = proxies;
        self
    }

    /// Whom the request counts for; `None` to let it pass.
    pub(super) fn key(&self, request: &Request) -> Option<Key> {
        let text = match &self.by {
            RateKey::Peer => None,
            RateKey::Field(name) => request.head.field(name.as_str()),
            RateKey::User => request.extensions.get::<AuthName>().map(|name| name.0.as_bytes()),
        };
        let key = |text| match &self.shared {
            None => Key::Text(self.hasher.hash_one(text)),
            Some(_) => digested(text),
        };
        text.map(key).or_else(|| self.source(request))
    }

    /// The client's address.
    fn source(&self, request: &Request) -> Option<Key> {
        let peer = request.peer.addr.ip()?;
        let client = if self.trusted.is_empty() {
            peer
        } else {
            forwarded::client(&*request.head, peer, |ip| self.trusted.contains(ip))
        };
        Some(Key::Source(Source::of(client)))
    }

    /// Counts a request.
    pub(super) async fn before(&self, key: Key) -> ControlFlow<Response> {
        match self.count(key).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(limited) => ControlFlow::Break(later(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests",
                retry_after::seconds(limited.retry_after),
            )),
        }
    }

    async fn count(&self, key: Key) -> Result<(), Limited> {
        if let Some(shared) = &self.shared
            && let Some(counted) = shared.count(key).await
        {
            return counted;
        }
        self.limiter.call(key).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::{field, get, peer};
    use super::*;
    use crate::net::addr::PeerAddr;
    use crate::server::http::handler::SharedHandler;
    use crate::server::http::middleware::Stack;
    use crate::server::peer::Peer;

    async fn fine(_: Request) -> &'static str {
        "fine"
    }

    fn limit(by: RateKey) -> RateLimit {
        RateLimit::new(Rate::new(0.5, 2).unwrap(), by, 100)
    }

    fn limited(limit: RateLimit) -> SharedHandler {
        Stack { rate_limit: Some(limit), ..Stack::default() }.around(Arc::new(fine))
    }

    fn shared(by: RateKey) -> SharedHandler {
        limited(limit(by))
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
    async fn a_limit_counts_on_from_one_that_is_the_same() {
        let key = RateKey::Field(HeaderName::from_static("x-key"));
        let before = limit(key.clone());
        let handler = limited(before.clone());
        for expected in [200, 200, 429] {
            assert_eq!(status(&handler, "192.0.2.1:1", &[("X-Key", "a")]).await, expected);
        }
        let other = RateLimit::new(Rate::new(0.5, 3).unwrap(), key.clone(), 100);
        for (mut next, counts_on) in [(limit(key), true), (other, false), (limit(RateKey::Peer), false)] {
            assert_eq!(next.count_on(&before), counts_on);
            let expected = if counts_on { 429 } else { 200 };
            assert_eq!(status(&limited(next), "192.0.2.1:1", &[("X-Key", "a")]).await, expected);
        }
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
    async fn behind_a_trusted_proxy_its_client_counts() {
        let handler = limited(limit(RateKey::Peer).trusting("192.0.2.1".parse().unwrap()));
        let from = |client: &'static str| [("X-Forwarded-For", client)];
        for expected in [200, 200, 429] {
            assert_eq!(status(&handler, "192.0.2.1:1", &from("198.51.100.7")).await, expected);
        }
        assert_eq!(status(&handler, "192.0.2.1:1", &from("198.51.100.8")).await, 200);
        for (number, expected) in [(1, 200), (2, 200), (3, 429)] {
            let forged = format!("203.0.113.{number}");
            let fields = [("X-Forwarded-For", forged.as_str())];
            assert_eq!(status(&handler, "192.0.2.9:1", &fields).await, expected, "a stranger's word");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_counts_from_everywhere_and_clones_count_together() {
        let one = limit(RateKey::User);
        let handlers = [limited(one.clone()), limited(one)];
        for (number, (user, expected)) in
            [("a", 200), ("a", 200), ("a", 429), ("b", 200)].into_iter().enumerate()
        {
            let mut request = get("/", &[]);
            request.peer = peer(&format!("192.0.2.{number}:1"), false);
            request.extensions_mut().insert(AuthName(user.into()));
            assert_eq!(handlers[number % 2].handle(request).await.code(), expected, "{number}");
        }
        assert_eq!(status(&handlers[0], "192.0.2.1:1", &[]).await, 200, "without a name it is the address");
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
