//! Answers of the `Subnet.*` methods about cross messages: what happened to one, and what waits.

use std::fmt;

use serde::{Deserialize, Serialize};
use subnet_types::SubnetId;
use subnet_types::bytes::Digest;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::quantity::{Height, Nonce, Sequence, TimestampMs};

use super::scalar::{JsonAddress, JsonAmount, JsonBytes};

/// What can happen to a cross message on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrossEvent {
    /// It waits for a child to apply it.
    QueuedDown,
    /// It waits for the next checkpoint.
    QueuedUp,
    /// It is part of a checkpoint that this chain cut.
    Checkpointed,
    /// This chain accepted the checkpoint whose digest was asked for.
    Accepted,
    /// It came here and was delivered, went on, or was refused.
    Applied,
    /// The gateway would not take it, and the child's checkpoint actor set it aside; anybody may have it delivered again.
    SetAside,
    /// Its value could not be credited and lies in the unclaimed ledger.
    Unclaimed,
    /// It waited for a child that ended, and was answered from here.
    Refunded,
    /// Its answer came back to this chain, which sent it.
    Answered,
}

/// A place on an edge. Ids are the word of whoever sends a message, so two messages can have one; they never have one
/// place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossPosition {
    /// The edge, named by its lower end.
    pub edge: SubnetId,
    /// Counts the messages that cross it this way.
    pub nonce: Nonce,
}

/// One thing that happened to a cross message, in one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossStepInfo {
    /// What.
    pub event: CrossEvent,
    /// Height of the block.
    pub height: Height,
    /// Its time: the clock of its proposer when it was proposed.
    pub timestamp_ms: TimestampMs,
    /// Time of the block after it, whose header commits to what this one did; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_ms: Option<TimestampMs>,
    /// By which edge it came to this chain; absent when it set out here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came: Option<CrossPosition>,
    /// The child that it is queued for, or was, or whose checkpoint was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<SubnetId>,
    /// Its position on the edge that it leaves by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// The checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Sequence>,
    /// Zero, or why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// The message that answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Digest>,
}

/// All that one chain knows of a cross message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossTraceInfo {
    /// The message, or the digest of a checkpoint.
    pub id: Digest,
    /// The chain that answers.
    pub subnet: SubnetId,
    /// Whether this chain sent it, and its answer must come and has not.
    pub is_awaited: bool,
    /// In the order in which they happened; empty when the chain has never seen it.
    pub steps: Vec<CrossStepInfo>,
}

impl CrossTraceInfo {
    /// What came of the message that left the chain at the other end of an edge at this place.
    pub fn arrival(&self, from: &CrossPosition) -> Option<&CrossStepInfo> {
        self.steps.iter().find(|step| step.event == CrossEvent::Applied && step.came.as_ref() == Some(from))
    }
}

/// An account or actor on a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossEnd {
    /// The chain.
    pub subnet: SubnetId,
    /// Robust address there.
    pub address: JsonAddress,
}

impl From<CrossAddress> for CrossEnd {
    fn from(end: CrossAddress) -> Self {
        Self { subnet: end.subnet, address: end.address.into() }
    }
}

impl fmt::Display for CrossEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.subnet, self.address)
    }
}

/// What a cross message does at its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum CrossKindInfo {
    /// Credits its value.
    Transfer,
    /// Calls the destination.
    #[serde(rename_all = "camelCase")]
    Call {
        /// Which method.
        method: u64,
        /// Its parameters.
        params: JsonBytes,
    },
    /// Answers an earlier message.
    #[serde(rename_all = "camelCase")]
    Receipt {
        /// Which one.
        of: Digest,
        /// Zero for success.
        exit_code: u32,
        /// What a call returned.
        return_data: JsonBytes,
    },
}

impl fmt::Display for CrossKindInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transfer => f.write_str("transfer"),
            Self::Call { method, .. } => write!(f, "call of {method}"),
            Self::Receipt { exit_code: 0, .. } => f.write_str("receipt"),
            Self::Receipt { exit_code, .. } => write!(f, "receipt, exit code {exit_code}"),
        }
    }
}

/// A cross message that waits, readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossMessageInfo {
    /// Constant over all hops.
    pub id: Digest,
    /// Its position on the edge that it waits for.
    pub nonce: Nonce,
    /// Who sent it.
    pub origin: CrossEnd,
    /// Whom it is for.
    pub destination: CrossEnd,
    /// What is to be credited.
    pub value: JsonAmount,
    /// What is left of its prepaid fee.
    pub fee: JsonAmount,
    /// What it does there.
    #[serde(flatten)]
    pub kind: CrossKindInfo,
    /// Gas for the destination's code.
    pub gas_limit: u64,
    /// Height of the delivering chain from which on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Height>,
    /// Whether its delivery is answered although it is a transfer.
    pub wants_receipt: bool,
}

