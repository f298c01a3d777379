//! Why a node does not start, or ends.

use std::path::PathBuf;

use client::keystore::{KeystoreError, PasswordError};
use engine_api::{EngineError, ExitReason};
use fvm_exec::ExecError;
use mempool::{AccountsUnreadable, MempoolError};

use crate::app::ChainError;
use crate::app::genesis::OpenError;
use crate::config::ConfigError;
use crate::logging::LogError;
use crate::metrics::MetricsError;
use crate::parent::ParentError;
use crate::rpc::RpcError;

/// Why a node does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log filter.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The genesis file.
    #[error("genesis file {path}: {reason}")]
    Genesis {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no password for the keys.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// The database, or the chain in it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The chain's actors are not what the VM runs.
    #[error("compiling the actors: {0}")]
    Actors(ExecError),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The mempool.
    #[error("mempool: {0}")]
    MempoolStart(#[from] MempoolError),
    /// RPC cannot be served.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The parent cannot be followed as configured.
    #[error("parent: {0}")]
    Parent(#[from] ParentError),
    /// Consensus did not start.
    #[error(transparent)]
    EngineStart(#[from] EngineError),
    /// Consensus ended.
    #[error("{}", describe(.0))]
    Engine(ExitReason),
    /// The mempool cannot read the state.
    #[error("mempool: {0}")]
    Mempool(AccountsUnreadable),
    /// A service cannot read the chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A service ended by a panic, which was printed before.
    #[error("service {name} ended: {reason}")]
    Service {
        /// Which.
        name: &'static str,
        /// What the runtime said.
        reason: String,
    },
    /// Signals cannot be handled.
    #[error("cannot listen for signals: {0}")]
    Signals(String),
}

impl NodeError {
    pub(super) fn service(name: &'static str, error: &tokio::task::JoinError) -> Self {
        Self::Service { name, reason: error.to_string() }
    }
}

fn describe(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Shutdown => "consensus was shut down".to_owned(),
        ExitReason::Liveness(reason) => {
            format!("consensus stopped: {reason}; nothing signed is in doubt, a restart may help")
        }
        ExitReason::Safety(reason) => {
            format!("consensus stopped: {reason}; going on could contradict what was signed, an operator must look")
        }
    }
}
