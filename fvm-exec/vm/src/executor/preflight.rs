//! Whether a message may run: its sender exists and may send, the nonce is its turn, and it can pay for the gas.

use fvm::executor::ApplyKind;
use fvm::gas::{Gas, GasCharge};
use fvm::kernel::{ClassifyResult as _, Context as _, Result};
use fvm::machine::Manifest;
use fvm::state_tree::ActorState;
use fvm_shared::ActorID;
use fvm_shared::address::Payload;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use num_traits::Zero as _;

use crate::access::Fields;
use crate::machine::VmMachine;

const EAM_ACTOR_ID: ActorID = 10;

/// A message that may run. Its sender has paid the most that its gas can cost.
pub(super) struct Cleared {
    pub(super) sender: ActorID,
    /// What was taken from the sender.
    pub(super) gas_cost: TokenAmount,
    /// Gas for being on the chain.
    pub(super) inclusion: GasCharge,
}

/// A message that must not run, and changes nothing.
pub(super) struct Refusal {
    pub(super) exit_code: ExitCode,
    pub(super) reason: String,
    /// What the block's author pays for having included it.
    pub(super) penalty: TokenAmount,
}

/// Clears a message, or refuses it.
///
/// # Errors
/// When the message is malformed or the state cannot be read.
pub(super) fn clear<M: VmMachine>(
    machine: &mut M,
    message: &Message,
    kind: ApplyKind,
    raw_length: usize,
) -> anyhow::Result<std::result::Result<Cleared, Refusal>> {
    message.check().or_fatal()?;
    let context = machine.context();
    let refuse = |exit_code, reason: String, penalty| Ok(Err(Refusal { exit_code, reason, penalty }));

    let (inclusion, penalty) = match kind {
        ApplyKind::Implicit => (GasCharge::new("none", Gas::zero(), Gas::zero()), TokenAmount::zero()),
        ApplyKind::Explicit => {
            let inclusion = context.price_list.on_chain_message(raw_length);
            let gas = inclusion.total().round_up();
            if gas > message.gas_limit {
                let reason = format!("inclusion takes {gas} gas, the limit is {}", message.gas_limit);
                return refuse(ExitCode::SYS_OUT_OF_GAS, reason, &context.base_fee * gas);
            }
            (inclusion, &context.base_fee * message.gas_limit)
        }
    };

    let found = machine.state().resolve(&message.from).context("looking up the sender")?;
    machine.recorder().resolve(&message.from, found);
    let Some(sender) = found else {
        return refuse(ExitCode::SYS_SENDER_INVALID, format!("{} does not exist", message.from), penalty);
    };
    if kind == ApplyKind::Implicit {
        return Ok(Ok(Cleared { sender, gas_cost: TokenAmount::zero(), inclusion }));
    }

    let state = machine.state().actor(sender).context("loading the sender")?;
    machine.recorder().touch(sender, Fields::CODE | Fields::SEQUENCE, state.as_ref());
    let Some(mut state) = state else {
        return refuse(ExitCode::SYS_SENDER_INVALID, format!("{} does not exist", message.from), penalty);
    };
    if !admit(machine.builtin_actors(), &mut state) {
        return refuse(ExitCode::SYS_SENDER_INVALID, format!("{} is no account", message.from), penalty);
    }
    if message.sequence != state.sequence {
        let reason = format!("the nonce is {}, expected {}", message.sequence, state.sequence);
        return refuse(ExitCode::SYS_SENDER_STATE_INVALID, reason, penalty);
    }
    state.sequence += 1;

    let gas_cost = &message.gas_fee_cap * message.gas_limit;
    machine.recorder().need(sender, &state.balance, &gas_cost);
    if state.balance < gas_cost {
        let reason = format!("the sender holds {}, its gas may cost {gas_cost}", state.balance);
        return refuse(ExitCode::SYS_SENDER_STATE_INVALID, reason, penalty);
    }
    pay(&mut state, &gas_cost)?;
    machine.state_mut().set_actor(sender, Some(state));
    Ok(Ok(Cleared { sender, gas_cost, inclusion }))
}

fn pay(sender: &mut ActorState, gas_cost: &TokenAmount) -> Result<()> {
    sender.deduct_funds(gas_cost).or_fatal()
}

/// Whether an actor may send messages. A placeholder with an Ethereum address becomes an Ethereum account with its
/// first one (FIP-0055).
fn admit(manifest: &Manifest, actor: &mut ActorState) -> bool {
    if manifest.is_account_actor(&actor.code) || manifest.is_ethaccount_actor(&actor.code) {
        return true;
    }
    let address = actor.delegated_address.map(|address| *address.payload());
    let is_ethereum = matches!(address, Some(Payload::Delegated(address)) if address.namespace() == EAM_ACTOR_ID);
    let is_new = manifest.is_placeholder_actor(&actor.code) && actor.sequence == 0 && is_ethereum;
    if is_new {
        actor.code = *manifest.get_ethaccount_code();
    }
    is_new
}
