//! What the checkpoint actor's state is made of.

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence};
use subnet_types::{BlsPublicKey, Digest, VoteKey};

/// How far the subnet has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Exists, but the gateway does not know it yet.
    Created,
    /// Has a name and takes validators.
    Registered,
    /// Its genesis is fixed; checkpoints are accepted.
    Active,
    /// It has ended for ever.
    Exited,
}

/// Somebody who joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Member {
    /// Robust address that joined.
    pub owner: Address,
    /// Key of proposals and votes.
    pub vote_key: VoteKey,
    /// Key of checkpoint digests.
    pub checkpoint_key: BlsPublicKey,
    /// The checkpoint key as an uncompressed point, so that nobody decompresses it again.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub point: Vec<u8>,
    /// Value joined with, in attoFIL.
    pub stake: TokenAmount,
    /// Voting weight; 0 for a candidate that a federated subnet's owner has not admitted.
    pub power: Power,
    /// Where its consensus listens; informative.
    pub endpoint: String,
}

/// One numbered configuration. Never changes once made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Configuration {
    /// The [`subnet_types::ValidatorSet`].
    pub validators: Cid,
    /// Its hash, as checkpoints report it.
    pub validators_hash: Digest,
    /// The [`ConfigurationKeys`].
    pub keys: Cid,
    /// How many validators.
    pub count: u64,
    /// Sum of their powers.
    pub total_power: Power,
}

/// A configuration's checkpoint keys, packed so that checking a certificate of 128 validators reads one block and
/// decodes four byte strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ConfigurationKeys {
    /// Sum of all keys, compressed: what a certificate with no one absent is checked against. `None` when they cancel out:
    /// such a set is one, and whoever leaves it may, but all of it together sign nothing.
    pub key_sum: Option<BlsPublicKey>,
    /// The same, uncompressed.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub sum_point: Vec<u8>,
    /// Uncompressed keys of 96 bytes, in the set's order.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub points: Vec<u8>,
    /// Powers of 8 bytes, big-endian, in the set's order.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub powers: Vec<u8>,
}

/// The stake of somebody who has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Unbonding {
    /// In attoFIL.
    pub stake: TokenAmount,
    /// The first configuration without that member; its clock starts when this one or a later one is confirmed.
    pub configuration: ConfigurationNumber,
}

/// A vote of one validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Vote {
    /// Whose.
    pub vote_key: VoteKey,
    /// What for: zero for the end of the subnet, otherwise the hash of a proposed recovery.
    pub subject: Digest,
}

/// The votes of validators in charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Ballot {
    /// The last accepted checkpoint when these were kept. Votes for a recovery count until the next one.
    pub sequence: Sequence,
    /// At most two of each validator: one for the end, one for a recovery.
    pub votes: Vec<Vote>,
}

/// The end of a subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Exit {
    /// This chain's height.
    pub height: Height,
    /// Messages that the subnet will never apply, and that were not answered yet.
    pub unrefunded: u64,
    /// What they carry together, in attoFIL. So much of the custody is theirs, and no claim's.
    pub unrefunded_amount: TokenAmount,
    /// HAMT of what was paid, in attoFIL: for each account, and in all out of each chain below.
    pub claims: Cid,
    /// Sum of the accounts, in attoFIL.
    pub claimed_total: TokenAmount,
}

/// What is kept of a message that the gateway would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct UnclaimedMessage {
    /// Its [`subnet_types::CrossMessage::leaf`]: whoever has it delivered again brings the message, and cannot alter it.
    pub leaf: Digest,
    /// Its amount, in attoFIL.
    pub amount: TokenAmount,
}

/// The newest accepted checkpoint, for whoever makes or submits the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// Zero before the first.
    pub sequence: Sequence,
    /// What `previous` of the next one must be: before the first, the subnet's identity.
    pub digest: Digest,
    /// Zero before the first.
    pub height: Height,
    /// `None` before the first.
    pub state_root: Option<Cid>,
    /// How far the subnet has applied this chain's messages.
    pub top_down_applied: TopDownApplied,
    /// The configuration whose validators sign the next one.
    pub configuration: ConfigurationNumber,
    /// First nonce of the next one's batch.
    pub next_batch_nonce: Nonce,
}
