//! Files that were asked for lately, by the path under which they were: what makes the next answer cheap.
//!
//! An entry is trusted for a while, a second by default; then one request looks at the disk again, and the others of that
//! moment still get what is there. Time is an argument. Room is made by giving each entry a second chance: one that was
//! asked for since it was last looked at stays.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry::Entry;

/// Parts of a cache, each with a lock of its own.
const SHARDS: usize = 8;

/// How much a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Paths. 0 keeps nothing.
    pub entries: usize,
    /// Bytes of content in memory, compressed siblings included.
    pub bytes: usize,
    /// Open descriptors of files that are too large for memory.
    pub descriptors: usize,
    /// Bytes of a file up to which its content is kept in memory; a larger one is kept open.
    pub file: u64,
    /// How long an entry is trusted without a look at the disk.
    pub trust: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            entries: 4096,                 // nginx's examples have 1000 to 10000; off by default there
            bytes: 64 << 20,               // Varnish 256 MiB
            descriptors: 256,              // a quarter of the customary limit of a process
            file: 32 << 10,                // above, sendfile is cheaper than a copy
            trust: Duration::from_secs(1), // nginx 60 s
        }
    }
}

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    /// Of one shard.
    limits: CacheLimits,
}

/// What a cache knows of a path.
#[derive(Debug)]
pub(super) enum Known {
    /// It may be used as it is.
    Fresh(Arc<Entry>),
    /// The caller is to look at the disk, and then [`Cache::keep`] or [`Cache::forget`].
    Stale(Arc<Entry>),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Box<[u8]>, Slot>,
    /// The keys of `slots`, in the order in which room is made.
    order: VecDeque<Box<[u8]>>,
    bytes: usize,
    descriptors: usize,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    checked: Instant,
    /// Whether it was asked for since room was last made at its place.
    used: bool,
}

impl Cache {
    pub(super) fn new(limits: CacheLimits) -> Self {
        Self {
            shards: Default::default(),
            limits: CacheLimits {
                entries: limits.entries.div_ceil(SHARDS),
                bytes: limits.bytes / SHARDS,
                descriptors: limits.descriptors.div_ceil(SHARDS),
                ..limits
            },
        }
    }

    /// Looks a path up.
    pub(super) fn look(&self, key: &[u8], now: Instant) -> Known {
        let mut shard = self.shard(key);
        let Some(slot) = shard.slots.get_mut(key) else {
            return Known::Nothing;
        };
        slot.used = true;
        if now.saturating_duration_since(slot.checked) < self.limits.trust {
            Known::Fresh(Arc::clone(&slot.entry))
        } else {
            // Set now, so that only one caller looks at the disk.
            slot.checked = now;
            Known::Stale(Arc::clone(&slot.entry))
        }
    }

    /// Keeps an entry, which was true at `now`.
    pub(super) fn keep(&self, key: &[u8], entry: &Arc<Entry>, now: Instant) {
        let fits = self.limits.entries > 0
            && entry.bytes() <= self.limits.bytes
            && entry.descriptors() <= self.limits.descriptors;
        let mut shard = self.shard(key);
        if fits {
            shard.insert(key, entry, now);
            shard.make_room(&self.limits);
        } else {
            shard.remove(key);
        }
    }

    /// Forgets a path.
    pub(super) fn forget(&self, key: &[u8]) {
        self.shard(key).remove(key);
    }

    /// How many paths are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| shard.lock().map_or(0, |shard| shard.slots.len());
        self.shards.iter().map(count).sum()
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let sum =
            key.iter().rev().take(8).fold(key.len(), |sum, &byte| sum.wrapping_mul(31) ^ usize::from(byte));
        self.shards[sum % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn insert(&mut self, key: &[u8], entry: &Arc<Entry>, now: Instant) {
        let slot = Slot { entry: Arc::clone(entry), checked: now, used: false };
        self.bytes += entry.bytes();
        self.descriptors += entry.descriptors();
        match self.slots.insert(key.into(), slot) {
            Some(old) => self.count_out(&old),
            None => self.order.push_back(key.into()),
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(old) = self.slots.remove(key) {
            self.count_out(&old);
            self.order.retain(|known| **known != *key);
        }
    }

    fn count_out(&mut self, slot: &Slot) {
        self.bytes -= slot.entry.bytes();
        self.descriptors -= slot.entry.descriptors();
    }

    fn make_room(&mut self, limits: &CacheLimits) {
        while self.slots.len() > limits.entries
            || self.bytes > limits.bytes
            || self.descriptors > limits.descriptors
        {
            let Some(key) = self.order.pop_front() else {
                return;
            };
            match self.slots.get_mut(&key) {
                Some(slot) if slot.used => {
                    slot.used = false;
                    self.order.push_back(key);
                }
                _ => {
                    if let Some(old) = self.slots.remove(&key) {
                        self.count_out(&old);
                    }
                }
            }
        }
    }
}
