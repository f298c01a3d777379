//! Our executor.

use std::num::NonZeroUsize;
use std::sync::Arc;

use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet, Executor};
use vm::access::Access;
use vm::{Code, LaneExecutor, LaneMachine};

use super::{Contender, Counters, Machine, NoExterns};
use crate::workload::world::context;
use crate::workload::{BlockMessage, Layer, World};

/// Messages one by one on one lane, which logs nothing unless it is asked to.
pub(crate) struct OneLane(LaneExecutor<Machine>);

impl OneLane {
    pub fn new(code: &Arc<Code<Machine>>, world: &World, store: Layer) -> anyhow::Result<Self> {
        let machine = LaneMachine::new(&context(world.root), store, NoExterns, code.clone())?;
        Ok(Self(LaneExecutor::new(machine)?))
    }

    /// The same, whose state is written on so many threads.
    pub fn with_flush_threads(self, threads: NonZeroUsize) -> anyhow::Result<Self> {
        let machine = self.0.into_machine().ok_or_else(|| anyhow::anyhow!("the machine was lost in a panic"))?;
        Ok(Self(LaneExecutor::new(machine.with_flush_threads(threads))?))
    }

    /// Executes one message.
    pub fn execute_one(&mut self, message: BlockMessage) -> anyhow::Result<ApplyRet> {
        self.0.execute_message(message.message, ApplyKind::Explicit, message.length)
    }

    /// Executes one message and tells what it has touched.
    pub fn execute_recorded(&mut self, message: BlockMessage) -> anyhow::Result<(ApplyRet, Access)> {
        self.0.execute_recorded(message.message, ApplyKind::Explicit, message.length)
    }
}

impl Contender for OneLane {
    fn execute(&mut self, block: Vec<BlockMessage>, _: Option<&[u32]>) -> anyhow::Result<Vec<ApplyRet>> {
        block.into_iter().map(|message| self.execute_one(message)).collect()
    }

    fn flush(&mut self) -> anyhow::Result<Cid> {
        Executor::flush(&mut self.0)
    }

    fn resume(&mut self, root: Cid) -> anyhow::Result<()> {
        let context = context(root);
        self.0.resume(&context)
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
