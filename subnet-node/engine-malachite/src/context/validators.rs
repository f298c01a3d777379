//! The validators of a height as Malachite sees them.

use std::sync::Arc;

use arc_malachitebft_app_channel::app::types::core;
use subnet_types::{Height, ValidatorSet, VoteKey};

use super::{Address, Chain, proposer};

/// Highest total power the engine can count with: it computes three times a sum of powers in 64 bits.
pub(crate) const TOTAL_POWER_MAX: u64 = u64::MAX / 3;

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    power: u64,
}

impl core::Validator<Chain> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &VoteKey {
        &self.address.0
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// Why a validator set cannot run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MembersError {
    #[error("a height needs at least one validator")]
    Empty,
    #[error("total power {total} is above {TOTAL_POWER_MAX}, which the engine can count with")]
    Power { total: u64 },
}

/// A validator set, cheap to clone, in the protocol's order (ascending vote keys).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    members: Arc<[Member]>,
    /// Sum of the powers up to and with each member.
    ends: Arc<[u64]>,
}

impl Members {
    /// The set, when the engine can count with its powers.
    pub(crate) fn new(set: &ValidatorSet) -> Result<Self, MembersError> {
        let total = set.total_power().get();
        if set.is_empty() || total == 0 {
            return Err(MembersError::Empty);
        }
        if total > TOTAL_POWER_MAX {
            return Err(MembersError::Power { total });
        }
        let members: Arc<[Member]> = set
            .validators()
            .iter()
            .map(|validator| Member { address: Address(validator.vote_key), power: validator.power.get() })
            .collect();
        let ends = members
            .iter()
            .scan(0u64, |end, member| {
                *end += member.power;
                Some(*end)
            })
            .collect();
        Ok(Self { members, ends })
    }

    /// Who proposes in this round.
    pub(crate) fn proposer(&self, height: Height, round: u32) -> &Member {
        let point = proposer::point(height, round, self.total());
        let index = self.ends.partition_point(|end| *end <= point);
        &self.members[index]
    }

    /// Whether this key votes.
    pub(crate) fn contains(&self, key: &VoteKey) -> bool {
        self.find(key).is_some()
    }

    fn find(&self, key: &VoteKey) -> Option<&Member> {
        let index = self.members.binary_search_by_key(key, |member| member.address.0).ok()?;
        Some(&self.members[index])
    }

    /// Power of the members that `is_counted`.
    pub(crate) fn power_of(&self, is_counted: impl Fn(&VoteKey) -> bool) -> u64 {
        self.members.iter().filter(|member| is_counted(&member.address.0)).map(|member| member.power).sum()
    }

    /// Power of all.
    pub(crate) fn total(&self) -> u64 {
        *self.ends.last().expect("a set has at least one member")
    }
}

impl core::ValidatorSet<Chain> for Members {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.find(&address.0)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::validators;
    use arc_malachitebft_app_channel::app::types::core::{Validator as _, ValidatorSet as _};
    use std::collections::BTreeMap;

    fn members(powers: &[u64]) -> Members {
        Members::new(&validators(powers)).unwrap()
    }

    #[test]
    fn each_validator_proposes_in_proportion_to_its_power() {
        let set = members(&[10, 20, 30, 40]);
        let mut turns = BTreeMap::new();
        for height in 1..=10_000 {
            *turns.entry(set.proposer(Height::new(height), 0).voting_power()).or_insert(0u64) += 1;
        }
        for (power, turns) in turns {
            let expected = power * 100;
            assert!(turns.abs_diff(expected) <= 5, "power {power} proposed {turns} times, expected {expected}");
        }
    }

    #[test]
    fn nobody_below_38_percent_proposes_twice_in_a_row() {
        let set = members(&[37, 21, 21, 21]);
        for height in 1..5_000 {
            let (now, next) = (set.proposer(Height::new(height), 0), set.proposer(Height::new(height), 1));
            assert_ne!(now, next, "height {height}");
        }
    }

    #[test]
    fn the_order_in_which_validators_came_does_not_matter_and_a_lone_one_always_proposes() {
        let lone = members(&[7]);
        assert!((1..100).all(|height| lone.proposer(Height::new(height), 3) == &lone.members[0]));
        let largest = members(&[TOTAL_POWER_MAX]);
        assert_eq!(largest.proposer(Height::new(u64::MAX), u32::MAX).voting_power(), TOTAL_POWER_MAX);
        assert_eq!(largest.count(), 1);
    }

    #[test]
    fn power_that_the_engine_cannot_count_with_is_refused() {
        let error = Members::new(&validators(&[TOTAL_POWER_MAX, 1])).unwrap_err();
        assert_eq!(error, MembersError::Power { total: TOTAL_POWER_MAX + 1 });
    }
}
