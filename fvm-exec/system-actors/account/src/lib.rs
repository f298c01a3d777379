//! The account actor: an address with a native key, secp256k1 (f1) or BLS (f3).
//!
//! The VM creates one when value is first sent to such an address. The actor remembers the address, vouches for
//! signatures of its key (`AuthenticateMessage`), and accepts every public call without doing anything, so that
//! receiver hooks of other actors never fail on an account.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use actor_runtime::{
    ActorError, Runtime, decode_params, encode_return, is_exported, require_caller, require_no_params,
};
use frc42_dispatch::method_hash;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_ipld_encoding::strict_bytes;
use fvm_shared::MethodNum;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::crypto::signature::{Signature, SignatureType};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::{METHOD_CONSTRUCTOR, SYSTEM_ID};

/// No parameters → the account's [`Address`].
pub const METHOD_PUBKEY_ADDRESS: MethodNum = 2;
/// [`AuthenticateMessageParams`] → `true`; aborts with exit 16 when the signature is not the account's.
pub const METHOD_AUTHENTICATE_MESSAGE: MethodNum = method_hash!("AuthenticateMessage");

/// State of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// The f1 or f3 address.
    pub address: Address,
}

/// Parameters of [`METHOD_AUTHENTICATE_MESSAGE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AuthenticateMessageParams {
    /// Bare signature, of the kind that the account's address has.
    #[serde(with = "strict_bytes")]
    pub signature: Vec<u8>,
    /// What is signed.
    #[serde(with = "strict_bytes")]
    pub message: Vec<u8>,
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
        METHOD_PUBKEY_ADDRESS => pubkey_address(rt, params),
        METHOD_AUTHENTICATE_MESSAGE => authenticate_message(rt, params),
        _ if is_exported(method) => Ok(None),
        _ => Err(ActorError::unhandled(method)),
    }
}

fn signature_type(address: &Address) -> Option<SignatureType> {
    match address.protocol() {
        Protocol::Secp256k1 => Some(SignatureType::Secp256k1),
        Protocol::BLS => Some(SignatureType::BLS),
        _ => None,
    }
}

/// The VM calls this as system when it creates the account.
fn constructor<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_caller(rt, &[SYSTEM_ID])?;
    let address: Address = decode_params(params)?;
    if signature_type(&address).is_none() {
        return Err(ActorError::illegal_argument(format!("{address} has no key, expected f1… or f3…")));
    }
    rt.save_state(&State { address })?;
    Ok(None)
}

fn pubkey_address<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    require_no_params(params)?;
    encode_return(&rt.load_state::<State>()?.address)
}

fn authenticate_message<R: Runtime>(rt: &R, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let AuthenticateMessageParams { signature, message } = decode_params(params)?;
    let State { address } = rt.load_state()?;
    let kind = signature_type(&address)
        .ok_or_else(|| ActorError::illegal_state(format!("account {} has no key", rt.receiver())))?;
    let signature = Signature { sig_type: kind, bytes: signature };
    if rt.verify_signature(&signature, &address, &message) {
        return encode_return(&true);
    }
    Err(ActorError::illegal_argument(format!("the signature is not one of {address} over this message")))
}

actor_runtime::entry!(dispatch);

#[cfg(test)]
mod tests;
