//! How many calls a second one peer may make, by token bucket: so many at once, then so many a second.
//!
//! A peer is the first name of its TLS certificate; without one its IPv4 address or its IPv6 /64 (a customer of a provider has that many, RFC
//! 6177). Peers on a Unix socket have neither: they pass. A call over the limit ends at once with `resource_exhausted`, never has reached a
//! handler, and is told when there is a token again.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use super::{Answer, Incoming};
use crate::net::bucket::{Buckets, Rate};
use crate::net::limits::Source;
use crate::net::service::{Layer, RateLimit as Limiter, Service};
use crate::proto::rpc::status::{Advice, Code, Status};

/// A peer, in few bytes whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Source(Source),
    /// The hash of a name, with a seed that no peer knows.
    Name(u64),
}

/// Whom a call counts for; `None` to let it pass.
type KeyOf = fn(&Incoming) -> Option<Key>;

fn key(incoming: &Incoming) -> Option<Key> {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let peer = &incoming.context.peer;
    match peer.tls_session().and_then(|session| session.names().first()) {
        Some(name) => Some(Key::Name(HASHER.hash_one(name))),
        None => peer.addr.ip().map(|ip| Key::Source(Source::of(ip))),
    }
}

/// The layer that limits how many calls a second each peer makes, all methods together.
#[derive(Clone, Debug)]
pub struct RateLimit {
    rate: Rate,
    max_peers: usize,
    refused: Arc<AtomicU64>,
}

impl RateLimit {
    /// Peers that are remembered at most by default: beyond that the least busy are forgotten.
    pub const MAX_PEERS: usize = Buckets::<u64>::MAX_KEYS;

    /// Calls at `rate` for each peer.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, max_peers: Self::MAX_PEERS, refused: Arc::default() }
    }

    /// How many peers are remembered at most, in place of [`MAX_PEERS`](Self::MAX_PEERS).
    #[must_use]
    pub fn max_peers(self, max_peers: usize) -> Self {
        Self { max_peers, ..self }
    }

    /// Calls that were refused, by this layer and its clones.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for RateLimit {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> RateLimited<S> {
        let limiter = Limiter::new(inner, self.rate, self.max_peers, key as KeyOf);
        RateLimited { limiter, refused: Arc::clone(&self.refused) }
    }
}

/// A service with a [`RateLimit`] around it.
pub struct RateLimited<S> {
    limiter: Limiter<S, Key, KeyOf>,
    refused: Arc<AtomicU64>,
}

impl<S> fmt::Debug for RateLimited<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimited").field("refused", &self.refused).finish_non_exhaustive()
    }
}

impl<S: Service<Incoming, Res = Answer>> Service<Incoming> for RateLimited<S> {
    type Res = Answer;

    async fn call(&self, incoming: Incoming) -> Answer {
        match self.limiter.call(incoming).await {
            Ok(answer) => answer,
            Err(limited) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let status = Status::new(Code::ResourceExhausted, "too many calls a second");
                status.advice(Advice::Later(limited.retry_after)).into()
            }
        }
    }
}
