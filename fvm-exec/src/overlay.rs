//! A blockstore that collects what is written and leaves the one below it alone.
//!
//! Everything a block writes must reach the disk in the node's one atomic batch or not at all, so execution writes
//! here and hands the result back: what the final state reaches, and nothing of what messages wrote on the way.
//!
//! It also remembers the first failure of the store below. The VM turns a failed read into a receipt with a failing
//! exit code, which is right for a fault that every node has and would fork this node off for a fault of its own
//! disk; the executor asks [`Overlay::failure`] before it believes any receipt.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cid::Cid;
use foldhash::fast::RandomState;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;
use subnet_types::hash::BLAKE2B_256;

use crate::error::ExecError;
use crate::links;

/// Lanes that write different blocks seldom wait for each other.
const SHARDS: usize = 64;

/// Collects writes over `base`. Clones share what they collect.
pub struct Overlay<B>(Arc<Inner<B>>);

struct Inner<B> {
    base: B,
    written: Written<Mutex<Shard>>,
    failure: Mutex<Option<ExecError>>,
}

/// What was written, by the first byte of the digest.
struct Written<S>([S; SHARDS]);

/// Blocks are shared, so that none is copied while its shard is locked. Hashed with a secret of this process: an actor may
/// not choose which blocks get in each other's way.
type Shard = HashMap<Cid, Arc<[u8]>, RandomState>;

/// An IPLD block by its CID. Clones share the bytes.
pub type IpldBlock = (Cid, Arc<[u8]>);

impl<B> Clone for Overlay<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Blockstore> Overlay<B> {
    /// Nothing written yet.
    pub fn new(base: B) -> Self {
        Self(Arc::new(Inner { base, written: Written::default(), failure: Mutex::default() }))
    }

    /// The first failure of the store below, if there was one.
    pub fn failure(&self) -> Option<ExecError> {
        self.0.failure.lock().clone()
    }

    /// The same, which is then forgotten: what was read need not have been there, as where somebody has made it up.
    /// Whatever was executed meanwhile must not count.
    pub fn take_failure(&self) -> Option<ExecError> {
        self.0.failure.lock().take()
    }

    /// Takes out what was written and is reached from `roots`, in ascending order of CID, and drops the rest. Blocks
    /// that the store below has may be among it, if they were written again.
    ///
    /// # Errors
    /// When a block is not what the VM lets through.
    pub fn take(&self, roots: &[Cid]) -> Result<Vec<IpldBlock>, ExecError> {
        self.take_with(roots, Vec::new())
    }

    /// The same, and with `others` among what was taken.
    ///
    /// # Errors
    /// As there.
    pub fn take_with(&self, roots: &[Cid], mut others: Vec<IpldBlock>) -> Result<Vec<IpldBlock>, ExecError> {
        let mut written = self.0.written.take();
        let filter = Filter::of(&written);
        let mut found = reached(roots, |cid| filter.may_hold(cid), |cid| written.shard_mut(cid).remove(cid))?;
        found.append(&mut others);
        Ok(in_order(found))
    }

    /// What was written and is reached from `roots`, in ascending order of CID. It stays written.
    ///
    /// # Errors
    /// When a block is not what the VM lets through.
    pub fn reached(&self, roots: &[Cid]) -> Result<Vec<IpldBlock>, ExecError> {
        let mut seen = BTreeSet::new();
        let find = |cid: &Cid| {
            if seen.insert(*cid) { self.0.written.shard(cid).lock().get(cid).cloned() } else { None }
        };
        Ok(in_order(reached(roots, |_| true, find)?))
    }

    fn note(&self, failure: ExecError) {
        self.0.failure.lock().get_or_insert(failure);
    }

    fn note_error(&self, cid: &Cid, error: &anyhow::Error) {
        self.note(ExecError::Store { cid: Box::new(*cid), reason: format!("{error:#}") });
    }
}

/// Bits of a filter for each block that is in it: one link in sixteen to another block is looked up in vain.
const FILTER_BITS_PER_BLOCK: usize = 16;

/// Tells at once of nearly all links that they lead to nothing that was written: a changed state has some thirty links for
/// each changed actor, and nearly all of them are to what is old. Small enough to stay near the core.
struct Filter {
    bits: Vec<u64>,
}

impl Filter {
    fn of(written: &Written<Shard>) -> Self {
        let blocks: usize = written.0.iter().map(HashMap::len).sum();
        let words = (blocks * FILTER_BITS_PER_BLOCK / 64).next_power_of_two();
        let mut filter = Self { bits: vec![0; words] };
        for cid in written.0.iter().flat_map(HashMap::keys) {
            let (word, bit) = filter.place(cid);
            filter.bits[word] |= bit;
        }
        filter
    }

