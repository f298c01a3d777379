//! When to publish a local message again. Pure: heights come in as arguments.
//!
//! Gossip does not promise delivery, and a peer may have been away or full. So what was pushed here is published
//! again after some blocks, for as long as it waits.

use std::collections::BTreeSet;

use cid::Cid;
use subnet_types::Height;

/// Local messages kept track of. Full: the one due last is forgotten; it still waits in the pool and peers that
/// connect still pull it.
const PUBLICATIONS_MAX: usize = crate::limits::MESSAGES_MAX;

#[derive(Debug)]
pub(crate) struct Publications {
    pause_blocks: u64,
    height: Height,
    due: BTreeSet<(Height, Cid)>,
}

impl Publications {
    pub(crate) fn new(pause_blocks: u64) -> Self {
        Self { pause_blocks, height: Height::GENESIS, due: BTreeSet::new() }
    }

    /// A message was published, or could not be for now.
    pub(crate) fn published(&mut self, cid: Cid, is_published: bool) {
        let pause = if is_published { self.pause_blocks } else { 1 };
        let at = Height::new(self.height.get().saturating_add(pause));
        self.due.insert((at, cid));
        if self.due.len() > PUBLICATIONS_MAX {
            self.due.pop_last();
        }
    }

    /// What to publish after the block at `height`, at most `max` messages; the rest stays due.
    pub(crate) fn take_due(&mut self, height: Height, max: usize) -> Vec<Cid> {
        // A node that starts learns the height with its first block: until then pauses were counted from genesis.
        let is_first = self.height == Height::GENESIS;
        self.height = height;
        if is_first {
            let waiting = std::mem::take(&mut self.due);
            waiting.into_iter().for_each(|(_, cid)| self.published(cid, true));
        }
        let mut due = Vec::new();
        while due.len() < max && self.due.first().is_some_and(|(at, _)| *at <= height) {
            due.extend(self.due.pop_first().map(|(_, cid)| cid));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of_bytes;

    #[test]
    fn a_message_is_due_after_the_pause_and_not_before() {
        let mut publications = Publications::new(30);
        let cid = cid_of_bytes(b"message");
        assert!(publications.take_due(Height::new(100), 9).is_empty());
        publications.published(cid, true);
        assert!(publications.take_due(Height::new(129), 9).is_empty());
        assert_eq!(publications.take_due(Height::new(130), 9), [cid]);
        assert!(publications.take_due(Height::new(500), 9).is_empty());
    }

    #[test]
    fn what_could_not_be_published_is_due_with_the_next_block() {
        let mut publications = Publications::new(30);
        publications.take_due(Height::new(100), 9);
        publications.published(cid_of_bytes(b"message"), false);
        assert_eq!(publications.take_due(Height::new(101), 9), [cid_of_bytes(b"message")]);
    }

    #[test]
    fn what_was_pushed_before_the_first_block_waits_its_pause_from_there() {
        let mut publications = Publications::new(30);
        publications.published(cid_of_bytes(b"message"), true);
        assert!(publications.take_due(Height::new(7000), 9).is_empty());
        assert_eq!(publications.take_due(Height::new(7030), 9), [cid_of_bytes(b"message")]);
    }

    #[test]
    fn one_block_publishes_no_more_than_it_may_and_the_rest_stays_due() {
        let mut publications = Publications::new(1);
        publications.take_due(Height::new(1), 9);
        for seed in 0..5u8 {
            publications.published(cid_of_bytes(&[seed]), true);
        }
        assert_eq!(publications.take_due(Height::new(2), 3).len(), 3);
        assert_eq!(publications.take_due(Height::new(3), 3).len(), 2);
    }
}
