//! The stored responses by key, with a limit in bytes and eviction of those that are rarely requested.
//!
//! `quick_cache` decides the order of eviction (S3-FIFO: responses that were requested once do not displace those that are requested again) and keeps the limit at any moment, in each of
//! its shards. A URI is one entry with all its variants, so that they are invalidated together; the newest variants are kept.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderName;
use quick_cache::sync::Cache as Shards;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::OBJECTS_AT_LEAST;
use super::key::Key;
use super::object::Stored;
use crate::proto::http::cache::vary;
use crate::proto::http::head::Head;

/// The most responses for one URI, by `Vary`.
pub(super) const MAX_VARIANTS: usize = 16;

/// The overhead of a URI beside its key and its variants.
const OVERHEAD: u64 = 256;

/// The expected size of a response, for the layout of the store; others are stored as well.
const USUAL_OBJECT: u64 = 16 << 10;

/// The most shards, each with its own lock.
const MAX_SHARDS: u64 = 64;

/// Counters of changes; keys share them by their hash.
const STAMPS: usize = 1024;

/// The entry of a URI.
#[derive(Debug, Default)]
struct Resource {
    /// The newest first.
    variants: Vec<Arc<Stored>>,
    /// Until then its responses count as not storable.
    uncacheable_until: Option<SystemTime>,
}

impl Resource {
    fn weight(&self) -> u64 {
        OVERHEAD + self.variants.iter().map(|stored| stored.weight()).sum::<u64>()
    }
}

#[derive(Clone, Debug)]
struct Weigh;

impl Weighter<Key, Arc<Resource>> for Weigh {
    fn weight(&self, key: &Key, resource: &Arc<Resource>) -> u64 {
        key.as_str().len() as u64 + resource.weight()
    }
}

/// Counts evictions.
#[derive(Clone, Debug, Default)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Key, Arc<Resource>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Arc<Resource>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The result of a look-up.
#[derive(Debug)]
pub(super) struct Found {
    /// The newest response that can be used for the request.
    pub(super) stored: Option<Arc<Stored>>,
    /// Whether there are responses to other requests for the URI.
    pub(super) others: bool,
    /// Whether its responses count as not storable.
    pub(super) uncacheable: bool,
    /// The request's values in the fields by which the newest response varies.
    pub(super) selection: Bytes,
}

/// A moment in the life of a key: responses to requests from before an invalidation are not stored after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64);

/// The stored responses.
pub(super) struct Store {
    shards: Shards<Key, Arc<Resource>, Weigh, RandomState, Evictions>,
    evictions: Evictions,
    /// The most bytes of one URI.
    max_resource: u64,
    /// Locked from reading an entry to replacing it.
    changing: Mutex<()>,
    stamps: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("weight", &self.shards.weight()).finish_non_exhaustive()
    }
}

impl Store {
    /// A store with this limit in bytes.
    pub(super) fn new(memory: u64, max_object: u64) -> Self {
        let most = memory / (OBJECTS_AT_LEAST / 2 * max_object).max(1);
        let shards = most.clamp(1, MAX_SHARDS);
        // Down to a power of two, as the bound is that of a shard.
        let shards = 1 << shards.ilog2();
        let hasher = RandomState::new();
        let evictions = Evictions::default();
        let items = usize::try_from(memory / USUAL_OBJECT).unwrap_or(usize::MAX).clamp(1024, 1 << 20);
        let options = OptionsBuilder::new()
            .weight_capacity(memory)
            .estimated_items_capacity(items)
            .shards(shards)
            .build();
        let shards = match options {
            Ok(options) => Shards::with_options(options, Weigh, hasher.clone(), evictions.clone()),
            Err(_) => Shards::with(items, memory, Weigh, hasher.clone(), evictions.clone()),
        };
        let max_resource = shards.shard_capacity() / 2;
        let stamps = std::iter::repeat_with(AtomicU64::default).take(STAMPS).collect();
        Self { shards, evictions, max_resource, changing: Mutex::new(()), stamps, hasher }
    }

    /// Looks up a request.
    pub(super) fn find(&self, key: &Key, request: &Head, now: SystemTime) -> Found {
        let Some(resource) = self.shards.get(key) else {
            return Found { stored: None, others: false, uncacheable: false, selection: Bytes::new() };
        };
        let mut selecting = Selecting { request, last: None };
        let found = resource.variants.iter().find(|stored| {
            let meta = &stored.meta;
            selecting.selection(&meta.names).is_some_and(|selection| selection == meta.selection)
        });
        let newest = resource.variants.first();
        let selection = newest.and_then(|newest| selecting.selection(&newest.meta.names)).unwrap_or_default();
        Found {
            stored: found.cloned(),
            others: newest.is_some(),
            uncacheable: resource.uncacheable_until.is_some_and(|until| now < until),
            selection,
        }
    }

