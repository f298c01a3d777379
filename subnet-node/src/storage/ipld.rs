//! The store as the VM's source of blocks.

use anyhow::{anyhow, bail};
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

use super::Store;
use super::columns::IPLD;

/// Reads only: new blocks arrive with the block that made them, see [`Store::commit_block`].
impl Blockstore for Store {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        self.get_bytes(IPLD, &cid.to_bytes(), "IPLD block").map_err(|error| anyhow!(error))
    }

    fn has(&self, cid: &Cid) -> anyhow::Result<bool> {
        Ok(self.get(cid)?.is_some())
    }

    fn put_keyed(&self, cid: &Cid, _: &[u8]) -> anyhow::Result<()> {
        bail!("{cid} cannot be put by itself: the chain's store takes IPLD blocks only with the block that made them")
    }
}
