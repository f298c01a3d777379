//! The threads that run tasks ahead of the commit.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fvm::executor::{ApplyKind, ApplyRet};
use fvm::externs::Externs;
use fvm::machine::MachineContext;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use vm::access::Access;
use vm::state::LaneState;
use vm::{Code, LaneExecutor, LaneMachine};

use crate::block::BlockMessage;
use crate::plan::Task;

/// The VM asks for 64 MiB: 1024 nested calls take 36 KiB of native stack each.
const STACK_BYTES: usize = 64 << 20;

/// The machine of a lane.
pub(crate) type Machine<S, E> = LaneMachine<S, E>;

/// What lanes start from.
pub(crate) struct Ground<'a, S: Blockstore + Clone + Sync + 'static, E: Externs + Clone + 'static> {
    pub(crate) context: &'a MachineContext,
    /// The state as the messages begin.
    pub(crate) state: &'a LaneState<S>,
    pub(crate) externs: &'a E,
    pub(crate) code: &'a Arc<Code<Machine<S, E>>>,
}

impl<S, E> Ground<'_, S, E>
where
    S: Blockstore + Clone + Send + Sync + 'static,
    E: Externs + Clone + 'static,
{
    /// An executor on that state.
    pub(crate) fn executor(&self) -> anyhow::Result<LaneExecutor<Machine<S, E>>> {
        LaneExecutor::new(LaneMachine::on(
            self.context,
            self.state.fork(),
            self.externs.clone(),
            Arc::clone(self.code),
        )?)
    }
}

/// What came of a message in a lane.
pub(crate) struct Outcome {
    pub(crate) index: u32,
    /// `None` when the lane has given up: the message runs on the canonical state.
    pub(crate) ran: Option<Ran>,
}

/// A message's result, what it has touched, and the time it took.
pub(crate) struct Ran {
    pub(crate) ret: ApplyRet,
    pub(crate) access: Access,
    pub(crate) time: Duration,
}

/// Work that lanes share.
pub(crate) struct Work<'a> {
    pub(crate) messages: &'a [BlockMessage],
    pub(crate) tasks: &'a [Task],
    /// The id to be expected next by each message.
    pub(crate) next_ids: &'a [ActorID],
    pub(crate) next_task: AtomicUsize,
    pub(crate) stops: AtomicBool,
}

impl Work<'_> {
    /// Runs tasks until there are none, or the block has given speculation up. Returns the time it took.
    pub(crate) fn run<S, E>(
        &self,
        ground: &Ground<'_, S, E>,
        outcomes: &SyncSender<Outcome>,
    ) -> anyhow::Result<Duration>
    where
        S: Blockstore + Clone + Send + Sync + 'static,
        E: Externs + Clone + 'static,
    {
        let mut executor = ground.executor()?;
        let mut busy = Duration::ZERO;
        while let Some(task) = self.tasks.get(self.next_task.fetch_add(1, Ordering::Relaxed)) {
            let mut is_lost = false;
            for index in &task.messages {
                if self.stops.load(Ordering::Relaxed) {
                    return Ok(busy);
                }
                let ran = if is_lost { None } else { self.run_message(&mut executor, *index) };
                is_lost |= ran.is_none();
                busy += ran.as_ref().map_or(Duration::ZERO, |ran| ran.time);
                // Nobody listens any more when the block has failed.
                if outcomes.send(Outcome { index: *index, ran }).is_err() {
                    return Ok(busy);
                }
            }
        }
        Ok(busy)
    }

    fn run_message<S, E>(&self, executor: &mut LaneExecutor<Machine<S, E>>, index: u32) -> Option<Ran>
    where
        S: Blockstore + Clone + Sync + 'static,
        E: Externs + 'static,
    {
        use vm::VmMachine as _;
        let BlockMessage { message, length } = self.messages.get(index as usize)?;
        executor.state_mut().expect_next_id(*self.next_ids.get(index as usize)?);
        let started = Instant::now();
        match executor.execute_recorded(message, ApplyKind::Explicit, *length) {
            Ok((ret, access)) => Some(Ran { ret, access, time: started.elapsed() }),
            Err(error) => {
                tracing::debug!(index, error = format!("{error:#}"), "message left to the canonical state");
                None
            }
        }
    }
}

/// Starts a lane on a thread of its own, on a core of its own if it `pins`.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    lane: usize,
    pins: bool,
    work: impl FnOnce() -> T + Send + 'scope,
) -> anyhow::Result<ScopedJoinHandle<'scope, T>> {
    let run = move || {
        if pins {
            pin(lane);
        }
        work()
    };
    Builder::new()
        .name(format!("lane-{lane}"))
        .stack_size(STACK_BYTES)
        .spawn_scoped(scope, run)
        .context("starting a lane")
}

/// Keeps this thread on one of the cores that the process may use. Where that is not possible it goes anywhere.
fn pin(lane: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let Some(count) = NonZeroUsize::new(cores.len()) else { return };
    let mut own = CpuSet::new();
    own.set(cores[lane % count]);
    if let Err(error) = sched_setaffinity(None, &own) {
        tracing::debug!(lane, %error, "lane not kept on a core");
    }
}
