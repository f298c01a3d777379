//! Keys that follow from what they are for.

use anyhow::Context;
use client::keys::{AccountKey, AccountScheme, CheckpointKeypair, VoteKeypair};
use subnet_types::hash::blake2b_256;

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

fn account(name: &str) -> anyhow::Result<AccountKey> {
    AccountKey::from_secret(AccountScheme::Secp256k1, &secret(name)).context("account key")
}

fn secret(name: &str) -> [u8; 32] {
    blake2b_256(name.as_bytes()).0
}
