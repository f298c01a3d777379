//! Answers of the `Subnet.*` methods: checkpoints, cross messages and supply.

use std::fmt;

use serde::{Deserialize, Serialize};
use subnet_types::actors::SubmitCheckpointParams;
use subnet_types::bytes::Digest;
use subnet_types::checkpoint::Checkpoint;
use subnet_types::parent::WitnessBlock;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Sequence, TimestampMs};
use subnet_types::{ChainIdentity, SubnetId};

use super::scalar::{JsonAddress, JsonAmount, JsonBytes, JsonCid};
use super::subnet::{DagCbor, TrackedSet};

/// What a parent knows of a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildStatus {
    /// Name of the child.
    pub subnet: SubnetId,
    /// Robust address of its checkpoint actor.
    pub actor: JsonAddress,
    /// Id address of the same.
    pub id: JsonAddress,
    /// Whether its validators were frozen and it may run.
    pub is_active: bool,
    /// Height of this chain at which notice of its end was given; `null` before.
    pub notice_height: Option<Height>,
    /// Height of this chain from which anyone can end it: after the notice, or if no checkpoint is accepted until then.
    pub exit_from: Option<Height>,
    /// Height of this chain at which it ended; `null` before.
    pub exit_height: Option<Height>,
    /// After its end: messages down that are still to be refunded. What they carry is not for claims.
    pub unrefunded: u64,
    /// After its end: what was paid to its accounts here.
    pub claimed: JsonAmount,
    /// Validators that joined.
    pub members: u32,
    /// Validators needed for activation.
    pub validators_min: u64,
    /// Sequence of the last accepted checkpoint; zero before the first.
    pub last_sequence: Sequence,
    /// Its digest; before the first, the child's identity, or zero before activation.
    pub last_digest: Digest,
    /// The child height it reports.
    pub last_height: Height,
    /// The child's state root that it names; `null` before the first.
    pub last_state_root: Option<JsonCid>,
    /// The configuration that signs the next one.
    pub confirmed_configuration: ConfigurationNumber,
    /// Locked for the child.
    pub custody: JsonAmount,
    /// Stake of its validators.
    pub stake: JsonAmount,
    /// Stake of those who have left, until they withdraw it.
    pub unbonding: JsonAmount,
    /// Accepted and not yet delivered.
    pub batch_reserved: JsonAmount,
    /// Nonce of the next message down.
    pub top_down_next_nonce: Nonce,
    /// All top-down nonces below are applied, as the last accepted checkpoint reports.
    pub top_down_applied: Nonce,
    /// Nonce of the next message up to deliver.
    pub bottom_up_next_nonce: Nonce,
    /// Accepted messages up that wait for delivery.
    pub undelivered: u64,
    /// Nonces of messages up that were set aside, the first of them. Anyone may have them delivered again.
    #[serde(default)]
    pub unclaimed: Vec<Nonce>,
}

/// A checkpoint, readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointSummary {
    /// Counts from 1.
    pub sequence: Sequence,
    /// The block after which this is the state.
    pub height: Height,
    /// That block's id.
    pub block: JsonCid,
    /// State root after it.
    pub state_root: JsonCid,
    /// What the validators signed.
    pub digest: Digest,
    /// Digest of the checkpoint before.
    pub previous: Digest,
    /// Bottom-up messages of the period.
    pub messages: u64,
    /// Nonce of the first of them.
    pub first_nonce: Nonce,
    /// Sum of their value and fees.
    pub value: JsonAmount,
    /// Fees burned in the period.
    pub burned: JsonAmount,
    /// Next top-down nonce to apply.
    pub top_down_applied: Nonce,
    /// The configuration that votes from two blocks later on.
    pub configuration: ConfigurationNumber,
    /// How many validators signed.
    pub signers: u32,
}

