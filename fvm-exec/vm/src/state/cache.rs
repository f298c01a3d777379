//! A map of bounded size that lanes share.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

/// Parts with a lock each, so that lanes seldom meet at one.
const SHARDS: usize = 64;

/// What was used lately. When the younger half is full the older one is forgotten.
pub(super) struct Cache<K, V> {
    shards: Vec<RwLock<Halves<K, V>>>,
    hasher: RandomState,
    half_max: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Halves<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// A cache of about `entries_max` entries.
    pub(super) fn new(entries_max: usize) -> Self {
        let shard = || RwLock::new(Halves { young: HashMap::new(), old: HashMap::new() });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            half_max: (entries_max / SHARDS / 2).max(1),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: &K) -> &RwLock<Halves<K, V>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// What is known of `key`.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let shard = self.shard(key);
        let halves = shard.read();
        if let Some(value) = halves.young.get(key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Some(value.clone());
        }
        if !halves.old.contains_key(key) {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        drop(halves);
        let mut halves = shard.write();
        let value = halves.old.remove(key)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.insert_into(&mut halves, key.clone(), value.clone());
        Some(value)
    }

    /// What is known of `key`. Does not count as use.
    pub(super) fn peek(&self, key: &K) -> Option<V> {
        let halves = self.shard(key).read();
        halves.young.get(key).or_else(|| halves.old.get(key)).cloned()
    }

    /// Whether `key` is known. Does not count as use.
    pub(super) fn contains(&self, key: &K) -> bool {
        let halves = self.shard(key).read();
        halves.young.contains_key(key) || halves.old.contains_key(key)
    }

    /// From now on this is known of `key`.
    pub(super) fn put(&self, key: K, value: V) {
        let mut halves = self.shard(&key).write();
        halves.old.remove(&key);
        self.insert_into(&mut halves, key, value);
    }

    fn insert_into(&self, halves: &mut Halves<K, V>, key: K, value: V) {
        if halves.young.len() >= self.half_max && !halves.young.contains_key(&key) {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, value);
    }

    /// How often something was known, and how often not.
    pub(super) fn uses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_value_is_kept() {
        let cache = Cache::new(1_000);
        assert_eq!(cache.get(&7), None);
        cache.put(7, "one");
        cache.put(7, "two");
        assert_eq!(cache.get(&7), Some("two"));
        assert_eq!(cache.uses(), (1, 1));
    }

    #[test]
    fn size_is_bounded_and_used_entries_stay() {
        let cache = Cache::new(SHARDS * 8);
        for key in 0..100_000u32 {
            cache.put(key, key);
            cache.put(u32::MAX, 0);
        }
        let held: usize = cache.shards.iter().map(|shard| shard.read().young.len() + shard.read().old.len()).sum();
        assert!(held <= SHARDS * 8, "{held} entries");
        assert!(cache.contains(&u32::MAX));
    }

    #[test]
    fn old_value_never_comes_back() {
        let cache = Cache::new(SHARDS * 2);
        for key in 0..10_000u32 {
            cache.put(key, 1);
            cache.put(key / 2, 2);
            assert_eq!(cache.get(&(key / 2)), Some(2));
        }
    }
}
