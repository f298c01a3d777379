//! Whose turn it is to submit a checkpoint.
//!
//! Every validator may submit; if all did at once, all but one would waste a transaction. So each waits its turn: the
//! first in the rotation of a sequence submits at once, the next only when that did not lead to acceptance, and so
//! on. After the last, the round starts again with longer pauses, so that a parent that refuses is not hammered.

use std::time::Duration;

use subnet_types::{Sequence, ValidatorSet, VoteKey};

/// Pauses double at most this often.
const DOUBLINGS_MAX: u32 = 4;

/// How many wait a whole step for each of those before them. Where many validators do not submit, their places must not
/// cost a step each.
const PLACES_MAX: u64 = 8;
/// Steps that all further places share.
const SHARED_STEPS: u32 = 8;

/// A node's place among those that submit one checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// 0 submits at once.
    pub position: u64,
    /// How many take turns, this node included.
    pub count: u64,
}

impl Turn {
    /// The turn of `node` for checkpoint `sequence`. A node that is no validator comes after all of them.
    pub fn of(validators: &ValidatorSet, node: &VoteKey, sequence: Sequence) -> Self {
        let count = validators.len() as u64;
        match validators.find(node) {
            Some((index, _)) => Self { position: (index as u64 + count - sequence.get() % count) % count, count },
            None => Self { position: count, count: count + 1 },
        }
    }

    /// How long after the checkpoint could first be submitted this node makes its attempt number `attempt` (from 0),
    /// `step` being the time one submission needs until its acceptance can be seen.
    pub fn delay(&self, attempt: u32, step: Duration) -> Duration {
        // Round r takes its length × 2^r, so attempt n starts after the rounds before it.
        let doubled = |round: u32| 1u32 << round.min(DOUBLINGS_MAX);
        let rounds: u32 = (0..attempt).fold(0u32, |sum, round| sum.saturating_add(doubled(round)));
        let before = self.place(self.count, step).saturating_mul(rounds);
        before.saturating_add(self.place(self.position, step).saturating_mul(doubled(attempt)))
    }

    /// How long after the start of an undoubled round the place `position` comes; for the number of places, the round's
    /// length.
    fn place(&self, position: u64, step: Duration) -> Duration {
        let own = u32::try_from(position.min(PLACES_MAX)).unwrap_or(u32::MAX);
        let shared = position.saturating_sub(PLACES_MAX);
        // As many parts as there are further places; the numbers of validators are small.
        let parts = u32::try_from(self.count.saturating_sub(PLACES_MAX)).unwrap_or(u32::MAX).max(1);
        let part = step.saturating_mul(SHARED_STEPS) / parts;
        let rest = part.min(step).saturating_mul(u32::try_from(shared).unwrap_or(u32::MAX));
        step.saturating_mul(own).saturating_add(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use std::collections::BTreeSet;
    use subnet_types::{BlsPublicKey, ConfigurationNumber, Power, Validator};

    const STEP: Duration = Duration::from_secs(2);

    fn set(size: u8) -> ValidatorSet {
        let validators = (1..=size)
            .map(|seed| Validator {
                owner: Address::new_actor(&[seed]),
                vote_key: VoteKey([seed; 32]),
                checkpoint_key: BlsPublicKey([seed; 48]),
                power: Power::new(1),
            })
            .collect();
        ValidatorSet::new(ConfigurationNumber::FIRST, validators).unwrap()
    }

    fn turn(size: u8, seed: u8, sequence: u64) -> Turn {
        Turn::of(&set(size), &VoteKey([seed; 32]), Sequence::new(sequence))
    }

    #[test]
    fn each_checkpoint_has_exactly_one_first_and_the_next_has_another() {
        for sequence in 1..20 {
            let positions: BTreeSet<u64> = (1..=4).map(|seed| turn(4, seed, sequence).position).collect();
            assert_eq!(positions, (0..4).collect(), "sequence {sequence}");
        }
        let firsts: Vec<u8> =
            (1..=4).map(|sequence| (1..=4).find(|seed| turn(4, *seed, sequence).position == 0).unwrap()).collect();
        assert_eq!(firsts.iter().collect::<BTreeSet<_>>().len(), 4, "the duty goes round: {firsts:?}");
    }

    #[test]
    fn first_submits_at_once_and_no_two_attempts_of_a_round_coincide() {
        let attempts: Vec<Duration> =
            (0..4).flat_map(|attempt| (1..=4).map(move |seed| turn(4, seed, 9).delay(attempt, STEP))).collect();
        assert_eq!(attempts.iter().min(), Some(&Duration::ZERO));
        let distinct: BTreeSet<Duration> = attempts.iter().copied().collect();
        assert_eq!(distinct.len(), attempts.len(), "{attempts:?}");
        let sorted: Vec<Duration> = distinct.into_iter().collect();
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= STEP), "{sorted:?}");
    }

    #[test]
    fn a_node_outside_the_set_comes_last() {
        let outside = turn(4, 9, 1);
        assert!((1..=4).all(|seed| turn(4, seed, 1).delay(0, STEP) < outside.delay(0, STEP)));
    }

    #[test]
    fn one_that_submits_among_many_that_do_not_waits_sixteen_steps_at_most() {
        let delays: Vec<Duration> = (0..250).map(|position| Turn { position, count: 250 }.delay(0, STEP)).collect();
        assert_eq!(delays[..9], (0..9).map(|place| STEP * place).collect::<Vec<_>>());
        assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "nobody coincides");
        assert!(delays[249] <= STEP * 16, "{:?}", delays[249]);
        let again = Turn { position: 0, count: 250 }.delay(1, STEP);
        assert!(delays[249] < again && again <= STEP * 16, "{again:?}");
    }

    #[test]
    fn many_attempts_stay_within_a_bounded_pause() {
        let turn = turn(4, 1, 1);
        let pause = turn.delay(100, STEP) - turn.delay(99, STEP);
        assert_eq!(pause, STEP * 4 * 16);
    }
}
