//! Validators and the sets in which they vote.

use cid::Cid;
use fvm_shared::address::Address;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::bytes::{BlsPublicKey, Digest, VoteKey};
use crate::hash;
use crate::limits::VALIDATORS_MAX;
use crate::quantity::{ConfigurationNumber, Power};

/// One validator of one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Validator {
    /// Robust address (f1, f3 or f4) that joined and that earns the tips.
    pub owner: Address,
    /// Key of proposals and votes, and the validator's id in consensus.
    pub vote_key: VoteKey,
    /// Key of checkpoint digests.
    pub checkpoint_key: BlsPublicKey,
    /// Voting weight; never zero in a set.
    pub power: Power,
}

/// The validators that vote on one height, in ascending order of their vote keys.
///
/// The order is part of the protocol: bit `i` of a signer bitmap is validator `i` of this list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ValidatorSet {
    number: ConfigurationNumber,
    validators: Vec<Validator>,
}

/// Why a list of validators is not a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// Nobody could decide a block.
    #[error("a validator set needs at least one validator")]
    Empty,
    /// More validators than a configuration may have.
    #[error("{actual} validators, at most {VALIDATORS_MAX} are allowed")]
    TooMany {
        /// How many came.
        actual: usize,
    },
    /// The same key twice.
    #[error("{kind} key {key} stands twice in the validator set")]
    RepeatedKey {
        /// `vote` or `checkpoint`.
        kind: &'static str,
        /// The key, hexadecimal.
        key: String,
    },
    /// A validator without weight.
    #[error("validator {vote_key} has power 0")]
    NoPower {
        /// Whose.
        vote_key: VoteKey,
    },
    /// The sum of powers overflows.
    #[error("the sum of the validators' powers overflows 64 bits")]
    PowerOverflow,
    /// The list came in another order than the protocol's.
    #[error("validators are not in ascending order of their vote keys")]
    Order,
}

impl ValidatorSet {
    /// A set from validators in any order.
    ///
    /// # Errors
    /// When the list is empty or too long, repeats a key, or holds a validator without power.
    pub fn new(number: ConfigurationNumber, mut validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        validators.sort_by_key(|validator| validator.vote_key);
        let set = Self { number, validators };
        set.check()?;
        Ok(set)
    }

    /// Checks what [`Self::new`] guarantees, for a set that was decoded rather than made.
    ///
    /// # Errors
    /// As [`Self::new`], and when the order is wrong.
    pub fn check(&self) -> Result<(), ValidatorSetError> {
        if self.validators.is_empty() {
            return Err(ValidatorSetError::Empty);
        }
        if self.validators.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::TooMany { actual: self.validators.len() });
        }
        let mut total = 0u64;
        let mut checkpoint_keys = std::collections::BTreeSet::new();
        for (index, validator) in self.validators.iter().enumerate() {
            if let Some(before) = index.checked_sub(1).map(|before| &self.validators[before]) {
                if before.vote_key == validator.vote_key {
                    let key = validator.vote_key.to_string();
                    return Err(ValidatorSetError::RepeatedKey { kind: "vote", key });
                }
                if before.vote_key > validator.vote_key {
                    return Err(ValidatorSetError::Order);
                }
            }
            if !checkpoint_keys.insert(validator.checkpoint_key) {
                let key = validator.checkpoint_key.to_string();
                return Err(ValidatorSetError::RepeatedKey { kind: "checkpoint", key });
            }
            if validator.power == Power::ZERO {
                return Err(ValidatorSetError::NoPower { vote_key: validator.vote_key });
            }
            total = total.checked_add(validator.power.get()).ok_or(ValidatorSetError::PowerOverflow)?;
        }
        Ok(())
    }

    /// Number of the configuration this is.
    pub const fn number(&self) -> ConfigurationNumber {
        self.number
    }

    /// The validators in the protocol's order.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// How many validators there are.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never true for a checked set; here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Position and validator with this vote key.
    pub fn find(&self, vote_key: &VoteKey) -> Option<(usize, &Validator)> {
        let index = self.validators.binary_search_by_key(vote_key, |validator| validator.vote_key).ok()?;
        Some((index, &self.validators[index]))
    }

    /// Sum of all powers.
    ///
    /// # Panics
    /// When the set was never checked and the sum overflows.
    pub fn total_power(&self) -> Power {
        let sum = self
            .validators
            .iter()
            .try_fold(0u64, |sum, validator| sum.checked_add(validator.power.get()))
            .expect("a checked set's powers fit 64 bits");
        Power::new(sum)
    }

    /// Keccak-256 of the set's encoding; what headers and checkpoints carry.
    pub fn hash(&self) -> Digest {
        hash::keccak_256(&hash::encode(self))
    }

    /// CID under which a state can keep the set.
    pub fn cid(&self) -> Cid {
        hash::cid_of(self)
    }
}

