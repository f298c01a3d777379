//! The engine's side: how the node starts, watches and stops it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use subnet_types::{ChainIdentity, Height, VoteKey};
use tokio::sync::broadcast;

use crate::app::SubnetApp;

/// What an engine needs to know to run.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Name of this node in logs and metrics.
    pub moniker: String,
    /// Identity of the chain; every signed byte and protocol name holds it.
    pub identity: ChainIdentity,
    /// Where consensus listens.
    pub listen: SocketAddr,
    /// Other validators to connect to and stay connected with.
    pub peers: Vec<SocketAddr>,
    /// Folder for the engine's write-ahead log.
    pub wal_dir: PathBuf,
    /// How long to wait for a proposal in round 0.
    pub propose_timeout: Duration,
    /// Connections accepted from one IP address. Devnets on one machine need as many as they have nodes.
    pub connections_per_ip_max: usize,
}

/// The secrets an engine signs and connects with. Not printed by `Debug`.
#[derive(Clone)]
pub struct EngineKeys {
    /// Ed25519 seed of the vote key.
    pub vote_seed: [u8; 32],
    /// Ed25519 seed of the network identity.
    pub p2p_seed: [u8; 32],
}

impl std::fmt::Debug for EngineKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineKeys(secret)")
    }
}

/// What an engine tells whoever listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// A round began.
    RoundStarted {
        /// Of which height.
        height: Height,
        /// From 0.
        round: u32,
        /// Who proposes.
        proposer: VoteKey,
    },
    /// A block is final and committed on this node.
    Committed {
        /// Which height.
        height: Height,
        /// Which block.
        block: Cid,
    },
    /// A validator signed two different votes or proposals.
    Equivocation {
        /// Who.
        validator: VoteKey,
        /// At which height.
        height: Height,
    },
}

/// A look at a running engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStatus {
    /// Height being decided.
    pub height: u64,
    /// Round of it.
    pub round: u32,
    /// Connected peers.
    pub peers: usize,
}

/// Why an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It was asked to.
    Shutdown,
    /// It cannot go on but nothing signed is in doubt: a restart may help.
    Liveness(String),
    /// Going on could contradict what was signed: an operator must look.
    Safety(String),
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting is wrong.
    #[error("consensus setting {field}: {reason}")]
    Config {
        /// Which.
        field: &'static str,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// It failed while starting.
    #[error("consensus engine did not start: {0}")]
    Start(String),
}

/// Implemented by each engine package.
#[async_trait]
pub trait ConsensusEngine: Send + Sync + 'static {
    /// Starts deciding heights from the application's last committed one.
    ///
    /// # Errors
    /// When a setting is wrong or a resource cannot be had.
    async fn start(
        &self,
        app: Arc<dyn SubnetApp>,
        keys: EngineKeys,
        config: EngineConfig,
    ) -> Result<Box<dyn RunningEngine>, EngineError>;
}

/// An engine at work.
#[async_trait]
pub trait RunningEngine: Send + Sync {
    /// Events from now on. A slow listener loses the oldest.
    fn events(&self) -> broadcast::Receiver<EngineEvent>;

    /// Where it stands.
    fn status(&self) -> EngineStatus;

    /// Resolves when the engine ends by itself.
    async fn wait(&self) -> ExitReason;

    /// Stops it; returns when its files are released.
    async fn shutdown(&self);
}
