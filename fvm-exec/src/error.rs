//! Why a block could not be executed or a state not be read.
//!
//! A message that fails is no error: it gets a receipt. An error here means that *this node* cannot go on with the
//! block, because its disk or the VM failed or because the protocol's own messages did; the caller stops rather than
//! commit a state that the other nodes do not have.

use cid::Cid;
use fvm_shared::error::ExitCode;
use subnet_types::genesis::GenesisError;

/// Why nothing came out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecError {
    /// The blockstore below failed.
    #[error("blockstore failed on block {cid}: {reason}")]
    Store {
        /// The block.
        cid: Box<Cid>,
        /// What the store said.
        reason: String,
    },
    /// The store does not have a block that the state links to.
    #[error("block {cid} is linked from the state but missing from the store")]
    MissingBlock {
        /// The block.
        cid: Cid,
    },
    /// The state is there but is not what this code writes.
    #[error("reading {what}: {reason}")]
    State {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The VM gave up on a block, which no message can cause by itself.
    #[error("the VM failed while {action}: {reason}")]
    Vm {
        /// What was being done.
        action: &'static str,
        /// What the VM said.
        reason: String,
    },
    /// The VM panicked. The state is untouched.
    #[error("the VM panicked: {reason}")]
    Panicked {
        /// The panic's message.
        reason: String,
    },
    /// A message of the protocol itself that must succeed did not.
    #[error("{action} at height {height} exited with {exit_code}: {reason}")]
    Implicit {
        /// Which of the protocol's messages.
        action: &'static str,
        /// Of the block.
        height: u64,
        /// Its exit code.
        exit_code: ExitCode,
        /// The VM's backtrace.
        reason: String,
    },
    /// An actor of the protocol returned something else than its interface says.
    #[error("{action} at height {height} returned what does not decode: {reason}")]
    ImplicitReturn {
        /// Which of the protocol's messages.
        action: &'static str,
        /// Of the block.
        height: u64,
        /// What the decoder said.
        reason: String,
    },
    /// The genesis document is wrong.
    #[error("genesis: {0}")]
    Genesis(Box<GenesisError>),
    /// A balance of the genesis is for an address that cannot hold one.
    #[error("genesis balance of {address}: {problem}")]
    GenesisBalance {
        /// Whose.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The actor bundle in the store is not what the genesis needs.
    #[error("actor bundle {bundle}: {problem}")]
    Bundle {
        /// CID of the manifest.
        bundle: Box<Cid>,
        /// What is wrong.
        problem: String,
    },
}

impl From<GenesisError> for ExecError {
    fn from(error: GenesisError) -> Self {
        Self::Genesis(Box::new(error))
    }
}

impl ExecError {
    /// Whether the node's own disk is at fault, so that a restart on a repaired store can go on.
    pub fn is_storage(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::MissingBlock { .. })
    }

    pub(crate) fn vm(action: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Vm { action, reason: format!("{error:#}") }
    }
}
