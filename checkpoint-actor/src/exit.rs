//! Methods by which members leave, a subnet ends, and everybody gets what is left.

use actor_runtime::{ActorError, Runtime, require_caller};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{
    ClaimBalanceParams, ClaimBalanceReturn, CloseChildParams, GATEWAY_ID, KillReturn, OwnerParams, RecoverParams,
    RefundChildParams, RefundReturn, UnlockParams, UnlockReturn,
};
use subnet_types::events::{EventBuilder, checkpoint as events};
use subnet_types::genesis::MembershipMode;
use subnet_types::limits::REFUNDS_PER_CALL_MAX;

use crate::exit_error::ExitError;
use crate::ext;
use crate::membership::{expect_address, log_changes};
use crate::proof::{self, Blocks};
use crate::rejection::Rejection;
use crate::settlement::{height, require_direct};
use crate::state::State;

/// A member leaves.
pub(crate) fn leave(rt: &impl Runtime, params: OwnerParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    expect_address(rt, &params.owner, rt.caller())?;
    let left = state.leave(rt.store(), &params.owner)?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::LEFT).indexed("owner", &params.owner);
    rt.emit_event(&event.field("stake", &left.member.stake).build())?;
    log_changes(rt, left.change.as_slice())?;
    pay(rt, &params.owner, &left.returned)
}

/// A former member takes its stake.
pub(crate) fn withdraw(rt: &impl Runtime, params: OwnerParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    expect_address(rt, &params.owner, rt.caller())?;
    let stake = state.withdraw(rt.store(), &params.owner, height(rt))?;
    rt.save_state(&state)?;
    let event = EventBuilder::new(events::WITHDRAWN).indexed("owner", &params.owner);
    rt.emit_event(&event.field("stake", &stake).build())?;
    pay(rt, &params.owner, &stake)
}

/// Whether the caller is the owner of a subnet of one of these modes, and decides alone, without a vote.
fn decides_alone(rt: &impl Runtime, state: &State, modes: &[MembershipMode]) -> bool {
    modes.contains(&state.parameters.mode) && rt.resolve_address(&state.owner) == Some(rt.caller())
}

/// The owner gives notice, or a validator votes for it.
pub(crate) fn kill(rt: &impl Runtime, params: OwnerParams) -> Result<KillReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    expect_address(rt, &params.owner, rt.caller())?;
    let is_decided = if decides_alone(rt, &state, &[MembershipMode::Federated, MembershipMode::Static]) {
        state.give_notice(height(rt))?;
        true
    } else {
        let (vote_key, is_decided) = state.vote_to_end(rt.store(), &params.owner, height(rt))?;
        let event = EventBuilder::new(events::VOTED).indexed("vote-key", &vote_key).field("for", &"kill");
        rt.emit_event(&event.build())?;
        is_decided
    };
    rt.save_state(&state)?;
    if is_decided {
        ext::close_child(rt, &CloseChildParams { has_exited: false })?;
        let event = EventBuilder::new(events::NOTICE_GIVEN).field("exit-from", &state.exit_from());
        rt.emit_event(&event.build())?;
    }
    Ok(KillReturn { is_decided })
}

/// A validator takes back what it has voted for.
pub(crate) fn retract_votes(rt: &impl Runtime, params: OwnerParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    expect_address(rt, &params.owner, rt.caller())?;
    let vote_key = state.retract_votes(rt.store(), &params.owner)?;
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::VOTES_RETRACTED).indexed("vote-key", &vote_key).build())
}

/// Others are put in charge of a silent subnet.
pub(crate) fn recover(rt: &impl Runtime, params: RecoverParams) -> Result<KillReturn, ActorError> {
    let RecoverParams { owner, validators } = params;
    let mut state: State = rt.load_state()?;
    expect_address(rt, &owner, rt.caller())?;
    let changed = state.check_recovery(rt.store(), &validators, height(rt))?;
    // Only the owner of a federated subnet has chosen the set before. Any other would come by the custody with it.
    let is_decided = if decides_alone(rt, &state, &[MembershipMode::Federated]) {
        true
    } else {
        let (vote_key, is_decided) = state.vote_to_recover(rt.store(), &owner, &validators)?;
        let event = EventBuilder::new(events::VOTED).indexed("vote-key", &vote_key).field("for", &"recover");
        rt.emit_event(&event.build())?;
        is_decided
    };
    if !is_decided {
        rt.save_state(&state)?;
        return Ok(KillReturn { is_decided });
    }
    let changes = state.recover(rt.store(), changed, height(rt))?;
    rt.save_state(&state)?;
    log_changes(rt, &changes)?;
    let event = EventBuilder::new(events::RECOVERED).field("configuration", &state.configuration_confirmed);
    rt.emit_event(&event.build())?;
    Ok(KillReturn { is_decided })
}

