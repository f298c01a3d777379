//! Actors, receipts and outcomes of calls in Lotus's shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::MessageJson;
use super::scalar::{JsonAddress, JsonAmount, JsonBytes, JsonCid};

/// What `Filecoin.Version` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ApiVersion {
    /// Name and version of the node.
    pub version: String,
    /// Version of the API: `major << 16 | minor << 8 | patch`.
    #[serde(rename = "APIVersion")]
    pub api_version: u32,
    /// Seconds between blocks, rounded up.
    pub block_delay: u64,
}

/// An actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActorStateJson {
    /// CID of its code.
    pub code: JsonCid,
    /// Root of its state.
    pub head: JsonCid,
    /// Count of messages it sent.
    pub nonce: u64,
    /// What it holds.
    pub balance: JsonAmount,
    /// Its f4 address, if it has one.
    #[serde(default)]
    pub delegated_address: Option<JsonAddress>,
}

/// An actor with its state as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReadState {
    /// What it holds.
    pub balance: JsonAmount,
    /// CID of its code.
    pub code: JsonCid,
    /// The DAG-CBOR state as DAG-JSON.
    pub state: Value,
}

/// Outcome of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiptJson {
    /// Zero for success.
    pub exit_code: u32,
    /// What the method returned.
    pub r#return: JsonBytes,
    /// Gas it used.
    pub gas_used: u64,
    /// Root of its events, if it emitted any.
    #[serde(default)]
    pub events_root: Option<JsonCid>,
}

/// Where a message was executed and with what outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageLookup {
    /// CID of the message.
    pub message: JsonCid,
    /// Its outcome.
    pub receipt: ReceiptJson,
    /// The return value decoded, where the node knows its type; else `null`.
    #[serde(default)]
    pub return_dec: Value,
    /// The block that holds the message.
    pub tip_set: Vec<JsonCid>,
    /// That block's height.
    pub height: u64,
}

/// Outcome of `Filecoin.StateCall`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InvocationResult {
    /// CID of the message.
    pub msg_cid: JsonCid,
    /// The message as it ran.
    pub msg: MessageJson,
    /// Its outcome.
    pub msg_rct: Option<ReceiptJson>,
    /// What it cost; zero for a call that nobody pays.
    pub gas_cost: MessageGasCost,
    /// `null`: this node keeps no traces.
    #[serde(default)]
    pub execution_trace: Option<Value>,
    /// Why it failed, or empty.
    pub error: String,
    /// Nanoseconds the call took.
    pub duration: u64,
}

/// Where a message's fees went.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageGasCost {
    /// CID of the message.
    pub message: Option<JsonCid>,
    /// Gas it used.
    pub gas_used: JsonAmount,
    /// Burned at the base fee.
    pub base_fee_burn: JsonAmount,
    /// Burned for asking for much more gas than needed.
    pub over_estimation_burn: JsonAmount,
    /// Always zero: a proposer cannot include what the sender cannot pay.
    pub miner_penalty: JsonAmount,
    /// To the proposer.
    pub miner_tip: JsonAmount,
    /// Back to the sender.
    pub refund: JsonAmount,
    /// All of it.
    pub total_cost: JsonAmount,
}
