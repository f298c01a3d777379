//! The sessions that ran the last block, for the next one.
//!
//! A block may be executed before it is decided, and another one be decided in its place. So there can be several
//! sessions after one height, each at the state of another block, and the one that goes on is found by that state. Once
//! a block of the next height is executed, all of them are of the past.

use cid::Cid;
use parking_lot::Mutex;
use subnet_types::Height;

/// Sessions kept: that of the decided block, and one of a block that was executed in vain and may have ended later. Each
/// holds what it has read.
const SESSIONS_MAX: usize = 2;

/// Sessions that stand after the same height, the newest last.
pub(crate) struct Warm<S>(Mutex<Vec<Standing<S>>>);

struct Standing<S> {
    height: Height,
    state_root: Cid,
    session: S,
}

impl<S> Default for Warm<S> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<S> Warm<S> {
    /// The session that stands at this state. Whoever takes it keeps it, or what becomes of it, when the block is done;
    /// another block on the same state meanwhile has to begin anew.
    pub(crate) fn take(&self, state_root: &Cid) -> Option<S> {
        let mut standing = self.0.lock();
        let at = standing.iter().position(|standing| standing.state_root == *state_root)?;
        Some(standing.remove(at).session)
    }

    /// Keeps a session that stands at this state after the block at `height`; those after earlier heights are dropped.
    pub(crate) fn keep(&self, height: Height, state_root: Cid, session: S) {
        let mut standing = self.0.lock();
        if standing.iter().any(|standing| standing.height > height) {
            // A block that another one overtook.
            return;
        }
        standing.retain(|standing| standing.height == height && standing.state_root != state_root);
        if standing.len() >= SESSIONS_MAX {
            standing.remove(0);
        }
        standing.push(Standing { height, state_root, session });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of;

    fn root(state: u8) -> Cid {
        cid_of(&state)
    }

    fn kept(sessions: &[(u64, u8)]) -> Warm<u8> {
        let warm = Warm::default();
        for (height, state) in sessions {
            warm.keep(Height::new(*height), root(*state), *state);
        }
        warm
    }

    #[test]
    fn session_is_taken_once_at_its_state() {
        let warm = kept(&[(1, 10)]);
        assert_eq!(warm.take(&root(11)), None);
        assert_eq!(warm.take(&root(10)), Some(10));
        assert_eq!(warm.take(&root(10)), None);
    }

    #[test]
    fn block_executed_in_vain_does_not_displace_the_decided_ones_session() {
        for order in [[(1, 10), (1, 11)], [(1, 11), (1, 10)]] {
            assert_eq!(kept(&order).take(&root(10)), Some(10));
        }
        let warm = kept(&[(1, 10), (1, 11), (1, 12)]);
        assert_eq!([10, 11, 12].map(|state| warm.take(&root(state))), [None, Some(11), Some(12)]);
    }

    #[test]
    fn sessions_of_the_past_are_dropped_and_none_comes_back_from_it() {
        let warm = kept(&[(1, 10), (1, 11), (2, 20), (1, 12)]);
        assert_eq!([10, 11, 12, 20].map(|state| warm.take(&root(state))), [None, None, None, Some(20)]);
    }

    #[test]
    fn two_blocks_with_the_same_state_keep_one_session() {
        let warm = kept(&[(1, 10), (1, 11), (1, 10)]);
        assert_eq!([10, 11].map(|state| warm.take(&root(state))), [Some(10), Some(11)]);
        assert_eq!(warm.take(&root(10)), None);
    }
}
