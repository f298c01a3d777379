//! Why the chain on this node cannot be read or continued. All of these are this node's own trouble.

use engine_api::AppFailure;
use fvm_exec::ExecError;
use gateway_actor::types::GatewayError;
use mempool::AccountsUnreadable;
use subnet_types::Height;

use crate::storage::StoreError;

/// What failed below the application.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The VM, or the state it reads.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The gateway's state.
    #[error("reading the gateway's state: {0}")]
    Gateway(GatewayError),
    /// An account cannot be read.
    #[error(transparent)]
    Accounts(#[from] AccountsUnreadable),
    /// A height was asked for that is not committed yet.
    #[error("height {height} is not committed, the last one is {head}")]
    NotCommitted {
        /// Asked for.
        height: Height,
        /// The last.
        head: Height,
    },
    /// What was decided contradicts what this node knows to be right.
    #[error("{0}")]
    Contradiction(String),
    /// A blocking task of this node panicked.
    #[error("a task of the node ended early: {0}")]
    Task(String),
}

impl ChainError {
    /// For the engine, which stops the node with it.
    pub fn into_failure(self, context: &'static str) -> AppFailure {
        AppFailure::new(context, self)
    }
}
