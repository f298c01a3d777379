//! What a node keeps: one RocksDB database with a column family for each kind of record.
//!
//! Invariants:
//! - a block, its results, its state and the pointer to it enter in **one** synced write batch, so that a crash leaves
//!   either all of it or nothing;
//! - IPLD blocks are only ever added, and every block that a committed root reaches is present;
//! - a database belongs to one chain: its identity is written with genesis and compared at every start.

mod columns;
mod error;
mod ipld;
mod observe;
mod open;
mod read;
mod records;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

pub use error::StoreError;
pub use open::MemoryLimits;
pub use records::{
    BlockEvents, BlockReceipts, BlockResults, CROSS_TRACES_PER_EDGE_MAX, CheckpointRecord, CrossOrigin, CrossStep,
    CrossTrace, MessagePosition, StoredCertificate,
};
pub use write::{BlockCommit, GenesisCommit};

/// The node's database. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: Arc<rocksdb::DB>,
    durability: Durability,
}

/// Whether a write outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It is on disk when it returns.
    Synced,
    /// It is in memory only, for simulations of whole networks in one process.
    Volatile,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.db.path().display())
    }
}
