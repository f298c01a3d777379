//! Parameters, returns and what the state holds.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::cross::CrossAddress;
use subnet_types::{Digest, Height};

/// Parameters of [`crate::METHOD_START`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct StartParams {
    /// Whom to call, where.
    pub to: CrossAddress,
    /// One of [`crate::served`], when it is another cross-caller.
    pub method: MethodNum,
    /// Its parameters, encoded.
    pub params: RawBytes,
    /// Value of the call, in attoFIL.
    pub value: TokenAmount,
    /// Its fee, in attoFIL.
    pub fee: TokenAmount,
    /// Gas for the destination's code.
    pub gas_limit: u64,
    /// Height of the destination's chain from which on it refuses the call.
    pub expires: Option<Height>,
    /// What to do when the outcome comes.
    pub conduct: Conduct,
}

/// How a call's receipt is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conduct {
    /// Note the outcome.
    Take,
    /// Abort: the call then waits for ever.
    Fail,
    /// Use up all gas, to the same effect.
    Loop,
}

/// Return of [`crate::METHOD_START`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct StartReturn {
    /// Number of the call, from zero; for [`crate::METHOD_STATUS`].
    pub number: u64,
    /// Id of its message.
    pub id: Digest,
}

/// What the actor remembers of a call while it waits for the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Tag {
    /// Its number.
    pub number: u64,
    /// What to do when the outcome comes.
    pub conduct: Conduct,
}

/// A call that the actor has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Call {
    /// Id of its message.
    pub id: Digest,
    /// How it stands.
    pub status: Status,
    /// What came back with the outcome, in attoFIL.
    pub came_back: TokenAmount,
}

/// How a call stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// No outcome yet.
    Waiting,
    /// The destination answered with this.
    Succeeded(RawBytes),
    /// The destination failed with this code.
    Reverted(ExitCode),
    /// A chain refused the call, or the VM ended it.
    Refused(ExitCode),
    /// It came too late.
    Expired,
}

/// A call from another chain that the actor has not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Deferred {
    /// Who waits.
    pub origin: CrossAddress,
    /// What came with it, in attoFIL.
    pub value: TokenAmount,
}

/// Parameters of [`crate::METHOD_ANSWER_DEFERRED`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AnswerDeferredParams {
    /// Key of the call.
    pub key: Digest,
    /// Zero for success.
    pub exit_code: ExitCode,
    /// What the caller gets to see.
    pub data: RawBytes,
    /// What goes back, in attoFIL.
    pub value: TokenAmount,
}

/// Parameters of [`crate::served::PROBE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ProbeParams {
    /// Which door to try.
    pub to: Address,
    /// Which method.
    pub method: MethodNum,
    /// Its parameters, encoded; empty for none.
    pub params: RawBytes,
    /// Value to send along, in attoFIL.
    pub value: TokenAmount,
}
