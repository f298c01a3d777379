//! What the gateway asks of other actors.

use actor_runtime::{ActorError, Runtime, builtin, decode_params, encode_params};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, METHOD_SEND, MethodNum};
use num_traits::Zero;
use subnet_types::actors::{
    BURNT_FUNDS_ID, COURIER_ID, CallReturn, CarryCallParams, CarryReceiptParams, FIRST_USER_ID, SYSTEM_ID,
    UnlockParams, UnlockReturn, checkpoint, courier, refusal,
};
use subnet_types::limits::{CROSS_CARRY_GAS, CROSS_RECEIPT_GAS, CROSS_RETURN_BYTES_MAX};

use crate::state::State;

/// Method of an account with a native key that returns that key's address.
const ACCOUNT_PUBKEY_ADDRESS: MethodNum = 2;

/// Locks value in a child's checkpoint actor.
///
/// # Errors
/// When the actor refuses: a checkpoint actor never does, so the whole call ends.
pub(crate) fn lock(rt: &impl Runtime, actor: ActorID, value: &TokenAmount) -> Result<(), ActorError> {
    if value.is_zero() {
        return Ok(());
    }
    let sent = rt.send(&Address::new_id(actor), checkpoint::LOCK, None, value, None)?;
    if sent.is_success() {
        return Ok(());
    }
    Err(ActorError::new(sent.exit_code, format!("checkpoint actor {actor} did not lock {} attoFIL", value.atto())))
}

/// Takes out of the custody of a child that has exited what messages of `amount` get back: that, or what there is.
///
/// # Errors
/// When the actor refuses: for a child that has exited a checkpoint actor never does, so the whole call ends.
pub(crate) fn unlock(rt: &impl Runtime, actor: ActorID, amount: TokenAmount) -> Result<TokenAmount, ActorError> {
    let params = encode_params(&UnlockParams { amount })?;
    let sent = rt.send(&Address::new_id(actor), checkpoint::UNLOCK, params, &TokenAmount::zero(), None)?;
    if !sent.is_success() {
        return Err(ActorError::new(sent.exit_code, format!("checkpoint actor {actor} did not unlock a refund")));
    }
    Ok(decode_params::<UnlockReturn>(sent.return_data)?.amount)
}

/// Takes value out of circulation: back into the reserve that it was minted from, or what goes up and comes down again
/// and again would use the reserve up.
///
/// # Errors
/// When the value is not there.
pub(crate) fn unmint(rt: &impl Runtime, value: &TokenAmount) -> Result<(), ActorError> {
    if value.is_zero() {
        return Ok(());
    }
    let sent = rt.send(&Address::new_id(SYSTEM_ID), METHOD_SEND, None, value, None)?;
    if sent.is_success() {
        return Ok(());
    }
    Err(ActorError::new(sent.exit_code, format!("returning {} attoFIL to the reserve failed", value.atto())))
}

/// Takes value out of circulation for good.
///
/// # Errors
/// When the value is not there.
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

/// How a call ended.
pub(crate) struct Carried {
    /// Zero, or the destination's, the VM's or the courier's code; then the value never moved.
    pub(crate) exit_code: ExitCode,
    /// What the destination returned; empty when it failed.
    pub(crate) returned: CallReturn,
}

/// Has the courier call an actor. Runs code of others.
///
/// # Errors
/// When the call itself must end.
pub(crate) fn carry_call(
    rt: &impl Runtime,
    params: &CarryCallParams,
    value: &TokenAmount,
) -> Result<Carried, ActorError> {
    let gas_limit = params.gas_limit.saturating_add(CROSS_CARRY_GAS);
    let (to, method) = (Address::new_id(COURIER_ID), courier::CARRY_CALL);
    let sent = rt.send(&to, method, encode_params(params)?, value, Some(gas_limit))?;
    let empty = CallReturn { is_deferred: false, data: Default::default() };
    // The courier has checked the return, and the value has moved: nothing here may make it a failure any more.
    let returned = if sent.return_data.is_some() { decode_params(sent.return_data).unwrap_or(empty) } else { empty };
    let is_small = returned.data.len() <= CROSS_RETURN_BYTES_MAX;
    let data = if is_small { returned.data } else { Default::default() };
    Ok(Carried {
        exit_code: refusal::of_exit(sent.exit_code),
        returned: CallReturn { is_deferred: returned.is_deferred, data },
    })
}

/// Has the courier tell an actor the outcome of what it sent. Runs code of others; how that ends changes nothing.
///
/// # Errors
/// When the call itself must end.
pub(crate) fn carry_receipt(rt: &impl Runtime, params: &CarryReceiptParams) -> Result<(), ActorError> {
    let (to, method) = (Address::new_id(COURIER_ID), courier::CARRY_RECEIPT);
    let gas_limit = CROSS_RECEIPT_GAS + CROSS_CARRY_GAS;
    rt.send(&to, method, encode_params(params)?, &TokenAmount::zero(), Some(gas_limit))?;
    Ok(())
}

/// Whether an address is a system actor's or a checkpoint actor's: value sent there would be lost or counted twice, and
/// their methods are not for other chains.
pub(crate) fn is_forbidden(rt: &impl Runtime, state: &State, address: &Address) -> bool {
    rt.resolve_address(address).is_some_and(|id| id < FIRST_USER_ID || rt.code_of(id) == Some(state.checkpoint_code))
}

/// Whether an address is an actor that can take calls: no account, and no address that waits for its account.
pub(crate) fn has_code(rt: &impl Runtime, address: &Address) -> bool {
    const WITHOUT_CODE: [u32; 3] = [builtin::ACCOUNT, builtin::ETHACCOUNT, builtin::PLACEHOLDER];
    let code = rt.resolve_address(address).and_then(|id| rt.code_of(id));
    code.is_some_and(|code| !rt.builtin_type(&code).is_some_and(|kind| WITHOUT_CODE.contains(&kind)))
}

/// Credits an address by a plain transfer, which runs no code of the receiver. Returns how that ended.
///
/// # Errors
/// When the call itself must end.
pub(crate) fn credit(rt: &impl Runtime, to: &Address, value: &TokenAmount) -> Result<ExitCode, ActorError> {
    Ok(refusal::of_exit(rt.send(to, METHOD_SEND, None, value, None)?.exit_code))
}

/// The address under which an actor of this chain is known on others: its key's or f4 address. An actor that has
/// neither goes by its id, which is good enough for a receipt's way back to this chain.
///
/// # Errors
/// When the call itself must end.
pub(crate) fn robust_address(rt: &impl Runtime, actor: ActorID) -> Result<Address, ActorError> {
    if let Some(address) = rt.delegated_address(actor) {
        return Ok(address);
    }
    let id = Address::new_id(actor);
    let kind = rt.code_of(actor).and_then(|code| rt.builtin_type(&code));
    if kind != Some(builtin::ACCOUNT) {
        return Ok(id);
    }
    let sent = rt.send(&id, ACCOUNT_PUBKEY_ADDRESS, None, &TokenAmount::zero(), None)?;
    if sent.is_success() { decode_params(sent.return_data) } else { Ok(id) }
}
