//! What the node says of itself over RPC.

use std::net::SocketAddr;
use std::sync::Arc;

use engine_api::RunningEngine;
use mempool::Mempool;
use parking_lot::RwLock;
use subnet_types::VoteKey;

use crate::app::{ChainReader, Clock};
use crate::rpc::{NodeFacts, NodeStatus};

/// A node whose last block is older than this many intervals is taken to be catching up.
const SYNCING_INTERVALS: u64 = 10;
/// And at least this old, so that short intervals do not make it flicker.
const SYNCING_MS_MIN: u64 = 10_000;

/// Facts about the services at work.
pub struct Status {
    pub(super) moniker: String,
    pub(super) vote_key: VoteKey,
    pub(super) peer_id: String,
    pub(super) consensus_listen: SocketAddr,
    pub(super) chain: ChainReader,
    pub(super) mempool: Mempool,
    pub(super) clock: Clock,
    pub(super) engine: RwLock<Option<Arc<dyn RunningEngine>>>,
}

impl Status {
    pub(super) fn set_engine(&self, engine: Arc<dyn RunningEngine>) {
        *self.engine.write() = Some(engine);
    }

    pub(super) fn clear_engine(&self) {
        *self.engine.write() = None;
    }

    /// Peers of consensus; none before it runs.
    pub(super) fn consensus_peers(&self) -> usize {
        self.engine.read().as_ref().map_or(0, |engine| engine.status().peers)
    }

    fn is_syncing(&self) -> bool {
        let age_ms = (self.clock)().saturating_since(self.chain.tip().timestamp);
        let interval_ms = self.chain.genesis().chain.block_interval_ms;
        // Alone it has nobody to catch up with.
        self.consensus_peers() > 0 && age_ms > (interval_ms * SYNCING_INTERVALS).max(SYNCING_MS_MIN)
    }
}

impl NodeStatus for Status {
    fn facts(&self) -> NodeFacts {
        let gossip = self.mempool.status().gossip;
        NodeFacts {
            moniker: self.moniker.clone(),
            vote_key: Some(self.vote_key),
            consensus_listen: vec![multiaddress(self.consensus_listen, &self.peer_id)],
            mempool_listen: vec![multiaddress(self.mempool.listen(), &gossip.peer_id)],
            consensus_peers: u32::try_from(self.consensus_peers()).unwrap_or(u32::MAX),
            mempool_peers: u32::try_from(gossip.peers.len()).unwrap_or(u32::MAX),
            is_syncing: self.is_syncing(),
        }
    }
}

fn multiaddress(address: SocketAddr, peer_id: &str) -> String {
    let kind = if address.is_ipv4() { "ip4" } else { "ip6" };
    format!("/{kind}/{}/tcp/{}/p2p/{peer_id}", address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_libp2ps_form() {
        assert_eq!(multiaddress("127.0.0.1:7".parse().unwrap(), "12D3"), "/ip4/127.0.0.1/tcp/7/p2p/12D3");
        assert_eq!(multiaddress("[::1]:7".parse().unwrap(), "12D3"), "/ip6/::1/tcp/7/p2p/12D3");
    }
}
