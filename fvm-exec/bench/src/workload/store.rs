//! Blocks that never change, and what is written above them.
//!
//! ```text
//! Layer    one contender's own writes      16 shards, so that lanes seldom wait for each other
//!   └─ Base    the state before the first block    read-only, shared by all; may answer late, as a disk does
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::RwLock;

const SHARDS: usize = 16;

/// Blocks by CID.
pub type Blocks = HashMap<Cid, Vec<u8>>;

/// Blocks that nobody writes any more. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// The latest first.
    sets: Vec<Arc<Blocks>>,
    latency: Duration,
}

impl Base {
    /// These blocks above those.
    #[must_use]
    pub fn with(&self, blocks: Blocks) -> Self {
        let sets = std::iter::once(Arc::new(blocks)).chain(self.sets.iter().cloned()).collect();
        Self { sets, latency: self.latency }
    }

    /// The same blocks, each of which takes so long to read.
    #[must_use]
    pub fn slow(&self, latency: Duration) -> Self {
        Self { latency, ..self.clone() }
    }

    /// How long a read takes besides the look-up.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    fn find(&self, cid: &Cid) -> Option<&Vec<u8>> {
        self.sets.iter().find_map(|set| set.get(cid))
    }

    fn read(&self, cid: &Cid) -> Option<&Vec<u8>> {
        if !self.latency.is_zero() {
            std::thread::sleep(self.latency);
        }
        self.find(cid)
    }
}

/// What is written above a base. Clones share it.
#[derive(Clone, Debug)]
pub struct Layer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Base,
    shards: [RwLock<Blocks>; SHARDS],
}

impl Layer {
    /// Nothing written yet.
    pub fn new(base: Base) -> Self {
        Self(Arc::new(Inner { base, shards: Default::default() }))
    }

    /// What was written, taken out.
    pub fn take(&self) -> Blocks {
        self.0.shards.iter().flat_map(|shard| std::mem::take(&mut *shard.write())).collect()
    }

    /// The base with what was written, which is taken out.
    pub fn into_base(self) -> Base {
        self.0.base.with(self.take())
    }

    /// The hash's last byte says nothing about the one that the tables within look at.
    fn shard(&self, cid: &Cid) -> &RwLock<Blocks> {
        let last = cid.hash().digest().last().copied().unwrap_or_default();
        &self.0.shards[usize::from(last) % SHARDS]
    }
}

impl Blockstore for Layer {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(block) = self.shard(cid).read().get(cid) {
            return Ok(Some(block.clone()));
        }
        Ok(self.0.base.read(cid).cloned())
    }

    fn has(&self, cid: &Cid) -> anyhow::Result<bool> {
        Ok(self.shard(cid).read().contains_key(cid) || self.0.base.find(cid).is_some())
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.shard(cid).write().insert(*cid, block.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of_bytes;

    #[test]
    fn layers_over_one_base_do_not_see_each_other() {
        let [below, above] = [b"below", b"above"].map(|block| (cid_of_bytes(block), block.to_vec()));
        let base = Base::default().with(Blocks::from([below.clone()]));
        let (one, other) = (Layer::new(base.clone()), Layer::new(base));
        one.put_keyed(&above.0, &above.1).unwrap();
        assert_eq!(one.clone().get(&above.0).unwrap(), Some(above.1.clone()));
        assert_eq!(other.get(&above.0).unwrap(), None);
        assert!(!other.has(&above.0).unwrap() && other.has(&below.0).unwrap());
        assert_eq!(other.get(&below.0).unwrap(), Some(below.1));
        assert_eq!(one.take(), Blocks::from([above]));
    }

    #[test]
    fn slow_base_delays_its_own_reads_only() {
        let [below, above] = [b"below", b"above"].map(|block| (cid_of_bytes(block), block.to_vec()));
        let late = Duration::from_millis(20);
        let layer = Layer::new(Base::default().with(Blocks::from([below.clone()])).slow(late));
        layer.put_keyed(&above.0, &above.1).unwrap();
        let begun = std::time::Instant::now();
        layer.get(&above.0).unwrap();
        assert!(begun.elapsed() < late);
        layer.get(&below.0).unwrap();
        assert!(begun.elapsed() >= late);
    }
}