    /// The moment of a request.
    pub(super) fn stamp(&self, key: &Key) -> Stamp {
        Stamp(self.stamp_of(key).load(Ordering::Acquire))
    }

    /// Stores a response in place of one for the same requests. `false` when the key was invalidated after the request.
    pub(super) fn insert(&self, key: &Key, stamp: Stamp, stored: Arc<Stored>) -> bool {
        let meta = &stored.meta;
        let mut variants = vec![Arc::clone(&stored)];
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stamp(key) != stamp {
            return false;
        }
        if let Some(resource) = self.shards.peek(key) {
            let same = |other: &&Arc<Stored>| {
                other.meta.names == meta.names && other.meta.selection == meta.selection
            };
            let others = resource.variants.iter().filter(|other| !same(other));
            variants.extend(others.take(MAX_VARIANTS - 1).cloned());
        }
        let mut resource = Resource { variants, uncacheable_until: None };
        while resource.variants.len() > 1 && resource.weight() > self.max_resource {
            resource.variants.pop();
        }
        self.shards.insert(key.clone(), Arc::new(resource));
        true
    }

    /// Removes one response that a newer, unstored one has outdated.
    pub(super) fn forget(&self, key: &Key, stored: &Arc<Stored>) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(resource) = self.shards.peek(key) else { return };
        let others = resource.variants.iter().filter(|other| !Arc::ptr_eq(other, stored));
        let resource =
            Resource { variants: others.cloned().collect(), uncacheable_until: resource.uncacheable_until };
        self.shards.insert(key.clone(), Arc::new(resource));
    }

    /// Remembers that the responses of a key cannot be stored.
    pub(super) fn mark_uncacheable(&self, key: &Key, until: SystemTime) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.shards.peek(key);
        // A mark that lasts nearly as long will do.
        let marked = old.as_ref().and_then(|old| old.uncacheable_until);
        if marked.is_some_and(|marked| marked + Duration::from_secs(1) > until) {
            return;
        }
        let variants = old.map(|old| old.variants.clone()).unwrap_or_default();
        self.shards.insert(key.clone(), Arc::new(Resource { variants, uncacheable_until: Some(until) }));
    }

    /// Invalidates a key. `true` when something was stored.
    pub(super) fn invalidate(&self, key: &Key) -> bool {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.stamp_of(key).fetch_add(1, Ordering::Release);
        self.shards.remove(key).is_some_and(|(_, resource)| !resource.variants.is_empty())
    }

    /// Removes keys by host and target, and returns how many had something stored.
    pub(super) fn purge(&self, host: &str, target: &str) -> usize {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.stamps.iter().for_each(|stamp| {
            stamp.fetch_add(1, Ordering::Release);
        });
        let count = AtomicU64::new(0);
        self.shards.retain(|key, resource| {
            let matches = key.matches(host, target);
            if matches && !resource.variants.is_empty() {
                count.fetch_add(1, Ordering::Relaxed);
            }
            !matches
        });
        usize::try_from(count.into_inner()).unwrap_or(usize::MAX)
    }

    /// URIs, bytes and evictions.
    pub(super) fn size(&self) -> (u64, u64, u64) {
        (self.shards.len() as u64, self.shards.weight(), self.evictions.0.load(Ordering::Relaxed))
    }

    fn stamp_of(&self, key: &Key) -> &AtomicU64 {
        &self.stamps[self.hasher.hash_one(key) as usize % STAMPS]
    }
}

/// The request's values in the fields by which responses vary. Most responses for a URI vary by the same.
struct Selecting<'a> {
    request: &'a Head,
    last: Option<(Arc<[HeaderName]>, Option<Bytes>)>,
}

impl Selecting<'_> {
    fn selection(&mut self, names: &Arc<[HeaderName]>) -> Option<Bytes> {
        if let Some((last, selection)) = &self.last
            && last == names
        {
            return selection.clone();
        }
        let selection = vary::selection(names, self.request);
        self.last = Some((Arc::clone(names), selection.clone()));
        selection
    }
}
