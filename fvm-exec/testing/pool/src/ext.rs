//! What the pool asks of its tokens.

use actor_runtime::{ActorError, Runtime, encode_params};
use frc42_dispatch::method_hash;
use frc46_token::token::types::{TransferFromParams, TransferParams};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::bigint::Zero;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};

use crate::refusal;

const TRANSFER: MethodNum = method_hash!("Transfer");
const TRANSFER_FROM: MethodNum = method_hash!("TransferFrom");

/// Moves tokens from the caller to the pool.
pub(crate) fn take<R: Runtime>(rt: &R, token: ActorID, amount: &TokenAmount) -> Result<(), ActorError> {
    let params = TransferFromParams {
        from: Address::new_id(rt.caller()),
        to: Address::new_id(rt.receiver()),
        amount: amount.clone(),
        operator_data: RawBytes::default(),
    };
    call(rt, token, TRANSFER_FROM, encode_params(&params)?, refusal::TOKEN_IN)
}

/// Moves tokens from the pool to the caller.
pub(crate) fn give<R: Runtime>(rt: &R, token: ActorID, amount: &TokenAmount) -> Result<(), ActorError> {
    let to = Address::new_id(rt.caller());
    let params = TransferParams { to, amount: amount.clone(), operator_data: RawBytes::default() };
    call(rt, token, TRANSFER, encode_params(&params)?, refusal::TOKEN_OUT)
}

fn call<R: Runtime>(
    rt: &R,
    token: ActorID,
    method: MethodNum,
    params: Option<IpldBlock>,
    refusal: ExitCode,
) -> Result<(), ActorError> {
    let sent = rt.send(&Address::new_id(token), method, params, &TokenAmount::zero(), None)?;
    if sent.is_success() {
        return Ok(());
    }
    Err(ActorError::new(refusal, format!("token {token} refused with exit code {}", sent.exit_code)))
}