/// Whether `signed` is strictly more than 2/3 of `total`.
pub fn is_quorum(signed: Power, total: Power) -> bool {
    3 * u128::from(signed.get()) > 2 * u128::from(total.get())
}

const POSSESSION_TAG: &str = "subnet-runtime/proof-of-possession/v1";

/// Which key a proof of possession is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The Ed25519 vote key.
    Vote,
    /// The BLS checkpoint key.
    Checkpoint,
}

/// The bytes a joining validator signs with each of its keys.
///
/// They bind the key to the parent chain, the checkpoint actor and the owner, so that nobody can register a key they
/// do not hold (a rogue key would forge BLS aggregates) nor replay someone else's proof. `actor` is the checkpoint
/// actor's robust address.
pub fn proof_of_possession_bytes(
    kind: KeyKind,
    parent: &Digest,
    actor: &Address,
    owner: &Address,
    key: &[u8],
) -> Vec<u8> {
    let kind = match kind {
        KeyKind::Vote => "vote",
        KeyKind::Checkpoint => "checkpoint",
    };
    let key = fvm_ipld_encoding::BytesSer(key);
    hash::blake2b_256(&hash::encode(&(POSSESSION_TAG, kind, parent, actor, owner, key))).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(seed: u8, power: u64) -> Validator {
        Validator {
            owner: Address::new_actor(&[seed]),
            vote_key: VoteKey([seed; 32]),
            checkpoint_key: BlsPublicKey([seed; 48]),
            power: Power::new(power),
        }
    }

    #[test]
    fn set_is_sorted_and_found_by_key() {
        let set = ValidatorSet::new(ConfigurationNumber::FIRST, vec![validator(3, 1), validator(1, 2)]).expect("a set");
        assert_eq!(set.validators()[0].vote_key, VoteKey([1; 32]));
        assert_eq!(set.find(&VoteKey([3; 32])).map(|(index, _)| index), Some(1));
        assert_eq!(set.total_power(), Power::new(3));
    }

    #[test]
    fn repeated_keys_powerless_and_overflowing_sets_are_refused() {
        let number = ConfigurationNumber::FIRST;
        assert_eq!(ValidatorSet::new(number, vec![]), Err(ValidatorSetError::Empty));
        let twice = ValidatorSet::new(number, vec![validator(1, 1), validator(1, 1)]);
        assert!(matches!(twice, Err(ValidatorSetError::RepeatedKey { kind: "vote", .. })));
        let mut other = validator(2, 1);
        other.checkpoint_key = BlsPublicKey([1; 48]);
        let twice = ValidatorSet::new(number, vec![validator(1, 1), other]);
        assert!(matches!(twice, Err(ValidatorSetError::RepeatedKey { kind: "checkpoint", .. })));
        assert!(matches!(ValidatorSet::new(number, vec![validator(1, 0)]), Err(ValidatorSetError::NoPower { .. })));
        let overflow = ValidatorSet::new(number, vec![validator(1, u64::MAX), validator(2, 1)]);
        assert_eq!(overflow, Err(ValidatorSetError::PowerOverflow));
    }

    #[test]
    fn exactly_two_thirds_is_no_quorum() {
        assert!(!is_quorum(Power::new(2), Power::new(3)));
        assert!(is_quorum(Power::new(3), Power::new(4)));
        assert!(is_quorum(Power::new(u64::MAX), Power::new(u64::MAX)));
        assert!(!is_quorum(Power::ZERO, Power::ZERO));
    }
}
