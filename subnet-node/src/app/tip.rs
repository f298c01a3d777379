//! The last committed block, and what its successor's header must say.

use cid::Cid;
use fvm_shared::econ::TokenAmount;
use subnet_types::block::BLOCK_VERSION;
use subnet_types::{BlockHeader, ChainIdentity, Digest, Genesis, Height, TimestampMs, VoteKey};

use crate::storage::{BlockResults, Store, StoreError};

/// The last committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height; genesis on a new chain.
    pub height: Height,
    /// Its id; the CID of the genesis document at genesis.
    pub id: Cid,
    /// Its time.
    pub timestamp: TimestampMs,
    /// What executing it made.
    pub results: BlockResults,
    /// Base fee of the next block.
    pub next_base_fee: TokenAmount,
}

impl Tip {
    /// The tip in the store.
    pub(super) fn load(store: &Store, genesis: &Genesis) -> Result<Self, StoreError> {
        let height = store.head()?.ok_or(StoreError::NoGenesis)?;
        let results = store.require(store.results(height)?, "results", &height.to_string())?;
        if height == Height::GENESIS {
            return Ok(Self {
                height,
                id: genesis.cid(),
                timestamp: genesis.timestamp,
                results,
                next_base_fee: genesis.chain.base_fee_min.clone(),
            });
        }
        let header = store.require(store.header(height)?, "header", &height.to_string())?;
        Ok(Self::after(&header, results, genesis))
    }

    /// The tip once `header`'s block made `results`.
    pub(super) fn after(header: &BlockHeader, results: BlockResults, genesis: &Genesis) -> Self {
        Self {
            height: header.height,
            id: header.id(),
            timestamp: header.timestamp,
            next_base_fee: fvm_exec::base_fee::next(&header.base_fee, results.gas_used, &genesis.chain),
            results,
        }
    }
}

/// What a proposer decides about its header. All else follows from the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its clock, later than the tip.
    pub timestamp: TimestampMs,
    /// Its key.
    pub proposer: VoteKey,
    /// [`subnet_types::Payload::root`] of what it brings.
    pub payload_root: Cid,
}

/// The sets that the next header commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetHashes {
    /// Of the next height.
    pub next: Digest,
    /// Of the one after.
    pub after_next: Digest,
}

/// The header that follows `tip`. Building and validating both go through here, so they cannot disagree.
pub fn next_header(chain: &ChainIdentity, tip: &Tip, sets: SetHashes, proposal: Proposal) -> BlockHeader {
    BlockHeader {
        version: BLOCK_VERSION,
        chain: *chain,
        height: tip.height.next(),
        parent: tip.id,
        timestamp: proposal.timestamp,
        proposer: proposal.proposer,
        payload_root: proposal.payload_root,
        state_root: tip.results.state_root,
        receipts_root: tip.results.receipts_root,
        gas_used: tip.results.gas_used,
        base_fee: tip.next_base_fee.clone(),
        validators_hash: sets.next,
        next_validators_hash: sets.after_next,
    }
}
