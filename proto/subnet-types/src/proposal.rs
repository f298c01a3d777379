//! Preimages of what proposers and peers sign besides votes.

use cid::Cid;

use crate::bytes::{Digest, VoteKey};
use crate::hash::encode;
use crate::identity::ChainIdentity;
use crate::quantity::Height;

const PROPOSAL_TAG: &str = "subnet-runtime/proposal/v1";

/// What a proposer signs to propose `block` in a round. `polka_round` is the earlier round in which more than 2/3 of
/// the power prevoted for it; `None` for a new block.
pub fn proposal_signing_bytes(
    identity: &ChainIdentity,
    height: Height,
    round: u32,
    block: &Cid,
    polka_round: Option<u32>,
    proposer: &VoteKey,
) -> Vec<u8> {
    encode(&(PROPOSAL_TAG, identity, height, round, block, polka_round, proposer))
}

const BLOCK_STREAM_TAG: &str = "subnet-runtime/block-stream/v1";

/// What a proposer signs to announce the bytes of its block. The block's id commits to all of them, so nobody has to
/// take a chunk that was not announced.
pub fn block_stream_signing_bytes(
    identity: &ChainIdentity,
    height: Height,
    round: u32,
    block: &Cid,
    bytes: u64,
    proposer: &VoteKey,
) -> Vec<u8> {
    encode(&(BLOCK_STREAM_TAG, identity, height, round, block, bytes, proposer))
}

const HINT_STREAM_TAG: &str = "subnet-runtime/hint-stream/v1";

/// What a proposer signs to announce the hints beside its block, which have this length and blake2b-256 digest. Apart
/// from the block's announcement, so that who has lost the hints can still pass on the block.
pub fn hint_stream_signing_bytes(
    identity: &ChainIdentity,
    height: Height,
    round: u32,
    block: &Cid,
    bytes: u64,
    digest: &Digest,
    proposer: &VoteKey,
) -> Vec<u8> {
    encode(&(HINT_STREAM_TAG, identity, height, round, block, bytes, digest, proposer))
}

const PEER_TAG: &str = "subnet-runtime/validator-peer/v1";

/// What a validator signs to claim a network identity.
pub fn validator_peer_signing_bytes(identity: &ChainIdentity, vote_key: &[u8], peer: &[u8]) -> Vec<u8> {
    encode(&(PEER_TAG, identity, hex::encode(vote_key), hex::encode(peer)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::cid_of_bytes;
    use crate::vote::{VoteKind, extension_signing_bytes, vote_signing_bytes};

    #[test]
    fn no_two_kinds_of_signed_bytes_are_equal_and_each_holds_the_identity() {
        let preimages = |identity: Digest| {
            let (height, block, key) = (Height::new(1), cid_of_bytes(b"block"), VoteKey([1; 32]));
            [
                proposal_signing_bytes(&identity, height, 0, &block, None, &key),
                proposal_signing_bytes(&identity, height, 0, &block, Some(0), &key),
                block_stream_signing_bytes(&identity, height, 0, &block, 0, &key),
                hint_stream_signing_bytes(&identity, height, 0, &block, 0, &Digest::ZERO, &key),
                validator_peer_signing_bytes(&identity, key.as_bytes(), b"peer"),
                vote_signing_bytes(&identity, VoteKind::Prevote, height, 0, Some(&block), &key),
                extension_signing_bytes(&identity, height, 0, &block, &key, b""),
            ]
        };
        let mut all: Vec<_> = preimages(Digest([1; 32])).into_iter().chain(preimages(Digest([2; 32]))).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
