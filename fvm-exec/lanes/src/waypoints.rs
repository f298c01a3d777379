//! States on the way through a block, by which the segments between them can run at the same time.
//!
//! Who has executed a block knows the state at any message. Given a few of those states, others run all segments at once,
//! each from its waypoint, and look whether it ends in the next one. If every segment does, then by induction each has
//! begun where sequential execution would have, so the block is right, whoever made the waypoints. If one does not, they
//! are thrown away. It works however much the messages depend on each other: this is what makes a contract that
//! everybody calls faster with more cores. The idea is that of EIP-7928's access lists with values, at the grain of
//! actors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet};
use fvm::externs::Externs;
use fvm::machine::Machine as _;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::state::ActorState;
use multihash_codetable::{Code, MultihashDigest as _};
use vm::VmMachine as _;
use vm::state::LaneState;

use crate::block::{BlockExecutor, BlockMessage, joined};
use crate::lane::{Ground, spawn};
use crate::options::LANES_MAX;
use crate::stats::{BlockStats, Decision};

/// Waypoints of one block.
pub const WAYPOINTS_MAX: usize = 2 * LANES_MAX;

/// Bytes of IPLD blocks that waypoints carry at most, all together.
const WAYPOINT_BYTES_MAX: usize = 8 << 20;

/// The state between two messages, as changes since the waypoint before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waypoint {
    /// The message that comes next, by its place in the block.
    pub at: u32,
    /// The actors that have changed, by id; `None` for those that are gone.
    pub actors: BTreeMap<ActorID, Option<ActorState>>,
    /// The IPLD blocks that these actors' states need and the state before the block does not have.
    pub blocks: Vec<(Cid, Vec<u8>)>,
}

/// The waypoints of a block, in order.
pub type Waypoints = Vec<Waypoint>;

impl<S, E> BlockExecutor<S, E>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + Send + Sync + 'static,
{
    /// Executes messages as [`BlockExecutor::execute`] does and leaves waypoints that cut them into `segments` of about the
    /// same gas limit. `reached` gives the blocks written so far that are reached from some CIDs.
    ///
    /// # Errors
    /// As there, and what `reached` fails with.
    pub fn execute_marking(
        &mut self,
        messages: &[BlockMessage],
        segments: usize,
        reached: impl Fn(&[Cid]) -> anyhow::Result<Vec<(Cid, Vec<u8>)>>,
    ) -> anyhow::Result<(Vec<ApplyRet>, Waypoints)> {
        self.canonical.state_mut().settle_addresses()?;
        let mut before = changes(self.canonical.state());
        let mut shipped = BTreeSet::new();
        let (mut rets, mut waypoints, mut total) = (Vec::new(), Vec::new(), BlockStats::default());
        let mut from = 0;
        for to in marks(messages, segments) {
            rets.extend(self.execute(&messages[from..to])?);
            total = total.and(&self.stats);
            from = to;
            if to == messages.len() {
                break;
            }
            self.canonical.state_mut().settle_addresses()?;
            let now = changes(self.canonical.state());
            let actors: BTreeMap<_, _> = now
                .iter()
                .filter(|(id, actor)| before.get(id) != Some(actor))
                .map(|(id, actor)| (*id, actor.clone()))
                .collect();
            let heads: Vec<_> = actors.values().flatten().map(|actor| actor.state).collect();
            let mut blocks = reached(&heads)?;
            blocks.retain(|(cid, _)| shipped.insert(*cid));
            waypoints.push(Waypoint { at: to as u32, actors, blocks });
            before = now;
        }
        self.stats = total;
        Ok((rets, waypoints))
    }