    fn may_hold(&self, cid: &Cid) -> bool {
        let (word, bit) = self.place(cid);
        self.bits[word] & bit != 0
    }

    /// Digests are as good as random. Their first byte has chosen the shard.
    fn place(&self, cid: &Cid) -> (usize, u64) {
        let mut hash = [0; 8];
        let digest = cid.hash().digest().get(1..).unwrap_or_default();
        let known = digest.len().min(hash.len());
        hash[..known].copy_from_slice(&digest[..known]);
        let hash = u64::from_le_bytes(hash);
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }
}

/// The blocks that `find` has, once each, among what is reached from `roots`. It is asked for nothing of which `may_find`
/// says that it has it not.
fn reached(
    roots: &[Cid],
    may_find: impl Fn(&Cid) -> bool,
    mut find: impl FnMut(&Cid) -> Option<Arc<[u8]>>,
) -> Result<Vec<IpldBlock>, ExecError> {
    let (mut found, mut open) = (Vec::new(), roots.to_vec());
    while let Some(cid) = open.pop() {
        let written = if links::inline(&cid).is_some() { None } else { find(&cid) };
        // What was not written, and all below it, is in the store already.
        let Some(block) = links::inline(&cid).or(written.as_deref()) else { continue };
        let follow = |link: Cid| {
            if may_find(&link) || links::inline(&link).is_some() {
                open.push(link);
            }
        };
        links::for_each(&cid, block, follow)
            .map_err(|reason| ExecError::State { what: "a written block", reason: format!("{cid}: {reason}") })?;
        if let Some(block) = written {
            found.push((cid, block));
        }
    }
    Ok(found)
}

/// In ascending order of CID, each once.
fn in_order(mut blocks: Vec<IpldBlock>) -> Vec<IpldBlock> {
    blocks.sort_unstable_by_key(|(cid, _)| *cid);
    blocks.dedup_by_key(|(cid, _)| *cid);
    blocks
}

impl<B: Blockstore> Blockstore for Overlay<B> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        let known = self.0.written.shard(cid).lock().get(cid).cloned();
        if let Some(block) = known {
            return Ok(Some(block.to_vec()));
        }
        let found = self.0.base.get(cid).inspect_err(|error| self.note_error(cid, error))?;
        // The state is closed under links: whoever asks for a block found its CID there. CIDs with another hash may
        // name data that lives off chain.
        if found.is_none() && cid.hash().code() == BLAKE2B_256 {
            self.note(ExecError::MissingBlock { cid: *cid });
        }
        Ok(found)
    }

    fn has(&self, cid: &Cid) -> anyhow::Result<bool> {
        if self.0.written.shard(cid).lock().contains_key(cid) {
            return Ok(true);
        }
        self.0.base.has(cid).inspect_err(|error| self.note_error(cid, error))
    }

    // Nearly every block is new, so asking the disk for each would cost more than writing the rare known one again.
    fn put_keyed(&self, cid: &Cid, bytes: &[u8]) -> anyhow::Result<()> {
        let block = Arc::from(bytes);
        self.0.written.shard(cid).lock().insert(*cid, block);
        Ok(())
    }
}

impl<S: Default> Default for Written<S> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| S::default()))
    }
}

impl<S> Written<S> {
    fn shard(&self, cid: &Cid) -> &S {
        &self.0[Self::index(cid)]
    }

    fn shard_mut(&mut self, cid: &Cid) -> &mut S {
        &mut self.0[Self::index(cid)]
    }

    fn index(cid: &Cid) -> usize {
        let byte = cid.hash().digest().first().copied().unwrap_or_default();
        usize::from(byte) % SHARDS
    }
}

