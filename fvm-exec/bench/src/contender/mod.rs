//! Who executes the blocks.
//!
//! Each contender has a layer of its own above the shared base state. Engines are shared by all machines of the process,
//! so that an actor is compiled once on either side; the first block of a workload, which does that, is not measured.

mod ours;
mod stock;

use std::num::NonZeroUsize;
use std::sync::Arc;

use cid::Cid;
use fvm::engine::EnginePool;
use fvm::executor::ApplyRet;
use fvm::externs::{Chain, Consensus, Externs, Rand};
use fvm_exec::Overlay;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::consensus::ConsensusFault;
use vm::{Code, LaneMachine, WasmEngine};

use crate::workload::{BlockMessage, Layer, World};

use ours::Lanes;
pub(crate) use ours::OneLane;

/// The machine of our lanes.
pub(crate) type Machine = LaneMachine<Overlay<Layer>, NoExterns>;

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entrant {
    /// The executor of the `fvm` crate on one thread.
    Stock,
    /// Ours on so many lanes.
    Ours {
        /// How many.
        lanes: NonZeroUsize,
    },
    /// Ours on so many lanes, with waypoints from somebody who has executed the block before.
    Validator {
        /// How many.
        lanes: NonZeroUsize,
    },
}

/// What a contender says of its last block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages whose speculative result did not hold.
    pub conflicts: u64,
    /// Messages that ran again.
    pub reexecutions: u64,
}

/// Executes blocks that follow each other. It is used on a thread with the stack of [`crate::deep`].
pub trait Contender {
    /// Is told the next block, for what others would have done with it before. Does not count.
    ///
    /// # Errors
    /// As [`Contender::execute`].
    fn prepare(&mut self, _block: &[BlockMessage]) -> anyhow::Result<()> {
        Ok(())
    }

    /// Executes a block. `predictions` has a number for each message, equal for those that are said to depend on each
    /// other; it need not be true.
    ///
    /// # Errors
    /// When a message cannot be executed at all; one that fails has a receipt.
    fn execute(&mut self, block: Vec<BlockMessage>, predictions: Option<&[u32]>) -> anyhow::Result<Vec<ApplyRet>>;

    /// Writes the state and returns its root.
    ///
    /// # Errors
    /// When the store fails.
    fn flush(&mut self) -> anyhow::Result<Cid>;

    /// Goes on with the next block on the state that was flushed, keeping what is known of it.
    ///
    /// # Errors
    /// When `root` is another state.
    fn resume(&mut self, root: Cid) -> anyhow::Result<()>;

    /// Of the last block.
    fn counters(&self) -> Counters;
}

/// The engines of both sides.
pub struct Engines {
    stock: EnginePool,
    ours: Arc<Code<Machine>>,
}

impl Engines {
    /// Engines for up to so many lanes.
    ///
    /// # Errors
    /// When the address space that they reserve is not to be had.
    pub fn new(lanes_max: NonZeroUsize) -> anyhow::Result<Self> {
        let network = crate::workload::world::network();
        let lanes = u32::try_from(lanes_max.get())?;
        Ok(Self { stock: stock::pool(&network)?, ours: WasmEngine::new(&network, lanes)?.code()? })
    }

    /// An entrant on a world as it was before the first block.
    ///
    /// # Errors
    /// When the world's state cannot be read.
    pub fn start(&self, entrant: Entrant, world: &World) -> anyhow::Result<Box<dyn Contender>> {
        Ok(match entrant {
            Entrant::Stock => Box::new(stock::Stock::new(&self.stock, world)?),
            Entrant::Ours { lanes } => Box::new(Lanes::new(&self.ours, world, lanes)?),
            Entrant::Validator { lanes } => {
                Box::new(Lanes::new(&self.ours, world, lanes)?.with_proposer(&self.ours, world)?)
            }
        })
    }

    /// Lets no entrant know what another has worked out for the same block.
    pub(crate) fn forget_answers(&self) {
        self.ours.engine().forget_answers();
    }

    /// Our executor of single messages.
    ///
    /// # Errors
    /// As [`Engines::start`].
    pub(crate) fn one_lane(&self, world: &World) -> anyhow::Result<OneLane> {
        OneLane::new(&self.ours, world, Layer::new(world.base.clone()))
    }
}

/// A chain that no message of a benchmark asks anything.
#[derive(Clone, Copy, Debug)]
pub struct NoExterns;

impl Externs for NoExterns {}

impl Rand for NoExterns {
    fn get_chain_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        anyhow::bail!("there is no randomness of round {round}")
    }

    fn get_beacon_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        anyhow::bail!("there is no beacon of round {round}")
    }
}

impl Consensus for NoExterns {
    fn verify_consensus_fault(&self, _: &[u8], _: &[u8], _: &[u8]) -> anyhow::Result<(Option<ConsensusFault>, i64)> {
        Ok((None, 0))
    }
}

impl Chain for NoExterns {
    fn get_tipset_cid(&self, epoch: ChainEpoch) -> anyhow::Result<Cid> {
        anyhow::bail!("there is no block at {epoch}")
    }
}
