//! What a walk reads from: blocks that somebody sent, or any store, and a log over both of what was read.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::anyhow;
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::from_slice;
use serde::de::DeserializeOwned;
use subnet_types::hash::{cid_of_bytes, digest_of_cid};
use subnet_types::parent::WitnessBlock;

use super::error::{RecordError, WitnessError};
use super::{WITNESS_BLOCK_BYTES_MAX, WITNESS_BLOCKS_MAX, WITNESS_BYTES_MAX};
use crate::error::ExecError;

/// Reads the block `cid` as a `T`.
pub(super) fn load<T: DeserializeOwned, B: Blockstore>(
    store: &B,
    what: &'static str,
    cid: &Cid,
) -> Result<T, WitnessError> {
    let found = store.get(cid).map_err(|error| WitnessError::state(what, format!("{error:#}")))?;
    let block = found.ok_or(WitnessError::Missing { cid: *cid })?;
    from_slice(&block).map_err(|error| WitnessError::state(what, error))
}

/// The blocks of a witness under the CIDs that their bytes have.
pub(super) struct Given<'a>(BTreeMap<Cid, &'a [u8]>);

impl<'a> Given<'a> {
    /// Takes the blocks in the one order that is allowed.
    pub(super) fn of(blocks: &'a [WitnessBlock]) -> Result<Self, WitnessError> {
        let actual = blocks.len();
        if actual > WITNESS_BLOCKS_MAX {
            return Err(WitnessError::TooManyBlocks { actual });
        }
        let actual: usize = blocks.iter().map(|block| block.bytes.len()).sum();
        if actual > WITNESS_BYTES_MAX {
            return Err(WitnessError::TooManyBytes { actual });
        }
        let mut given = BTreeMap::new();
        for (index, block) in blocks.iter().enumerate() {
            let cid = cid_of_bytes(&block.bytes);
            match given.last_key_value() {
                Some((last, _)) if *last == cid => return Err(WitnessError::Duplicate { cid }),
                Some((last, _)) if *last > cid => return Err(WitnessError::Order { index, cid }),
                _ => given.insert(cid, block.bytes.as_slice()),
            };
        }
        Ok(Self(given))
    }

    pub(super) fn cids(&self) -> impl Iterator<Item = &Cid> {
        self.0.keys()
    }
}

impl Blockstore for Given<'_> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(cid).map(|bytes| bytes.to_vec()))
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        Err(anyhow!("a witness is only read; block {cid} was to be written"))
    }
}

/// Keeps what is read of the store below, and refuses what no witness may have. It remembers the first refusal: readers
/// above turn it into words of their own.
pub(super) struct Touched<B> {
    base: B,
    log: RefCell<Log>,
}

#[derive(Default)]
struct Log {
    blocks: BTreeMap<Cid, Vec<u8>>,
    /// Counted even for a block that is read again: whoever makes up a state may link to one block from many places.
    reads: usize,
    bytes: usize,
    failure: Option<RecordError>,
}

impl<B: Blockstore> Touched<B> {
    pub(super) fn new(base: B) -> Self {
        Self { base, log: RefCell::default() }
    }

    /// What was read, and why not more.
    pub(super) fn into_parts(self) -> (BTreeMap<Cid, Vec<u8>>, Option<RecordError>) {
        let log = self.log.into_inner();
        (log.blocks, log.failure)
    }

    fn fetch(&self, log: &mut Log, cid: &Cid) -> Result<Vec<u8>, RecordError> {
        // Nothing else has this one form: no other codec, no other hash, no block inside of its own name.
        if digest_of_cid(cid).is_none() {
            return Err(WitnessError::Link { cid: *cid }.into());
        }
        log.reads += 1;
        if log.reads > WITNESS_BLOCKS_MAX {
            return Err(WitnessError::TooManyBlocks { actual: log.reads }.into());
        }
        let found = self
            .base
            .get(cid)
            .map_err(|error| ExecError::Store { cid: Box::new(*cid), reason: format!("{error:#}") })?;
        let block = found.ok_or(WitnessError::Missing { cid: *cid })?;
        if block.len() > WITNESS_BLOCK_BYTES_MAX {
            return Err(WitnessError::BlockTooLarge { cid: *cid, actual: block.len() }.into());
        }
        log.bytes += block.len();
        if log.bytes > WITNESS_BYTES_MAX {
            return Err(WitnessError::TooManyBytes { actual: log.bytes }.into());
        }
        log.blocks.insert(*cid, block.clone());
        Ok(block)
    }
}

