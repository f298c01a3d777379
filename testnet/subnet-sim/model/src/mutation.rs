//! Deliberate faults. A property that none of them violates would prove nothing.

use serde::{Deserialize, Serialize};

use crate::properties::name;

/// One rule of the protocol left out or turned around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Delivery and cursor are two durable writes.
    CursorAfterDelivery,
    /// A slice's messages below the cursor are delivered again.
    DeliveryRepeats,
    /// A slice may begin above the cursor.
    DeliveryOutOfTurn,
    /// An update's first nonce is not compared with the cursor.
    UpdateRepeats,
    /// A checkpoint's sequence and first nonce are not compared.
    CheckpointRepeats,
    /// The power of the signers is not compared with the total.
    QuorumUnchecked,
    /// A delivered slice is not proved against its batch.
    SliceUnproved,
    /// An update's messages are not proved against the header.
    WitnessUnchecked,
    /// An update's header needs no certificate.
    HeaderUnchecked,
    /// The cursor moves to the end that the header tells, whatever messages came with it.
    EmptyRangeTrusted,
    /// Value and burned are not compared with custody.
    FirewallUnchecked,
    /// All children of a chain share one pot.
    CustodyShared,
    /// The running total is not compared with what the batch declared.
    BatchTotalUnchecked,
    /// A child may send in the name of any chain.
    OriginUnchecked,
    /// A receipt counts as often as it comes.
    ReceiptRepeats,
    /// No receipt counts.
    ReceiptNeverCounts,
    /// A receipt counts whoever sends it.
    ReceiptSenderUnchecked,
    /// A receipt may bring back more than was sent.
    ReceiptValueUnchecked,
    /// What fails comes back without the value.
    RefundForgotten,
    /// The value reaches a destination whose code then fails, and comes back all the same.
    ValueMovesBeforeFailure,
    /// What leaves a chain upwards stays in its circulation.
    UnmintForgotten,
    /// Fees burned on a subnet go to the mint reserve, and are not reported.
    BurnIntoReserve,
    /// A remote call runs under the user's identity instead of the courier's.
    CallRunsAsUser,
    /// An accepted checkpoint prunes the whole queue instead of what was applied.
    QueuePrunedEarly,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::CursorAfterDelivery,
        Self::DeliveryRepeats,
        Self::DeliveryOutOfTurn,
        Self::UpdateRepeats,
        Self::CheckpointRepeats,
        Self::QuorumUnchecked,
        Self::SliceUnproved,
        Self::WitnessUnchecked,
        Self::HeaderUnchecked,
        Self::EmptyRangeTrusted,
        Self::FirewallUnchecked,
        Self::CustodyShared,
        Self::BatchTotalUnchecked,
        Self::OriginUnchecked,
        Self::ReceiptRepeats,
        Self::ReceiptNeverCounts,
        Self::ReceiptSenderUnchecked,
        Self::ReceiptValueUnchecked,
        Self::RefundForgotten,
        Self::ValueMovesBeforeFailure,
        Self::UnmintForgotten,
        Self::BurnIntoReserve,
        Self::CallRunsAsUser,
        Self::QueuePrunedEarly,
    ];

    /// The property that must fail, and the configuration in which it does.
    pub fn shows_in(self) -> (&'static str, &'static str) {
        match self {
            Self::CursorAfterDelivery | Self::UpdateRepeats => (name::EXACTLY_ONCE, "one-child"),
            Self::DeliveryOutOfTurn => (name::EXACTLY_ONCE, "batch"),
            Self::DeliveryRepeats => (name::EFFECT_ONCE, "batch"),
            Self::CheckpointRepeats | Self::QuorumUnchecked => (name::CHECKPOINT_CHAIN, "one-child"),
            Self::SliceUnproved | Self::WitnessUnchecked => (name::AUTHENTIC, "one-child"),
            Self::HeaderUnchecked => (name::CONSERVED_ON_EDGES, "one-child"),
            Self::EmptyRangeTrusted | Self::QueuePrunedEarly | Self::ReceiptNeverCounts => (name::SETTLES, "one-child"),
            Self::FirewallUnchecked | Self::BatchTotalUnchecked => (name::FIREWALL, "corrupt-child"),
            Self::CustodyShared => (name::CONSERVED_ON_EDGES, "corrupt-child"),
            Self::OriginUnchecked => (name::AUTHENTIC, "corrupt-child"),
            Self::ReceiptRepeats | Self::ReceiptValueUnchecked => (name::RECEIPT_ONCE, "corrupt-child"),
            Self::ReceiptSenderUnchecked => (name::RECEIPT_TRUE, "corrupt-child"),
            Self::RefundForgotten | Self::ValueMovesBeforeFailure => (name::SUPPLY, "one-child"),
            Self::UnmintForgotten => (name::CONSERVED_ON_EDGES, "one-child"),
            Self::BurnIntoReserve => (name::CONSERVED_ON_EDGES, "fees"),
            Self::CallRunsAsUser => (name::NOBODY_ELSE_PAYS, "one-child"),
        }
    }
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The same spelling as in traces.
        let spelled = serde_json::to_string(self).map_err(|_| std::fmt::Error)?;
        f.write_str(spelled.trim_matches('"'))
    }
}

impl std::str::FromStr for Mutation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mutation| mutation.to_string() == text)
            .ok_or_else(|| anyhow::anyhow!("no mutation is called `{text}`; `--list` names them"))
    }
}
