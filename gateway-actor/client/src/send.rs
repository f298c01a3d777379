//! From an actor to its gateway.

use actor_runtime::{ActorError, Runtime, decode_params, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{AnswerParams, CallParams, EnqueueReturn, GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::CrossAddress;
use subnet_types::{Digest, Height};

/// What every message to another chain has. [`Sending::to`] is one without value, fee and expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Whom it is for, on any other chain of the hierarchy. Robust: ids mean something else on every chain.
    pub to: CrossAddress,
    /// For the recipient, in attoFIL, from the actor's balance.
    pub value: TokenAmount,
    /// For the way there and back, in attoFIL, from the actor's balance too. What is left comes back with the receipt.
    pub fee: TokenAmount,
    /// Height of the *destination's* chain from which on it refuses the message. Without one the message may arrive at any
    /// time; there is no other way to stop it.
    pub expires: Option<Height>,
}

impl Sending {
    /// Nothing yet, to `to`.
    pub fn to(to: CrossAddress) -> Self {
        Self { to, value: TokenAmount::default(), fee: TokenAmount::default(), expires: None }
    }
}

/// Sends value, and returns the id of the message.
///
/// With `wants_receipt` the actor is told how it ended, as it is for a call. Without, it hears nothing of it: when the transfer
/// is refused, the value just comes back.
///
/// # Errors
/// The gateway's refusal, with its exit code: nothing was sent, and nothing was paid.
pub fn send_transfer(rt: &impl Runtime, sending: Sending, wants_receipt: bool) -> Result<Digest, ActorError> {
    send(rt, sending, None, wants_receipt)
}

/// Calls an actor on another chain, and returns the id of the message. A call is always answered: remember the id, best in
/// an [`Outstanding`](crate::Outstanding).
///
/// `method` and `params` ([`encode`](crate::encode)) mean what the actor there takes them for. `gas_limit` is for that actor's code and is paid for by
/// the fee, whether used or not.
///
/// # Errors
/// The gateway's refusal, with its exit code: nothing was sent, and nothing was paid.
pub fn send_call(
    rt: &impl Runtime,
    sending: Sending,
    method: MethodNum,
    params: RawBytes,
    gas_limit: u64,
) -> Result<Digest, ActorError> {
    send(rt, sending, Some(CallParams { method, params, gas_limit }), true)
}

fn send(
    rt: &impl Runtime,
    sending: Sending,
    call: Option<CallParams>,
    wants_receipt: bool,
) -> Result<Digest, ActorError> {
    let Sending { to, value, fee, expires } = sending;
    if value.is_negative() || fee.is_negative() {
        let message = format!("value {} and fee {} attoFIL, expected neither below 0", value.atto(), fee.atto());
        return Err(ActorError::illegal_argument(message));
    }
    let amount = &value + &fee;
    let params = encode_params(&SendParams { to, call, fee, expires, wants_receipt })?;
    queued(rt, gateway::SEND, params, &amount)
}

/// Answers a call that was deferred ([`defer`](crate::defer)), and returns the id of the receipt.
///
/// `of` is the call's [`key`](crate::CrossCall::key), not its id. `value` goes back to the caller from the actor's balance,
/// at most what came with the call. The actor that was called is the only one that may answer, and may once.
///
/// # Errors
/// The gateway's refusal, with its exit code: the call is not answered.
pub fn answer_later(
    rt: &impl Runtime,
    of: Digest,
    exit_code: ExitCode,
    data: RawBytes,
    value: &TokenAmount,
) -> Result<Digest, ActorError> {
    let params = encode_params(&AnswerParams { of, exit_code, return_data: data })?;
    queued(rt, gateway::ANSWER, params, value)
}

fn queued(
    rt: &impl Runtime,
    method: MethodNum,
    params: Option<IpldBlock>,
    value: &TokenAmount,
) -> Result<Digest, ActorError> {
    let sent = rt.send(&Address::new_id(GATEWAY_ID), method, params, value, None)?;
    if sent.is_success() {
        return decode_params::<EnqueueReturn>(sent.return_data).map(|queued| queued.id);
    }
    // Codes of the VM are not an actor's to give.
    let code = match sent.exit_code {
        ExitCode::SYS_INSUFFICIENT_FUNDS => ExitCode::USR_INSUFFICIENT_FUNDS,
        code if code.is_system_error() => ExitCode::USR_UNSPECIFIED,
        code => code,
    };
    Err(ActorError::new(code, format!("the gateway refused with exit code {}", sent.exit_code)))
}
