//! Following the parent.

use std::collections::BTreeMap;

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::ValidatorSet;
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::cross::CrossMessage;
use subnet_types::limits::{CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};

use super::{State, save};
use crate::types::{GatewayError, ParentView};

impl State {
    /// Checks an update and takes over all of it but the messages, which are delivered one by one afterwards.
    /// `received` is the value that came with it.
    ///
    /// # Errors
    /// When the update goes back, skips, repeats, brings too much, or brings another value than its messages say.
    pub fn begin_update(
        &mut self,
        store: &impl Blockstore,
        update: &ApplyParentUpdateParams,
        received: &TokenAmount,
    ) -> Result<(), GatewayError> {
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
                problem: format!("the parent's: {error}"),
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
        if !update.changes.is_empty() {
            let pending = apply_changes(&self.pending(store)?, &update.changes)?;
            self.pending = save(store, &pending)?;
        }
        Ok(())
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

/// The set that `changes` make of `before`.
fn apply_changes(before: &ValidatorSet, changes: &[MembershipChange]) -> Result<ValidatorSet, GatewayError> {
    let mut number = before.number();
    let mut validators: BTreeMap<_, _> =
        before.validators().iter().map(|validator| (validator.vote_key, validator.clone())).collect();
    for (index, change) in changes.iter().enumerate() {
        let expected = number.next();
        if change.number != expected {
            let (expected, actual) = (expected.get(), change.number.get());
            return Err(GatewayError::UpdateGap { index, field: "configuration", expected, actual });
        }
        number = expected;
        if change.validator.power.get() == 0 {
            validators.remove(&change.validator.vote_key);
        } else {
            validators.insert(change.validator.vote_key, change.validator.clone());
        }
    }
    ValidatorSet::new(number, validators.into_values().collect())
        .map_err(|error| GatewayError::BadConfiguration { number, problem: error.to_string() })
}
