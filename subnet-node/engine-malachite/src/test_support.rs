//! What unit tests of several modules need.

use fvm_shared::address::Address;
use subnet_types::{BlsPublicKey, ConfigurationNumber, Power, Validator, ValidatorSet, VoteKey};

/// A set of validators with these powers.
pub(crate) fn validators(powers: &[u64]) -> ValidatorSet {
    let validators = (1u8..).zip(powers).map(|(seed, power)| Validator {
        owner: Address::new_actor(&[seed]),
        vote_key: VoteKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        power: Power::new(*power),
    });
    ValidatorSet::new(ConfigurationNumber::FIRST, validators.collect()).unwrap()
}
