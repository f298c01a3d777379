//! What the methods need of the node.

use std::path::PathBuf;
use std::sync::Arc;

use mempool::Mempool;
use subnet_types::VoteKey;

use super::kept_proofs::Proofs;
use crate::app::ChainReader;
use crate::parent::Follower;

/// What the methods need of the node. Everything in it is shared with the services at work.
#[derive(Clone)]
pub struct RpcContext {
    /// The committed chain.
    pub chain: ChainReader,
    /// The genesis CAR, which `Subnet.GenesisFile` hands out.
    pub genesis_file: PathBuf,
    /// Messages that wait.
    pub mempool: Mempool,
    /// What the other services say of themselves.
    pub node: Arc<dyn NodeStatus>,
    /// Follows the parent; `None` on a root.
    pub follower: Option<Follower>,
    /// The last proofs for children.
    pub proofs: Arc<Proofs>,
}

/// What the node's other services say of themselves.
pub trait NodeStatus: Send + Sync {
    /// A look at them now.
    fn facts(&self) -> NodeFacts;
}

/// A look at the node's other services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Name that the operator gave the node.
    pub moniker: String,
    /// Vote key, when the node holds one.
    pub vote_key: Option<VoteKey>,
    /// Multiaddresses of consensus.
    pub consensus_listen: Vec<String>,
    /// Multiaddresses of the mempool's gossip.
    pub mempool_listen: Vec<String>,
    /// Peers connected to consensus.
    pub consensus_peers: u32,
    /// Peers connected to the mempool's gossip.
    pub mempool_peers: u32,
    /// Whether the node is behind its peers and catching up.
    pub is_syncing: bool,
}