    /// Executes messages with the help of waypoints. What is wrong with them costs time and changes nothing: they are
    /// tried once, and then the block is executed without them and without lanes, so that no message runs a third time.
    ///
    /// `missed` says whether the store was asked for blocks that it does not have, and forgets it. Where waypoints lead to
    /// such blocks, because they invent a state or leave out what belongs to it, a message can have come to anything, and
    /// the store is not to blame.
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`].
    pub fn execute_between(
        &mut self,
        messages: &[BlockMessage],
        waypoints: &[Waypoint],
        missed: impl Fn() -> bool,
    ) -> anyhow::Result<Vec<ApplyRet>> {
        let started = Instant::now();
        if self.options.lanes.get() < 2 || waypoints.is_empty() {
            return self.execute(messages);
        }
        let checked = check(waypoints, messages.len()).and_then(|()| self.check_code(waypoints));
        if let Err(problem) = checked {
            tracing::debug!(problem, "waypoints ignored");
            let rets = self.execute(messages)?;
            self.stats.misled = true;
            return Ok(rets);
        }
        let blocks = waypoints.iter().flat_map(|waypoint| &waypoint.blocks);
        self.canonical.blockstore().put_many_keyed(blocks.map(|(cid, block)| (*cid, block)))?;
        let stats = BlockStats { decision: Decision::Waypoints, messages: messages.len(), ..BlockStats::default() };
        self.stats = BlockStats { tasks: waypoints.len() + 1, ..stats };
        self.canonical.state_mut().settle_addresses()?;
        let arrived = self.run_segments(messages, waypoints);
        let Some((rets, state)) = arrived.filter(|_| !missed()) else {
            tracing::debug!("waypoints are wrong");
            missed();
            let rets = self.run_all_canonically(messages)?;
            (self.stats.stopped, self.stats.misled) = (true, true);
            self.stats.reexecutions = messages.len();
            self.stats.execute = started.elapsed();
            return Ok(rets);
        };
        *self.canonical.state_mut() = state;
        self.stats.committed = messages.len();
        self.stats.execute = started.elapsed();
        Ok(rets)
    }

    /// Whether every actor keeps its code, or has that of a built-in actor. No message can do anything else; what
    /// waypoints bring must never be compiled.
    fn check_code(&self, waypoints: &[Waypoint]) -> Result<(), &'static str> {
        let builtin: BTreeSet<_> = self.canonical.builtin_actors().builtin_actor_codes().collect();
        let keeps = |id: ActorID, code: &Cid| matches!(self.canonical.state().actor(id), Ok(Some(actor)) if actor.code == *code);
        let actors = waypoints.iter().flat_map(|waypoint| &waypoint.actors);
        let mut codes = actors.filter_map(|(id, actor)| Some((*id, &actor.as_ref()?.code)));
        match codes.all(|(id, code)| builtin.contains(code) || keeps(id, code)) {
            true => Ok(()),
            false => Err("an actor has other code"),
        }
    }

    /// The receipts and the state after the last segment, if every other segment ends where the next one begins.
    fn run_segments(
        &mut self,
        messages: &[BlockMessage],
        waypoints: &[Waypoint],
    ) -> Option<(Vec<ApplyRet>, LaneState<S>)> {
        let (context, state) = (self.canonical.context().clone(), self.canonical.state().fork());
        let (externs, code) = (self.externs.clone(), Arc::clone(&self.code));
        let ground = Ground { context: &context, state: &state, externs: &externs, code: &code };
        let segments =
            Segments { ground: &ground, messages, waypoints, next: AtomicUsize::new(0), fails: AtomicBool::new(false) };
        let lanes = self.options.lanes.get().min(waypoints.len() + 1);
        let pins = self.options.pins;
        let (busy, mut done) = thread::scope(|scope| {
            let started: Vec<_> = (0..lanes)
                .map(|lane| {
                    let segments = &segments;
                    let (sender, results) = std::sync::mpsc::channel();
                    (spawn(scope, lane, pins, move || segments.run(&sender)), results)
                })
                .collect();
            let mut done = BTreeMap::new();
            let mut busy = Vec::new();
            for (lane, results) in started {
                busy.push(joined(lane));
                done.extend(results.iter());
            }
            (busy, done)
        });
        self.stats.lanes_busy = busy;
        if done.len() != waypoints.len() + 1 {
            return None;
        }
        let (_, last) = done.pop_last()?;
        let mut rets: Vec<_> = done.into_values().flat_map(|(rets, _)| rets).collect();
        rets.extend(last.0);
        Some((rets, last.1?))
    }
}

type Done<S> = (Vec<ApplyRet>, Option<LaneState<S>>);

/// The segments of a block, for lanes to take.
struct Segments<'a, S: Blockstore + Clone + Sync + 'static, E: Externs + Clone + 'static> {
    ground: &'a Ground<'a, S, E>,
    messages: &'a [BlockMessage],
    waypoints: &'a [Waypoint],
    next: AtomicUsize,
    fails: AtomicBool,
}

impl<S, E> Segments<'_, S, E>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + 'static,
{
    fn run(&self, done: &std::sync::mpsc::Sender<(usize, Done<S>)>) -> anyhow::Result<Duration> {
        let started = Instant::now();
        loop {
            let segment = self.next.fetch_add(1, Ordering::Relaxed);
            if segment > self.waypoints.len() || self.fails.load(Ordering::Relaxed) {
                return Ok(started.elapsed());
            }
            match self.run_segment(segment) {
                Ok(Some(result)) => {
                    // The block waits for all of them, so somebody listens.
                    let _ = done.send((segment, result));
                }
                Ok(None) => self.fails.store(true, Ordering::Relaxed),
                // A state that somebody has made up may hold anything; if it is this node that fails, it fails again.
                Err(error) => {
                    tracing::debug!(segment, error = format!("{error:#}"), "segment given up");
                    self.fails.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Runs the messages after waypoint `segment - 1`. `None` when they do not lead to the next waypoint.
    fn run_segment(&self, segment: usize) -> anyhow::Result<Option<Done<S>>> {
        let mut executor = self.ground.executor()?;
        for waypoint in &self.waypoints[..segment] {
            for (id, actor) in &waypoint.actors {
                executor.state_mut().set_actor(*id, actor.clone());
            }
        }
        let at = |segment: usize| self.waypoints.get(segment).map(|waypoint| waypoint.at as usize);
        let from = segment.checked_sub(1).and_then(at).unwrap_or(0);
        let to = at(segment).unwrap_or(self.messages.len());
        let mut rets = Vec::with_capacity(to - from);
        for BlockMessage { message, length } in &self.messages[from..to] {
            if self.fails.load(Ordering::Relaxed) {
                return Ok(None);
            }
            rets.push(executor.execute(message, ApplyKind::Explicit, *length)?);
        }
        let base = Arc::clone(executor.state().base());
        let mut state = std::mem::replace(executor.state_mut(), LaneState::new(base));
        if segment == self.waypoints.len() {
            return Ok(Some((rets, Some(state))));
        }
        state.settle_addresses()?;
        Ok(self.arrives(&state, segment)?.then_some((rets, None)))
    }

    /// Whether `state` is that of waypoint `segment`.
    fn arrives(&self, state: &LaneState<S>, segment: usize) -> anyhow::Result<bool> {
        let claimed = &self.waypoints[..=segment];
        for (id, actor) in state.changes() {
            let said = claimed.iter().rev().find_map(|waypoint| waypoint.actors.get(&id));
            let is_said = match said {
                Some(said) => said.as_ref() == actor,
                None => self.ground.state.actor(id)?.as_ref() == actor,
            };
            if !is_said {
                return Ok(false);
            }
        }
        for (id, said) in &self.waypoints[segment].actors {
            if state.actor(*id)? != *said {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn changes<S: Blockstore + Sync>(state: &LaneState<S>) -> BTreeMap<ActorID, Option<ActorState>> {
    state.changes().map(|(id, actor)| (id, actor.cloned())).collect()
}

/// Where segments of about the same gas limit end, the last with the block.
fn marks(messages: &[BlockMessage], segments: usize) -> Vec<usize> {
    let total: u128 = messages.iter().map(|message| u128::from(message.message.gas_limit)).sum();
    let segments = segments.clamp(1, WAYPOINTS_MAX) as u128;
    let (mut marks, mut sum) = (Vec::new(), 0u128);
    for (index, message) in messages.iter().enumerate() {
        sum += u128::from(message.message.gas_limit);
        if sum * segments >= total * (marks.len() as u128 + 1) && index + 1 < messages.len() {
            marks.push(index + 1);
        }
    }
    marks.push(messages.len());
    marks
}

/// What can be seen to be wrong with waypoints before they are used.
fn check(waypoints: &[Waypoint], messages: usize) -> Result<(), &'static str> {
    if waypoints.len() > WAYPOINTS_MAX {
        return Err("too many of them");
    }
    let ats = waypoints.iter().map(|waypoint| waypoint.at as usize);
    let is_ordered = ats.clone().zip(ats.clone().skip(1)).all(|(one, next)| one < next);
    if !is_ordered || ats.clone().any(|at| at == 0 || at >= messages) {
        return Err("not in order, or not inside the block");
    }
    let blocks = || waypoints.iter().flat_map(|waypoint| &waypoint.blocks);
    if blocks().map(|(_, block)| block.len()).sum::<usize>() > WAYPOINT_BYTES_MAX {
        return Err("too many bytes of blocks");
    }
    let is_whole = |(cid, block): &(Cid, Vec<u8>)| *cid == Cid::new_v1(cid.codec(), Code::Blake2b256.digest(block));
    if !blocks().all(is_whole) {
        return Err("a block is not what its CID says");
    }
    Ok(())
}
