//! From the courier to an actor.

use actor_runtime::{ActorError, ResultExt, Runtime, decode_params, encode_return, require_caller};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::error::ExitCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::actors::{COURIER_ID, CallReturn, CrossCall, CrossReceipt, refusal};

use crate::outstanding::Outstanding;

/// CBOR bytes, for parameters and answers that cross. Links in them are plain bytes: blocks stay on their chain.
///
/// # Errors
/// Exit 21 when `value` has no CBOR form.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<RawBytes, ActorError> {
    RawBytes::serialize(value).or_serialization("encoding what is to cross")
}

/// Takes the parameters of `RECEIVE_CROSS_CALL`: a call from another chain. Its value is in the actor's balance already.
///
/// To fail, abort: the value goes back to the caller with the exit code. To succeed, return [`answer`] or [`defer`].
///
/// # Errors
/// Exit 18 when anybody but the courier calls.
pub fn receive_call(rt: &impl Runtime, params: Option<IpldBlock>) -> Result<CrossCall, ActorError> {
    require_caller(rt, &[COURIER_ID])?;
    decode_params(params)
}

/// Answers the call at once: what `RECEIVE_CROSS_CALL` returns. At most
/// [`CROSS_RETURN_BYTES_MAX`](subnet_types::limits::CROSS_RETURN_BYTES_MAX) bytes cross; a call that returns more has failed.
///
/// # Errors
/// Never: to be returned as it is.
pub fn answer(data: RawBytes) -> Result<Option<IpldBlock>, ActorError> {
    encode_return(&CallReturn { is_deferred: false, data })
}

/// Leaves the call without an answer for now: what `RECEIVE_CROSS_CALL` returns. The actor keeps the value and owes an answer,
/// which it gives with [`answer_later`](crate::answer_later); until then the caller waits. Nothing reminds it, so it had better
/// keep the call's [`key`](CrossCall::key) in its state, best in an [`Outstanding`]. By its id alone a call from one chain
/// would stand in the way of another chain's.
///
/// # Errors
/// Never: to be returned as it is.
pub fn defer() -> Result<Option<IpldBlock>, ActorError> {
    encode_return(&CallReturn { is_deferred: true, data: RawBytes::default() })
}

/// A receipt, and what the actor remembered of the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<T> {
    /// What was remembered when the message was sent.
    pub tag: T,
    /// The outcome. Its value was credited before.
    pub receipt: CrossReceipt,
}

/// How a message ended.
///
/// A destination chooses with which code it fails, so a destination of ill will can also make its failure look
/// [`Outcome::Expired`] or [`Outcome::Refused`]. It gains nothing as long as the actor treats these three alike where money is
/// concerned: in each of them honest chains have brought all of the value back, and the receipt says what really came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The transfer was credited, or the destination's code succeeded and returned this.
    Succeeded(&'a RawBytes),
    /// The destination chain was past the height that the message gave. The destination's code did not run.
    Expired,
    /// A chain on the way or at the end refused, for the reason that
    /// [`describe`](subnet_types::actors::refusal::describe) gives.
    Refused(ExitCode),
    /// The destination's code failed with this code of its own. What it did is undone.
    Reverted(ExitCode),
}

impl<T> Received<T> {
    /// How the message ended.
    pub fn outcome(&self) -> Outcome<'_> {
        match self.receipt.exit_code {
            code if code.is_success() => Outcome::Succeeded(&self.receipt.return_data),
            refusal::EXPIRED => Outcome::Expired,
            code if code.is_system_error() || refusal::describe(code).is_some() => Outcome::Refused(code),
            code => Outcome::Reverted(code),
        }
    }
}

/// Takes the parameters of `RECEIVE_CROSS_RECEIPT`: the outcome of a message that is outstanding, which it then is no longer.
/// The caller saves its state, `outstanding` included.
///
/// # Errors
/// Exit 18 when anybody but the courier calls, exit 17 when the message is not outstanding: never sent, or heard of before.
pub fn receive_receipt<R: Runtime, T: Serialize + DeserializeOwned + PartialEq>(
    rt: &R,
    params: Option<IpldBlock>,
    outstanding: &mut Outstanding<T>,
) -> Result<Received<T>, ActorError> {
    require_caller(rt, &[COURIER_ID])?;
    let receipt: CrossReceipt = decode_params(params)?;
    let tag = outstanding.take(rt.store(), &receipt.of)?;
    Ok(Received { tag, receipt })
}
