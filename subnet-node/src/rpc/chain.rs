//! Reads of the chain for the methods: heights, tipset keys, headers and states, with errors that a caller understands.

use cid::Cid;
use client::api::{ApiError, JsonCid, Tipset, TipsetKey};
use fvm_exec::StateView;
use subnet_types::{BlockHeader, Genesis, Height, TimestampMs};

use super::context::RpcContext;
use super::convert::{genesis_header_json, header_json};
use crate::storage::{BlockResults, Store, StoreError};

/// The node's own failure, for the caller. What is wrong with a disk is for the operator's eyes.
pub(super) fn internal(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a call could not read the chain");
    ApiError::Internal("the node cannot read its chain; its log says more".to_owned())
}

impl RpcContext {
    pub(super) fn genesis(&self) -> &Genesis {
        self.chain.genesis()
    }

    pub(super) fn store(&self) -> &Store {
        self.chain.store()
    }

    /// The last committed height.
    pub(super) fn head(&self) -> Height {
        self.chain.tip().height
    }

    /// `height`, or the head where the caller left it open; refuses what is not committed.
    pub(super) fn committed_height(&self, height: Option<Height>) -> Result<Height, ApiError> {
        let head = self.head();
        match height {
            None => Ok(head),
            Some(height) if height <= head => Ok(height),
            Some(height) => Err(ApiError::NotFound(format!("height {height} is not final yet, the head is {head}"))),
        }
    }

    /// The height that a tipset key names; the head for an empty one.
    pub(super) fn height_of_key(&self, key: Option<TipsetKey>) -> Result<Height, ApiError> {
        match key.unwrap_or_default().as_slice() {
            [] => Ok(self.head()),
            [JsonCid(block)] => self.height_of_block(block),
            more => Err(ApiError::InvalidParams(format!(
                "a tipset of this chain has one block, got a key of {}; take the key of ChainHead or null",
                more.len()
            ))),
        }
    }

    /// The height of the block `block`; that of genesis is the genesis document's CID.
    pub(super) fn height_of_block(&self, block: &Cid) -> Result<Height, ApiError> {
        let height = self.chain.height_of(block).map_err(internal)?;
        height.ok_or_else(|| ApiError::NotFound(format!("no block {block} on this chain")))
    }

    /// What the block at a committed height made.
    pub(super) fn results(&self, height: Height) -> Result<BlockResults, ApiError> {
        stored(self.chain.results(height), "results", height)
    }

    /// The header at a committed height above genesis.
    pub(super) fn header(&self, height: Height) -> Result<BlockHeader, ApiError> {
        if height == Height::GENESIS {
            let problem = "height 0 is genesis, which has no header; ask for height 1 or above, or Subnet.GenesisFile";
            return Err(ApiError::NotFound(problem.to_owned()));
        }
        stored(self.chain.header(height), "header", height)
    }

    /// The id of the block at a committed height.
    pub(super) fn block_id(&self, height: Height) -> Result<Cid, ApiError> {
        if height == Height::GENESIS { Ok(self.chain.genesis_cid()) } else { Ok(self.header(height)?.id()) }
    }

    /// The time of a committed height.
    pub(super) fn timestamp(&self, height: Height) -> Result<TimestampMs, ApiError> {
        if height == Height::GENESIS { Ok(self.genesis().timestamp) } else { Ok(self.header(height)?.timestamp) }
    }

    /// The tipset of a committed height.
    pub(super) fn tipset(&self, height: Height) -> Result<Tipset, ApiError> {
        let header = if height == Height::GENESIS {
            genesis_header_json(self.genesis(), self.results(height)?.state_root)
        } else {
            let validators = self.chain.validators(height).map_err(internal)?;
            header_json(&self.header(height)?, &validators)
        };
        Ok(Tipset { cids: vec![self.block_id(height)?.into()], blocks: vec![header], height: height.get() })
    }

    /// The state after a committed height.
    pub(super) fn state_after(&self, height: Height) -> Result<StateView<'_, Store>, ApiError> {
        StateView::new(self.store(), &self.results(height)?.state_root).map_err(internal)
    }
}

/// What must be there because its height is committed: absence is this node's failure, not the caller's.
pub(super) fn stored<T>(
    found: Result<Option<T>, StoreError>,
    what: &'static str,
    height: Height,
) -> Result<T, ApiError> {
    found.map_err(internal)?.ok_or_else(|| internal(format!("{what} of committed height {height} is missing")))
}
