//! Answers of the `Subnet.*` methods: the chain, its blocks and its children.

use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subnet_types::block::decode_canonical;
use subnet_types::bytes::{BlsPublicKey, Digest, VoteKey};
use subnet_types::hash::encode;
use subnet_types::message::SignaturePolicy;
use subnet_types::parent::ParentUpdate;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, TimestampMs};
use subnet_types::{BlockHeader, ChainIdentity, FinalityCertificate, SubnetId, Validator, ValidatorSet};

use super::scalar::{JsonAddress, JsonAmount, JsonBytes, JsonCid};

/// A domain value as base64 of its DAG-CBOR encoding: `{"dagCbor": "…"}`.
///
/// Reading one decodes it and refuses any but the canonical form, so that holding one means holding the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagCbor<T>(pub T);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DagCborFields<T> {
    dag_cbor: JsonBytes,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T: Serialize> Serialize for DagCbor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DagCborFields { dag_cbor: JsonBytes(encode(&self.0)), of: PhantomData::<()> }.serialize(serializer)
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for DagCbor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = DagCborFields::<()>::deserialize(deserializer)?;
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or("value");
        decode_canonical(&fields.dag_cbor.0)
            .map(Self)
            .map_err(|reason| de::Error::custom(format!("dagCbor holds no {name}: {reason}")))
    }
}

/// Name and identity of a parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentLink {
    /// Its name.
    pub subnet: SubnetId,
    /// Its identity, as this chain's genesis states it.
    pub identity: ChainIdentity,
}

/// Which chain and node this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetInfo {
    /// Name of the chain.
    pub subnet: SubnetId,
    /// Its identity, which every signature covers.
    pub identity: ChainIdentity,
    /// CID of the genesis document.
    pub genesis: JsonCid,
    /// The parent; absent on a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentLink>,
    /// Name that the operator gave the node.
    pub moniker: String,
    /// Version of the node's program.
    pub version: String,
    /// The last final height.
    pub height: Height,
    /// Id of its block.
    pub block_id: JsonCid,
    /// Its time.
    pub timestamp_ms: TimestampMs,
    /// Target time between blocks.
    pub block_interval_ms: u64,
    /// Gas that the messages of one block, and so one message, may ask for.
    pub block_gas_limit: u64,
    /// Blocks between checkpoints.
    pub checkpoint_period_blocks: u64,
    /// What account signatures must cover.
    pub signatures: SignaturePolicy,
    /// CID of the actor bundle's manifest.
    pub bundle: JsonCid,
    /// Code of the checkpoint actor in that bundle, for creating children.
    pub checkpoint_code: JsonCid,
    /// Whether the node is behind its peers and catching up.
    pub is_syncing: bool,
    /// Vote key, when the node holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote_key: Option<VoteKey>,
    /// Multiaddresses of consensus.
    pub consensus_listen: Vec<String>,
    /// Multiaddresses of the mempool's gossip.
    pub mempool_listen: Vec<String>,
    /// Peers connected to consensus.
    pub consensus_peers: u32,
    /// Peers connected to the mempool's gossip.
    pub mempool_peers: u32,
    /// Messages that wait for a block.
    pub mempool_messages: u64,
}

/// Code that a chain has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorCode {
    /// Its name in the bundle.
    pub name: String,
    /// The code block.
    pub code: JsonCid,
    /// Whether this chain has it besides the system's actors, so that anybody makes actors of it.
    pub is_own: bool,
}

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorInfo {
    /// Who joined.
    pub owner: JsonAddress,
    /// Ed25519 key of its votes.
    pub vote_key: VoteKey,
    /// BLS key of its checkpoint signatures.
    pub checkpoint_key: BlsPublicKey,
    /// Voting weight.
    pub power: Power,
}

impl From<&Validator> for ValidatorInfo {
    fn from(validator: &Validator) -> Self {
        Self {
            owner: validator.owner.into(),
            vote_key: validator.vote_key,
            checkpoint_key: validator.checkpoint_key,
            power: validator.power,
        }
    }
}

/// The validators of a height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorsInfo {
    /// The height they vote on.
    pub height: Height,
    /// Number of the configuration.
    pub configuration: ConfigurationNumber,
    /// What headers and checkpoints commit to.
    pub hash: Digest,
    /// Sum of the powers.
    pub total_power: Power,
    /// In the protocol's order.
    pub validators: Vec<ValidatorInfo>,
    /// The set's exact encoding.
    #[serde(flatten)]
    pub set: DagCbor<ValidatorSet>,
}

impl ValidatorsInfo {
    /// The answer for a set.
    pub fn new(height: Height, set: ValidatorSet) -> Self {
        Self {
            height,
            configuration: set.number(),
            hash: set.hash(),
            total_power: set.total_power(),
            validators: set.validators().iter().map(ValidatorInfo::from).collect(),
            set: DagCbor(set),
        }
    }
}

