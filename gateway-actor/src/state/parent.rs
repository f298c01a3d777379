//! Following the parent.

use std::collections::{BTreeMap, BTreeSet};

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::cross::CrossMessage;
use subnet_types::genesis::TOTAL_POWER_MAX;
use subnet_types::limits::{CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX, VALIDATORS_MAX};
use subnet_types::membership::ValidatorSetError;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};
use subnet_types::{BlsPublicKey, Validator, ValidatorSet, VoteKey};

use super::{State, save, state_error};
use crate::types::{GatewayError, ParentView};

impl State {
    /// Checks an update and takes over all of it but the messages, which are delivered one by one afterwards.
    /// `received` is the value that came with it. Returns the membership changes that were refused: each costs only
    /// itself, or it would keep everything from coming down for ever.
    ///
    /// # Errors
    /// When the update goes back, skips, repeats, brings too much, or brings another value than its messages say.
    pub fn begin_update(
        &mut self,
        store: &impl Blockstore,
        update: &ApplyParentUpdateParams,
        received: &TokenAmount,
    ) -> Result<Vec<RefusedChange>, GatewayError> {
        let Some(parent) = &mut self.parent else {
            return Err(GatewayError::NoParent { subnet: self.subnet.clone() });
        };
        // The same height again is fine: the rest of a range that one block could not take.
        at_least("parent height", parent.height.get(), update.parent_height.get())?;
        at_least("parent timestamp", parent.timestamp.get(), update.parent_timestamp.get())?;
        at_most("messages", update.messages.len(), CROSS_MESSAGES_PER_BLOCK_MAX)?;
        at_most("changes", update.changes.len(), CHANGES_PER_UPDATE_MAX)?;
        check_messages(parent, &update.messages, received)?;
        if let Some(set) = &update.parent_validators {
            set.check().map_err(|error| GatewayError::BadConfiguration {
                number: set.number(),
                problem: format!("the parent's validators: {error}"),
            })?;
        }
        parent.height = update.parent_height;
        parent.block = Some(update.parent_block);
        parent.timestamp = update.parent_timestamp;
        if let Some(set) = &update.parent_validators {
            parent.validators = save(store, set)?;
        }
        // It came out of the reserve.
        self.reserve -= received;
        if update.changes.is_empty() {
            return Ok(Vec::new());
        }
        let (pending, refused) = apply_changes(self.pending(store)?, &update.changes)?;
        self.pending = save(store, &pending)?;
        Ok(refused)
    }

    /// Takes note of the parent's `height` when nothing that stood there for this chain is missing: `next_nonce` and
    /// `next_configuration` are the numbers that the parent would have given out next.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn follow(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        next_nonce: Nonce,
        next_configuration: ConfigurationNumber,
    ) -> Result<(), GatewayError> {
        let has_changes = self.pending(store)?.number().next() >= next_configuration;
        if let Some(parent) = self.parent.as_mut().filter(|parent| has_changes && parent.next_nonce >= next_nonce) {
            parent.whole_height = height;
        }
        Ok(())
    }

    /// Moves the cursor past `nonce`. Called before the message is delivered, so that nothing delivers it twice.
    ///
    /// # Panics
    /// On a root, which [`Self::begin_update`] has refused before.
    pub(crate) fn pass(&mut self, nonce: Nonce) {
        self.parent.as_mut().expect("an update began, so there is a parent").next_nonce = nonce.next();
    }
}

fn at_least(field: &'static str, expected: u64, actual: u64) -> Result<(), GatewayError> {
    if actual >= expected { Ok(()) } else { Err(GatewayError::UpdateGoesBack { field, expected, actual }) }
}

fn at_most(field: &'static str, actual: usize, max: usize) -> Result<(), GatewayError> {
    if actual <= max { Ok(()) } else { Err(GatewayError::UpdateTooLarge { field, actual, max }) }
}

