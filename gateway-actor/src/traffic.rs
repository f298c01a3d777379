//! The messages that pass the gateway: queued, delivered, answered.

use actor_runtime::{ActorError, Runtime};
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use num_traits::Zero;
use subnet_types::actors::{
    ApplyParentUpdateParams, ApplyParentUpdateReturn, BURNT_FUNDS_ID, CheckpointCut, ClaimParams, DeliverParams,
    DeliverReturn, EnqueueReturn, FIRST_USER_ID, FundParams, ReleaseParams, SYSTEM_ID, refusal,
};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::events::{EventBuilder, gateway as events};

use crate::children::height;
use crate::ext;
use crate::state::{Edge, State};
use crate::types::{Draft, GatewayError};

/// Anyone sends value down to a child.
pub(crate) fn fund(rt: &impl Runtime, params: FundParams) -> Result<EnqueueReturn, ActorError> {
    let value = positive_value(rt)?;
    let to = robust(params.to)?;
    let origin = ext::robust_address(rt, rt.caller())?;
    let mut state: State = rt.load_state()?;
    let no_route = || GatewayError::NoRoute { from: state.subnet.clone(), to: params.subnet.clone() };
    let actor = params.subnet.checkpoint_actor().ok_or_else(no_route)?;
    if params.subnet.parent().as_ref() != Some(&state.subnet) {
        return Err(no_route().into());
    }
    let id = rt.resolve_address(&actor).ok_or_else(no_route)?;
    let destination = CrossAddress { subnet: params.subnet, address: to };
    let draft = Draft { origin, destination, value: value.clone(), kind: CrossKind::Transfer };
    let message = state.queue_down(rt.store(), id, height(rt), draft)?;
    rt.save_state(&state)?;
    queued_down(rt, id, &message)?;
    ext::lock(rt, id, &value)?;
    Ok(EnqueueReturn { id: message.id, nonce: message.nonce })
}

/// Anyone sends value up to the parent.
pub(crate) fn release(rt: &impl Runtime, params: ReleaseParams) -> Result<EnqueueReturn, ActorError> {
    let value = positive_value(rt)?;
    let address = robust(params.to)?;
    let origin = ext::robust_address(rt, rt.caller())?;
    let mut state: State = rt.load_state()?;
    let Some(subnet) = state.subnet.parent() else {
        return Err(GatewayError::NoParent { subnet: state.subnet }.into());
    };
    let destination = CrossAddress { subnet, address };
    let draft = Draft { origin, destination, value: value.clone(), kind: CrossKind::Transfer };
    let message = state.release(rt.store(), height(rt), draft)?;
    rt.save_state(&state)?;
    queued_up(rt, &message)?;
    ext::unmint(rt, &value)?;
    Ok(EnqueueReturn { id: message.id, nonce: message.nonce })
}

/// A child's checkpoint actor hands over bottom-up messages with their amounts. Whatever a message is, this succeeds:
/// a refused one sends its value back, so it costs only itself.
pub(crate) fn deliver(rt: &impl Runtime, params: DeliverParams) -> Result<DeliverReturn, ActorError> {
    let amount: TokenAmount = params.messages.iter().map(CrossMessage::amount).sum();
    expect_value(rt, &amount)?;
    let outcomes = params.messages.iter().map(|message| deliver_one(rt, message)).collect::<Result<_, _>>()?;
    Ok(DeliverReturn { outcomes })
}

fn deliver_one(rt: &impl Runtime, message: &CrossMessage) -> Result<ExitCode, ActorError> {
    let caller = rt.caller();
    let mut state: State = rt.load_state()?;
    let child = state.active(rt.store(), caller)?;
    refuse_nesting(&state)?;
    if message.value.is_negative() || message.fee.is_negative() {
        return Err(GatewayError::NegativeAmount { nonce: message.nonce }.into());
    }
    let amount = message.amount();
    let exit_code = settle(rt, &mut state, message, Edge::Child(&child.subnet))?;
    // What goes back is locked again, with a receipt; only a forged origin gets none, for there is nobody to tell.
    let mut goes_back = exit_code == refusal::FORGED_ORIGIN;
    if !exit_code.is_success() && !goes_back {
        match state.receipt_for(message, exit_code) {
            Some(receipt) => {
                let receipt = state.queue_down(rt.store(), caller, height(rt), receipt)?;
                queued_down(rt, caller, &receipt)?;
                goes_back = true;
            }
            None => keep_unclaimed(rt, &mut state, message)?,
        }
    }
    rt.save_state(&state)?;
    settled(rt, message, exit_code)?;
    if goes_back {
        ext::lock(rt, caller, &amount)?;
    }
    Ok(exit_code)
}

