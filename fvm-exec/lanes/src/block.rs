//! One block after another on one state.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet, Executor as _};
use fvm::externs::Externs;
use fvm::machine::{Machine as _, MachineContext};
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use fvm_shared::message::Message;
use fvm_shared::state::ActorState;
use fvm_shared::{ActorID, METHOD_SEND};
use vm::state::{Flushed, LaneState, Snapshot};
use vm::{Code, LaneExecutor, LaneMachine, VmMachine as _};

use crate::commit;
use crate::gate::{BULK_LANES_MIN, Gate};
use crate::lane::{Ground, Machine, Outcome, Ran, Work, spawn};
use crate::learned::Learned;
use crate::options::Options;
use crate::plan::{Kind, Plan, View};
use crate::stats::{BlockStats, Decision};

/// Messages whose senders and receivers are worth being read ahead.
const PREFETCH_MIN: usize = 64;

/// A store that takes longer than this for one read is waited for by more threads than there are cores.
const SLOW_READ: Duration = Duration::from_micros(20);

/// Threads that wait for a slow store.
const PREFETCH_THREADS: usize = 16;

/// Reads by which a store is judged.
const PREFETCH_PROBES: usize = 8;

/// A signed message as it is in the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMessage {
    /// The message.
    pub message: Message,
    /// Bytes of its signed encoding, which it pays for.
    pub length: usize,
}

/// Executes blocks on one state, one after another.
///
/// It must be called on a thread with 64 MiB of stack: calls may nest 1,024 deep.
pub struct BlockExecutor<S: Blockstore + Clone + Send + Sync + 'static, E: Externs + Clone + Send + Sync + 'static> {
    pub(crate) options: Options,
    pub(crate) canonical: LaneExecutor<Machine<S, E>>,
    pub(crate) externs: E,
    pub(crate) code: Arc<Code<Machine<S, E>>>,
    learned: Learned,
    pub(crate) stats: BlockStats,
}

/// What a plan sees of a state. What cannot be read is taken as not there: the execution will say why.
struct StateBefore<'a, S>(&'a LaneState<S>);

impl<S: Blockstore + Sync> View for StateBefore<'_, S> {
    fn resolve(&self, address: &Address) -> Option<ActorID> {
        self.0.resolve(address).ok().flatten()
    }

    fn actor(&self, id: ActorID) -> Option<ActorState> {
        self.0.actor(id).ok().flatten()
    }
}

impl<S, E> BlockExecutor<S, E>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + Send + Sync + 'static,
{
    /// An executor on the state that `context` names, which `store` has. What is written goes there too.
    ///
    /// # Errors
    /// When the state is not there, or not one that `code`'s engine runs.
    pub fn new(
        options: Options,
        context: &MachineContext,
        store: S,
        externs: E,
        code: Arc<Code<Machine<S, E>>>,
    ) -> anyhow::Result<Self> {
        let machine =
            LaneMachine::new(context, store, externs.clone(), Arc::clone(&code))?.with_flush_threads(options.lanes);
        let canonical = LaneExecutor::new(machine)?;
        Ok(Self { options, canonical, externs, code, learned: Learned::default(), stats: BlockStats::default() })
    }

    /// Goes on learning where others have begun.
    #[must_use]
    pub fn with_learned(self, learned: Learned) -> Self {
        Self { learned, ..self }
    }

    /// Goes on with the next block, on the state that was flushed last.
    ///
    /// # Errors
    /// When messages were executed since, or `context` is of other rules or another state.
    pub fn resume(&mut self, context: &MachineContext) -> anyhow::Result<()> {
        self.canonical.resume(context)
    }

    /// How the last block was executed.
    pub fn stats(&self) -> &BlockStats {
        &self.stats
    }

    /// What is known of the state as the block begins.
    pub fn snapshot(&self) -> &Arc<Snapshot<S>> {
        self.canonical.state().base()
    }

    /// Executes a message that the block itself sends, after everything so far.
    ///
    /// # Errors
    /// When the message is not well formed, or this node cannot execute it.
    pub fn apply_implicit(&mut self, message: Message) -> anyhow::Result<ApplyRet> {
        self.canonical.execute(&message, ApplyKind::Implicit, 0)
    }

    /// Executes messages in their order, or as if.
    ///
    /// # Errors
    /// When a message is not well formed, or this node cannot execute one. Then the state is as after some of them.
    pub fn execute(&mut self, messages: &[BlockMessage]) -> anyhow::Result<Vec<ApplyRet>> {
        self.run(messages, None)
    }

    /// As [`BlockExecutor::execute`], with somebody's word for which messages belong together: a number for each, equal
    /// for those that do. Wrong numbers cost time and change nothing.
    ///
    /// # Errors
    /// As there.
    pub fn execute_hinted(&mut self, messages: &[BlockMessage], components: &[u32]) -> anyhow::Result<Vec<ApplyRet>> {
        self.run(messages, Some(components))
    }