impl CheckpointSummary {
    /// The line for `checkpoint`, whose validators signed `digest`.
    pub fn new(checkpoint: &Checkpoint, digest: Digest, signers: u32) -> Self {
        Self {
            sequence: checkpoint.sequence,
            height: checkpoint.height,
            block: checkpoint.block.into(),
            state_root: checkpoint.state_root.into(),
            digest,
            previous: checkpoint.previous,
            messages: checkpoint.messages.count,
            first_nonce: checkpoint.messages.first_nonce,
            value: checkpoint.messages.value.clone().into(),
            burned: checkpoint.burned.clone().into(),
            top_down_applied: checkpoint.top_down_applied.nonce,
            configuration: checkpoint.configuration.number,
            signers,
        }
    }
}

/// A checkpoint with its certificate and messages, ready to be submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointRecord {
    /// The readable part.
    pub checkpoint: CheckpointSummary,
    /// Parameters of the parent's `SubmitCheckpoint`, exactly.
    #[serde(flatten)]
    pub submission: DagCbor<SubmitCheckpointParams>,
}

impl CheckpointRecord {
    /// The answer for a submission whose checkpoint has this digest.
    pub fn new(submission: SubmitCheckpointParams, digest: Digest) -> Self {
        let signers = submission.certificate.signers.iter().map(|byte| byte.count_ones()).sum();
        let checkpoint = CheckpointSummary::new(&submission.checkpoint, digest, signers);
        Self { checkpoint, submission: DagCbor(submission) }
    }
}

/// How far a chain follows its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentViewInfo {
    /// Identity of the parent.
    pub identity: ChainIdentity,
    /// Its name.
    pub subnet: SubnetId,
    /// The parent height last followed.
    pub height: Height,
    /// Block that proves it; absent before the first update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<JsonCid>,
    /// The followed header's time.
    pub timestamp_ms: TimestampMs,
    /// Next top-down nonce to apply.
    pub next_nonce: Nonce,
    /// Configuration that the next membership change makes.
    pub next_configuration: ConfigurationNumber,
    /// The parent's validators as tracked.
    pub validators: TrackedSet,
    /// This chain's time minus the followed header's.
    pub lag_ms: u64,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageStage {
    /// This node has never seen it, or dropped it.
    Unknown,
    /// In the mempool.
    Pending,
    /// Executed in a final block.
    Included,
}

/// Where a message is and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStatus {
    /// CID of the message.
    pub message: JsonCid,
    /// Where it is.
    pub stage: MessageStage,
    /// Height of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Height>,
    /// Its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// Gas it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_used: Option<u64>,
    /// What it returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#return: Option<JsonBytes>,
}

impl fmt::Display for MessageStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Included => "included",
        })
    }
}

/// Native supply of one chain at one height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyInfo {
    /// The height after whose block this is.
    pub height: Height,
    /// What came into being: the genesis balances on a root; on a subnet the value that came from the parent, less
    /// what went back there.
    pub minted: JsonAmount,
    /// Held by the burnt funds actor: fees since genesis.
    pub burnt: JsonAmount,
    /// `minted − burnt`.
    pub circulating: JsonAmount,
    /// Value of the messages up that no cut has taken yet.
    pub released_uncut: JsonAmount,
    /// Fees burned since the last cut, and what was sent to the system actor, which is as lost.
    pub burned_uncut: JsonAmount,
    /// Sequence of the last cut; zero before the first.
    pub cut_sequence: Sequence,
}

impl SupplyInfo {
    /// Whether the figures agree with each other.
    pub fn is_consistent(&self) -> bool {
        &self.minted.0 - &self.burnt.0 == self.circulating.0
    }
}

/// What a state holds for an address, with the blocks that prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceProof {
    /// Id address of the actor.
    pub id: JsonAddress,
    /// What it holds.
    pub balance: JsonAmount,
    /// Of a checkpoint actor: the state root of the chain below, as its last accepted checkpoint names it.
    pub below: Option<JsonCid>,
    /// The blocks on the way from the state root.
    pub proof: DagCbor<Vec<WitnessBlock>>,
}