/// A header's fields, readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderInfo {
    /// Version of the header.
    pub version: u64,
    /// Identity of the chain.
    pub chain: ChainIdentity,
    /// Position in the chain.
    pub height: Height,
    /// The block before.
    pub parent: JsonCid,
    /// The proposer's clock.
    pub timestamp_ms: TimestampMs,
    /// Who built it.
    pub proposer: VoteKey,
    /// Commitment to the payload.
    pub payload_root: JsonCid,
    /// State after the block before.
    pub state_root: JsonCid,
    /// Receipts of the block before.
    pub receipts_root: JsonCid,
    /// Gas that the block before used.
    pub gas_used: u64,
    /// Price of gas in this block.
    pub base_fee: JsonAmount,
    /// The validators of this height.
    pub validators_hash: Digest,
    /// The validators of the next.
    pub next_validators_hash: Digest,
}

impl From<&BlockHeader> for HeaderInfo {
    fn from(header: &BlockHeader) -> Self {
        Self {
            version: header.version,
            chain: header.chain,
            height: header.height,
            parent: header.parent.into(),
            timestamp_ms: header.timestamp,
            proposer: header.proposer,
            payload_root: header.payload_root.into(),
            state_root: header.state_root.into(),
            receipts_root: header.receipts_root.into(),
            gas_used: header.gas_used,
            base_fee: header.base_fee.clone().into(),
            validators_hash: header.validators_hash,
            next_validators_hash: header.next_validators_hash,
        }
    }
}

/// A header and the certificate that makes it final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinalizedHeader {
    /// Id of the block.
    pub id: JsonCid,
    /// The header.
    pub header: HeaderInfo,
    /// Round in which it was decided.
    pub round: u32,
    /// Who signed.
    pub signers: Vec<VoteKey>,
    /// `[header, certificate]`, exactly.
    #[serde(flatten)]
    pub parts: DagCbor<(BlockHeader, FinalityCertificate)>,
}

impl FinalizedHeader {
    /// The answer for a header and its certificate.
    pub fn new(header: BlockHeader, certificate: FinalityCertificate) -> Self {
        Self {
            id: header.id().into(),
            header: HeaderInfo::from(&header),
            round: certificate.round,
            signers: certificate.signatures.iter().map(|signature| signature.validator).collect(),
            parts: DagCbor((header, certificate)),
        }
    }
}

/// What a block brought from the parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentUpdateSummary {
    /// The parent height after which messages and changes were read.
    pub parent_height: Height,
    /// Messages applied.
    pub messages: u32,
    /// Membership changes applied.
    pub changes: u32,
}

/// A block with what it carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDetails {
    /// Its id.
    pub id: JsonCid,
    /// Its header.
    pub header: HeaderInfo,
    /// What it brought from the parent, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_update: Option<ParentUpdateSummary>,
    /// CIDs of its messages, in order.
    pub messages: Vec<JsonCid>,
    /// Gas that its messages used.
    pub gas_used: u64,
    /// State after it.
    pub state_root: JsonCid,
    /// Receipts root after it.
    pub receipts_root: JsonCid,
    /// Bytes of its payload.
    pub payload_bytes: u64,
}

/// A validator set as somebody tracks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackedSet {
    /// Number of its configuration, by which a node finds it.
    pub number: ConfigurationNumber,
    /// Hash of the set, by which it knows that it is the same.
    pub hash: Digest,
}

/// What a child has to learn, with everything that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentProof {
    /// The parent height after which messages and changes were read.
    pub parent_height: Height,
    /// The block of the next height, which proves that state.
    pub header: JsonCid,
    /// That block's time.
    pub timestamp_ms: TimestampMs,
    /// Changes of the parent's validators on the way.
    pub handovers: u32,
    /// How many messages.
    pub messages: u32,
    /// How many membership changes.
    pub changes: u32,
    /// Blocks of the witness.
    pub witness_blocks: u32,
    /// Their bytes.
    pub witness_bytes: u64,
    /// The update, exactly.
    #[serde(flatten)]
    pub proof: DagCbor<ParentUpdate>,
}

impl ParentProof {
    /// The answer for an update that brings so many messages and changes.
    pub fn new(update: ParentUpdate, messages: usize, changes: usize) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            parent_height: update.header.height.previous().unwrap_or(Height::GENESIS),
            header: update.header.id().into(),
            timestamp_ms: update.header.timestamp,
            handovers: count(update.handovers.len()),
            messages: count(messages),
            changes: count(changes),
            witness_blocks: count(update.witness.len()),
            witness_bytes: update.witness.iter().map(|block| block.bytes.len() as u64).sum(),
            proof: DagCbor(update),
        }
    }
}

/// One line of the list of children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildSummary {
    /// Name of the child.
    pub subnet: SubnetId,
    /// Id address of its checkpoint actor.
    pub id: JsonAddress,
    /// Whether its validators were frozen and it may run.
    pub is_active: bool,
    /// Whether notice of its end was given.
    pub is_closing: bool,
    /// Whether it has ended.
    pub has_exited: bool,
    /// What is locked for it.
    pub custody: JsonAmount,
    /// Next top-down nonce.
    pub top_down_next_nonce: Nonce,
}