    fn run(&mut self, messages: &[BlockMessage], components: Option<&[u32]>) -> anyhow::Result<Vec<ApplyRet>> {
        let started = Instant::now();
        self.stats = BlockStats { messages: messages.len(), ..BlockStats::default() };
        let lanes = self.options.lanes_at_once();
        if lanes > 1 {
            self.prefetch(messages);
        }
        // Looking at transfers closer than this would take as long as they do.
        if components.is_none() && (lanes == 1 || lanes < BULK_LANES_MIN && self.only_transfers(messages)) {
            self.stats.decision = if lanes == 1 { Decision::OneLane } else { Decision::Small };
            let rets = self.run_all_canonically(messages);
            self.stats.execute = started.elapsed();
            return rets;
        }
        let (plan, decision, hinted) = {
            let view = StateBefore(self.canonical.state());
            let mut learned = self.learned.lock();
            let components = components.filter(|_| learned.gate.follows_hints());
            let plan =
                Plan::new(messages.iter().map(|message| &message.message), &view, &learned.predictor, components);
            let decision = match components {
                Some(_) if lanes > 1 && !plan.tasks.is_empty() => Decision::Lanes,
                _ => learned.gate.decide(&plan, lanes),
            };
            (plan, decision, components.is_some())
        };
        self.stats.decision = decision;
        self.stats.plan = started.elapsed();
        let rets = match self.stats.decision {
            Decision::Lanes => {
                let rets = self.run_in_lanes(messages, &plan);
                self.learned.lock().gate.judge(hinted, !self.stats.stopped);
                rets
            }
            Decision::Bulk => match self.run_in_bulk(messages, &plan)? {
                Some(rets) => {
                    self.learned.lock().gate.judge(false, true);
                    Ok(rets)
                }
                None => {
                    self.learned.lock().gate.judge(false, false);
                    self.stats.stopped = true;
                    self.stats.reexecutions = messages.len();
                    self.run_sequentially(messages, &plan)
                }
            },
            _ => self.run_sequentially(messages, &plan),
        };
        self.stats.execute = started.elapsed();
        rets
    }

    /// Whether all messages move funds between actors that exist.
    fn only_transfers(&self, messages: &[BlockMessage]) -> bool {
        let state = self.canonical.state();
        messages.iter().all(|BlockMessage { message, .. }| {
            message.method_num == METHOD_SEND && matches!(state.resolve(&message.to), Ok(Some(_)))
        })
    }

    fn run_sequentially(&mut self, messages: &[BlockMessage], plan: &Plan) -> anyhow::Result<Vec<ApplyRet>> {
        let mut rets = Vec::with_capacity(messages.len());
        for (message, planned) in messages.iter().zip(&plan.messages) {
            let Kind::Call(call) = &planned.kind else {
                rets.push(self.run_canonically(message)?);
                continue;
            };
            let started = Instant::now();
            rets.push(self.run_canonically(message)?);
            self.learned.lock().predictor.learn_time(call, started.elapsed());
        }
        Ok(rets)
    }

    /// Runs messages one after another, with nothing recorded and nothing learned.
    pub(crate) fn run_all_canonically(&mut self, messages: &[BlockMessage]) -> anyhow::Result<Vec<ApplyRet>> {
        // Room is made once: results are large, and memory that is moved has to be cleared by the kernel.
        let mut rets = Vec::with_capacity(messages.len());
        for message in messages {
            rets.push(self.run_canonically(message)?);
        }
        Ok(rets)
    }

    fn run_canonically(&mut self, message: &BlockMessage) -> anyhow::Result<ApplyRet> {
        self.canonical.execute(&message.message, ApplyKind::Explicit, message.length)
    }

    fn run_in_lanes(&mut self, messages: &[BlockMessage], plan: &Plan) -> anyhow::Result<Vec<ApplyRet>> {
        let first_id = self.canonical.state().next_id()?;
        let next_ids: Vec<_> =
            plan.created_before().into_iter().map(|created| first_id.saturating_add(created)).collect();
        let lanes = self.options.lanes.get().min(plan.tasks.len());
        self.stats.tasks = plan.tasks.len();
        let work = Work {
            messages,
            tasks: &plan.tasks,
            next_ids: &next_ids,
            next_task: AtomicUsize::new(0),
            stops: AtomicBool::new(false),
        };
        // Owned here, so that the lanes do not borrow what the commit changes.
        let (context, state) = (self.canonical.context().clone(), self.canonical.state().fork());
        let (externs, code) = (self.externs.clone(), Arc::clone(&self.code));
        let ground = Ground { context: &context, state: &state, externs: &externs, code: &code };
        let pins = self.options.pins;
        thread::scope(|scope| {
            // Room for all of them: a lane never waits for the commit.
            let (sender, outcomes) = sync_channel(messages.len());
            let started: Vec<_> = (0..lanes)
                .map(|lane| {
                    let (sender, work, ground) = (sender.clone(), &work, &ground);
                    spawn(scope, lane, pins, move || work.run(ground, &sender))
                })
                .collect();
            drop(sender);
            let rets = self.commit_all(messages, plan, outcomes, &work.stops);
            work.stops.store(true, Ordering::Relaxed);
            for lane in started {
                self.stats.lanes_busy.push(joined(lane));
            }
            rets
        })
    }

