//! What the node says of itself over RPC.

use std::net::SocketAddr;
use std::sync::Arc;

use engine_api::RunningEngine;
use mempool::Mempool;
use parking_lot::{Mutex, RwLock};
use subnet_types::{Height, TimestampMs, VoteKey};

use crate::app::{ChainReader, Clock};
use crate::rpc::{NodeFacts, NodeStatus};

/// A block that is older than this many intervals when it comes is one that others made before.
const SYNCING_INTERVALS: u64 = 10;
/// And at least this old, so that short intervals do not make it flicker. As long after the last such block a node is
/// taken to be catching up.
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
    pub(super) arrivals: Mutex<Arrivals>,
}

/// When blocks came and how old they were then. A chain that stands has an old last block too; only one that came old
/// shows that others are ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    /// The last block looked at.
    height: Option<Height>,
    /// When the last old one came.
    old: Option<TimestampMs>,
}

impl Arrivals {
    /// Takes the last block in; the first one looked at was there when the node started.
    fn look(&mut self, height: Height, timestamp: TimestampMs, now: TimestampMs, age_ms_max: u64) {
        let is_new = self.height.replace(height).is_some_and(|known| height > known);
        if is_new {
            self.old = (now.saturating_since(timestamp) > age_ms_max).then_some(now);
        }
    }

    fn is_catching_up(&self, now: TimestampMs, age_ms_max: u64) -> bool {
        self.old.is_some_and(|at| now.saturating_since(at) <= age_ms_max)
    }
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

    /// Looks at the last block. Called often enough, it sees most blocks soon after they came.
    pub(super) fn look(&self) {
        self.is_syncing();
    }

    fn is_syncing(&self) -> bool {
        let (now, tip) = ((self.clock)(), self.chain.tip());
        let interval_ms = self.chain.genesis().chain.block_interval_ms;
        let age_ms_max = interval_ms.saturating_mul(SYNCING_INTERVALS).max(SYNCING_MS_MIN);
        let mut arrivals = self.arrivals.lock();
        arrivals.look(tip.height, tip.timestamp, now, age_ms_max);
        arrivals.is_catching_up(now, age_ms_max)
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
    fn node_catches_up_while_old_blocks_come_and_not_while_its_chain_stands() {
        let mut arrivals = Arrivals::default();
        // Each row: now, height and time of the last block, expected. Blocks count as old above 10 s.
        for (now, height, time, expected) in [
            (100, 5, 10, false), // It was there at the start: nobody knows whether others are ahead.
            (102, 5, 10, false),
            (104, 9, 20, true),
            (106, 9, 20, true), // The next is on its way.
            (108, 40, 90, true),
            (110, 60, 109, false), // It is there.
            (150, 60, 109, false), // Now the chain stands.
            (152, 61, 151, false),
            (154, 62, 120, true),
            (170, 62, 120, false), // Nothing came any more.
        ] {
            let at = |second: u64| TimestampMs::new(second * 1000);
            arrivals.look(Height::new(height), at(time), at(now), 10_000);
            assert_eq!(arrivals.is_catching_up(at(now), 10_000), expected, "second {now}");
        }
    }

    #[test]
    fn addresses_have_libp2ps_form() {
        assert_eq!(multiaddress("127.0.0.1:7".parse().unwrap(), "12D3"), "/ip4/127.0.0.1/tcp/7/p2p/12D3");
        assert_eq!(multiaddress("[::1]:7".parse().unwrap(), "12D3"), "/ip6/::1/tcp/7/p2p/12D3");
    }
}
