//! An actor that calls actors on other chains and serves calls from there, for tests of the whole protocol.
//!
//! ```text
//! user ── Start ──> cross-caller ── gateway ~~~> other chain: cross-caller, RECEIVE_CROSS_CALL, one of `served`
//!                        │ number, Status::Waiting                                 │
//!                        <── RECEIVE_CROSS_RECEIPT <~~~ receipt ~~~~~~~~~~~~~~~~~~~┘
//!                          Status::Succeeded, Reverted, Refused or Expired
//! ```
//!
//! As a caller it numbers its calls and tells how each one ended ([`METHOD_STATUS`]); what comes back stays with it. As a
//! destination it serves what a good neighbour does, a counter, and what a bad one does: it loops, recurses, eats memory,
//! returns too much or nonsense, answers late, and tries other doors meanwhile ([`served`]).
//!
//! No chain starts with it: tests put its code and state into a genesis ([`State::new`]).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod served;
mod state;
mod types;

use actor_runtime::{ActorError, Runtime, decode_params, encode_return, require_caller, require_no_params};
use frc42_dispatch::method_hash;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::error::ExitCode;
use gateway_client::{Outcome, Sending, answer_later, receive_receipt, send_call};
use subnet_types::actors::receiver::{RECEIVE_CROSS_CALL, RECEIVE_CROSS_RECEIPT};
use subnet_types::actors::{INIT_ID, METHOD_CONSTRUCTOR};

pub use state::State;
pub use types::{AnswerDeferredParams, Call, Conduct, Deferred, ProbeParams, StartParams, StartReturn, Status, Tag};

/// Starts a call to another chain; value and fee come as value: [`StartParams`] → [`StartReturn`].
pub const METHOD_START: MethodNum = method_hash!("Start");
/// The number of a call, a `u64` → the [`Call`].
pub const METHOD_STATUS: MethodNum = method_hash!("Status");
/// No parameters → what callers from other chains have counted up to, a `u64`.
pub const METHOD_COUNTER: MethodNum = method_hash!("Counter");
/// Anyone has a deferred call answered: [`AnswerDeferredParams`] → id of the answer.
pub const METHOD_ANSWER_DEFERRED: MethodNum = method_hash!("AnswerDeferred");
/// Calls itself once more, as deep as the VM lets it; no parameters. Only for [`served::RECURSE`].
pub const METHOD_DEEPER: MethodNum = method_hash!("Deeper");

/// Exit codes of the actor's own refusals.
pub mod refusal {
    use super::ExitCode;

    /// What came as value is not value and fee together.
    pub const AMOUNT: ExitCode = ExitCode::new(40);
    /// No call has this number.
    pub const UNKNOWN_CALL: ExitCode = ExitCode::new(41);
    /// The call asks for something that is not served.
    pub const NOT_SERVED: ExitCode = ExitCode::new(42);
    /// The receipt was told to fail: [`Conduct::Fail`](super::Conduct::Fail).
    pub const TOLD_TO_FAIL: ExitCode = ExitCode::new(43);
    /// The counter would overflow.
    pub const OVERFLOW: ExitCode = ExitCode::new(44);
}

/// The actor's methods.
///
/// # Errors
/// The abort of the method; exit codes of the actor's own are in [`refusal`], those of the gateway come through.
pub fn dispatch<R: Runtime>(
    rt: &R,
    method: MethodNum,
    params: Option<IpldBlock>,
) -> Result<Option<IpldBlock>, ActorError> {
    match method {
        METHOD_CONSTRUCTOR => constructor(rt, params),
        METHOD_START => start(rt, params),
        METHOD_STATUS => status(rt, params),
        METHOD_COUNTER => counter(rt, params),
        METHOD_ANSWER_DEFERRED => answer_deferred(rt, params),
        METHOD_DEEPER => served::deeper(rt, params),
        RECEIVE_CROSS_CALL => served::receive(rt, params),
        RECEIVE_CROSS_RECEIPT => receive_outcome(rt, params),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[INIT_ID])?;
    require_no_params(params)?;
    rt.save_state(&State::new(rt.store())?)?;
    Ok(None)
}

fn start<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let StartParams { to, method, params, value, fee, gas_limit, expires, conduct } = decode_params(params)?;
    let (amount, received) = (&value + &fee, rt.value_received());
    if amount != received {
        let message = format!("value and fee are {} attoFIL, {} came", amount.atto(), received.atto());
        return Err(ActorError::new(refusal::AMOUNT, message));
    }
    let id = send_call(rt, Sending { to, value, fee, expires }, method, params, gas_limit)?;
    // Read after the send, so that it does not matter whether anything led back here.
    let mut state: State = rt.load_state()?;
    let number = state.start(rt.store(), &id, conduct)?;
    rt.save_state(&state)?;
    encode_return(&StartReturn { number, id })
}

fn status<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let number: u64 = decode_params(params)?;
    encode_return(&rt.load_state::<State>()?.call(rt.store(), number)?)
}

fn counter<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_no_params(params)?;
    encode_return(&rt.load_state::<State>()?.counter)
}

fn answer_deferred<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let AnswerDeferredParams { key, exit_code, data, value } = decode_params(params)?;
    let mut state: State = rt.load_state()?;
    state.deferred.take(rt.store(), &key)?;
    rt.save_state(&state)?;
    encode_return(&answer_later(rt, key, exit_code, data, &value)?)
}

fn receive_outcome<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let mut state: State = rt.load_state()?;
    let received = receive_receipt(rt, params, &mut state.outstanding)?;
    let ended = match received.outcome() {
        Outcome::Succeeded(data) => Status::Succeeded(data.clone()),
        Outcome::Reverted(code) => Status::Reverted(code),
        Outcome::Refused(code) => Status::Refused(code),
        Outcome::Expired => Status::Expired,
    };
    match received.tag.conduct {
        Conduct::Take => {}
        Conduct::Fail => return Err(ActorError::new(refusal::TOLD_TO_FAIL, "this receipt was told to fail")),
        Conduct::Loop => served::spin(),
    }
    state.end(rt.store(), received.tag.number, ended, &received.receipt.value + &received.receipt.fee)?;
    rt.save_state(&state)?;
    Ok(None)
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
