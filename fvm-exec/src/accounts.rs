//! Reads of one account after another in the same state: what the pool and the rules of blocks ask for.

use std::sync::Arc;

use cid::Cid;
use fvm::state_tree::ActorState;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use hamt::Nodes;
use vm::state::Snapshot;

use crate::error::ExecError;

/// Nodes of the state's trees that are kept in memory from state to state: the upper levels, which each read passes.
const NODES_BYTES_MAX: usize = 32 << 20;

/// The accounts under one state root. Remembers what it has read, within limits, and may be asked by any thread.
///
/// What is not there is not remembered: anybody can ask for any number of addresses that nobody has.
pub struct Accounts<B> {
    root: Cid,
    nodes: Arc<Nodes>,
    snapshot: Snapshot<B>,
}

impl<B: Blockstore + Sync> Accounts<B> {
    /// The accounts of the state `root`.
    ///
    /// # Errors
    /// When the store fails or holds no state under that root.
    pub fn open(store: B, root: &Cid) -> Result<Self, ExecError> {
        Self::with_nodes(store, root, Arc::new(Nodes::new(NODES_BYTES_MAX)))
    }

    /// The accounts of another state of the same chain, which has most nodes of its trees in common with this one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn moved_to(&self, root: &Cid) -> Result<Self, ExecError>
    where
        B: Clone,
    {
        Self::with_nodes(self.snapshot.store().clone(), root, Arc::clone(&self.nodes))
    }

    fn with_nodes(store: B, root: &Cid, nodes: Arc<Nodes>) -> Result<Self, ExecError> {
        let snapshot = Snapshot::open(store, root, Arc::clone(&nodes)).map_err(failed)?;
        Ok(Self { root: *root, nodes, snapshot })
    }

    /// Root of the state.
    pub fn root(&self) -> &Cid {
        &self.root
    }

    /// The actor behind an address of any kind; `None` when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn actor_at(&self, address: &Address) -> Result<Option<ActorState>, ExecError> {
        let Some(id) = self.snapshot.resolve(address).map_err(failed)? else { return Ok(None) };
        self.snapshot.actor(id).map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> ExecError {
    ExecError::State { what: "an account", reason: format!("{error:#}") }
}
