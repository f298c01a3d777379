//! What the gateway asks of other actors.

use actor_runtime::{ActorError, Runtime, builtin, decode_params};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, METHOD_SEND, MethodNum};
use num_traits::Zero;
use subnet_types::actors::{SYSTEM_ID, checkpoint};

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

/// Credits an address by a plain transfer, which runs no code of the receiver. Returns how that ended.
///
/// # Errors
/// When the call itself must end.
pub(crate) fn credit(rt: &impl Runtime, to: &Address, value: &TokenAmount) -> Result<ExitCode, ActorError> {
    Ok(rt.send(to, METHOD_SEND, None, value, None)?.exit_code)
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
