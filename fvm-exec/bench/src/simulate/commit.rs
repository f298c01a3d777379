//! What it costs to add a message's effects to a state: the smallest committer that is one.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use fvm::state_tree::StateTree;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use vm::access::{Access, ActorAccess, Fields};

use crate::contender::Engines;
use crate::statistics::median;
use crate::workload::{BlockMessage, Layer, World};

const INIT_ACTOR_ID: ActorID = 1;
const REPETITIONS: usize = 3;

/// Commits `accesses`, those of the block after `before`, to a tree that knows all their actors, and returns the time
/// of each.
pub(super) fn seconds_per_message(
    engines: &Engines,
    world: &World,
    before: &[BlockMessage],
    accesses: &[Access],
) -> anyhow::Result<f64> {
    let store = Layer::new(world.base.clone());
    let mut lane = engines.one_lane_over(world, store.clone())?;
    lane.execute_all(before.to_vec())?;
    let root = lane.flush()?;
    let mut times = Vec::new();
    for _ in 0..REPETITIONS {
        let mut tree = StateTree::new_from_root(store.clone(), &root)?;
        for access in accesses {
            for id in access.actors.keys() {
                tree.get_actor(*id)?;
            }
            for address in access.resolved.keys() {
                tree.lookup_id(address)?;
            }
        }
        let begun = Instant::now();
        for access in accesses {
            commit(&mut tree, access)?;
        }
        times.push(begun.elapsed().as_secs_f64() / accesses.len().max(1) as f64);
        check(&tree, accesses)?;
    }
    median(&times).context("no commit was measured")
}

/// Nothing is invalid here: accesses come from the same block, one message after another.
fn commit<S: Blockstore>(tree: &mut StateTree<S>, access: &Access) -> anyhow::Result<()> {
    for (address, id) in &access.resolved {
        ensure!(tree.lookup_id(address)? == *id, "{address} leads elsewhere");
    }
    for (address, id) in &access.created {
        ensure!(tree.register_new_address(address)? == *id, "{address} gets another id than {id}");
    }
    for (id, actor) in &access.actors {
        if is_only_registration(*id, access) {
            continue;
        }
        let now = tree.get_actor(*id)?;
        ensure!(now.is_some() == actor.before.is_some(), "actor {id} comes or goes");
        if let (Some(mut now), Some(before), Some(after)) = (now.clone(), &actor.before, &actor.after) {
            ensure!(holds(actor, &now), "actor {id} is not what it was");
            if actor.is_written() {
                now.code = after.code;
                now.state = after.state;
                now.delegated_address = after.delegated_address;
                now.sequence = now.sequence + after.sequence - before.sequence;
                now.balance = &now.balance + &after.balance - &before.balance;
                tree.set_actor(*id, now);
            }
        } else if let Some(after) = &actor.after {
            tree.set_actor(*id, after.clone());
        } else if now.is_some() {
            tree.delete_actor(*id);
        }
    }
    Ok(())
}

/// Addresses that a message has given out are registered anew; the init actor's state follows from that.
fn is_only_registration(id: ActorID, access: &Access) -> bool {
    id == INIT_ACTOR_ID && !access.runs_init && !access.created.is_empty()
}

fn holds(access: &ActorAccess, now: &fvm::state_tree::ActorState) -> bool {
    let Some(before) = &access.before else { return false };
    let reads = |field| access.read.contains(field);
    (!reads(Fields::CODE) || (before.code, before.delegated_address) == (now.code, now.delegated_address))
        && (!reads(Fields::HEAD) || before.state == now.state)
        && (!reads(Fields::SEQUENCE) || before.sequence == now.sequence)
        && (!reads(Fields::BALANCE) || before.balance == now.balance)
        && access.balance_min.as_ref().is_none_or(|least| now.balance >= *least)
}

/// After the block, the tree's actors are what they were for the last message that touched them.
fn check<S: Blockstore>(tree: &StateTree<S>, accesses: &[Access]) -> anyhow::Result<()> {
    let mut last = BTreeMap::new();
    for access in accesses {
        last.extend(access.actors.iter().map(|(id, actor)| (*id, &actor.after)));
    }
    for (id, expected) in last {
        ensure!(tree.get_actor(id)? == *expected, "actor {id} is another one after the block");
    }
    Ok(())
}
