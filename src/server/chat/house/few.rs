//! A map that has few entries most of the time: sorted, in one piece of memory.
//!
//! Every session has one of the rooms that it reads, and nearly all of them read a handful: tables for hashing would be the larger part of
//! what these entries need.

/// Entries up to which memory is asked for one by one.
const EXACT: usize = 4;

/// A map from `K` to `V`. Looking up takes logarithmic time, inserting and removing linear time.
#[derive(Debug)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Ord, V> Few<K, V> {
    fn find(&self, key: K) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(key, _)| *key)
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    /// The value that the key had before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                if self.0.len() < EXACT {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let removed = self.find(key).ok().map(|at| self.0.remove(at).1);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        removed
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.0.iter().map(|(key, _)| *key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut few = Few::default();
        let mut map = BTreeMap::new();
        let mut number = 1_u32;
        for step in 0..500 {
            // A sequence without a pattern, over few keys.
            number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let key = number >> 16 & 15;
            if number >> 20 & 1 == 0 {
                assert_eq!(few.insert(key, step), map.insert(key, step));
            } else {
                assert_eq!(few.remove(key), map.remove(&key));
            }
            assert_eq!(few.get(key), map.get(&key));
            assert!(few.keys().eq(map.keys().copied()));
            assert!(few.values().eq(map.values()));
        }
    }

    #[test]
    fn few_entries_need_no_more_memory_than_they_have() {
        let mut few = Few::default();
        for key in 0..EXACT {
            few.insert(key, ());
            assert_eq!(few.0.capacity(), key + 1);
        }
        assert!((0..EXACT).all(|key| few.remove(key).is_some()));
        assert_eq!(few.0.capacity(), 0);
    }
}
