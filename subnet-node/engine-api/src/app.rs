//! The node's side: what an engine may ask of the application.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::{
    BlockHeader, Ed25519Signature, FinalityCertificate, Height, Payload, TimestampMs, ValidatorSet, VoteKey,
};

/// A header and the payload it commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header, whose CID is the block's id.
    pub header: BlockHeader,
    /// The content.
    pub payload: Payload,
}

impl Block {
    /// The block's id.
    pub fn id(&self) -> Cid {
        self.header.id()
    }
}

/// Rules under which one height is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeightRules {
    /// The height.
    pub height: Height,
    /// Who votes.
    pub validators: ValidatorSet,
    /// Whether each precommit must carry an extension.
    pub extensions_required: bool,
    /// Target time from the block before.
    pub block_interval: Duration,
    /// Time of the block before; of genesis for the first.
    pub previous_timestamp: TimestampMs,
}

/// Where the chain stands on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStatus {
    /// Last committed height; genesis for a new node.
    pub committed: Height,
    /// Lowest height whose block this node can serve; 1 for an archive.
    pub history_min: Height,
}

/// What a proposer is asked for.
#[derive(Clone, Debug)]
pub struct BuildContext {
    /// The height to propose; always the next after the last committed.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// This node's vote key.
    pub proposer: VoteKey,
    /// How long the engine waits for the block.
    pub time_budget: Duration,
}

/// A block to propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltBlock {
    /// The block.
    pub block: Block,
    /// What helps others to execute it, opaque to the engine, which ships it beside the block; empty for nothing. At
    /// most [`HINT_BYTES_MAX`](subnet_types::limits::HINT_BYTES_MAX) bytes.
    pub hints: Bytes,
}

/// From where a block came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A live proposal.
    Live,
    /// A block with a certificate, from a peer; or a block this node had stored before it restarted.
    Certified,
}

/// What a validator is asked to judge.
#[derive(Clone, Debug)]
pub struct ValidateContext {
    /// Height at which it was proposed; always the next after the last committed.
    pub height: Height,
    /// Round in which it was proposed.
    pub round: u32,
    /// From where it came.
    pub source: Source,
    /// What its proposer ships to help to execute it; empty when there is nothing. Anything may be in there, and it is
    /// gone after a restart: it must not change the verdict.
    pub hints: Bytes,
}

/// Judgement of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid on every node.
    Accept,
    /// Invalid on every node, with the reason.
    Reject(String),
    /// This node cannot confirm it yet and withholds its vote, with the reason. Only for [`Source::Live`].
    NotYet(String),
}

/// One validator's vote extension and its vote key's signature over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SignedExtension {
    /// Whose.
    pub validator: VoteKey,
    /// The extension; for checkpoints a BLS signature over the digest.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub extension: Vec<u8>,
    /// Over [`subnet_types::vote::extension_signing_bytes`].
    pub signature: Ed25519Signature,
}

/// A block with the proof that it is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedBlock {
    /// The block.
    pub block: Block,
    /// Its certificate.
    pub certificate: FinalityCertificate,
    /// Extensions of the precommits in the certificate; empty where none were required.
    pub extensions: Vec<SignedExtension>,
}

/// A block that was proposed but not decided, as the engine wants it back after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedBlock {
    /// Height of the proposal.
    pub height: Height,
    /// Round of the proposal.
    pub round: u32,
    /// The block's id.
    pub block: Cid,
    /// Opaque to the application.
    pub record: Vec<u8>,
}

/// The application cannot go on: its disk or VM failed. The engine stops and the process ends.
#[derive(Debug, thiserror::Error)]
#[error("{context}: {reason}")]
pub struct AppFailure {
    /// What was being done.
    pub context: &'static str,
    /// What went wrong.
    pub reason: String,
}

impl AppFailure {
    /// A failure of `context` because of `reason`.
    pub fn new(context: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { context, reason: reason.to_string() }
    }
}

/// Implemented once, by the subnet node.
#[async_trait]
pub trait SubnetApp: Send + Sync + 'static {
    /// Where the chain stands.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn status(&self) -> Result<ChainStatus, AppFailure>;

    /// Rules of `height`: any committed height, or the next one.
    ///
    /// # Errors
    /// When the height is not known or the store cannot be read.
    async fn rules(&self, height: Height) -> Result<HeightRules, AppFailure>;

    /// Gives notice, right after a commit, that this node will be asked to build the next block, unless its first round
    /// goes by without. Nothing has to come of it. Returns soon: what takes long goes on in the background.
    ///
    /// # Errors
    /// When the store or the VM failed.
    async fn prepare(&self, context: BuildContext) -> Result<(), AppFailure>;

    /// Builds the next block. Called at most once for each (height, round); the engine stores the block of the answer
    /// before it is proposed.
    ///
    /// # Errors
    /// When the store or the VM failed.
    async fn build(&self, context: BuildContext) -> Result<BuiltBlock, AppFailure>;

    /// Judges a proposal for the next height. The engine has checked that the header's CID is the value proposed.
    ///
    /// # Errors
    /// When the store or the VM failed; never because of what the block holds.
    async fn validate(&self, context: ValidateContext, block: &Block) -> Result<Verdict, AppFailure>;

    /// This node's extension for its precommit for `block` at `height`, where one is required. What it signs is
    /// durable before it returns.
    ///
    /// # Errors
    /// When the store failed or signing would contradict an earlier signature.
    async fn extend_vote(&self, height: Height, block: &Cid) -> Result<Vec<u8>, AppFailure>;

    /// Checks another validator's extension.
    ///
    /// # Errors
    /// Why it is not valid, for the log.
    async fn verify_extension(
        &self,
        height: Height,
        block: &Cid,
        validator: &VoteKey,
        extension: &[u8],
    ) -> Result<(), String>;

    /// Executes a decided block and commits block, results and certificate in one durable batch. Committing the last
    /// committed block again changes nothing.
    ///
    /// # Errors
    /// When the store or the VM failed, or the block contradicts what was committed.
    async fn commit(&self, decided: DecidedBlock) -> Result<(), AppFailure>;

    /// Replaces the stored certificate and extensions of a committed height by ones with more signatures.
    ///
    /// # Errors
    /// When the store failed.
    async fn upgrade_certificate(
        &self,
        certificate: FinalityCertificate,
        extensions: Vec<SignedExtension>,
    ) -> Result<(), AppFailure>;

    /// The committed block at `height`, for peers that fell behind.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn decided(&self, height: Height) -> Result<Option<DecidedBlock>, AppFailure>;

    /// Stores a proposed block durably. The application forgets those at or below a height when it commits it.
    ///
    /// # Errors
    /// When the store failed.
    async fn put_undecided(&self, undecided: UndecidedBlock) -> Result<(), AppFailure>;

    /// All stored proposals of `height`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn undecided(&self, height: Height) -> Result<Vec<UndecidedBlock>, AppFailure>;
}
