//! Votes and proposals. Both compare by everything they hold, all of which consensus derives again after a crash.

use arc_malachitebft_app_channel::app::types::core::{self, NilOrVal, Round, SignedExtension, VoteType};

use super::{Address, At, BlockId, Chain};

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: At,
    pub round: Round,
    pub value: NilOrVal<BlockId>,
    pub address: Address,
    /// Outside of what the vote's signature covers; has its own.
    pub extension: Option<SignedExtension<Chain>>,
}

impl core::Vote<Chain> for Vote {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Chain>> {
        self.extension.as_ref()
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Chain>> {
        self.extension.take()
    }

    fn extend(mut self, extension: SignedExtension<Chain>) -> Self {
        self.extension = Some(extension);
        self
    }
}

/// A proposal of a block by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub height: At,
    pub round: Round,
    pub value: BlockId,
    pub pol_round: Round,
    pub address: Address,
}

impl core::Proposal<Chain> for Proposal {
    fn height(&self) -> At {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.value
    }

    fn take_value(self) -> BlockId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}
