//! Methods by which the subnet commits what it did, and its messages reach this chain.

use actor_runtime::{ActorError, Runtime, decode_params};
use fvm_shared::error::ExitCode;
use subnet_types::actors::{
    CommitCheckpointParams, DeliverBatchParams, DeliverReturn, DeliverUnclaimedReturn, SubmitCheckpointParams,
    SubmitCheckpointReturn,
};
use subnet_types::cross::{CrossMessage, MessageBatch};
use subnet_types::events::{EventBuilder, checkpoint as events};
use subnet_types::quantity::{Height, Sequence};

use crate::ext;
use crate::rejection::Rejection;
use crate::runs;
use crate::state::{State, check_whole};

/// Anyone submits the next checkpoint. Acceptance runs nobody's code; delivery follows as far as the gas goes.
pub(crate) fn submit(rt: &impl Runtime, params: SubmitCheckpointParams) -> Result<SubmitCheckpointReturn, ActorError> {
    let SubmitCheckpointParams { checkpoint, certificate, messages } = params;
    let mut state: State = rt.load_state()?;
    require_direct(rt, &state)?;
    let height = height(rt);
    let digest = state.check_checkpoint(rt.store(), &checkpoint, height)?;
    let batch = checkpoint.messages.clone();
    if !messages.is_empty() {
        check_whole(checkpoint.sequence, &batch, &messages)?;
    }
    state.check_certificate(rt.store(), &certificate, &digest, |signature, key, digest| {
        rt.verify_bls_aggregate(signature, &[*key], &[digest.as_bytes()])
    })?;
    state.accept(rt.store(), &checkpoint, digest, height)?;
    rt.save_state(&state)?;

    let event = EventBuilder::new(events::CHECKPOINT_ACCEPTED)
        .indexed("sequence", &checkpoint.sequence)
        .indexed("digest", &digest)
        .field("height", &checkpoint.height);
    rt.emit_event(&event.build())?;
    let report = CommitCheckpointParams {
        top_down_applied: checkpoint.top_down_applied,
        configuration: checkpoint.configuration.number,
    };
    let answer = ext::commit_checkpoint(rt, &report)?;
    state.check_lag(&checkpoint.top_down_applied, answer.oldest_unapplied)?;
    ext::burn(rt, &checkpoint.burned)?;

    let mut state: State = rt.load_state()?;
    // Messages of an earlier batch may still wait; these then wait for a later call.
    if !messages.is_empty() && state.next_delivery_nonce == batch.first_nonce {
        state = deliver_from_cursor(rt, state, checkpoint.sequence, &batch, &messages)?;
    }
    Ok(progress(&state))
}

/// Anyone delivers further messages of an accepted checkpoint: a slice of its batch, or all of it.
pub(crate) fn deliver_batch(
    rt: &impl Runtime,
    params: DeliverBatchParams,
) -> Result<SubmitCheckpointReturn, ActorError> {
    let state: State = rt.load_state()?;
    require_direct(rt, &state)?;
    let batch = state.batch_in_turn(rt.store(), params.sequence)?;
    let waiting = state.check_slice(params.sequence, &batch, &params.messages, &params.proof)?;
    let state = deliver_from_cursor(rt, state, params.sequence, &batch, waiting)?;
    Ok(progress(&state))
}