impl<B: Blockstore> Blockstore for Touched<B> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        let mut log = self.log.borrow_mut();
        match self.fetch(&mut log, cid) {
            Ok(block) => Ok(Some(block)),
            Err(failure) => {
                let reason = anyhow!("{failure}");
                log.failure.get_or_insert(failure);
                Err(reason)
            }
        }
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        Err(anyhow!("a walk only reads; block {cid} was to be written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_blockstore::MemoryBlockstore;
    use fvm_ipld_encoding::{CborStore, DAG_CBOR, IPLD_RAW};
    use multihash_codetable::Code::Blake2b256;
    use multihash_codetable::Multihash;

    #[test]
    fn first_refusal_is_remembered_and_what_was_read_before_is_kept() {
        let base = MemoryBlockstore::default();
        let present = base.put_cbor(&"present", Blake2b256).unwrap();
        let absent = cid_of_bytes(b"absent");
        let touched = Touched::new(&base);
        assert!(touched.get(&present).unwrap().is_some());
        assert!(touched.get(&absent).is_err());
        assert!(touched.get(&cid_of_bytes(b"another")).is_err());
        let (blocks, failure) = touched.into_parts();
        assert_eq!(blocks.into_keys().collect::<Vec<_>>(), [present]);
        assert!(matches!(failure, Some(RecordError::Refused(WitnessError::Missing { cid })) if cid == absent));
    }

    #[test]
    fn only_dag_cbor_by_blake2b_256_is_read() {
        let block = b"\x00";
        let usual = cid_of_bytes(block);
        let others = [
            Cid::new_v1(IPLD_RAW, *usual.hash()),
            Cid::new_v1(DAG_CBOR, Multihash::wrap(0, block).unwrap()),
            Cid::new_v1(DAG_CBOR, Multihash::wrap(0x12, &[7; 32]).unwrap()),
        ];
        let base = MemoryBlockstore::default();
        for other in others {
            base.put_keyed(&other, block).unwrap();
            let touched = Touched::new(&base);
            assert!(touched.get(&other).is_err(), "{other}");
            let (_, failure) = touched.into_parts();
            assert!(matches!(failure, Some(RecordError::Refused(WitnessError::Link { cid })) if cid == other));
        }
    }

    #[test]
    fn blocks_that_are_read_again_count_again() {
        let base = MemoryBlockstore::default();
        let cid = base.put_cbor(&"small", Blake2b256).unwrap();
        let touched = Touched::new(&base);
        for _ in 0..WITNESS_BLOCKS_MAX {
            touched.get(&cid).unwrap();
        }
        assert!(touched.get(&cid).is_err());
        let (_, failure) = touched.into_parts();
        assert!(matches!(failure, Some(RecordError::Refused(WitnessError::TooManyBlocks { .. }))));
    }

    #[test]
    fn block_and_total_have_their_limits() {
        let base = MemoryBlockstore::default();
        let large = base.put_cbor(&"x".repeat(WITNESS_BLOCK_BYTES_MAX), Blake2b256).unwrap();
        let touched = Touched::new(&base);
        assert!(touched.get(&large).is_err());
        let failure = touched.into_parts().1;
        assert!(matches!(failure, Some(RecordError::Refused(WitnessError::BlockTooLarge { cid, .. })) if cid == large));

        let full = base.put_cbor(&"x".repeat(WITNESS_BLOCK_BYTES_MAX - 8), Blake2b256).unwrap();
        let touched = Touched::new(&base);
        let readable = (0..WITNESS_BLOCKS_MAX).take_while(|_| touched.get(&full).is_ok()).count();
        assert_eq!(readable, WITNESS_BYTES_MAX / (WITNESS_BLOCK_BYTES_MAX - 3));
        let failure = touched.into_parts().1;
        assert!(matches!(failure, Some(RecordError::Refused(WitnessError::TooManyBytes { .. }))));
    }
}
