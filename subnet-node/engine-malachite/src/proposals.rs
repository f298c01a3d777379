//! Blocks proposed at the height being decided, and those that came early for the next ones.
//!
//! What stands here for the current height is also on disk (as records the application keeps for us), so that after a
//! crash this node proposes the same block in the same round, and can commit what it voted for. Hints are in memory only:
//! they save time in a round that a restarted node has lost anyway, and their announcement is signed apart from the
//! block's, so the block can be streamed without them.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use engine_api::{Block, UndecidedBlock};
use proto::block::BLOCK_BYTES_MAX;
use proto::consensus as wire;
use proto::convert;
use proto::envelope;
use subnet_types::{ChainIdentity, Height, VoteKey};

use crate::codec::{self, DecodeError};
use crate::context::ProposalInit;
use crate::faults::Refusal;

/// Blocks of one proposer in one round that are kept: one, and a second to convict it with. The engine keeps no more
/// either.
const BLOCKS_PER_ROUND_MAX: usize = 2;

/// Blocks of later heights kept from one proposer; and from all who are not validators now, who may be by then.
const EARLY_PER_PROPOSER_MAX: usize = 2;

/// Blocks of later heights kept in all.
const EARLY_MAX: usize = 8;

/// Bytes of a record: a block, its announcement and framing.
const RECORD_BYTES_MAX: usize = BLOCK_BYTES_MAX + 1024;

/// What this node thinks of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Valid on every node.
    Valid,
    /// Invalid on every node.
    Invalid,
    /// Not confirmed here yet; the vote is withheld and the block asked about again in the next round.
    Open,
}

/// A block that was proposed.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    /// The proposer's announcement; absent when the block came with a certificate. It announces hints when they are
    /// here, and only then.
    pub init: Option<ProposalInit>,
    /// What helps to execute it; empty when there is nothing. Nobody has checked more than their digest.
    pub hints: Bytes,
    pub round: u32,
    pub block: Block,
    pub encoded: Bytes,
    pub judgement: Judgement,
}

/// Why bytes are not the block that was announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockMismatch {
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    #[error("{field} of the block is {actual}, {expected} was announced")]
    Field { field: &'static str, actual: String, expected: String },
}

fn same<T: PartialEq + std::fmt::Display>(field: &'static str, actual: T, expected: T) -> Result<(), BlockMismatch> {
    if actual == expected {
        return Ok(());
    }
    Err(BlockMismatch::Field { field, actual: actual.to_string(), expected: expected.to_string() })
}

/// The block in `encoded`, when it is of this chain and height.
pub(crate) fn open_block(encoded: &Bytes, identity: &ChainIdentity, height: Height) -> Result<Block, BlockMismatch> {
    let (header, payload) = proto::block::decode(encoded.clone())?;
    same("chain", header.chain, *identity)?;
    same("height", header.height, height)?;
    Ok(Block { header, payload })
}

/// The block in `encoded`, when it is the announced one.
pub(crate) fn open_announced(
    init: &ProposalInit,
    encoded: &Bytes,
    identity: &ChainIdentity,
) -> Result<Block, BlockMismatch> {
    let block = open_block(encoded, identity, init.height)?;
    same("id", block.id(), init.block)?;
    same("proposer", block.header.proposer, init.proposer)?;
    Ok(block)
}

impl Proposed {
    /// The record from which [`Self::restore`] makes it again.
    pub(crate) fn record(&self) -> UndecidedBlock {
        let record = wire::ProposalRecord {
            init: self.init.clone().map(|init| codec::init_to_proto(&ProposalInit { hints: None, ..init })),
            block: self.encoded.clone(),
            accepted: self.judgement == Judgement::Valid,
        };
        UndecidedBlock {
            height: self.block.header.height,
            round: self.round,
            block: self.block.id(),
            record: envelope::encode(&record).to_vec(),
        }
    }

    /// What a record of this node holds.
    ///
    /// # Errors
    /// Why it is none. This node wrote it, so its disk or its software is at fault.
    pub(crate) fn restore(stored: UndecidedBlock, identity: &ChainIdentity) -> Result<Self, BlockMismatch> {
        let record: wire::ProposalRecord = envelope::decode("proposal record", stored.record.into(), RECORD_BYTES_MAX)?;
        let init = record.init.map(codec::init_from_proto).transpose().map_err(DecodeError::from)?;
        let encoded = convert::at_most("record.block", record.block, BLOCK_BYTES_MAX).map_err(DecodeError::from)?;
        let block = match &init {
            Some(init) => open_announced(init, &encoded, identity)?,
            None => open_block(&encoded, identity, stored.height)?,
        };
        same("id", block.id(), stored.block)?;
        let judgement = if record.accepted { Judgement::Valid } else { Judgement::Open };
        Ok(Self { init, hints: Bytes::new(), round: stored.round, block, encoded, judgement })
    }
}

/// A complete announced block of a later height, not looked into yet.
#[derive(Clone, Debug)]
pub(crate) struct Early {
    pub init: ProposalInit,
    pub encoded: Bytes,
    pub hints: Bytes,
}

/// The blocks of the height being decided, and early ones.
#[derive(Debug, Default)]
pub(crate) struct Proposals {
    blocks: BTreeMap<Cid, Proposed>,
    early: Vec<Early>,
}

impl Proposals {
    /// Moves to `height`: forgets what stood at the one before and returns what came early for this one.
    pub(crate) fn begin(&mut self, height: Height) -> Vec<Early> {
        self.blocks.clear();
        let (now, later) = std::mem::take(&mut self.early)
            .into_iter()
            .filter(|early| early.init.height >= height)
            .partition(|early| early.init.height == height);
        self.early = later;
        now
    }

    pub(crate) fn insert(&mut self, proposed: Proposed) {
        self.blocks.insert(proposed.block.id(), proposed);
    }

    pub(crate) fn get(&self, id: &Cid) -> Option<&Proposed> {
        self.blocks.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Proposed> {
        self.blocks.values()
    }

    /// The block that `proposer` announced for `round`.
    pub(crate) fn announced(&self, round: u32, proposer: &VoteKey) -> Option<&Proposed> {
        self.blocks.values().find(|proposed| {
            proposed.init.as_ref().is_some_and(|init| init.round == round && init.proposer == *proposer)
        })
    }

    /// Whether another block of this round may be taken.
    pub(crate) fn has_room(&self, round: u32) -> bool {
        self.blocks.values().filter(|proposed| proposed.round == round).count() < BLOCKS_PER_ROUND_MAX
    }

    /// Whether another early block of this announcement's proposer may be taken, and why not.
    pub(crate) fn early_room(&self, init: &ProposalInit, is_member: impl Fn(&VoteKey) -> bool) -> Result<(), Refusal> {
        let same_quota = |other: &ProposalInit| match (is_member(&init.proposer), is_member(&other.proposer)) {
            (true, _) => other.proposer == init.proposer,
            (false, other_is_member) => !other_is_member,
        };
        if self.early.iter().any(|early| early.init.block == init.block) {
            return Err(Refusal::unwanted("it is here already"));
        }
        if self.early.len() >= EARLY_MAX
            || self.early.iter().filter(|early| same_quota(&early.init)).count() >= EARLY_PER_PROPOSER_MAX
        {
            return Err(Refusal::unwanted("there are enough blocks of later heights"));
        }
        Ok(())
    }

    pub(crate) fn insert_early(&mut self, early: Early) {
        self.early.push(early);
    }
}
