//! Messages that were received and wait for a verdict: how many, how large, and from whom.
//!
//! One peer gets at most half of the room, so that a flood of messages that are merely useless (which cost no score)
//! does not shut the others out.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;

use crate::limits::{INBOUND_BYTES_MAX, INBOUND_QUEUE_MAX};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    messages: usize,
    bytes: usize,
}

impl Load {
    const fn fits(self, bytes: usize, share: usize) -> bool {
        self.messages < INBOUND_QUEUE_MAX / share && self.bytes + bytes <= INBOUND_BYTES_MAX / share
    }

    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn subtract(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }
}

#[derive(Debug, Default)]
pub(crate) struct Unjudged {
    total: Load,
    by_peer: BTreeMap<PeerId, Load>,
    waiting: BTreeMap<MessageId, (PeerId, usize)>,
}

impl Unjudged {
    pub(crate) fn is_waiting(&self, id: &MessageId) -> bool {
        self.waiting.contains_key(id)
    }

    /// Whether there is room for a message that does not wait yet; it counts from now on if so.
    pub(crate) fn admit(&mut self, peer: PeerId, id: &MessageId, bytes: usize) -> bool {
        let load = self.by_peer.get(&peer).copied().unwrap_or_default();
        if !self.total.fits(bytes, 1) || !load.fits(bytes, 2) {
            return false;
        }
        self.waiting.insert(id.clone(), (peer, bytes));
        self.total.add(bytes);
        self.by_peer.entry(peer).or_default().add(bytes);
        true
    }

    /// A verdict has come.
    pub(crate) fn judged(&mut self, id: &MessageId) {
        let Some((peer, bytes)) = self.waiting.remove(id) else { return };
        self.total.subtract(bytes);
        let load = self.by_peer.get_mut(&peer).expect("a waiting message counts for its peer");
        load.subtract(bytes);
        if *load == Load::default() {
            self.by_peer.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MessageId {
        MessageId::new(&number.to_be_bytes())
    }

    #[test]
    fn one_peer_gets_half_of_the_room_and_two_fill_it() {
        let (mut unjudged, peers) = (Unjudged::default(), [PeerId::random(), PeerId::random(), PeerId::random()]);
        let half = INBOUND_QUEUE_MAX / 2;
        for number in 0..half {
            assert!(unjudged.admit(peers[0], &id(number), 1));
        }
        assert!(!unjudged.admit(peers[0], &id(half), 1));
        for number in half..2 * half {
            assert!(unjudged.admit(peers[1], &id(number), 1));
        }
        assert!(!unjudged.admit(peers[2], &id(2 * half), 1));
        unjudged.judged(&id(0));
        assert!(unjudged.admit(peers[2], &id(2 * half), 1));
    }

    #[test]
    fn bytes_are_limited_as_well_and_come_back_with_the_verdict() {
        let (mut unjudged, peer) = (Unjudged::default(), PeerId::random());
        assert!(unjudged.admit(peer, &id(0), INBOUND_BYTES_MAX / 2));
        assert!(!unjudged.admit(peer, &id(1), 1));
        assert!(unjudged.admit(PeerId::random(), &id(2), INBOUND_BYTES_MAX / 2));
        assert!(!unjudged.admit(PeerId::random(), &id(3), 1));
        unjudged.judged(&id(0));
        unjudged.judged(&id(0));
        unjudged.judged(&id(2));
        assert_eq!(unjudged.total, Load::default());
        assert!(unjudged.by_peer.is_empty());
        assert!(unjudged.admit(peer, &id(0), 1));
    }
}
