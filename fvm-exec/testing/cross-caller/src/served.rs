//! What the actor does for callers from other chains: one useful thing, and everything that a chain has to withstand.

use std::hint::black_box;

use actor_runtime::{ActorError, Runtime, decode_params, require_caller};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_ipld_encoding::{CBOR, RawBytes};
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use gateway_client::{CrossCall, answer, defer, encode, receive_call};

use crate::types::{Deferred, ProbeParams};
use crate::{METHOD_DEEPER, State, refusal};

/// Adds a `u64` to the counter → the counter. Keeps the value.
pub const ADD: MethodNum = 1;
/// Aborts with the exit code given, a `u32`, after it has counted one.
pub const REVERT: MethodNum = 2;
/// Loops for ever.
pub const LOOP: MethodNum = 3;
/// Calls itself until the VM allows no further call.
pub const RECURSE: MethodNum = 4;
/// Recurses within its own code until the stack is used up.
pub const OVERFLOW_STACK: MethodNum = 5;
/// Takes memory until there is no more.
pub const EXHAUST_MEMORY: MethodNum = 6;
/// Answers later. Keeps the value.
pub const DEFER: MethodNum = 7;
/// Sends a message of its own ([`ProbeParams`]) while the call runs → the exit code of that, a `u32`. With it tests try
/// whether a call gets through doors that are shut while a chain delivers.
pub const PROBE: MethodNum = 8;
/// Answers with so many bytes, a `u64`.
pub const RETURN: MethodNum = 9;
/// Returns something that is no answer.
pub const RETURN_GARBAGE: MethodNum = 10;

pub(crate) fn receive<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let call = receive_call(rt, params)?;
    match call.method {
        ADD => add(rt, &call),
        REVERT => revert(rt, &call),
        LOOP => spin(),
        RECURSE => deeper_still(rt).map(|()| None),
        OVERFLOW_STACK => answer(encode(&descend(0))?),
        EXHAUST_MEMORY => exhaust_memory(),
        DEFER => defer_call(rt, call),
        PROBE => probe(rt, &call),
        RETURN => answer(bytes(asked(&call)?)?),
        RETURN_GARBAGE => Ok(Some(IpldBlock { codec: CBOR, data: vec![0xff] })),
        method => Err(ActorError::new(refusal::NOT_SERVED, format!("method {method} is not served"))),
    }
}

fn asked<T: serde::de::DeserializeOwned>(call: &CrossCall) -> Result<T, ActorError> {
    decode_params(Some(IpldBlock { codec: CBOR, data: call.params.to_vec() }))
}

fn bytes(count: u64) -> Result<RawBytes, ActorError> {
    let too_many = |error: std::num::TryFromIntError| ActorError::illegal_argument(format!("{count} bytes: {error}"));
    Ok(RawBytes::new(vec![7; usize::try_from(count).map_err(too_many)?]))
}

fn add<R: Runtime>(rt: &R, call: &CrossCall) -> Result<Option<IpldBlock>, ActorError> {
    let mut state: State = rt.load_state()?;
    let counter = state.add(asked(call)?)?;
    rt.save_state(&state)?;
    answer(encode(&counter)?)
}

fn revert<R: Runtime>(rt: &R, call: &CrossCall) -> Result<Option<IpldBlock>, ActorError> {
    let code: u32 = asked(call)?;
    let mut state: State = rt.load_state()?;
    state.add(1)?;
    rt.save_state(&state)?;
    Err(ActorError::new(ExitCode::new(code), "asked to fail"))
}

/// Never ends by itself.
pub(crate) fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// One more call on the VM's stack, by the actor itself.
pub(crate) fn deeper<R: Runtime>(rt: &R, _: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[rt.receiver()])?;
    deeper_still(rt).map(|()| None)
}

fn deeper_still<R: Runtime>(rt: &R) -> Result<(), ActorError> {
    let sent = rt.send(&Address::new_id(rt.receiver()), METHOD_DEEPER, None, &TokenAmount::default(), None)?;
    if sent.is_success() {
        return Ok(());
    }
    // The VM's own codes are not an actor's to give.
    let code = if sent.exit_code.is_system_error() { ExitCode::USR_UNSPECIFIED } else { sent.exit_code };
    Err(ActorError::new(code, format!("a call further down ended with {}", sent.exit_code)))
}

/// Ends when the stack does. What it does after the inner call, and the bytes that it keeps, prevent a compiler from making
/// a loop of it.
#[allow(unconditional_recursion)] // Its purpose.
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    descend(black_box(depth.wrapping_add(1))).wrapping_add(black_box(frame)[3])
}

fn exhaust_memory() -> ! {
    /// Bytes taken at once: small enough that the last step comes close to the limit.
    const STEP: usize = 1 << 20;
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1u8; STEP]));
    }
}

fn defer_call<R: Runtime>(rt: &R, call: CrossCall) -> Result<Option<IpldBlock>, ActorError> {
    let mut state: State = rt.load_state()?;
    let key = call.key();
    let deferred = Deferred { origin: call.origin, value: rt.value_received() };
    state.deferred.insert(rt.store(), &key, deferred)?;
    rt.save_state(&state)?;
    defer()
}

fn probe<R: Runtime>(rt: &R, call: &CrossCall) -> Result<Option<IpldBlock>, ActorError> {
    let ProbeParams { to, method, params, value } = asked(call)?;
    let params = (!params.is_empty()).then(|| IpldBlock { codec: CBOR, data: params.to_vec() });
    answer(encode(&rt.send(&to, method, params, &value, None)?.exit_code.value())?)
}

#[cfg(test)]
pub(crate) fn answered<T: serde::de::DeserializeOwned>(returned: Option<IpldBlock>) -> T {
    let returned: subnet_types::actors::CallReturn = decode_params(returned).unwrap();
    assert!(!returned.is_deferred);
    returned.data.deserialize().unwrap()
}
