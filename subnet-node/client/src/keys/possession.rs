//! Proofs that a joining validator holds its keys.

use fvm_shared::address::Address;
use subnet_types::ChainIdentity;
use subnet_types::bytes::{BlsSignature, Ed25519Signature};
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};

use super::{CheckpointKeypair, VoteKeypair};

/// What a proof of possession is bound to besides the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinDomain {
    /// Identity of the parent chain on which the validator joins.
    pub parent: ChainIdentity,
    /// Robust address of the checkpoint actor.
    pub actor: Address,
    /// Robust address that joins.
    pub owner: Address,
}

/// The two proofs of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossessionProofs {
    /// By the vote key.
    pub vote: Ed25519Signature,
    /// By the checkpoint key.
    pub checkpoint: BlsSignature,
}

impl JoinDomain {
    /// Proves that the caller holds both keys.
    pub fn prove(&self, vote: &VoteKeypair, checkpoint: &CheckpointKeypair) -> PossessionProofs {
        let bytes = |kind, key: &[u8]| proof_of_possession_bytes(kind, &self.parent, &self.actor, &self.owner, key);
        PossessionProofs {
            vote: vote.sign(&bytes(KeyKind::Vote, vote.public().as_bytes())),
            checkpoint: checkpoint.sign_possession(&bytes(KeyKind::Checkpoint, checkpoint.public().as_bytes())),
        }
    }
}