impl From<CrossMessage> for CrossMessageInfo {
    fn from(message: CrossMessage) -> Self {
        let kind = match message.kind {
            CrossKind::Transfer => CrossKindInfo::Transfer,
            CrossKind::Call { method, params } => CrossKindInfo::Call { method, params: JsonBytes(params.to_vec()) },
            CrossKind::Receipt { of, exit_code, return_data, .. } => CrossKindInfo::Receipt {
                of,
                exit_code: exit_code.value(),
                return_data: JsonBytes(return_data.to_vec()),
            },
        };
        Self {
            id: message.id,
            nonce: message.nonce,
            origin: message.origin.into(),
            destination: message.destination.into(),
            value: message.value.into(),
            fee: message.fee.into(),
            kind,
            gas_limit: message.gas_limit,
            expires: message.expires,
            wants_receipt: message.wants_receipt,
        }
    }
}

/// What waits on the edge to one child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildEdge {
    /// The child.
    pub subnet: SubnetId,
    /// Id address of its checkpoint actor.
    pub actor: JsonAddress,
    /// What that actor holds, all counters together and more where somebody gave it something.
    pub actor_balance: JsonAmount,
    /// Locked for the child.
    pub custody: JsonAmount,
    /// Of accepted checkpoints, and not yet delivered.
    pub reserved: JsonAmount,
    /// Of messages that the gateway would not take.
    pub unclaimed: JsonAmount,
    /// Stake of its validators.
    pub stake: JsonAmount,
    /// All nonces below are applied, as the last accepted checkpoint reports.
    pub applied_below: Nonce,
    /// Nonce of the next message down.
    pub next_nonce: Nonce,
    /// Sequence of the last accepted checkpoint; zero before the first.
    pub last_sequence: Sequence,
    /// Nonce of the next message up to deliver.
    pub next_delivery_nonce: Nonce,
    /// Accepted messages up that wait for delivery.
    pub undelivered: u64,
}

/// What waits for the next checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxInfo {
    /// How many messages.
    pub messages: u64,
    /// Nonce of the first.
    pub first_nonce: Nonce,
    /// Their values and fees.
    pub value: JsonAmount,
}

/// How far a chain has applied its parent's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentCursorInfo {
    /// The parent height last followed.
    pub height: Height,
    /// Next nonce to apply.
    pub next_nonce: Nonce,
}

/// The cross messages that wait on one chain after one of its blocks, edge by edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossPending {
    /// The chain.
    pub subnet: SubnetId,
    /// After the block at this height.
    pub height: Height,
    /// How far it follows its parent; absent on a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentCursorInfo>,
    /// What goes up; absent on a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<OutboxInfo>,
    /// What goes down, and what came up and is not delivered.
    pub children: Vec<ChildEdge>,
    /// In the unclaimed ledger of the gateway.
    pub unclaimed: JsonAmount,
}

/// What a message pays on the first edge of its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgePrice {
    /// The edge, named by its lower end.
    pub edge: SubnetId,
    /// For each unit of delivery gas.
    pub price: JsonAmount,
}

/// Part of a list. Which entry comes first depends on how the chain's state keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T, K> {
    /// As many as were asked for, or as one answer holds.
    pub items: Vec<T>,
    /// With what the next page begins; absent after the last one.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub next: Option<K>,
}

/// A message that was sent from here and waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitedAnswer {
    /// The message.
    pub id: Digest,
    /// Who sent it, on this chain.
    pub origin: JsonAddress,
    /// Whom it is for.
    pub destination: CrossEnd,
    /// What it brings.
    pub value: JsonAmount,
    /// What was prepaid.
    pub fee: JsonAmount,
    /// Height of this chain at which it was sent.
    pub sent_at: Height,
}

/// An answer that an actor of this chain has put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwedAnswer {
    /// What the actor answers the call by.
    pub key: Digest,
    /// The call.
    pub id: Digest,
    /// The address that was called.
    pub called: JsonAddress,
    /// Who called.
    pub origin: CrossEnd,
    /// What the call brought. The actor has it.
    pub value: JsonAmount,
    /// What is left for the way back.
    pub fee: JsonAmount,
}

/// What the gateway keeps for an address that it could not be credited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnclaimedValue {
    /// Whose it is.
    pub address: JsonAddress,
    /// How much.
    pub value: JsonAmount,
}
