//! Blocks of messages and the state that they run on, from a seed: the same on every machine.
//!
//! ```text
//! World ── Site: actors that the shape needs ──> World
//!                                                  └─ Workload ── next_block() ──> messages, next_block() ──> …
//! ```
//!
//! Blocks follow each other: nonces go on, so a block runs on the state that the one before it leaves. The first one
//! runs on the world.

mod adversarial;
mod creation;
mod mixed;
pub mod random;
mod sends;
mod shape;
mod site;
mod storage;
pub mod store;
mod swaps;
mod tokens;
mod turn;
pub mod world;

use anyhow::ensure;
use fvm_ipld_encoding::to_vec;
use fvm_shared::message::Message;

pub use lanes::BlockMessage;
use random::Random;
pub use shape::{Name, Shape};
pub use store::{Base, Layer};
use turn::{Senders, Source, Turn};
pub use world::World;

/// Bytes that a message's signature adds to its length on chain.
const SIGNATURE_BYTES: usize = 70;

/// A message as it is in a block, with a signature's length added to its own.
fn signed(message: Message) -> BlockMessage {
    let length = to_vec(&message).map_or(0, |bytes| bytes.len()) + SIGNATURE_BYTES;
    BlockMessage { message, length }
}

/// How many messages, from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Messages of each block.
    pub messages: u64,
    /// Everything that is drawn follows from it.
    pub seed: u64,
}

/// A world and the blocks that follow each other on it.
pub struct Workload {
    /// The state that the first block runs on.
    pub world: World,
    shape: Shape,
    size: Size,
    source: Box<dyn Source + Send>,
    senders: Senders,
    random: Random,
}

impl Workload {
    /// The workload of this shape on `world`, to which it adds the actors that it needs.
    ///
    /// # Errors
    /// When the world has less than two accounts for each message, or its state cannot be read.
    pub fn new(shape: Shape, world: &World, size: Size) -> anyhow::Result<Self> {
        let (accounts, needed) = (world.accounts(), 2 * size.messages);
        ensure!(accounts >= needed, "{} messages need {needed} accounts, there are {accounts}", size.messages);
        ensure!(size.messages > 0, "a block of no messages measures nothing");
        let (world, source) = shape.build(world, size.messages)?;
        Ok(Self { world, shape, size, source, senders: Senders::default(), random: Random::new(size.seed) })
    }

    /// What it is.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many messages, from which seed.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The block after the last one.
    pub fn next_block(&mut self) -> Vec<BlockMessage> {
        let messages = (0..self.size.messages).map(|index| {
            let mut turn = Turn { index, senders: &mut self.senders, random: &mut self.random };
            signed(self.source.message(&mut turn))
        });
        messages.collect()
    }

    /// For each message of any block, the group that a planner is told to run it in; `None` when it is told nothing.
    pub fn predictions(&self) -> Option<Vec<u32>> {
        self.source.predictions(self.size.messages)
    }
}
