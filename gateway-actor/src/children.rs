//! What checkpoint actors ask of the gateway: methods whose caller is, or becomes, a registered child.

use actor_runtime::{ActorError, Runtime};
use subnet_types::actors::{CommitCheckpointParams, CommitCheckpointReturn, RegisterChildParams, RegisterChildReturn};
use subnet_types::events::{EventBuilder, gateway as events};
use subnet_types::genesis::ParentAnchor;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{Height, TimestampMs};

use crate::door::refuse_nesting;
use crate::state::State;
use crate::types::GatewayError;

/// This chain's height.
pub(crate) fn height(rt: &impl Runtime) -> Height {
    Height::new(u64::try_from(rt.epoch()).expect("heights are counted up from zero"))
}

pub(crate) fn register(rt: &impl Runtime, params: RegisterChildParams) -> Result<RegisterChildReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    let caller = rt.caller();
    let code = rt.code_of(caller);
    if code != Some(state.checkpoint_code) {
        let (code, expected) = (code.map(|code| code.to_string()), state.checkpoint_code.to_string());
        return Err(GatewayError::NotCheckpointActor { caller, code, expected }.into());
    }
    let resolved = rt.resolve_address(&params.actor);
    if resolved != Some(caller) {
        let address = params.actor.to_string();
        return Err(GatewayError::AddressMismatch { address, resolved, caller }.into());
    }
    refuse_nesting(&state)?;
    let subnet = state.register_child(rt.store(), caller, params.actor, params.cross_gas_price)?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHILD_REGISTERED).indexed("actor", &caller).field("subnet", &subnet);
    rt.emit_event(&event.build())?;
    Ok(RegisterChildReturn { subnet, parent: state.identity })
}

pub(crate) fn activate(rt: &impl Runtime) -> Result<ParentAnchor, ActorError> {
    let mut state: State = rt.load_state()?;
    // The VM knows whole seconds.
    let timestamp = TimestampMs::new(rt.timestamp_seconds().saturating_mul(1000));
    let anchor = state.activate_child(rt.store(), rt.caller(), height(rt), timestamp)?;
    refuse_nesting(&state)?;
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::CHILD_ACTIVATED).indexed("actor", &rt.caller()).build())?;
    Ok(anchor)
}

pub(crate) fn log_change(rt: &impl Runtime, change: MembershipChange) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    let number = change.number;
    state.log_change(rt.store(), rt.caller(), height(rt), change)?;
    refuse_nesting(&state)?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHANGE_LOGGED).indexed("actor", &rt.caller());
    rt.emit_event(&event.field("configuration", &number).build())
}

pub(crate) fn commit_checkpoint(
    rt: &impl Runtime,
    params: CommitCheckpointParams,
) -> Result<CommitCheckpointReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    let answer = state.commit_checkpoint(rt.store(), rt.caller(), &params)?;
    refuse_nesting(&state)?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::CHECKPOINT_COMMITTED)
        .indexed("actor", &rt.caller())
        .field("top-down-nonce", &params.top_down_applied.nonce)
        .field("configuration", &params.configuration);
    rt.emit_event(&event.build())?;
    Ok(answer)
}
