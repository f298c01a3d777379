//! The executor of the `fvm` crate, as its users have it: a buffered store over the layer, one message after another.

use cid::Cid;
use fvm::call_manager::DefaultCallManager;
use fvm::engine::{EngineConfig, EnginePool};
use fvm::executor::{ApplyKind, ApplyRet, DefaultExecutor, Executor};
use fvm::kernel::filecoin::DefaultFilecoinKernel;
use fvm::machine::{DefaultMachine, NetworkConfig};

use super::{Contender, Counters, NoExterns};
use crate::workload::world::context;
use crate::workload::{BlockMessage, Layer, World};

type StockExecutor = DefaultExecutor<DefaultFilecoinKernel<DefaultCallManager<DefaultMachine<Layer, NoExterns>>>>;

/// The engines of all stock executors in the process.
pub(crate) fn pool(network: &NetworkConfig) -> anyhow::Result<EnginePool> {
    EnginePool::new(EngineConfig::from(network))
}

pub(crate) struct Stock(StockExecutor);

impl Stock {
    pub fn new(pool: &EnginePool, world: &World) -> anyhow::Result<Self> {
        let machine = DefaultMachine::new(&context(world.root), Layer::new(world.base.clone()), NoExterns)?;
        Ok(Self(DefaultExecutor::new(pool.clone(), machine)?))
    }
}

impl Contender for Stock {
    fn execute(&mut self, block: Vec<BlockMessage>, _: Option<&[u32]>) -> anyhow::Result<Vec<ApplyRet>> {
        let results = block
            .into_iter()
            .map(|BlockMessage { message, length }| self.0.execute_message(message, ApplyKind::Explicit, length));
        results.collect()
    }

    fn flush(&mut self) -> anyhow::Result<Cid> {
        self.0.flush()
    }

    /// The machine stays as it is; it has no way to be told of another block.
    fn resume(&mut self, _: Cid) -> anyhow::Result<()> {
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
