//! A blockstore that collects what is written and leaves the one below it alone.
//!
//! Everything a block writes must reach the disk in the node's one atomic batch or not at all, so execution writes
//! here and hands the result back. The VM itself keeps what it writes in a buffer and moves only what the final
//! state reaches into this store.
//!
//! It also remembers the first failure of the store below. The VM turns a failed read into a receipt with a failing
//! exit code, which is right for a fault that every node has and would fork this node off for a fault of its own
//! disk; the executor asks [`Overlay::failure`] before it believes any receipt.

use std::collections::BTreeMap;
use std::sync::Arc;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;
use subnet_types::hash::BLAKE2B_256;

use crate::error::ExecError;

/// Collects writes over `base`. Clones share what they collect.
pub struct Overlay<B>(Arc<Inner<B>>);

struct Inner<B> {
    base: B,
    written: Mutex<BTreeMap<Cid, Vec<u8>>>,
    failure: Mutex<Option<ExecError>>,
}

impl<B> Clone for Overlay<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Blockstore> Overlay<B> {
    /// Nothing written yet.
    pub fn new(base: B) -> Self {
        Self(Arc::new(Inner { base, written: Mutex::default(), failure: Mutex::default() }))
    }

    /// The first failure of the store below, if there was one.
    pub fn failure(&self) -> Option<ExecError> {
        self.0.failure.lock().clone()
    }

    /// Takes out everything written so far, in ascending order of CID.
    pub fn take(&self) -> Vec<(Cid, Vec<u8>)> {
        std::mem::take(&mut *self.0.written.lock()).into_iter().collect()
    }

    fn note(&self, failure: ExecError) {
        self.0.failure.lock().get_or_insert(failure);
    }

    fn note_error(&self, cid: &Cid, error: &anyhow::Error) {
        self.note(ExecError::Store { cid: Box::new(*cid), reason: format!("{error:#}") });
    }
}

impl<B: Blockstore> Blockstore for Overlay<B> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.0.written.lock().get(cid) {
            return Ok(Some(bytes.clone()));
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
        if self.0.written.lock().contains_key(cid) {
            return Ok(true);
        }
        self.0.base.has(cid).inspect_err(|error| self.note_error(cid, error))
    }

    // Single writes are few (the VM writes the empty array at every start, receipts a node at a time) and often of
    // blocks that are already there.
    fn put_keyed(&self, cid: &Cid, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.has(cid)? {
            self.0.written.lock().insert(*cid, bytes.to_vec());
        }
        Ok(())
    }

    // The flush of a whole state: nearly every block is new, so asking the disk for each would cost more than
    // writing the rare known one again.
    fn put_many_keyed<D, I>(&self, blocks: I) -> anyhow::Result<()>
    where
        Self: Sized,
        D: AsRef<[u8]>,
        I: IntoIterator<Item = (Cid, D)>,
    {
        let mut written = self.0.written.lock();
        written.extend(blocks.into_iter().map(|(cid, bytes)| (cid, bytes.as_ref().to_vec())));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_blockstore::MemoryBlockstore;
    use fvm_ipld_encoding::CborStore;
    use multihash_codetable::Code::Blake2b256;
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
        assert_eq!(overlay.take().iter().map(|(cid, _)| *cid).collect::<Vec<_>>(), [cid]);
        assert!(overlay.take().is_empty());
    }

    #[test]
    fn clones_share_and_known_blocks_are_not_written_again() {
        let base = MemoryBlockstore::default();
        base.put_cbor(&"old", Blake2b256).unwrap();
        let overlay = Overlay::new(&base);
        overlay.clone().put_cbor(&"old", Blake2b256).unwrap();
        overlay.clone().put_cbor(&"new", Blake2b256).unwrap();
        assert_eq!(overlay.take().len(), 1);
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
