//! Parts in which a proposed block travels: one announcement signed by its proposer, then the bytes.
//!
//! The announcement holds the block's id, which commits to every byte after it. So a node knows with the first part
//! whether the stream is the expected proposer's and how long it is, and buffers nothing for anybody else.

use arc_malachitebft_app_channel::app::types::core;
use bytes::Bytes;
use cid::Cid;
use subnet_types::{ChainIdentity, Ed25519Signature, Height, VoteKey};

use super::Chain;

/// Who proposes which block in which round, signed by the proposer.
///
/// A later proposer that proposes the block again streams the first proposer's announcement unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProposalInit {
    pub height: Height,
    pub round: u32,
    pub proposer: VoteKey,
    pub block: Cid,
    /// Length of the encoded block.
    pub bytes: u64,
    /// Over [`subnet_types::proposal::block_stream_signing_bytes`].
    pub signature: Ed25519Signature,
}

impl ProposalInit {
    /// What the signature covers.
    pub(crate) fn signing_bytes(&self, identity: &ChainIdentity) -> Vec<u8> {
        subnet_types::proposal::block_stream_signing_bytes(
            identity,
            self.height,
            self.round,
            &self.block,
            self.bytes,
            &self.proposer,
        )
    }
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProposalPart {
    /// The announcement.
    Init(ProposalInit),
    /// The next bytes of the encoded block.
    Chunk(Bytes),
}

impl core::ProposalPart<Chain> for ProposalPart {
    fn is_first(&self) -> bool {
        matches!(self, Self::Init(_))
    }

    fn is_last(&self) -> bool {
        // The end of a stream is a message of its own, not a part.
        false
    }
}
