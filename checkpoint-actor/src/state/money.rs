//! The only place where value enters, leaves or moves between the counters. The balance itself decides nothing.
//!
//! ```text
//!  Join ──> stake_total ──leave──> unbonding_total ──withdraw──> owner
//!                  └──(before activation, after exit)──────────────┘
//!  Lock ──> custody ──accept──> batch_reserved ──deliver──> gateway
//!              ├────accept────> burnt funds        └──(gateway takes nothing)──> unclaimed ──deliver again──> gateway
//!              └──after exit──> refunds, by the gateway; what these do not need: claims, by their owners
//! ```

use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::{CrossMessage, MessageBatch};
use subnet_types::quantity::Nonce;

use super::{State, state_error};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::rejection::Rejection;
use crate::types::UnclaimedMessage;

fn atto(amount: &TokenAmount) -> String {
    amount.atto().to_string()
}

impl State {
    /// A member's value came in.
    pub(crate) fn add_stake(&mut self, amount: &TokenAmount) {
        self.stake_total += amount;
    }

    /// The gateway locked value for the subnet.
    pub fn lock(&mut self, amount: &TokenAmount) {
        self.custody += amount;
    }

    /// The firewall: what a checkpoint takes out of circulation leaves the custody, the batch's value to wait for
    /// delivery and `burned` for good (the caller sends it to the burnt-funds actor).
    ///
    /// # Errors
    /// When there is less than that.
    pub(crate) fn take_out(&mut self, value: &TokenAmount, burned: &TokenAmount) -> Result<(), Rejection> {
        if value + burned > self.custody {
            let (value, burned, custody) = (atto(value), atto(burned), atto(&self.custody));
            return Err(Rejection::BeyondCustody { value, burned, custody });
        }
        self.custody -= value + burned;
        self.batch_reserved += value;
        Ok(())
    }

    /// Moves the cursor past the message `nonce` of `batch` and its `amount` out of the reserved counter (the caller
    /// sends it to the gateway).
    ///
    /// # Errors
    /// When the batch would deliver more than it declared.
    pub fn pass_message(&mut self, batch: &MessageBatch, nonce: Nonce, amount: &TokenAmount) -> Result<(), Rejection> {
        let before = if nonce == batch.first_nonce { TokenAmount::default() } else { self.batch_delivered.clone() };
        let delivered = before + amount;
        if delivered > batch.value || *amount > self.batch_reserved {
            let (declared, actual) = (atto(&batch.value), atto(&delivered));
            return Err(Rejection::BeyondBatch { declared, actual, nonce });
        }
        self.batch_delivered = delivered;
        self.batch_reserved -= amount;
        self.next_delivery_nonce = nonce.next();
        Ok(())
    }

    /// Keeps the amount of a message that the gateway did not take, until somebody has it delivered again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn set_aside(&mut self, store: &impl Blockstore, message: &CrossMessage) -> Result<(), CheckpointError> {
        let entry = UnclaimedMessage { leaf: message.leaf(), amount: message.amount() };
        self.unclaimed += &entry.amount;
        let mut messages = Amt::<UnclaimedMessage, _>::load(&self.unclaimed_messages, store).map_err(state_error)?;
        messages.set(message.nonce.get(), entry).map_err(state_error)?;
        self.unclaimed_messages = messages.flush().map_err(state_error)?;
        Ok(())
    }

    /// Takes the amount of a message that was set aside out of its counter (the caller sends it to the gateway).
    ///
    /// # Errors
    /// When nothing is kept under its nonce, or it is not the message that was set aside.
    pub fn take_unclaimed(&mut self, store: &impl Blockstore, message: &CrossMessage) -> Result<(), CheckpointError> {
        let nonce = message.nonce;
        if nonce >= self.next_delivery_nonce {
            return Err(Rejection::NotUnclaimed { nonce }.into());
        }
        let mut messages = Amt::<UnclaimedMessage, _>::load(&self.unclaimed_messages, store).map_err(state_error)?;
        let entry = messages.delete(nonce.get()).map_err(state_error)?.ok_or(Rejection::NotUnclaimed { nonce })?;
        let (expected, actual) = (entry.leaf, message.leaf());
        if actual != expected {
            return Err(Rejection::AlteredUnclaimed { nonce, expected, actual }.into());
        }
        self.unclaimed_messages = messages.flush().map_err(state_error)?;
        self.unclaimed -= &entry.amount;
        Ok(())
    }

    /// A member's stake goes back to its owner (the caller sends it there).
    pub(super) fn return_stake(&mut self, amount: &TokenAmount) {
        self.stake_total -= amount;
    }

    /// A member's stake waits for its time.
    pub(super) fn unbond(&mut self, amount: &TokenAmount) {
        self.stake_total -= amount;
        self.unbonding_total += amount;
    }

    /// A stake has waited (the caller sends it to its owner).
    pub(super) fn return_unbonded(&mut self, amount: &TokenAmount) {
        self.unbonding_total -= amount;
    }

    /// Takes `amount` out of custody to refund messages of so much (the caller sends it to the gateway), or what there
    /// is: a child whose validators released more than it had has taken from what was on its way to it, too.
    ///
    /// # Errors
    /// Before the end.
    pub fn unlock(&mut self, amount: &TokenAmount) -> Result<TokenAmount, ExitError> {
        let granted = amount.clone().clamp(TokenAmount::default(), self.custody.clone());
        self.expect_exit()?.unrefunded_amount -= amount;
        self.custody -= &granted;
        Ok(granted)
    }

    /// What of the custody is there for claims: all that no refund needs.
    ///
    /// # Errors
    /// Before the end.
    pub fn claimable(&mut self) -> Result<TokenAmount, ExitError> {
        let custody = self.custody.clone();
        let left = custody - &self.expect_exit()?.unrefunded_amount;
        Ok(left.max(TokenAmount::default()))
    }

    /// Takes what an account gets out of custody (the caller sends it there).
    pub(super) fn pay_claim(&mut self, amount: &TokenAmount) {
        self.custody -= amount;
    }
}
