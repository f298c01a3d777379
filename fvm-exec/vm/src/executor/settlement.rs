//! Who gets what the sender has paid for gas: burnt, tipped and refunded, to the last attoFIL.

use anyhow::{Context as _, ensure};
use fvm::executor::ApplyRet;
use fvm::gas::GasOutputs;
use fvm::kernel::ClassifyResult as _;
use fvm::machine::{BURNT_FUNDS_ACTOR_ID, REWARD_ACTOR_ID};
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;

use super::preflight::Cleared;
use super::receipt::Outcome;
use crate::access::Fields;
use crate::machine::VmMachine;

/// Settles the gas of `message`.
///
/// # Errors
/// When the actors that are paid do not exist, or what is paid out is not what was taken.
pub(super) fn settle<M: VmMachine>(
    machine: &mut M,
    cleared: &Cleared,
    message: &Message,
    outcome: Outcome,
) -> anyhow::Result<ApplyRet> {
    let outputs = GasOutputs::compute(
        outcome.receipt.gas_used,
        message.gas_limit,
        &machine.context().base_fee,
        &message.gas_fee_cap,
        &message.gas_premium,
    );
    deposit(machine, BURNT_FUNDS_ACTOR_ID, &outputs.base_fee_burn)?;
    deposit(machine, REWARD_ACTOR_ID, &outputs.miner_tip)?;
    deposit(machine, BURNT_FUNDS_ACTOR_ID, &outputs.over_estimation_burn)?;
    deposit(machine, cleared.sender, &outputs.refund)?;

    let paid_out = &outputs.base_fee_burn + &outputs.over_estimation_burn + &outputs.refund + &outputs.miner_tip;
    ensure!(paid_out == cleared.gas_cost, "{} was taken for gas and {paid_out} paid out", cleared.gas_cost);

    let GasOutputs { base_fee_burn, over_estimation_burn, miner_penalty, miner_tip, refund, gas_refund, gas_burned } =
        outputs;
    Ok(ApplyRet {
        penalty: miner_penalty,
        miner_tip,
        base_fee_burn,
        over_estimation_burn,
        refund,
        gas_refund,
        gas_burned,
        ..outcome.free_of_charge()
    })
}

/// Gives an actor funds. Who is given nothing is not touched, and need not exist.
fn deposit<M: VmMachine>(machine: &mut M, id: ActorID, amount: &TokenAmount) -> anyhow::Result<()> {
    ensure!(!amount.is_negative(), "a settlement of {amount} to {id} is below zero");
    if amount.is_zero() {
        return Ok(());
    }
    let actor = machine.state().actor(id)?;
    machine.recorder().touch(id, Fields::PRESENT, actor.as_ref());
    let mut actor = actor.with_context(|| format!("{id} is to be paid and does not exist"))?;
    actor.deposit_funds(amount).or_fatal()?;
    machine.state_mut().set_actor(id, Some(actor));
    Ok(())
}
