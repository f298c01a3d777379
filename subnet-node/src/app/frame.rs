//! All that the committed chain says about its next block.

use std::sync::Arc;

use mempool::{AccountSource, Verifier};
use subnet_types::ValidatorSet;

use super::block_rules::BlockRules;
use super::tip::{SetHashes, Tip};
use super::{ChainError, ChainReader};
use crate::parent::ParentCursor;

/// What the next block is built on and judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The block before.
    pub tip: Arc<Tip>,
    /// Who votes on the next block.
    pub validators: ValidatorSet,
    /// Hashes of the next two sets.
    pub sets: SetHashes,
    /// Where the chain stands in following its parent; `None` on a root.
    pub cursor: Option<ParentCursor>,
}

impl Frame {
    /// The frame after `tip`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(chain: &ChainReader, tip: Arc<Tip>) -> Result<Self, ChainError> {
        let next = tip.height.next();
        let validators = chain.validators(next)?;
        let sets = SetHashes { next: validators.hash(), after_next: chain.validators(next.next())?.hash() };
        let gateway = chain.state(&tip.results.state_root)?.gateway()?;
        let cursor = ParentCursor::of(&gateway, chain.store()).map_err(ChainError::Gateway)?;
        Ok(Self { tip, validators, sets, cursor })
    }

    /// The rules for the next block.
    pub fn rules<'a>(
        &'a self,
        chain: &'a ChainReader,
        accounts: &'a dyn AccountSource,
        verifier: &'a Verifier,
    ) -> BlockRules<'a> {
        BlockRules {
            identity: chain.identity(),
            genesis: chain.genesis(),
            tip: &self.tip,
            validators: &self.validators,
            sets: self.sets,
            cursor: self.cursor.as_ref(),
            accounts,
            verifier,
        }
    }
}
