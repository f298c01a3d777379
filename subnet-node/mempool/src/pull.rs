//! What a node that was away missed: on connecting it asks its peers, once each, for what they have pending.
//!
//! One question, one bounded answer; each side keeps its own pause between two questions of one peer. A question is
//! answered once the peer has joined the topic: what is admitted before the answer is in it, what is admitted after it
//! is gossiped, and nothing falls in between.

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::request_response::ResponseChannel;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::limits::{PULL_BYTES_MAX, PULL_INTERVAL, PULL_MESSAGES_MAX, SCORED_PEERS_MAX};

/// "What do you have pending?"
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PullRequest {}

/// Encoded signed messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PullResponse {
    pub messages: Vec<ByteBuf>,
}

impl PullResponse {
    /// As many of `messages` as one answer carries, from the first on.
    pub(crate) fn bounded(messages: Vec<Vec<u8>>) -> Self {
        let mut bytes = 0;
        let fits = |message: &Vec<u8>| {
            bytes += message.len();
            bytes <= PULL_BYTES_MAX
        };
        Self { messages: messages.into_iter().take(PULL_MESSAGES_MAX).take_while(fits).map(ByteBuf::from).collect() }
    }
}

/// Where the answer to a peer's pull goes. Dropping it leaves the peer without one.
#[derive(Debug)]
pub struct PullAnswer(pub(crate) ResponseChannel<PullResponse>);

/// Questions before a peer is asked no more until it connects anew.
const TRIES_MAX: u32 = 3;

/// Whom to ask, and whom not to answer again so soon.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    due: BTreeMap<PeerId, Due>,
    answered: BTreeMap<PeerId, Instant>,
    held: BTreeMap<PeerId, ResponseChannel<PullResponse>>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    tries: u32,
}

impl Pulls {
    pub(crate) fn connected(&mut self, peer: PeerId, now: Instant) {
        self.due.insert(peer, Due { at: now, tries: 0 });
    }

    /// Keeps a question of a peer that has not joined the topic yet.
    pub(crate) fn hold(&mut self, peer: PeerId, channel: ResponseChannel<PullResponse>) {
        self.held.insert(peer, channel);
    }

    /// The peer has joined the topic: its question, if it asked before.
    pub(crate) fn subscribed(&mut self, peer: &PeerId) -> Option<ResponseChannel<PullResponse>> {
        self.held.remove(peer)
    }

    /// The peer is gone.
    pub(crate) fn gone(&mut self, peer: &PeerId) {
        self.due.remove(peer);
        self.held.remove(peer);
    }

    /// The peer answered.
    pub(crate) fn done(&mut self, peer: &PeerId) {
        self.due.remove(peer);
    }

    /// Peers to ask now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut ask = Vec::new();
        self.due.retain(|peer, due| {
            if due.at > now {
                return true;
            }
            if due.tries >= TRIES_MAX {
                return false;
            }
            *due = Due { at: now + PULL_INTERVAL, tries: due.tries + 1 };
            ask.push(*peer);
            true
        });
        ask
    }

    /// Whether to answer a peer's question; counts as answered if so.
    pub(crate) fn admit_question(&mut self, peer: PeerId, now: Instant) -> bool {
        // A little less than the asking side's pause, so that its second try always gets through.
        self.answered.retain(|_, at| now.saturating_duration_since(*at) < PULL_INTERVAL / 2);
        if self.answered.contains_key(&peer) || self.answered.len() >= SCORED_PEERS_MAX {
            return false;
        }
        self.answered.insert(peer, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_three_times_with_pauses() {
        let (mut pulls, peer, mut now) = (Pulls::default(), PeerId::random(), Instant::now());
        pulls.connected(peer, now);
        for _ in 0..TRIES_MAX {
            assert_eq!(pulls.take_due(now), [peer]);
            assert_eq!(pulls.take_due(now), []);
            now += PULL_INTERVAL;
        }
        assert_eq!(pulls.take_due(now), []);
        assert!(pulls.due.is_empty());
    }

    #[test]
    fn a_peer_that_answered_is_not_asked_again() {
        let (mut pulls, peer, now) = (Pulls::default(), PeerId::random(), Instant::now());
        pulls.connected(peer, now);
        assert_eq!(pulls.take_due(now), [peer]);
        pulls.done(&peer);
        assert_eq!(pulls.take_due(now + PULL_INTERVAL), []);
    }

    #[test]
    fn a_peer_that_asks_too_often_gets_one_answer() {
        let (mut pulls, peer, now) = (Pulls::default(), PeerId::random(), Instant::now());
        assert!(pulls.admit_question(peer, now));
        assert!(!pulls.admit_question(peer, now));
        assert!(pulls.admit_question(PeerId::random(), now));
        assert!(pulls.admit_question(peer, now + PULL_INTERVAL));
    }

    #[test]
    fn an_answer_stays_within_bytes_and_count() {
        let answer = PullResponse::bounded(vec![vec![0; PULL_BYTES_MAX / 2]; 3]);
        assert_eq!(answer.messages.len(), 2);
        let answer = PullResponse::bounded(vec![vec![0; 1]; PULL_MESSAGES_MAX + 1]);
        assert_eq!(answer.messages.len(), PULL_MESSAGES_MAX);
    }
}
