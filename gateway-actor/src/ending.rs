//! What the checkpoint actor of a child that ends asks of the gateway.

use actor_runtime::{ActorError, Runtime};
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{CloseChildParams, CloseChildReturn, RefundChildParams, RefundReturn};
use subnet_types::cross::{CrossMessage, gas_to_carry};
use subnet_types::events::{EventBuilder, gateway as events};
use subnet_types::limits::{CROSS_HOP_GAS, CROSS_RECEIPT_GAS, REFUNDS_PER_CALL_MAX};

use crate::delivery::Delivery;
use crate::door::refuse_nesting;
use crate::ext;
use crate::state::State;
use crate::types::GatewayError;

/// Gas for a refund besides its messages: to take their value out of custody, and to move what they leave.
const REFUND_GAS_RESERVE: u64 = 100_000_000;

pub(crate) fn close(rt: &impl Runtime, params: CloseChildParams) -> Result<CloseChildReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    let (unapplied, amount) = state.close_child(rt.store(), rt.caller(), params.has_exited)?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHILD_CLOSED).indexed("actor", &rt.caller());
    rt.emit_event(&event.field("has-exited", &params.has_exited).build())?;
    Ok(CloseChildReturn { unapplied, amount })
}

/// Answers messages that a child will never apply, in nonce order, as many as the gas is there for. Whatever a message
/// is, this succeeds.
pub(crate) fn refund(rt: &impl Runtime, params: RefundChildParams) -> Result<RefundReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    let id = rt.caller();
    let child = state.active(rt.store(), id)?;
    let max = usize::try_from(params.messages_max).unwrap_or(usize::MAX).min(REFUNDS_PER_CALL_MAX);
    let mut messages = state.refundable(rt.store(), id, max)?;
    let (available, each) = (rt.gas_available(), CROSS_HOP_GAS + gas_to_carry(CROSS_RECEIPT_GAS));
    let fitting = available.saturating_sub(REFUND_GAS_RESERVE) / each;
    if fitting == 0 && !messages.is_empty() {
        return Err(GatewayError::RefundGas { available, needed: REFUND_GAS_RESERVE + each }.into());
    }
    messages.truncate(usize::try_from(fitting).unwrap_or(usize::MAX));
    let refunded = messages.len() as u64;
    let left = state.pass_refunded(rt.store(), id, refunded)?;
    // Saved whatever the messages come to: one that brings nothing, or that is burned, changes nothing else in the state.
    rt.save_state(&state)?;
    let amount: TokenAmount = messages.iter().map(CrossMessage::amount).sum();
    let mut granted = ext::unlock(rt, id, amount)?;
    let mut delivery = Delivery::from_child(rt, state, id, child);
    for message in &messages {
        delivery.give_back(message, &mut granted)?;
    }
    delivery.finish()?;
    Ok(RefundReturn { refunded, left })
}
