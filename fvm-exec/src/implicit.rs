//! The protocol's own messages: parent update, tips and checkpoint cut.
//!
//! They come from the system actor, pay no gas, and have a gas limit apart from the block's, so that users can
//! neither crowd them out nor pay for them. What a failure means differs:
//!
//! | message | value | on failure |
//! |---|---|---|
//! | parent update | what it mints, out of the system actor's reserve | changes nothing, the receipt says why, the block goes on |
//! | tips | none; the reward actor holds them | the block cannot be executed |
//! | cut | none | the block cannot be executed |

use fvm::executor::ApplyRet;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{RawBytes, from_slice};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use fvm_shared::{ActorID, MethodNum};
use num_traits::Zero;
use serde::Serialize;
use subnet_types::Height;
use subnet_types::actors::{
    ApplyParentUpdateParams, ApplyParentUpdateReturn, AwardTipsParams, CheckpointCut, GATEWAY_ID, REWARD_ID, SYSTEM_ID,
    gateway, reward,
};
use subnet_types::hash::encode;
use subnet_types::limits::IMPLICIT_GAS_MAX;

use crate::error::ExecError;
use crate::session::Session;

/// What a parent update did, beside its receipt.
pub(crate) type ParentUpdateOutcome = Result<ApplyParentUpdateReturn, ExitCode>;

/// Mints what `update` brings and hands it to the gateway.
pub(crate) fn apply_parent_update<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    height: Height,
    update: &ApplyParentUpdateParams,
) -> Result<(ApplyRet, ParentUpdateOutcome), ExecError> {
    let minted = update.messages.iter().map(|message| message.amount()).sum();
    let ret = apply(session, height, GATEWAY_ID, gateway::APPLY_PARENT_UPDATE, update, minted)?;
    let exit_code = ret.msg_receipt.exit_code;
    if !exit_code.is_success() {
        tracing::warn!(%height, %exit_code, reason = failure(&ret), "parent update failed and changed nothing");
        return Ok((ret, Err(exit_code)));
    }
    let outcome = decode("the parent update", height, &ret)?;
    Ok((ret, Ok(outcome)))
}

/// Pays the block's tips to the owner of its proposer.
pub(crate) fn award_tips<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    height: Height,
    beneficiary: Address,
    amount: TokenAmount,
) -> Result<ApplyRet, ExecError> {
    let params = AwardTipsParams { beneficiary, amount };
    let ret = apply(session, height, REWARD_ID, reward::AWARD_TIPS, &params, TokenAmount::zero())?;
    must_succeed("the payment of tips", height, ret)
}

/// Ends a checkpoint period.
pub(crate) fn cut_checkpoint<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    height: Height,
) -> Result<(ApplyRet, CheckpointCut), ExecError> {
    let action = "the checkpoint cut";
    let ret =
        apply_raw(session, height, GATEWAY_ID, gateway::CUT_CHECKPOINT, RawBytes::default(), TokenAmount::zero())?;
    let ret = must_succeed(action, height, ret)?;
    let cut: CheckpointCut = decode(action, height, &ret)?;
    if cut.height != height {
        let reason = format!("a cut of height {}", cut.height);
        return Err(ExecError::ImplicitReturn { action, height: height.get(), reason });
    }
    Ok((ret, cut))
}

fn apply<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    height: Height,
    to: ActorID,
    method: MethodNum,
    params: &impl Serialize,
    value: TokenAmount,
) -> Result<ApplyRet, ExecError> {
    apply_raw(session, height, to, method, RawBytes::new(encode(params)), value)
}

fn apply_raw<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    height: Height,
    to: ActorID,
    method_num: MethodNum,
    params: RawBytes,
    value: TokenAmount,
) -> Result<ApplyRet, ExecError> {
    let message = Message {
        version: 0,
        from: Address::new_id(SYSTEM_ID),
        to: Address::new_id(to),
        // Not checked for implicit messages, but new actors' robust addresses are derived from it.
        sequence: height.get(),
        value,
        method_num,
        params,
        gas_limit: IMPLICIT_GAS_MAX,
        gas_fee_cap: TokenAmount::zero(),
        gas_premium: TokenAmount::zero(),
    };
    session.apply(message)
}

fn must_succeed(action: &'static str, height: Height, ret: ApplyRet) -> Result<ApplyRet, ExecError> {
    let exit_code = ret.msg_receipt.exit_code;
    if exit_code.is_success() {
        return Ok(ret);
    }
    Err(ExecError::Implicit { action, height: height.get(), exit_code, reason: failure(&ret) })
}

fn decode<T: serde::de::DeserializeOwned>(
    action: &'static str,
    height: Height,
    ret: &ApplyRet,
) -> Result<T, ExecError> {
    from_slice(ret.msg_receipt.return_data.bytes()).map_err(|error| ExecError::ImplicitReturn {
        action,
        height: height.get(),
        reason: error.to_string(),
    })
}

/// Why a message failed, for logs.
pub(crate) fn failure(ret: &ApplyRet) -> String {
    ret.failure_info.as_ref().map(ToString::to_string).unwrap_or_default()
}
