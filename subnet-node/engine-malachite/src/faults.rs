//! What consensus peers publish that no honest node does: counted for each of them and said now and then.
//!
//! The library scores how peers behave in its mesh, and cuts off those that serve wrong blocks when asked. It relays what
//! they publish before we look into it, so what we refuse is counted against the publisher, whose signature the library
//! has checked, and not against the neighbour it came through.

use std::collections::BTreeMap;

use arc_malachitebft_app_channel::app::types::PeerId;

/// Peers with a count. Where there are more, the one with the fewest faults is forgotten.
const PEERS_MAX: usize = 256;

/// A peer is named at its first fault and at each of this many.
const WARN_EVERY: u64 = 100;

/// Why something of a peer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    reason: String,
    is_fault: bool,
}

impl Refusal {
    /// Too late, too early or superfluous, as happens among honest nodes.
    pub(crate) fn unwanted(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_fault: false }
    }

    /// What no honest node publishes.
    pub(crate) fn fault(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_fault: true }
    }

    pub(crate) fn is_fault(&self) -> bool {
        self.is_fault
    }
}

/// Faults by peer.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<PeerId, u64>);

impl Faults {
    /// Counts a fault; how many there are, when it is time to say so.
    pub(crate) fn count(&mut self, peer: PeerId) -> Option<u64> {
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(&peer) {
            let fewest = self.0.iter().min_by_key(|(_, faults)| **faults).map(|(peer, _)| *peer);
            fewest.map(|peer| self.0.remove(&peer));
        }
        let faults = self.0.entry(peer).or_default();
        *faults = faults.saturating_add(1);
        (*faults % WARN_EVERY == 1).then_some(*faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seed: usize) -> PeerId {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let keypair = libp2p_identity::Keypair::ed25519_from_bytes(bytes).unwrap();
        PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
    }

    #[test]
    fn a_peer_is_named_at_its_first_fault_and_then_now_and_then() {
        let mut faults = Faults::default();
        let named: Vec<u64> = (0..250).filter_map(|_| faults.count(peer(1))).collect();
        assert_eq!(named, [1, 101, 201]);
        assert_eq!(faults.count(peer(2)), Some(1));
    }

    #[test]
    fn newcomers_take_the_place_of_those_with_the_fewest_faults() {
        let mut faults = Faults::default();
        for _ in 0..3 {
            faults.count(peer(0));
        }
        for seed in 1..=2 * PEERS_MAX {
            faults.count(peer(seed));
        }
        assert_eq!(faults.0.len(), PEERS_MAX);
        assert_eq!(faults.0[&peer(0)], 3);
    }
}
