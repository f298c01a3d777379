//! The way down to a child that ends.

use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::CrossMessage;
use subnet_types::quantity::Nonce;

use super::children::prune;
use super::{State, state_error};
use crate::types::{Child, GatewayError, QueuedMessage};

impl State {
    /// Closes the way down to the child of `id`: for all but answers, or for everything when it has exited. Returns how
    /// many messages no accepted checkpoint reports as applied, and what they carry together, in attoFIL.
    ///
    /// # Errors
    /// When the caller is no active child.
    pub fn close_child(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        has_exited: bool,
    ) -> Result<(u64, TokenAmount), GatewayError> {
        let mut child = self.active(store, id)?;
        child.is_closing = true;
        child.has_exited |= has_exited;
        let waiting = (unapplied(&child), unapplied_amount(store, &child)?);
        self.put_child(store, id, child)?;
        Ok(waiting)
    }

    /// At most `max` messages that the child of `id`, which has exited, will never apply, in nonce order.
    ///
    /// # Errors
    /// When it has not exited.
    pub fn refundable(
        &self,
        store: &impl Blockstore,
        id: ActorID,
        max: usize,
    ) -> Result<Vec<CrossMessage>, GatewayError> {
        let child = self.active(store, id)?;
        if !child.has_exited {
            return Err(GatewayError::NotExited { subnet: child.subnet });
        }
        self.top_down(store, id, child.unapplied_from, max)
    }

    /// Takes the first `count` of these messages out of the queue, and says how many are left.
    ///
    /// # Errors
    /// When the store fails.
    pub fn pass_refunded(&mut self, store: &impl Blockstore, id: ActorID, count: u64) -> Result<u64, GatewayError> {
        let mut child = self.active(store, id)?;
        let passed = child.unapplied_from.get().saturating_add(count).min(child.next_nonce.get());
        child.unapplied_from = Nonce::new(passed);
        let mut messages = Amt::<QueuedMessage, _>::load(&child.messages, store).map_err(state_error)?;
        // Those that were applied and not pruned yet go along.
        prune(&mut child, &mut messages, 2 * count)?;
        child.messages = messages.flush().map_err(state_error)?;
        let left = unapplied(&child);
        self.put_child(store, id, child)?;
        Ok(left)
    }
}

fn unapplied(child: &Child) -> u64 {
    child.next_nonce.saturating_since(child.unapplied_from)
}

/// What the messages carry that no accepted checkpoint reports as applied, in attoFIL.
///
/// # Errors
/// When the store fails.
pub fn unapplied_amount(store: &impl Blockstore, child: &Child) -> Result<TokenAmount, GatewayError> {
    if unapplied(child) == 0 {
        return Ok(TokenAmount::default());
    }
    let first = child.unapplied_from;
    let messages = Amt::<QueuedMessage, _>::load(&child.messages, store).map_err(state_error)?;
    let queued = messages.get(first.get()).map_err(state_error)?;
    let queued = queued.ok_or_else(|| state_error(format!("message {first} is not in the queue")))?;
    Ok(&child.queued_total - &queued.before)
}