/// Anyone has a message delivered again that was set aside. When the gateway fails at it as before, so does this call,
/// and the message stays where it is.
pub(crate) fn deliver_unclaimed(
    rt: &impl Runtime,
    message: CrossMessage,
) -> Result<DeliverUnclaimedReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    require_direct(rt, &state)?;
    state.take_unclaimed(rt.store(), &message)?;
    let (available, needed) = (rt.gas_available(), runs::gas_alone(&message));
    if available < needed {
        return Err(Rejection::DeliveryGas { available, needed }.into());
    }
    state.is_delivering = true;
    rt.save_state(&state)?;
    // With all the gas that its caller gives: the limit under which it failed would let it fail for ever, and it keeps
    // nobody else waiting.
    let sent = ext::deliver(rt, std::slice::from_ref(&message), None)?;
    let nonce = message.nonce;
    if !sent.is_success() {
        return Err(Rejection::StillUnclaimed { nonce, exit_code: sent.exit_code }.into());
    }
    let returned: DeliverReturn = decode_params(sent.return_data)?;
    let exit_code = *returned
        .outcomes
        .first()
        .ok_or_else(|| ActorError::new(ExitCode::USR_SERIALIZATION, "the gateway returned no outcome".to_owned()))?;
    let mut state: State = rt.load_state()?;
    state.is_delivering = false;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::MESSAGE_CLAIMED).indexed("id", &message.id).indexed("nonce", &nonce);
    rt.emit_event(&event.field("exit-code", &exit_code).build())?;
    Ok(DeliverUnclaimedReturn { exit_code })
}

/// Delivers checked messages, the first of which the cursor is at, and returns the state as saved. Before each call of
/// the gateway the gas for whatever it may do must be there; otherwise this stops with the cursor unmoved, so that
/// whoever calls with too little gas cannot make a message fail.
fn deliver_from_cursor(
    rt: &impl Runtime,
    mut state: State,
    sequence: Sequence,
    batch: &MessageBatch,
    mut waiting: &[CrossMessage],
) -> Result<State, ActorError> {
    let from = state.next_delivery_nonce;
    // Messages of a run that failed as a whole, which go one by one.
    let mut alone: usize = 0;
    loop {
        let messages_max = if alone > 0 { 1 } else { runs::RUN_MESSAGES_MAX };
        let length = runs::length(waiting, messages_max, rt.gas_available());
        if length == 0 {
            break;
        }
        let (run, rest) = waiting.split_at(length);
        let before = state.clone();
        for message in run {
            state.pass_message(batch, message.nonce, &message.amount())?;
        }
        state.is_delivering = true;
        rt.save_state(&state)?;
        let gas_limit = run.iter().map(CrossMessage::delivery_gas).sum();
        let exit_code = ext::deliver(rt, run, Some(gas_limit))?.exit_code;
        state = rt.load_state()?;
        match run {
            _ if exit_code.is_success() => {}
            [message] => {
                state.set_aside(rt.store(), message)?;
                let event = EventBuilder::new(events::MESSAGE_UNCLAIMED);
                let event = event.indexed("id", &message.id).indexed("nonce", &message.nonce);
                rt.emit_event(&event.field("exit-code", &exit_code).build())?;
            }
            _ => {
                // What failed left nothing behind, so the state is as it was but for what was passed.
                state = State { is_delivering: true, ..before };
                alone = length;
                continue;
            }
        }
        waiting = rest;
        alone = alone.saturating_sub(length);
    }
    if state.is_delivering {
        state.is_delivering = false;
        state.forget_if_delivered(rt.store(), sequence, batch)?;
        rt.save_state(&state)?;
        let event = EventBuilder::new(events::MESSAGES_DELIVERED).field("from", &from);
        rt.emit_event(&event.field("to", &state.next_delivery_nonce).build())?;
    }
    Ok(state)
}

/// Lets calls pass that no other code can influence: none is running further up, neither a delivery nor a contract that
/// used the call stack up before it called.
pub(crate) fn require_direct(rt: &impl Runtime, state: &State) -> Result<(), Rejection> {
    if state.is_delivering {
        return Err(Rejection::Delivering);
    }
    let (caller, origin) = (rt.caller(), rt.origin());
    if caller == origin { Ok(()) } else { Err(Rejection::NotDirect { caller, origin }) }
}

/// This chain's height.
pub(crate) fn height(rt: &impl Runtime) -> Height {
    Height::new(u64::try_from(rt.epoch()).expect("heights are counted up from zero"))
}

fn progress(state: &State) -> SubmitCheckpointReturn {
    SubmitCheckpointReturn { next_nonce: state.next_delivery_nonce, undelivered: state.undelivered() }
}
