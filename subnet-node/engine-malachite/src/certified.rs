//! Which blocks the signatures that this node verified make final.
//!
//! Malachite verifies a peer's certificate and then hands over the bytes that came with it, without the id that the
//! certificate is for: it compares after we have taken them. To take a block is to write it to disk, so we compare first,
//! with what the verification showed. Malachite verifies every signature of a certificate, each time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_malachitebft_app_channel::app::types::core::{NilOrVal, VoteType};
use cid::Cid;
use subnet_types::membership::is_quorum;
use subnet_types::{Height, Power, VoteKey};

use crate::context::{Members, Vote};

/// Blocks of one height remembered for each validator. An honest one precommits one or, over rounds, very few; a
/// dishonest one loses its own oldest first.
const BLOCKS_PER_VALIDATOR_MAX: usize = 4;

/// Precommits verified at the height being decided. Clones share them: the verifier writes, the handler reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certified(Arc<Mutex<Precommits>>);

#[derive(Debug, Default)]
struct Precommits {
    height: Height,
    /// Newest last. As many validators as sign valid votes at one height.
    blocks: BTreeMap<VoteKey, VecDeque<Cid>>,
}

impl Certified {
    /// Moves to `height` and forgets what was before.
    pub(crate) fn begin(&self, height: Height) {
        *self.lock() = Precommits { height, blocks: BTreeMap::new() };
    }

    /// Takes note of a vote whose signature is right.
    pub(crate) fn verified(&self, vote: &Vote) {
        let (VoteType::Precommit, NilOrVal::Val(block)) = (vote.kind, &vote.value) else { return };
        let mut precommits = self.lock();
        if vote.height.height() != precommits.height {
            return;
        }
        let blocks = precommits.blocks.entry(vote.address.0).or_default();
        blocks.retain(|known| *known != block.0);
        if blocks.len() >= BLOCKS_PER_VALIDATOR_MAX {
            blocks.pop_front();
        }
        blocks.push_back(block.0);
    }

    /// Whether more than two thirds of `members` were seen to precommit `block` at `height`.
    pub(crate) fn holds(&self, height: Height, block: &Cid, members: &Members) -> bool {
        let precommits = self.lock();
        let signed = |key: &VoteKey| precommits.blocks.get(key).is_some_and(|blocks| blocks.contains(block));
        precommits.height == height && is_quorum(Power::new(members.power_of(signed)), Power::new(members.total()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Precommits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Address, At, BlockId};
    use crate::test_support::validators;
    use arc_malachitebft_app_channel::app::types::core::Round;
    use subnet_types::hash::cid_of_bytes;

    fn vote(kind: VoteType, height: u64, block: &[u8], seed: u8) -> Vote {
        Vote {
            kind,
            height: At(height),
            round: Round::new(0),
            value: NilOrVal::Val(BlockId(cid_of_bytes(block))),
            address: Address(VoteKey([seed; 32])),
            extension: None,
        }
    }

    #[test]
    fn a_block_is_certified_by_precommits_of_its_height_from_a_quorum() {
        let members = Members::new(&validators(&[10, 10, 10, 10])).unwrap();
        let (certified, block) = (Certified::default(), cid_of_bytes(b"a"));
        let holds = || certified.holds(Height::new(7), &block, &members);
        certified.begin(Height::new(7));
        certified.verified(&vote(VoteType::Precommit, 7, b"a", 1));
        certified.verified(&vote(VoteType::Precommit, 7, b"a", 2));
        certified.verified(&vote(VoteType::Precommit, 7, b"a", 2));
        certified.verified(&vote(VoteType::Prevote, 7, b"a", 3));
        certified.verified(&vote(VoteType::Precommit, 8, b"a", 3));
        certified.verified(&vote(VoteType::Precommit, 7, b"b", 3));
        certified.verified(&vote(VoteType::Precommit, 7, b"a", 9));
        assert!(!holds(), "two of four, and others that do not count");
        certified.verified(&vote(VoteType::Precommit, 7, b"a", 4));
        assert!(holds());
        assert!(!certified.holds(Height::new(7), &cid_of_bytes(b"b"), &members));
        assert!(!certified.holds(Height::new(8), &block, &members));
        certified.begin(Height::new(8));
        assert!(!holds());
    }

    #[test]
    fn a_validator_that_signs_many_blocks_takes_no_more_room_and_still_counts_for_the_newest() {
        let members = Members::new(&validators(&[10])).unwrap();
        let certified = Certified::default();
        certified.begin(Height::new(1));
        for block in 0..100u8 {
            certified.verified(&vote(VoteType::Precommit, 1, &[block], 1));
        }
        let known = (0..100u8).filter(|block| certified.holds(Height::new(1), &cid_of_bytes(&[*block]), &members));
        assert_eq!(known.collect::<Vec<_>>(), [96, 97, 98, 99]);
    }
}