    /// Goes through the block in order: outcomes that hold are applied, everything else is run.
    fn commit_all(
        &mut self,
        messages: &[BlockMessage],
        plan: &Plan,
        outcomes: Receiver<Outcome>,
        stops: &AtomicBool,
    ) -> anyhow::Result<Vec<ApplyRet>> {
        let mut arrived: Vec<Option<Outcome>> = Vec::new();
        arrived.resize_with(messages.len(), || None);
        let mut outcomes = Some(outcomes);
        let mut judged = 0;
        let mut rets = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            if self.stats.stopped || !plan.in_task[index] {
                rets.push(self.run_canonically(message)?);
                continue;
            }
            while let Some(receiver) = &outcomes
                && arrived[index].is_none()
            {
                match receiver.recv() {
                    Ok(outcome) => {
                        let at = outcome.index as usize;
                        arrived[at] = Some(outcome);
                    }
                    Err(_) => outcomes = None,
                }
            }
            let Some(ran) = arrived[index].take().and_then(|outcome| outcome.ran) else {
                rets.push(self.run_canonically(message)?);
                continue;
            };
            judged += 1;
            rets.push(self.commit_one(message, plan, index, ran)?);
            if Gate::is_hopeless(self.stats.conflicts, judged) {
                stops.store(true, Ordering::Relaxed);
                self.stats.stopped = true;
            }
        }
        Ok(rets)
    }

    fn commit_one(&mut self, message: &BlockMessage, plan: &Plan, index: usize, ran: Ran) -> anyhow::Result<ApplyRet> {
        let planned = &plan.messages[index];
        if let Kind::Call(call) = &planned.kind {
            self.learned.lock().predictor.learn(call, planned.sender, &ran.access, ran.time);
        }
        let state = self.canonical.state_mut();
        if commit::is_valid(&ran.access, state)? {
            commit::apply(&ran.access, state).context("applying a valid outcome")?;
            self.stats.committed += 1;
            return Ok(ran.ret);
        }
        self.stats.conflicts += 1;
        self.stats.reexecutions += 1;
        let (ret, access) = self.canonical.execute_recorded(&message.message, ApplyKind::Explicit, message.length)?;
        if let Kind::Call(call) = &planned.kind {
            self.learned.lock().predictor.learn(call, planned.sender, &access, ran.time);
        }
        Ok(ret)
    }

    /// Reads senders and receivers that are not known yet, several at once.
    fn prefetch(&self, messages: &[BlockMessage]) {
        let snapshot = self.snapshot();
        let unknown: Vec<_> = messages
            .iter()
            .flat_map(|message| [&message.message.from, &message.message.to])
            .filter(|address| !snapshot.knows(address))
            .collect();
        if unknown.len() < PREFETCH_MIN {
            return;
        }
        let read = |addresses: &[&Address]| {
            for address in addresses {
                // What fails here fails again where it is needed, and is reported there.
                if let Ok(Some(id)) = snapshot.resolve(address) {
                    let _ = snapshot.actor(id);
                }
            }
        };
        let (probes, rest) = unknown.split_at(PREFETCH_PROBES);
        let started = Instant::now();
        read(probes);
        let is_slow = started.elapsed() > SLOW_READ * PREFETCH_PROBES as u32;
        let threads = if is_slow { PREFETCH_THREADS } else { self.options.lanes_at_once() };
        thread::scope(|scope| {
            for addresses in rest.chunks(rest.len().div_ceil(threads)) {
                // Where no thread starts, they are read when they are needed.
                let _ = thread::Builder::new().spawn_scoped(scope, move || read(addresses));
            }
        });
    }

    /// Writes the state and returns its root.
    ///
    /// # Errors
    /// When the store fails.
    pub fn flush(&mut self) -> anyhow::Result<Cid> {
        self.canonical.flush()
    }

    /// Puts the state together as [`BlockExecutor::flush`] does, and leaves it to the caller to store what is new in it
    /// before the next block.
    ///
    /// # Errors
    /// When the store fails.
    pub fn flush_apart(&mut self) -> anyhow::Result<Flushed> {
        Ok(self.canonical.flush_apart()?)
    }

    /// The lanes that there may be.
    pub fn lanes(&self) -> NonZeroUsize {
        self.options.lanes
    }
}

/// How long a lane was busy. One that has failed has cost time only: its messages ran on the canonical state.
pub(crate) fn joined(lane: anyhow::Result<thread::ScopedJoinHandle<'_, anyhow::Result<Duration>>>) -> Duration {
    let result = lane.and_then(|lane| lane.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a lane has panicked"))));
    result.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "lane lost");
        Duration::ZERO
    })
}
