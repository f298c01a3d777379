//! Our executor.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet, Executor as _};
use fvm_exec::Overlay;
use fvm_ipld_blockstore::Blockstore as _;
use lanes::{BlockExecutor, Options, Waypoints};
use vm::access::Access;
use vm::state::Flushed;
use vm::{Code, LaneExecutor, LaneMachine};

use super::{Contender, Counters, Machine, NoExterns};
use crate::workload::world::context;
use crate::workload::{BlockMessage, Layer, World};

/// Messages one by one on one lane, which logs nothing unless it is asked to.
pub(crate) struct OneLane {
    executor: LaneExecutor<Machine>,
    store: Layer,
    written: Overlay<Layer>,
}

impl OneLane {
    pub fn new(code: &Arc<Code<Machine>>, world: &World, store: Layer) -> anyhow::Result<Self> {
        let written = Overlay::new(store.clone());
        let machine = LaneMachine::new(&context(world.root), written.clone(), NoExterns, code.clone())?;
        Ok(Self { executor: LaneExecutor::new(machine)?, store, written })
    }

    /// The same, whose state is written on so many threads.
    pub fn with_flush_threads(self, threads: NonZeroUsize) -> anyhow::Result<Self> {
        let machine = self.executor.into_machine().ok_or_else(|| anyhow::anyhow!("the machine was lost in a panic"))?;
        Ok(Self { executor: LaneExecutor::new(machine.with_flush_threads(threads))?, ..self })
    }

    /// Executes messages one by one.
    pub fn execute_all(&mut self, messages: Vec<BlockMessage>) -> anyhow::Result<()> {
        messages.into_iter().try_for_each(|message| self.execute_one(message).map(drop))
    }

    /// Writes the state and returns its root.
    pub fn flush(&mut self) -> anyhow::Result<Cid> {
        store(self.executor.flush_apart()?, &self.written, &self.store)
    }

    /// What messages have written since the state was flushed, and what is below.
    pub fn written(&self) -> Overlay<Layer> {
        self.written.clone()
    }

    /// Executes one message.
    pub fn execute_one(&mut self, message: BlockMessage) -> anyhow::Result<ApplyRet> {
        self.executor.execute_message(message.message, ApplyKind::Explicit, message.length)
    }

    /// Executes one message and tells what it has touched.
    pub fn execute_recorded(&mut self, message: BlockMessage) -> anyhow::Result<(ApplyRet, Access)> {
        self.executor.execute_recorded(&message.message, ApplyKind::Explicit, message.length)
    }
}

/// Stores what is new in a state and what it reaches of what was written, as a node does, where it goes to the disk.
fn store(flushed: Flushed, written: &Overlay<Layer>, store: &Layer) -> anyhow::Result<Cid> {
    store.put_many_keyed(written.take_with(&flushed.heads, flushed.blocks)?)?;
    Ok(flushed.root)
}

/// Blocks in lanes, as a node runs them: what the state reaches is taken out of memory and stored.
pub(super) struct Lanes {
    store: Layer,
    written: Overlay<Layer>,
    executor: BlockExecutor<Overlay<Layer>, NoExterns>,
    proposer: Option<Proposer>,
}

/// Another node, which has executed each block before and hands out waypoints. Its time does not count.
struct Proposer {
    executor: BlockExecutor<Overlay<Layer>, NoExterns>,
    store: Overlay<Layer>,
    root: Cid,
    waypoints: Waypoints,
}

impl Lanes {
    pub fn new(code: &Arc<Code<Machine>>, world: &World, lanes: NonZeroUsize) -> anyhow::Result<Self> {
        let store = Layer::new(world.base.clone());
        let written = Overlay::new(store.clone());
        let options = Options::new(lanes);
        let executor = BlockExecutor::new(options, &context(world.root), written.clone(), NoExterns, code.clone())?;
        Ok(Self { store, written, executor, proposer: None })
    }

    /// With waypoints from a proposer that runs on the same engine.
    pub fn with_proposer(self, code: &Arc<Code<Machine>>, world: &World) -> anyhow::Result<Self> {
        let store = Overlay::new(Layer::new(world.base.clone()));
        let options = Options::new(NonZeroUsize::MIN);
        let executor = BlockExecutor::new(options, &context(world.root), store.clone(), NoExterns, code.clone())?;
        let proposer = Proposer { executor, store, root: world.root, waypoints: Vec::new() };
        Ok(Self { proposer: Some(proposer), ..self })
    }
}

impl Proposer {
    /// Executes a block and goes on to the next one.
    fn propose(&mut self, block: &[BlockMessage], segments: usize) -> anyhow::Result<()> {
        self.executor.resume(&context(self.root))?;
        let store = &self.store;
        let reached = |roots: &[Cid]| {
            let blocks = store.reached(roots)?;
            Ok(blocks.into_iter().map(|(cid, block)| (cid, block.to_vec())).collect())
        };
        self.waypoints = self.executor.execute_marking(block, segments, reached)?.1;
        self.root = self.executor.flush()?;
        Ok(())
    }
}

impl Contender for Lanes {
    fn prepare(&mut self, block: &[BlockMessage]) -> anyhow::Result<()> {
        let segments = self.executor.lanes().get();
        self.proposer.as_mut().map_or(Ok(()), |proposer| proposer.propose(block, segments))
    }

    fn execute(&mut self, block: Vec<BlockMessage>, predictions: Option<&[u32]>) -> anyhow::Result<Vec<ApplyRet>> {
        match (&self.proposer, predictions) {
            (Some(proposer), _) => {
                let missed = || self.written.take_failure().is_some();
                self.executor.execute_between(&block, &proposer.waypoints, missed)
            }
            (None, Some(predictions)) => self.executor.execute_hinted(&block, predictions),
            (None, None) => self.executor.execute(&block),
        }
    }

    fn flush(&mut self) -> anyhow::Result<Cid> {
        store(self.executor.flush_apart()?, &self.written, &self.store)
    }

    fn resume(&mut self, root: Cid) -> anyhow::Result<()> {
        self.executor.resume(&context(root))
    }

    fn counters(&self) -> Counters {
        let stats = self.executor.stats();
        Counters { conflicts: stats.conflicts as u64, reexecutions: stats.reexecutions as u64 }
    }
}
