//! The courier, id 65: brings calls and receipts from other chains to the actors they are for.
//!
//! A call from another chain runs code that somebody far away has chosen, with parameters of theirs. It must not run as
//! the gateway, which holds value and is trusted by checkpoint actors; so it runs as the courier, which holds nothing
//! and is trusted for one thing only: that its `CrossCall` and `CrossReceipt` are the gateway's.
//!
//! ```text
//! gateway ── CARRY_CALL, value ──> courier ── RECEIVE_CROSS_CALL, value, gas limit ──> destination
//!         <── CallReturn or abort ─        <── CallReturn, nothing, or a failure ─────
//! ```
//!
//! - What fails at the destination aborts the courier too, so its value never left the gateway. The exit code tells why,
//!   see [`refusal::of_exit`].
//! - The value of a call goes on to the destination whole, or back to the gateway. What somebody sends here by a plain
//!   transfer, which the VM asks nobody about, stays for ever and is never part of a call.
//! - The destination is called by the address given, so it ends as the VM ends it: an f1, f3 or f410 address that is new
//!   gets its account or placeholder, and those take any call, keep the value and answer with nothing. To call an
//!   account is thus to pay it. An f2 address without an actor is [`refusal::NO_DESTINATION`].
//! - The courier keeps no state, so nothing is left behind between two calls, and a destination that calls back here is
//!   refused like everybody else.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{ActorError, Runtime, decode_params, encode_params, encode_return, require_caller};
use actor_runtime::{SendReturn, require_no_params};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::courier::{CARRY_CALL, CARRY_RECEIPT};
use subnet_types::actors::receiver::{RECEIVE_CROSS_CALL, RECEIVE_CROSS_RECEIPT};
use subnet_types::actors::{
    CallReturn, CarryCallParams, CarryReceiptParams, GATEWAY_ID, METHOD_CONSTRUCTOR, SYSTEM_ID, refusal,
};
use subnet_types::limits::{CROSS_CALL_GAS_MAX, CROSS_RECEIPT_GAS, CROSS_RETURN_BYTES_MAX};

/// Most bytes of a [`CallReturn`]'s encoding beside its data: list, flag and the length of the data.
const CALL_RETURN_OVERHEAD_BYTES: usize = 8;

/// The courier's state, in genesis and for ever: an empty list.
pub const STATE: [(); 0] = [];

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
        CARRY_CALL => carry_call(rt, params),
        CARRY_RECEIPT => carry_receipt(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    require_no_params(params)?;
    rt.save_state(&STATE)?;
    Ok(None)
}

fn carry_call<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[GATEWAY_ID])?;
    let CarryCallParams { to, gas_limit, call } = decode_params(params)?;
    // The gateway has checked it; here it also keeps the largest number, which means all gas to the VM, from getting there.
    let gas_limit = gas_limit.min(CROSS_CALL_GAS_MAX);
    let (call, value) = (encode_params(&call)?, rt.value_received());
    let sent = rt.send(&to, RECEIVE_CROSS_CALL, call, &value, Some(gas_limit))?;
    let returned = returned(succeeded(sent, "call")?)?;
    encode_return(&returned)
}

fn carry_receipt<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[GATEWAY_ID])?;
    if !rt.value_received().is_zero() {
        return Err(ActorError::not_payable("a receipt's value is credited before it is carried"));
    }
    let CarryReceiptParams { to, receipt } = decode_params(params)?;
    let receipt = encode_params(&receipt)?;
    let sent = rt.send(&to, RECEIVE_CROSS_RECEIPT, receipt, &TokenAmount::default(), Some(CROSS_RECEIPT_GAS))?;
    // Nobody is told what it returns.
    succeeded(sent, "receipt").map(|_| None)
}

fn succeeded(sent: SendReturn, what: &str) -> Result<Option<IpldBlock>, ActorError> {
    if sent.is_success() {
        return Ok(sent.return_data);
    }
    let message = format!("the destination of the {what} ended with exit code {}", sent.exit_code);
    Err(ActorError::new(refusal::of_exit(sent.exit_code), message))
}

/// What a destination that succeeded has returned, put into one form: the gateway need not look at it again.
fn returned(block: Option<IpldBlock>) -> Result<CallReturn, ActorError> {
    let nothing = CallReturn { is_deferred: false, data: RawBytes::default() };
    let Some(block) = block.filter(|block| !block.data.is_empty()) else { return Ok(nothing) };
    let too_large = |bytes: usize| {
        let message = format!("the destination returned {bytes} bytes, at most {CROSS_RETURN_BYTES_MAX} may cross");
        ActorError::new(refusal::RETURN_TOO_LARGE, message)
    };
    // Before it is decoded, which costs the more the larger it is.
    if block.data.len() > CROSS_RETURN_BYTES_MAX + CALL_RETURN_OVERHEAD_BYTES {
        return Err(too_large(block.data.len()));
    }
    let returned: CallReturn = decode_params(Some(block)).map_err(|error| {
        let message = format!("the destination's return is no CallReturn: {}", error.message);
        ActorError::new(refusal::BAD_RETURN, message)
    })?;
    if returned.is_deferred {
        return Ok(CallReturn { is_deferred: true, ..nothing });
    }
    if returned.data.len() > CROSS_RETURN_BYTES_MAX {
        return Err(too_large(returned.data.len()));
    }
    Ok(returned)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
