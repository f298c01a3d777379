//! A blockstore in memory that threads share.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

/// Clones share their blocks.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<RwLock<HashMap<Cid, Vec<u8>>>>);

impl MemoryStore {
    /// A store with these blocks.
    pub fn of(blocks: impl IntoIterator<Item = (Cid, Vec<u8>)>) -> Self {
        Self(Arc::new(RwLock::new(blocks.into_iter().collect())))
    }

    /// Adds blocks, as a node does in its batch.
    pub fn commit(&self, blocks: impl IntoIterator<Item = (Cid, impl AsRef<[u8]>)>) {
        self.0.write().unwrap().extend(blocks.into_iter().map(|(cid, block)| (cid, block.as_ref().to_vec())));
    }

    /// Loses a block, as a broken disk does.
    pub fn lose(&self, cid: &Cid) {
        self.0.write().unwrap().remove(cid);
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

impl Blockstore for MemoryStore {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.read().unwrap().get(cid).cloned())
    }

    fn put_keyed(&self, cid: &Cid, bytes: &[u8]) -> anyhow::Result<()> {
        self.0.write().unwrap().insert(*cid, bytes.to_vec());
        Ok(())
    }
}
