//! The init actor, id 1: creates actors and maps addresses to ids.
//!
//! The VM itself reads and writes this actor's state when it creates accounts, so [`State`] is exactly the VM's.
//! What may be created is therefore not a list in the state but a rule over built-in types ([`may_exec`] and
//! [`may_exec4`]): it changes only with the bundle.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod state;
mod types;

use actor_runtime::{ActorError, ResultExt, Runtime, builtin, decode_params, encode_return, require_caller};
use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::{ActorID, MethodNum};
use subnet_types::actors::{EAM_ID, METHOD_CONSTRUCTOR, SYSTEM_ID};

pub use state::{AddressMapError, State};
pub use types::{ConstructorParams, Exec4Params, ExecParams, ExecReturn};

/// Creates an actor: [`ExecParams`] → [`ExecReturn`]. The value goes to its constructor.
pub const METHOD_EXEC: MethodNum = 2;
/// Creates an actor with an f4 address in the caller's namespace: [`Exec4Params`] → [`ExecReturn`].
pub const METHOD_EXEC4: MethodNum = 3;

/// Whether anyone may create actors of this type: checkpoint actors, and what the chain has of its own.
pub fn may_exec(builtin_type: u32) -> bool {
    builtin_type == builtin::CHECKPOINT || builtin::is_own(builtin_type)
}

/// Whether the Ethereum address manager may create actors of this built-in type.
pub fn may_exec4(builtin_type: u32) -> bool {
    builtin_type == builtin::EVM
}

/// The actor's methods.
///
/// # Errors
/// The abort of the method.
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    match method {
        METHOD_CONSTRUCTOR => constructor(rt, params),
        METHOD_EXEC => exec(rt, params),
        METHOD_EXEC4 => exec4(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    let ConstructorParams { network_name } = decode_params(params)?;
    let state = State::new(rt.store(), network_name).or_illegal_state("making the address map")?;
    rt.save_state(&state)?;
    Ok(None)
}

fn exec<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let ExecParams { code_cid, constructor_params } = decode_params(params)?;
    require_allowed(rt, &code_cid, may_exec)?;
    create(rt, &code_cid, constructor_params, None)
}

fn exec4<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[EAM_ID])?;
    let Exec4Params { code_cid, constructor_params, subaddress } = decode_params(params)?;
    require_allowed(rt, &code_cid, may_exec4)?;
    let delegated = Address::new_delegated(rt.caller(), subaddress.bytes()).or_illegal_argument("f4 address")?;
    create(rt, &code_cid, constructor_params, Some(delegated))
}

fn require_allowed<R: Runtime>(rt: &R, code: &Cid, allowed: fn(u32) -> bool) -> Result<(), ActorError> {
    let found = rt.builtin_type(code);
    if found.is_some_and(allowed) {
        return Ok(());
    }
    let name = found.map_or("foreign", |number| builtin::name(number).unwrap_or("the chain's own"));
    Err(ActorError::forbidden(format!("{} may not create {name} actors (code {code}) here", rt.caller())))
}

/// Gives the new actor its addresses, creates it and calls its constructor with the value.
fn create<R: Runtime>(
    rt: &R,
    code: &Cid,
    constructor_params: RawBytes,
    delegated: Option<Address>,
) -> Result<Option<IpldBlock>, ActorError> {
    let robust_address = rt.next_actor_address();
    let id = assign_id(rt, &robust_address, delegated.as_ref())?;
    rt.create_actor(id, code, delegated)?;
    // From here on this actor's state is not touched: the constructor can make the VM create accounts in it.
    let id_address = Address::new_id(id);
    let sent = rt.send(&id_address, METHOD_CONSTRUCTOR, constructor_params.into(), &rt.value_received(), None)?;
    if !sent.is_success() {
        return Err(ActorError::new(sent.exit_code, format!("constructor of actor {id} with code {code} failed")));
    }
    encode_return(&ExecReturn { id_address, robust_address })
}

fn assign_id<R: Runtime>(rt: &R, robust: &Address, delegated: Option<&Address>) -> Result<ActorID, ActorError> {
    let mut state: State = rt.load_state()?;
    let id = state.assign_id(rt.store(), robust, delegated).map_err(|error| match error {
        AddressMapError::Taken { .. } => ActorError::forbidden(error.to_string()),
        AddressMapError::Map(_) => ActorError::illegal_state(error.to_string()),
    })?;
    rt.save_state(&state)?;
    Ok(id)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
