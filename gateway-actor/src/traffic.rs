//! The messages that reach this chain, by either edge, and the end of a period.

use actor_runtime::{ActorError, Runtime};
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{
    ApplyParentUpdateParams, ApplyParentUpdateReturn, BURNT_FUNDS_ID, CheckpointCut, DeliverParams, DeliverReturn,
    SYSTEM_ID,
};
use subnet_types::cross::CrossMessage;
use subnet_types::events::{EventBuilder, gateway as events};

use crate::children::height;
use crate::delivery::Delivery;
use crate::door::refuse_nesting;
use crate::events::change_refused;
use crate::state::State;
use crate::types::GatewayError;

/// A child's checkpoint actor hands over bottom-up messages with their amounts. Whatever a message is, this succeeds:
/// a refused one sends its value back, so it costs only itself.
pub(crate) fn deliver(rt: &impl Runtime, params: DeliverParams) -> Result<DeliverReturn, ActorError> {
    let state: State = rt.load_state()?;
    let child = state.active(rt.store(), rt.caller())?;
    refuse_nesting(&state)?;
    check_run(&params.messages)?;
    let expected: TokenAmount = params.messages.iter().map(CrossMessage::amount).sum();
    let received = rt.value_received();
    if received != expected {
        let (expected, received) = (expected.atto().to_string(), received.atto().to_string());
        return Err(GatewayError::ValueMismatch { expected, received }.into());
    }
    let mut delivery = Delivery::from_child(rt, state, rt.caller(), child);
    let outcomes = params.messages.iter().map(|message| delivery.take(message)).collect::<Result<_, _>>()?;
    delivery.finish()?;
    Ok(DeliverReturn { outcomes })
}

fn check_run(messages: &[CrossMessage]) -> Result<(), GatewayError> {
    let first = messages.first().map_or(0, |message| message.nonce.get());
    for (index, message) in messages.iter().enumerate() {
        if message.value.is_negative() || message.fee.is_negative() {
            return Err(GatewayError::NegativeAmount { nonce: message.nonce });
        }
        // Saturating: at the end of the numbers the comparison fails instead of the addition.
        let (expected, actual) = (first.saturating_add(index as u64), message.nonce.get());
        if actual != expected || actual == u64::MAX {
            return Err(GatewayError::DeliveryGap { index, expected, actual });
        }
    }
    Ok(())
}

/// System applies what the parent finalized. Messages for which the gas does not suffice are left to the next update, which
/// begins with them: an update that failed for what its messages weigh would do so again, for ever.
///
/// An update that cannot be applied as a whole aborts and changes nothing; a
/// message that cannot be delivered, or a membership change that makes no valid set, costs only itself.
pub(crate) fn apply_parent_update(
    rt: &impl Runtime,
    update: ApplyParentUpdateParams,
) -> Result<ApplyParentUpdateReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    for refused in state.begin_update(rt.store(), &update, &rt.value_received())? {
        change_refused(rt, &refused)?;
    }
    let mut delivery = Delivery::from_parent(rt, state);
    let mut outcomes = Vec::with_capacity(update.messages.len());
    for message in &update.messages {
        if !delivery.has_gas_for(message) {
            break;
        }
        delivery.pass(message.nonce);
        outcomes.push(delivery.take(message)?);
    }
    delivery.leave(update.messages.split_at(outcomes.len()).1);
    delivery.follow(update.parent_height, update.next_nonce, update.next_configuration)?;
    let state = delivery.finish()?;
    let pending = state.pending(rt.store())?.number();
    if let Some(parent) = &state.parent {
        let event = EventBuilder::new(events::PARENT_FOLLOWED)
            .field("parent-height", &parent.height)
            .field("top-down-nonce", &parent.next_nonce)
            .field("configuration", &pending);
        rt.emit_event(&event.build())?;
    }
    Ok(ApplyParentUpdateReturn { outcomes })
}

/// System ends a period.
pub(crate) fn cut_checkpoint(rt: &impl Runtime) -> Result<CheckpointCut, ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    let cut = state.cut(rt.store(), height(rt), &rt.balance_of(BURNT_FUNDS_ID), &rt.balance_of(SYSTEM_ID))?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHECKPOINT_CUT)
        .indexed("sequence", &cut.sequence)
        .field("messages", &cut.messages.count)
        .field("configuration", &cut.configuration.number);
    rt.emit_event(&event.build())?;
    Ok(cut)
}
