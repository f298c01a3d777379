//! Transfers, too short to be looked at one by one: each lane runs its share, and what all of it together has done is
//! merged at once.
//!
//! The shares commute if, of all lanes that have touched an actor, at most one has done more than pay it, and that one
//! did not read the exact balance. Then any order of the messages gives the same state and the same receipts, the
//! block's among them: payments of others only raise balances, and what was enough stays enough.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use fvm::executor::{ApplyKind, ApplyRet};
use fvm::externs::Externs;
use fvm::machine::Machine as _;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use rustc_hash::FxHashMap;
use vm::VmMachine as _;
use vm::access::{Access, ActorAccess, Fields};

use crate::block::{BlockExecutor, BlockMessage, joined};
use crate::commit;
use crate::lane::{Ground, spawn};
use crate::plan::Plan;
use crate::predict::Use;

/// A lane's share of the messages, and what it came to.
struct Share {
    rets: Vec<(u32, ApplyRet)>,
    access: Access,
}

impl<S, E> BlockExecutor<S, E>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + Send + Sync + 'static,
{
    /// Executes transfers in bulk. `None` when the shares turn out not to commute: then nothing has changed.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn run_in_bulk(
        &mut self,
        messages: &[BlockMessage],
        plan: &Plan,
    ) -> anyhow::Result<Option<Vec<ApplyRet>>> {
        let shares = deal(plan, self.options.lanes);
        let (context, state) = (self.canonical.context().clone(), self.canonical.state().fork());
        let (externs, code) = (self.externs.clone(), Arc::clone(&self.code));
        let ground = Ground { context: &context, state: &state, externs: &externs, code: &code };
        let pins = self.options.pins;
        let mut done: Vec<Option<Share>> = Vec::new();
        done.resize_with(shares.len(), || None);
        let busy = thread::scope(|scope| {
            let started: Vec<_> = shares
                .iter()
                .zip(&mut done)
                .enumerate()
                .map(|(lane, (share, done))| {
                    let ground = &ground;
                    spawn(scope, lane, pins, move || {
                        let started = Instant::now();
                        *done = Some(run_share(ground, messages, share)?);
                        Ok(started.elapsed())
                    })
                })
                .collect();
            started.into_iter().map(joined).collect()
        });
        self.stats.lanes_busy = busy;
        self.stats.tasks = shares.len();
        let Some(done) = done.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };

        if !commute(&done) {
            self.stats.conflicts = done.len();
            return Ok(None);
        }
        // Each share has read the state that is still the canonical one.
        let state = self.canonical.state_mut();
        for share in &done {
            commit::apply(&share.access, state)?;
        }
        self.stats.committed = messages.len();
        let mut rets: Vec<_> = done.into_iter().flat_map(|share| share.rets).collect();
        rets.sort_unstable_by_key(|(index, _)| *index);
        Ok(Some(rets.into_iter().map(|(_, ret)| ret).collect()))
    }
}

/// Deals the messages to lanes, each sender's to one.
fn deal(plan: &Plan, lanes: NonZeroUsize) -> Vec<Vec<u32>> {
    let mut lane_of: FxHashMap<ActorID, usize> = FxHashMap::default();
    let mut shares = vec![Vec::new(); lanes.get()];
    for (index, planned) in (0u32..).zip(&plan.messages) {
        let next = lane_of.len() % lanes;
        let lane = planned.sender.map_or(0, |sender| *lane_of.entry(sender).or_insert(next));
        shares[lane].push(index);
    }
    shares
}

fn run_share<S, E>(ground: &Ground<'_, S, E>, messages: &[BlockMessage], share: &[u32]) -> anyhow::Result<Share>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + 'static,
{
    let mut executor = ground.executor()?;
    let mut rets = Vec::with_capacity(share.len());
    executor.recorder().start();
    for index in share {
        let BlockMessage { message, length } = &messages[*index as usize];
        rets.push((*index, executor.execute(message, ApplyKind::Explicit, *length)?));
    }
    let state = executor.state();
    let access = executor.recorder().finish(|id| state.actor(id))?.unwrap_or_default();
    Ok(Share { rets, access })
}

/// Whether the shares have the same effects in any order.
fn commute(shares: &[Share]) -> bool {
    let is_plain = |share: &Share| {
        let Access { created, next_id, runs_init, mixes_registries, .. } = &share.access;
        created.is_empty() && next_id.is_none() && !runs_init && !mixes_registries
    };
    if !shares.iter().all(is_plain) {
        return false;
    }
    let mut meetings: BTreeMap<ActorID, Vec<&ActorAccess>> = BTreeMap::new();
    for (id, access) in shares.iter().flat_map(|share| &share.access.actors) {
        meetings.entry(*id).or_default().push(access);
    }
    meetings.values().all(|accesses| match accesses.as_slice() {
        [_] => true,
        several => {
            let (payers, others): (Vec<&ActorAccess>, Vec<&ActorAccess>) =
                several.iter().copied().partition(|access| pays_at_most(access));
            match others.as_slice() {
                [] => true,
                // Whoever only pays an actor does not see what else becomes of it, as long as it is there.
                [one] => {
                    stays(one)
                        && payers.iter().all(|payer| does_not_notice(payer) && (is_deaf(one) || !payer.is_written()))
                }
                _ => false,
            }
        }
    })
}

fn pays_at_most(access: &ActorAccess) -> bool {
    matches!(Use::of(access), None | Some(Use::Deposit))
}

/// Whether the actor is there before and after.
fn stays(access: &ActorAccess) -> bool {
    access.before.is_some() && access.after.is_some()
}

/// Whether a lane sees of an actor no more than that it is there.
fn does_not_notice(payer: &ActorAccess) -> bool {
    payer.read == Fields::PRESENT
}

/// Whether a lane that has done more than pay an actor is not bothered by others that pay it.
fn is_deaf(access: &ActorAccess) -> bool {
    !access.read.contains(Fields::BALANCE)
}
