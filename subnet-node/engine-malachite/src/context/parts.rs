//! Parts in which a proposed block travels: one announcement signed by its proposer, then the bytes, then those of the
//! proposer's hints, if it ships any.
//!
//! The announcement holds the block's id, which commits to every byte after it. So a node knows with the first part
//! whether the stream is the expected proposer's and how long it is, and buffers nothing for anybody else.

use arc_malachitebft_app_channel::app::types::core;
use bytes::Bytes;
use cid::Cid;
use subnet_types::hash::blake2b_256;
use subnet_types::{ChainIdentity, Digest, Ed25519Signature, Height, VoteKey};

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
    /// What follows the block.
    pub hints: Option<HintsInit>,
}

/// What a proposer ships beside its block to help others execute it.
///
/// They are not part of the block, nobody stores them, and whoever does not have them leaves them out. Their signature
/// lets only the proposer ship wrong ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HintsInit {
    /// Their length.
    pub bytes: u64,
    /// Their blake2b-256 hash.
    pub digest: Digest,
    /// Over [`subnet_types::proposal::hint_stream_signing_bytes`].
    pub signature: Ed25519Signature,
}

impl ProposalInit {
    /// Bytes of the block and of the hints together.
    pub(crate) fn bytes_in_all(&self) -> u64 {
        self.bytes.saturating_add(self.hints.as_ref().map_or(0, |hints| hints.bytes))
    }

    /// Whether these are the announced hints.
    pub(crate) fn names_hints(&self, bytes: &[u8]) -> bool {
        match &self.hints {
            Some(hints) => hints.bytes == bytes.len() as u64 && hints.digest == blake2b_256(bytes),
            None => bytes.is_empty(),
        }
    }

    /// What the hints' signature covers.
    pub(crate) fn hints_signing_bytes(&self, identity: &ChainIdentity, hints: &HintsInit) -> Vec<u8> {
        subnet_types::proposal::hint_stream_signing_bytes(
            identity,
            self.height,
            self.round,
            &self.block,
            hints.bytes,
            &hints.digest,
            &self.proposer,
        )
    }

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
#[expect(clippy::large_enum_variant, reason = "one of a stream's many parts is an announcement, and none is copied")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProposalPart {
    /// The announcement.
    Init(ProposalInit),
    /// The next bytes of the encoded block, or of the hints behind it.
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
