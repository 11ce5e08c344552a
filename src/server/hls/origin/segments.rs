//! Segments in memory, shared by all viewers: those that are asked for often stay, within a limit of bytes.
//!
//! Of those who ask for a segment that is not there, one cuts it and the others wait for it; should that one leave, the next one goes
//! on. `quick_cache` keeps the limit at any moment, in each of its shards, and lets segments that were asked for once not displace those that
//! are asked for again.

use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::server::http::problem::Problem;

/// The bytes of a shard, at least: several segments fit into one. 6 s at 20 Mb/s are 15 MB.
const SHARD: u64 = 64 << 20;

/// The most shards, each with its own lock.
const MAX_SHARDS: u64 = 16;

/// The expected size of a segment, for the layout of the cache; others are kept as well.
const USUAL: u64 = 512 << 10;

/// The overhead of a segment beside its bytes.
const OVERHEAD: u64 = 128;

/// Which segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Of an opened film: no other has the same, nor has this one after it has changed.
    pub(super) film: u64,
    /// Which of its renditions.
    pub(super) rendition: usize,
    /// Which of its segments, from 0.
    pub(super) segment: usize,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Bytes> for Weigh {
    fn weight(&self, _: &Key, segment: &Bytes) -> u64 {
        OVERHEAD + segment.len() as u64
    }
}

/// The segments.
pub(super) struct Segments {
    cache: Cache<Key, Bytes, Weigh, RandomState>,
    asked: AtomicU64,
    cut: AtomicU64,
}

impl Segments {
    /// None, with this limit in bytes.
    pub(super) fn new(memory: u64) -> Self {
        let shards = 1 << (memory / SHARD).clamp(1, MAX_SHARDS).ilog2();
        let items = usize::try_from(memory / USUAL).unwrap_or(usize::MAX).clamp(64, 1 << 20);
        let options = OptionsBuilder::new()
            .weight_capacity(memory)
            .estimated_items_capacity(items)
            .shards(shards)
            .build();
        let lifecycle = DefaultLifecycle::default();
        let cache = match options {
            Ok(options) => Cache::with_options(options, Weigh, RandomState::new(), lifecycle),
            Err(_) => Cache::with(items, memory, Weigh, RandomState::new(), lifecycle),
        };
        Self { cache, asked: AtomicU64::new(0), cut: AtomicU64::new(0) }
    }

    /// The segment: from memory, or by `cut`, which runs once for all who ask at the same time.
    ///
    /// # Errors
    /// Those of `cut`. Each of those who waited tries it then.
    pub(super) async fn get<F>(&self, key: Key, cut: F) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Bytes, Problem>>,
    {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let cut = async {
            self.cut.fetch_add(1, Ordering::Relaxed);
            cut.await
        };
        self.cache.get_or_insert_async(&key, cut).await
    }

    /// How often a segment was asked for.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How often it was cut for that.
    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    fn key(segment: usize) -> Key {
        Key { film: 1, rendition: 0, segment }
    }

    #[tokio::test]
    async fn one_cuts_and_the_others_wait() {
        let segments = Segments::new(1 << 20);
        let go = Semaphore::new(0);
        let ask = || {
            segments.get(key(1), async {
                go.acquire().await.unwrap().forget();
                Ok(Bytes::from_static(b"segment"))
            })
        };
        // One permit: a second who cuts would wait for ever.
        let all = join_all((0..50).map(|_| ask()));
        let (all, ()) = tokio::join!(all, async { go.add_permits(1) });
        assert!(all.into_iter().all(|found| found.ok().as_deref() == Some(b"segment")));
        assert_eq!((segments.asked(), segments.cut()), (50, 1));
    }

    #[tokio::test]
    async fn who_leaves_or_fails_leaves_it_to_the_next() {
        let segments = Arc::new(Segments::new(1 << 20));
        let never = Box::pin(segments.get(key(1), std::future::pending()));
        let mut never = never;
        assert!(futures_util::poll!(&mut never).is_pending());
        let waiting = segments.get(key(1), async { Ok(Bytes::from_static(b"next")) });
        let mut waiting = Box::pin(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(never);
        assert_eq!(waiting.await.ok().as_deref(), Some(&b"next"[..]));
        assert!(segments.get(key(2), async { Err(Problem::not_found()) }).await.is_err());
        assert!(segments.get(key(2), async { Ok(Bytes::new()) }).await.is_ok());
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let segments = Segments::new(1 << 20);
        for at in 0..100 {
            segments.get(key(at), async { Ok(vec![0; 100_000].into()) }).await.ok().unwrap();
        }
        assert!(segments.bytes() <= 1 << 20 && segments.bytes() > 500_000, "{}", segments.bytes());
        // What is larger than all is cut, sent, and not kept.
        let large = segments.get(key(1000), async { Ok(vec![0; 2 << 20].into()) }).await.ok().unwrap();
        assert!(large.len() == 2 << 20 && segments.bytes() <= 1 << 20);
    }
}
