//! Whether an outcome still holds on the canonical state, and adding it there.

use anyhow::{Context as _, ensure};
use fvm::kernel::Result;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::state::ActorState;
use vm::access::{Access, ActorAccess, Fields};
use vm::state::LaneState;

const INIT_ACTOR_ID: ActorID = 1;

/// Whether everything that a message has read is in `state` as the message has seen it.
///
/// # Errors
/// When the state cannot be read.
pub fn is_valid<S: Blockstore + Sync>(access: &Access, state: &mut LaneState<S>) -> Result<bool> {
    if access.mixes_registries {
        return Ok(false);
    }
    if access.actors.get(&INIT_ACTOR_ID).is_some_and(|init| init.read.contains(Fields::HEAD)) {
        state.settle_addresses()?;
    }
    if let Some(expected) = access.next_id
        && state.next_id()? != expected
    {
        return Ok(false);
    }
    for (address, found) in &access.resolved {
        if state.resolve(address)? != *found {
            return Ok(false);
        }
    }
    for (id, actor) in &access.actors {
        if !holds(actor, state.actor(*id)?.as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an actor is what a message has taken it for.
fn holds(access: &ActorAccess, now: Option<&ActorState>) -> bool {
    let (before, now) = match (&access.before, now) {
        (Some(before), Some(now)) => (before, now),
        (None, None) => return true,
        _ => return false,
    };
    let read = access.read;
    (!read.contains(Fields::CODE) || (before.code, before.delegated_address) == (now.code, now.delegated_address))
        && (!read.contains(Fields::HEAD) || before.state == now.state)
        && (!read.contains(Fields::SEQUENCE) || before.sequence == now.sequence)
        && (!read.contains(Fields::BALANCE) || before.balance == now.balance)
        && access.balance_min.as_ref().is_none_or(|least| now.balance >= *least)
}

/// Does to `state` what a message has done: sets what it has set, moves what it has moved.
///
/// # Errors
/// When the state cannot be read, or the message was not valid there.
pub fn apply<S: Blockstore + Sync>(access: &Access, state: &mut LaneState<S>) -> anyhow::Result<()> {
    if !access.runs_init {
        for (address, expected) in &access.created {
            let id = state.register(address)?;
            ensure!(id == *expected, "{address} was to get the id {expected} and got {id}");
        }
    }
    for (id, actor) in &access.actors {
        if !actor.is_written() {
            continue;
        }
        let after = match (&actor.before, &actor.after) {
            (Some(before), Some(after)) => {
                let now = state.actor(*id)?.with_context(|| format!("{id} was there and is gone"))?;
                let mut now = moved(now, before, after)?;
                // Its map says more than the message has done to it.
                if before.state != after.state && (*id != INIT_ACTOR_ID || access.runs_init) {
                    now.state = after.state;
                }
                Some(now)
            }
            (_, after) => after.clone(),
        };
        state.set_actor(*id, after);
    }
    Ok(())
}

/// An actor after the same changes that have led from `before` to `after`, but for its head.
fn moved(now: ActorState, before: &ActorState, after: &ActorState) -> anyhow::Result<ActorState> {
    let balance = &now.balance + &after.balance - &before.balance;
    ensure!(!balance.is_negative(), "a balance of {} would fall below zero", now.balance);
    let sequence = after.sequence.checked_sub(before.sequence).and_then(|steps| now.sequence.checked_add(steps));
    let sequence = sequence.with_context(|| format!("a nonce of {} would not grow", before.sequence))?;
    let is_new_code = (before.code, before.delegated_address) != (after.code, after.delegated_address);
    let (code, delegated_address) =
        if is_new_code { (after.code, after.delegated_address) } else { (now.code, now.delegated_address) };
    Ok(ActorState { code, delegated_address, sequence, balance, state: now.state })
}
