//! Blocks and tipsets in Lotus's shape. This chain has one block at each height, so a tipset holds one block.

use serde::{Deserialize, Serialize};

use super::message::{MessageJson, SignatureJson, SignedMessageJson};
use super::scalar::{JsonAddress, JsonAmount, JsonBytes, JsonCid};

/// Names a tipset by its blocks; empty or `null` is the head.
pub type TipsetKey = Vec<JsonCid>;

/// The block of one height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tipset {
    /// One block id.
    pub cids: Vec<JsonCid>,
    /// One header.
    pub blocks: Vec<BlockHeaderJson>,
    /// Its height.
    pub height: u64,
}

/// A header in Filecoin's form. Fields that belong to Filecoin's own consensus are empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockHeaderJson {
    /// Owner address of the proposer.
    pub miner: JsonAddress,
    /// `null`: no leader election by ticket.
    #[serde(default)]
    pub ticket: Option<Proof>,
    /// `null`: no leader election by ticket.
    #[serde(default)]
    pub election_proof: Option<ElectionProof>,
    /// Empty: no randomness beacon.
    #[serde(default)]
    pub beacon_entries: Option<Vec<BeaconEntry>>,
    /// Empty: no storage power.
    #[serde(rename = "WinPoStProof", default)]
    pub win_post_proof: Option<Vec<PoStProof>>,
    /// The one block before.
    pub parents: Vec<JsonCid>,
    /// The height as text: a chain without forks has no other weight.
    pub parent_weight: JsonAmount,
    /// Position in the chain.
    pub height: u64,
    /// State before this block's messages.
    pub parent_state_root: JsonCid,
    /// Receipts root of the block before.
    pub parent_message_receipts: JsonCid,
    /// Payload root.
    pub messages: JsonCid,
    /// `null`: BLS messages carry their own signatures.
    #[serde(rename = "BLSAggregate", default)]
    pub bls_aggregate: Option<SignatureJson>,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// `null`: the finality certificate stands in `Subnet.Header`.
    #[serde(default)]
    pub block_sig: Option<SignatureJson>,
    /// Always 0.
    #[serde(default)]
    pub fork_signaling: u64,
    /// Price burned for each unit of gas in this block.
    pub parent_base_fee: JsonAmount,
}

/// Unused here; part of Filecoin's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Bytes of the proof.
    #[serde(rename = "VRFProof")]
    pub vrf_proof: JsonBytes,
}

/// Unused here; part of Filecoin's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ElectionProof {
    /// Tickets won.
    pub win_count: i64,
    /// Bytes of the proof.
    #[serde(rename = "VRFProof")]
    pub vrf_proof: JsonBytes,
}

/// Unused here; part of Filecoin's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BeaconEntry {
    /// Round of the beacon.
    pub round: u64,
    /// Its output.
    pub data: JsonBytes,
}

/// Unused here; part of Filecoin's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoStProof {
    /// Kind of proof.
    #[serde(rename = "PoStProof")]
    pub proof_type: i64,
    /// Bytes of the proof.
    #[serde(rename = "ProofBytes")]
    pub proof_bytes: JsonBytes,
}

/// The messages of one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockMessages {
    /// Those signed with BLS, without their signatures as on Filecoin.
    pub bls_messages: Vec<MessageJson>,
    /// Those signed with secp256k1.
    pub secpk_messages: Vec<SignedMessageJson>,
    /// CIDs of both, BLS first.
    pub cids: Vec<JsonCid>,
}