impl Written<Mutex<Shard>> {
    /// Leaves nothing.
    fn take(&self) -> Written<Shard> {
        Written(self.0.each_ref().map(|shard| std::mem::take(&mut *shard.lock())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_blockstore::{Block, MemoryBlockstore};
    use fvm_ipld_encoding::{CborStore, DAG_CBOR, IPLD_RAW, to_vec};
    use multihash_codetable::Code::Blake2b256;
    use multihash_codetable::{Multihash, MultihashDigest};
    use subnet_types::hash::cid_of;

    struct BrokenDisk;

    impl Blockstore for BrokenDisk {
        fn get(&self, _: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
            Err(anyhow::anyhow!("bad sector"))
        }
        fn put_keyed(&self, _: &Cid, _: &[u8]) -> anyhow::Result<()> {
            Err(anyhow::anyhow!("read only"))
        }
    }

    #[test]
    fn writes_are_seen_here_and_not_below() {
        let base = MemoryBlockstore::default();
        let overlay = Overlay::new(&base);
        let cid = overlay.put_cbor(&"new", Blake2b256).unwrap();
        assert_eq!(overlay.get_cbor::<String>(&cid).unwrap().unwrap(), "new");
        assert!(overlay.has(&cid).unwrap());
        assert!(!base.has(&cid).unwrap());
        assert_eq!(overlay.take(&[cid]).unwrap().iter().map(|(cid, _)| *cid).collect::<Vec<_>>(), [cid]);
        assert!(overlay.take(&[cid]).unwrap().is_empty());
    }

    #[test]
    fn only_what_the_roots_reach_is_taken_from_all_clones() {
        let base = MemoryBlockstore::default();
        let old = base.put_cbor(&"old", Blake2b256).unwrap();
        let overlay = Overlay::new(&base);
        let leaf = overlay.clone().put_cbor(&"leaf", Blake2b256).unwrap();
        let raw = overlay.put(Blake2b256, &Block::new(IPLD_RAW, b"raw")).unwrap();
        let branch = overlay.put_cbor(&(leaf, raw, old), Blake2b256).unwrap();
        let other = overlay.put_cbor(&"other root", Blake2b256).unwrap();
        overlay.put_cbor(&("given up", leaf), Blake2b256).unwrap();
        let inline = Cid::new_v1(DAG_CBOR, Multihash::wrap(0, &to_vec(&branch).unwrap()).unwrap());
        let mut expected = [leaf, raw, branch, other];
        expected.sort_unstable();
        let reached = overlay.reached(&[inline, other, other]).unwrap();
        let taken = overlay.take(&[inline, other, other]).unwrap();
        assert_eq!(reached, taken, "looking takes nothing");
        assert_eq!(taken.iter().map(|(cid, _)| *cid).collect::<Vec<_>>(), expected);
        assert!(taken.iter().all(|(cid, block)| *cid == Cid::new_v1(cid.codec(), Blake2b256.digest(block))));
        assert!(overlay.take(&[branch]).unwrap().is_empty(), "the rest is dropped");
    }

    #[test]
    fn lanes_write_and_read_at_once_and_all_of_it_is_taken_in_order() {
        // What was written is not asked for below.
        let overlay = Overlay::new(BrokenDisk);
        let written = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..4_u64)
                .map(|lane| {
                    let overlay = overlay.clone();
                    scope.spawn(move || {
                        let put = |number: u64| {
                            // Half of it is what other lanes write too.
                            let content = (if number.is_multiple_of(2) { lane } else { 0 }, number, vec![number; 50]);
                            let cid = overlay.put_cbor(&content, Blake2b256).unwrap();
                            assert_eq!(overlay.get(&cid).unwrap().unwrap(), to_vec(&content).unwrap());
                            assert_eq!(overlay.get_cbor(&cid).unwrap(), Some(content));
                            cid
                        };
                        (0..500).map(put).collect::<Vec<_>>()
                    })
                })
                .collect();
            lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect::<Vec<_>>()
        });
        let root = overlay.put_cbor(&written, Blake2b256).unwrap();
        let expected: std::collections::BTreeSet<_> = written.into_iter().chain([root]).collect();
        assert_eq!(expected.len(), 4 * 250 + 250 + 1);
        let taken = overlay.take(&[root]).unwrap();
        assert!(taken.iter().map(|(cid, _)| cid).eq(&expected), "in order, each once");
        assert!(taken.iter().all(|(cid, block)| *cid == Cid::new_v1(DAG_CBOR, Blake2b256.digest(block))));
    }

    #[test]
    fn first_failure_of_the_store_below_is_remembered() {
        let broken = Overlay::new(BrokenDisk);
        assert!(broken.failure().is_none());
        assert!(broken.get(&cid_of(&1u8)).is_err());
        assert!(broken.get(&cid_of(&2u8)).is_err());
        let first = cid_of(&1u8);
        assert!(matches!(broken.failure(), Some(ExecError::Store { cid, .. }) if *cid == first));
    }

    #[test]
    fn absent_block_is_a_failure_and_present_one_is_not() {
        let overlay = Overlay::new(MemoryBlockstore::default());
        let present = overlay.put_cbor(&1u8, Blake2b256).unwrap();
        assert!(overlay.get(&present).unwrap().is_some());
        assert!(overlay.failure().is_none());
        let absent = cid_of(&2u8);
        assert_eq!(overlay.get(&absent).unwrap(), None);
        assert!(matches!(overlay.failure(), Some(ExecError::MissingBlock { cid }) if cid == absent));
    }
}
