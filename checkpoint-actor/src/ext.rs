//! What the checkpoint actor asks of other actors.

use actor_runtime::{ActorError, Runtime, SendReturn, decode_params, encode_params};
use fvm_shared::METHOD_SEND;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use num_traits::Zero;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::actors::{
    BURNT_FUNDS_ID, CloseChildParams, CloseChildReturn, CommitCheckpointParams, CommitCheckpointReturn, DeliverParams,
    GATEWAY_ID, RefundChildParams, RefundReturn, RegisterChildParams, RegisterChildReturn, gateway,
};
use subnet_types::cross::CrossMessage;
use subnet_types::genesis::ParentAnchor;
use subnet_types::parent::MembershipChange;

use crate::error::CheckpointError;

fn ask<P: Serialize, T: DeserializeOwned>(
    rt: &impl Runtime,
    name: &'static str,
    method: MethodNum,
    params: Option<&P>,
) -> Result<T, ActorError> {
    let params = params.map(encode_params).transpose()?.flatten();
    let sent = rt.send(&Address::new_id(GATEWAY_ID), method, params, &TokenAmount::zero(), None)?;
    if !sent.is_success() {
        return Err(CheckpointError::Gateway { method: name, exit_code: sent.exit_code }.into());
    }
    decode_params(sent.return_data)
}

/// Gets this subnet its name.
pub(crate) fn register_child(
    rt: &impl Runtime,
    params: &RegisterChildParams,
) -> Result<RegisterChildReturn, ActorError> {
    ask(rt, "RegisterChild", gateway::REGISTER_CHILD, Some(params))
}

/// Opens the way down and learns where the subnet starts to follow this chain.
pub(crate) fn activate_child(rt: &impl Runtime) -> Result<ParentAnchor, ActorError> {
    ask(rt, "ActivateChild", gateway::ACTIVATE_CHILD, None::<&()>)
}

/// Reports an accepted checkpoint.
pub(crate) fn commit_checkpoint(
    rt: &impl Runtime,
    params: &CommitCheckpointParams,
) -> Result<CommitCheckpointReturn, ActorError> {
    ask(rt, "CommitCheckpoint", gateway::COMMIT_CHECKPOINT, Some(params))
}

/// Logs a change for the subnet to apply.
pub(crate) fn log_change(rt: &impl Runtime, change: &MembershipChange) -> Result<(), ActorError> {
    let to = Address::new_id(GATEWAY_ID);
    let sent = rt.send(&to, gateway::LOG_CHANGE, encode_params(change)?, &TokenAmount::zero(), None)?;
    if sent.is_success() {
        return Ok(());
    }
    Err(CheckpointError::Gateway { method: "LogChange", exit_code: sent.exit_code }.into())
}

/// Closes the way down, and learns how many messages wait on it.
pub(crate) fn close_child(rt: &impl Runtime, params: &CloseChildParams) -> Result<CloseChildReturn, ActorError> {
    ask(rt, "CloseChild", gateway::CLOSE_CHILD, Some(params))
}

/// Has messages answered that the subnet will never apply. Comes back for their value, and runs code of others.
pub(crate) fn refund_child(rt: &impl Runtime, params: &RefundChildParams) -> Result<RefundReturn, ActorError> {
    ask(rt, "RefundChild", gateway::REFUND_CHILD, Some(params))
}

/// Hands messages with their amounts to the gateway in one call, which may use so much gas, or all that there is.
/// Returns how that call ended: anything but success means that it changed nothing and the value came back.
pub(crate) fn deliver(
    rt: &impl Runtime,
    messages: &[CrossMessage],
    gas_limit: Option<u64>,
) -> Result<SendReturn, ActorError> {
    let to = Address::new_id(GATEWAY_ID);
    let params = encode_params(&DeliverParams { messages: messages.to_vec() })?;
    let value = messages.iter().map(CrossMessage::amount).sum();
    rt.send(&to, gateway::DELIVER, params, &value, gas_limit)
}

/// Takes value out of circulation for good.
pub(crate) fn burn(rt: &impl Runtime, value: &TokenAmount) -> Result<(), ActorError> {
    if value.is_zero() {
        return Ok(());
    }
    let sent = rt.send(&Address::new_id(BURNT_FUNDS_ID), METHOD_SEND, None, value, None)?;
    if sent.is_success() {
        return Ok(());
    }
    Err(ActorError::new(sent.exit_code, format!("burning {} attoFIL failed", value.atto())))
}