/// Anyone ends the subnet when its time has come.
pub(crate) fn exit(rt: &impl Runtime) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    // Inside a delivery the gateway has messages of this child in hand, for which it would find the way closed.
    if state.is_delivering {
        return Err(Rejection::Delivering.into());
    }
    state.end(rt.store(), height(rt))?;
    rt.save_state(&state)?;
    let closed = ext::close_child(rt, &CloseChildParams { has_exited: true })?;
    let mut state: State = rt.load_state()?;
    state.owe_refunds(closed.unapplied, closed.amount)?;
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::EXITED).field("unapplied", &closed.unapplied).build())
}

/// Anyone has messages answered that the subnet will never apply. Like a delivery it is called directly: it tells
/// actors of this chain that their messages came back, and must not run out of calls for that.
pub(crate) fn refund(rt: &impl Runtime, params: RefundChildParams) -> Result<RefundReturn, ActorError> {
    let mut state: State = rt.load_state()?;
    require_direct(rt, &state)?;
    if state.expect_exit()?.unrefunded == 0 {
        return Err(ExitError::NothingToRefund.into());
    }
    state.is_delivering = true;
    rt.save_state(&state)?;
    let messages_max = params.messages_max.min(REFUNDS_PER_CALL_MAX as u64);
    let refunded = ext::refund_child(rt, &RefundChildParams { messages_max })?;
    let mut state: State = rt.load_state()?;
    state.is_delivering = false;
    state.pass_refunds(refunded.left)?;
    rt.save_state(&state)?;
    Ok(refunded)
}

/// The gateway, within a refund, takes out what the messages carried.
pub(crate) fn unlock(rt: &impl Runtime, params: UnlockParams) -> Result<UnlockReturn, ActorError> {
    require_caller(rt, &[GATEWAY_ID])?;
    let mut state: State = rt.load_state()?;
    let amount = state.unlock(&params.amount)?;
    rt.save_state(&state)?;
    pay(rt, &Address::new_id(GATEWAY_ID), &amount)?;
    Ok(UnlockReturn { amount })
}

/// Anyone has an account of the subnet, or of a chain below it, paid here.
pub(crate) fn claim(rt: &impl Runtime, params: ClaimBalanceParams) -> Result<ClaimBalanceReturn, ActorError> {
    let ClaimBalanceParams { path, address, proof } = params;
    let mut state: State = rt.load_state()?;
    if state.is_delivering {
        return Err(Rejection::Delivering.into());
    }
    state.expect_exit()?;
    let root = state.last_state_root.ok_or(ExitError::NoCheckpoint)?;
    let blocks = Blocks::of(&proof, |bytes| rt.hash_blake2b(bytes))?;
    let proven = proof::read(&blocks, &root, &path, &address, rt.code_of(rt.receiver()))?;
    let amount = state.claim(rt.store(), &proven)?;
    rt.save_state(&state)?;
    pay(rt, &address, &amount)?;
    let event = EventBuilder::new(events::BALANCE_CLAIMED).indexed("address", &address).field("amount", &amount);
    rt.emit_event(&event.build())?;
    Ok(ClaimBalanceReturn { amount })
}

/// Sends value by a plain transfer, which runs no code.
fn pay(rt: &impl Runtime, to: &Address, amount: &TokenAmount) -> Result<(), ActorError> {
    if !amount.is_positive() {
        return Ok(());
    }
    let exit_code = rt.send(to, METHOD_SEND, None, amount, None)?.exit_code;
    if exit_code.is_success() {
        return Ok(());
    }
    Err(ExitError::Unpaid { to: to.to_string(), exit_code }.into())
}