fn check_messages(parent: &ParentView, messages: &[CrossMessage], received: &TokenAmount) -> Result<(), GatewayError> {
    let mut sum = TokenAmount::default();
    for (index, message) in messages.iter().enumerate() {
        // Saturating: at the end of the numbers the comparison fails instead of the addition.
        let expected = parent.next_nonce.get().saturating_add(index as u64);
        let actual = message.nonce.get();
        if actual != expected || actual == u64::MAX {
            return Err(GatewayError::UpdateGap { index, field: "nonce", expected, actual });
        }
        if message.value.is_negative() || message.fee.is_negative() {
            return Err(GatewayError::NegativeAmount { nonce: message.nonce });
        }
        sum += message.amount();
    }
    if sum == *received {
        return Ok(());
    }
    Err(GatewayError::ValueMismatch { expected: sum.atto().to_string(), received: received.atto().to_string() })
}

/// A change of membership that makes no valid set of this chain's pending one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedChange {
    /// The change.
    pub change: MembershipChange,
    /// Why it was refused.
    pub reason: String,
}

/// The set that `changes` make of `before`, and those among them that were refused. A refused change advances the number
/// and nothing else, so that what comes after it does not wait for ever; each is judged by itself, so that the result does
/// not depend on how a range of them is split over updates.
fn apply_changes(
    before: ValidatorSet,
    changes: &[MembershipChange],
) -> Result<(ValidatorSet, Vec<RefusedChange>), GatewayError> {
    let (mut number, mut members, mut refused) = (before.number(), Members::of(&before), Vec::new());
    for (index, change) in changes.iter().enumerate() {
        let expected = number.next();
        if change.number != expected {
            let (expected, actual) = (expected.get(), change.number.get());
            return Err(GatewayError::UpdateGap { index, field: "configuration", expected, actual });
        }
        number = expected;
        if let Err(reason) = members.change(&change.validator) {
            refused.push(RefusedChange { change: change.clone(), reason });
        }
    }
    let set = ValidatorSet::new(number, members.validators.into_values().collect()).map_err(state_error)?;
    Ok((set, refused))
}

/// A valid set that changes one validator after the other, each at a cost that does not grow with the set.
struct Members {
    validators: BTreeMap<VoteKey, Validator>,
    checkpoint_keys: BTreeSet<BlsPublicKey>,
    total_power: u64,
}

impl Members {
    fn of(set: &ValidatorSet) -> Self {
        let by_key = |validator: &Validator| (validator.vote_key, validator.clone());
        Self {
            validators: set.validators().iter().map(by_key).collect(),
            checkpoint_keys: set.validators().iter().map(|validator| validator.checkpoint_key).collect(),
            total_power: set.total_power().get(),
        }
    }

    /// Puts a validator at its power, 0 to remove it, or says why that would leave no valid set. Then nothing changes.
    fn change(&mut self, validator: &Validator) -> Result<(), String> {
        let before = self.validators.get(&validator.vote_key);
        let power = validator.power.get();
        if power == 0 && before.is_none() {
            return Ok(());
        }
        let actual = self.validators.len() + usize::from(before.is_none()) - usize::from(power == 0);
        if actual == 0 {
            return Err(ValidatorSetError::Empty.to_string());
        }
        if actual > VALIDATORS_MAX {
            return Err(ValidatorSetError::TooMany { actual }.to_string());
        }
        let is_own_key = before.is_some_and(|before| before.checkpoint_key == validator.checkpoint_key);
        if power > 0 && !is_own_key && self.checkpoint_keys.contains(&validator.checkpoint_key) {
            let key = validator.checkpoint_key.to_string();
            return Err(ValidatorSetError::RepeatedKey { kind: "checkpoint", key }.to_string());
        }
        let total = u128::from(self.total_power - before.map_or(0, |before| before.power.get())) + u128::from(power);
        let counted = u64::try_from(total).ok().filter(|total| *total <= TOTAL_POWER_MAX);
        self.total_power =
            counted.ok_or_else(|| format!("total power {total}, votes can count at most {TOTAL_POWER_MAX}"))?;
        if let Some(before) = self.validators.remove(&validator.vote_key) {
            self.checkpoint_keys.remove(&before.checkpoint_key);
        }
        if power > 0 {
            self.checkpoint_keys.insert(validator.checkpoint_key);
            self.validators.insert(validator.vote_key, validator.clone());
        }
        Ok(())
    }
}
