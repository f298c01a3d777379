//! The state after a block that is executed and not written yet.

use anyhow::bail;
use cid::Cid;
use fvm_exec::IpldBlock;
use fvm_ipld_blockstore::Blockstore;

use crate::storage::Store;

/// Reads through a block's new IPLD blocks into the store.
pub(super) struct After<'a> {
    pub(super) store: &'a Store,
    /// In ascending order of CID, as execution returns them.
    pub(super) new_blocks: &'a [IpldBlock],
}

impl Blockstore for After<'_> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        match self.new_blocks.binary_search_by_key(cid, |(cid, _)| *cid) {
            Ok(index) => Ok(Some(self.new_blocks[index].1.to_vec())),
            Err(_) => self.store.get(cid),
        }
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        bail!("{cid} cannot be put: this is a view of a state that is complete")
    }
}