/// System applies what the parent finalized. An update that cannot be applied as a whole aborts and changes nothing; a
/// message that cannot be delivered costs only itself.
pub(crate) fn apply_parent_update(
    rt: &impl Runtime,
    update: ApplyParentUpdateParams,
) -> Result<ApplyParentUpdateReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    state.begin_update(rt.store(), &update, &rt.value_received())?;
    let mut outcomes = Vec::with_capacity(update.messages.len());
    let mut going_up = TokenAmount::zero();
    for message in &update.messages {
        state.pass(message.nonce);
        let exit_code = settle(rt, &mut state, message, Edge::Parent)?;
        if !exit_code.is_success() {
            let receipt = state.receipt_for(message, exit_code).filter(|_| exit_code != refusal::FORGED_ORIGIN);
            match receipt {
                Some(receipt) => {
                    let receipt = state.queue_up(rt.store(), receipt)?;
                    queued_up(rt, &receipt)?;
                    going_up += receipt.amount();
                }
                None => keep_unclaimed(rt, &mut state, message)?,
            }
        }
        settled(rt, message, exit_code)?;
        outcomes.push(exit_code);
    }
    rt.save_state(&state)?;
    let pending = state.pending(rt.store())?.number();
    if let Some(parent) = &state.parent {
        let event = EventBuilder::new(events::PARENT_FOLLOWED)
            .field("parent-height", &parent.height)
            .field("top-down-nonce", &parent.next_nonce)
            .field("configuration", &pending);
        rt.emit_event(&event.build())?;
    }
    // What goes up leaves circulation here, as with any release.
    ext::unmint(rt, &going_up)?;
    Ok(ApplyParentUpdateReturn { outcomes })
}

/// System ends a period.
pub(crate) fn cut_checkpoint(rt: &impl Runtime) -> Result<CheckpointCut, ActorError> {
    let mut state: State = rt.load_state()?;
    let cut = state.cut(rt.store(), height(rt), &rt.balance_of(BURNT_FUNDS_ID), &rt.balance_of(SYSTEM_ID))?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHECKPOINT_CUT)
        .indexed("sequence", &cut.sequence)
        .field("messages", &cut.messages.count)
        .field("configuration", &cut.configuration.number);
    rt.emit_event(&event.build())?;
    Ok(cut)
}

/// Anyone has value credited that could not be credited when it came.
pub(crate) fn claim(rt: &impl Runtime, params: ClaimParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    refuse_nesting(&state)?;
    let amount = state.take_unclaimed(rt.store(), &params.address)?;
    let address = params.address.to_string();
    if is_forbidden(rt, &state, &params.address) {
        return Err(GatewayError::ClaimFailed { address, exit_code: refusal::FORBIDDEN }.into());
    }
    rt.save_state(&state)?;
    let exit_code = ext::credit(rt, &params.address, &amount)?;
    if !exit_code.is_success() {
        return Err(GatewayError::ClaimFailed { address, exit_code }.into());
    }
    rt.emit_event(&EventBuilder::new(events::VALUE_CLAIMED).indexed("address", &params.address).build())
}

/// Judges a message and credits its destination. Saves the state before the transfer and reads it again after.
fn settle(
    rt: &impl Runtime,
    state: &mut State,
    message: &CrossMessage,
    edge: Edge<'_>,
) -> Result<ExitCode, ActorError> {
    if let Some(code) = state.refusal(message, edge, height(rt)) {
        return Ok(code);
    }
    let to = &message.destination.address;
    if is_forbidden(rt, state, to) {
        return Ok(refusal::FORBIDDEN);
    }
    state.is_delivering = true;
    rt.save_state(state)?;
    let exit_code = ext::credit(rt, to, &message.amount())?;
    *state = rt.load_state()?;
    state.is_delivering = false;
    Ok(exit_code)
}

/// Whether an address is a system actor's or a checkpoint actor's: value sent there would be lost or counted twice.
fn is_forbidden(rt: &impl Runtime, state: &State, address: &Address) -> bool {
    rt.resolve_address(address).is_some_and(|id| id < FIRST_USER_ID || rt.code_of(id) == Some(state.checkpoint_code))
}

fn keep_unclaimed(rt: &impl Runtime, state: &mut State, message: &CrossMessage) -> Result<(), ActorError> {
    let address = &message.destination.address;
    state.keep_unclaimed(rt.store(), address, &message.amount())?;
    let event = EventBuilder::new(events::VALUE_UNCLAIMED).indexed("id", &message.id).indexed("address", address);
    rt.emit_event(&event.build())
}

fn refuse_nesting(state: &State) -> Result<(), ActorError> {
    if state.is_delivering { Err(GatewayError::Delivering.into()) } else { Ok(()) }
}

fn positive_value(rt: &impl Runtime) -> Result<TokenAmount, ActorError> {
    let value = rt.value_received();
    if value.is_positive() {
        return Ok(value);
    }
    Err(GatewayError::NoValue { actual: value.atto().to_string() }.into())
}

fn expect_value(rt: &impl Runtime, expected: &TokenAmount) -> Result<(), ActorError> {
    let received = rt.value_received();
    if received == *expected {
        return Ok(());
    }
    let (expected, received) = (expected.atto().to_string(), received.atto().to_string());
    Err(GatewayError::ValueMismatch { expected, received }.into())
}

fn robust(address: Address) -> Result<Address, ActorError> {
    if address.protocol() != Protocol::ID {
        return Ok(address);
    }
    Err(GatewayError::Recipient { address: address.to_string() }.into())
}

fn queued_down(rt: &impl Runtime, actor: u64, message: &CrossMessage) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_DOWN)
        .indexed("actor", &actor)
        .indexed("id", &message.id)
        .field("nonce", &message.nonce);
    rt.emit_event(&event.build())
}

fn queued_up(rt: &impl Runtime, message: &CrossMessage) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_UP).indexed("id", &message.id);
    rt.emit_event(&event.field("nonce", &message.nonce).build())
}

fn settled(rt: &impl Runtime, message: &CrossMessage, exit_code: ExitCode) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_SETTLED).indexed("id", &message.id);
    rt.emit_event(&event.field("exit-code", &exit_code).build())
}
