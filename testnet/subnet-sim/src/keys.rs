//! Keys that follow from what they are for.

use anyhow::Context;
use client::keys::{AccountKey, AccountScheme, CheckpointKeypair, VoteKeypair};
use engine_api::SignedExtension;
use subnet_node::checkpoint::certificate::assemble;
use subnet_types::hash::blake2b_256;
use subnet_types::{Digest, Ed25519Signature, QuorumCertificate, ValidatorSet};

/// What a validator signs with.
#[derive(Debug)]
pub struct ValidatorKeys {
    /// Joins, and pays for checkpoints on the parent.
    pub owner: AccountKey,
    /// Proposals and votes.
    pub vote: VoteKeypair,
    /// Checkpoints.
    pub checkpoint: CheckpointKeypair,
}

impl ValidatorKeys {
    /// Those of the node with this number on the chain with that number.
    ///
    /// # Errors
    /// When a hash is no key, which does not happen.
    pub fn of(chain: usize, node: usize) -> anyhow::Result<Self> {
        let name = |kind| format!("{kind} {chain} {node}");
        Ok(Self {
            owner: account(&name("owner"))?,
            vote: VoteKeypair::from_secret(&secret(&name("vote"))).context("vote key")?,
            checkpoint: checkpoint(chain, node)?,
        })
    }
}

/// The checkpoint key of a node, which a signer takes for itself at every start.
///
/// # Errors
/// As [`ValidatorKeys::of`].
pub fn checkpoint(chain: usize, node: usize) -> anyhow::Result<CheckpointKeypair> {
    let mut bytes = secret(&format!("checkpoint {chain} {node}"));
    // Below the order of the curve, whichever end counts.
    bytes[0] &= 0x3f;
    bytes[31] &= 0x3f;
    CheckpointKeypair::from_secret(&bytes).context("checkpoint key")
}

/// The account of a user, the same on every chain.
///
/// # Errors
/// As [`ValidatorKeys::of`].
pub fn user(number: usize) -> anyhow::Result<AccountKey> {
    account(&format!("user {number}"))
}

/// What the first `count` validators of a set of chain `number` sign, as a certificate of the whole set: a quorum or not.
///
/// # Errors
/// When there is none to sign, or a signer is none of the simulation's.
pub fn certify(
    number: usize,
    nodes: usize,
    set: &ValidatorSet,
    digest: &Digest,
    count: usize,
) -> anyhow::Result<QuorumCertificate> {
    let signing: Vec<_> = set.validators().iter().take(count).cloned().collect();
    let mut extensions = Vec::new();
    for node in 0..nodes {
        let keys = ValidatorKeys::of(number, node)?;
        let validator = keys.vote.public();
        if signing.iter().any(|signer| signer.vote_key == validator) {
            let extension = keys.checkpoint.sign_digest(digest).as_bytes().to_vec();
            extensions.push(SignedExtension { validator, extension, signature: Ed25519Signature([0; 64]) });
        }
    }
    // They are the first in the order of both sets, so their positions are the same.
    Ok(assemble(&ValidatorSet::new(set.number(), signing)?, digest, &extensions)?)
}

fn account(name: &str) -> anyhow::Result<AccountKey> {
    AccountKey::from_secret(AccountScheme::Secp256k1, &secret(name)).context("account key")
}

fn secret(name: &str) -> [u8; 32] {
    blake2b_256(name.as_bytes()).0
}
