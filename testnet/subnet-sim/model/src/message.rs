//! What travels: messages, checkpoints, packets.

use serde::{Deserialize, Serialize};

/// Value, in units of the model. Signed, so that a broken variant shows a debt instead of a panic.
pub type Amount = i16;

/// A chain: its position in [`Config::chains`](crate::Config::chains). The root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub u8);

impl ChainId {
    /// The chain without a parent.
    pub const ROOT: Self = Self(0);

    /// As an index into the lists that have one entry for each chain.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Who lives on each chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// An account. Calls to it fail.
    User,
    /// An actor that takes calls, and spends what it can of whoever calls it.
    Contract,
    /// An actor whose code fails every call.
    Reverting,
    /// Nobody, and nobody can come to be there: crediting it fails.
    Missing,
    /// Whoever brings checkpoints and deliveries.
    Relayer,
    /// The account that the corrupt would fill.
    Thief,
}

/// An address on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The chain.
    pub chain: ChainId,
    /// Who there.
    pub address: Address,
}

impl Place {
    /// `address` on `chain`.
    pub const fn new(chain: ChainId, address: Address) -> Self {
        Self { chain, address }
    }
}

/// Stands for the hash of origin chain, origin address and sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id {
    /// Where the message began.
    pub chain: ChainId,
    /// Who sent it there.
    pub address: Address,
    /// That chain's count of messages.
    pub sequence: u8,
}

/// How a message ended, as its receipt tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Delivered.
    Ok,
    /// The destination's code or its crediting failed.
    Failed,
    /// A chain would neither deliver nor forward it.
    Refused,
}

/// What a message does where it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Credits the value; answered only when it fails.
    Transfer,
    /// Credits the value; always answered.
    TransferWithReceipt,
    /// Runs the destination's code; always answered.
    Call,
    /// Tells how the message `of` ended; the value is what comes back.
    Receipt {
        /// The message it answers.
        of: Id,
        /// How that ended.
        code: Code,
    },
}

impl Kind {
    /// Whether the origin waits for an answer.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::TransferWithReceipt | Self::Call)
    }

    /// Whether it is a receipt.
    pub fn is_receipt(self) -> bool {
        matches!(self, Self::Receipt { .. })
    }
}

/// A cross message. Its nonce on an edge is its position in that edge's queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// The same on every edge.
    pub id: Id,
    /// Who sent it.
    pub origin: Place,
    /// Whom it is for.
    pub destination: Place,
    /// To be credited.
    pub value: Amount,
    /// Prepaid; what is left of it.
    pub fee: Amount,
    /// What it does.
    pub kind: Kind,
}

impl Message {
    /// Value and fee: what is locked or burned for it on every edge.
    pub fn amount(&self) -> Amount {
        self.value + self.fee
    }

    /// The same message but for what hops have taken from its fee.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Self { fee: other.fee, ..self.clone() } == *other
    }
}

/// A child's commitment to a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts from 1.
    pub sequence: u8,
    /// Nonce of the first message.
    pub first: u8,
    /// Stands for the Merkle root over them.
    pub messages: Vec<Message>,
    /// Declared sum of their amounts.
    pub value: Amount,
    /// Fees that left circulation in the period.
    pub burned: Amount,
    /// How many top-down messages the child has applied in all.
    pub applied: u8,
}

/// Power of all validators of a chain. More than two thirds of it is a quorum.
pub const POWER_TOTAL: u8 = 4;
/// What signs an honest checkpoint: the smallest quorum.
pub const POWER_QUORUM: u8 = 3;
/// What signs a forged checkpoint of a chain that is not corrupt: as much as there may be without a quorum.
pub const POWER_MINORITY: u8 = 2;
/// Messages that one parent update applies at most.
pub const UPDATE_MESSAGES_MAX: u8 = 2;

/// Something on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Packet {
    /// A checkpoint with its certificate, for the child's parent.
    Submission {
        /// Whose.
        child: ChainId,
        /// Power of those who signed it.
        power: u8,
        /// What they signed.
        checkpoint: Checkpoint,
    },
    /// A slice of an accepted batch, for the child's parent.
    Delivery {
        /// Whose batch.
        child: ChainId,
        /// Of which checkpoint.
        sequence: u8,
        /// Nonce of the first message.
        first: u8,
        /// The messages, with a proof that fits what they are said to be.
        messages: Vec<Message>,
    },
    /// A block of the child that carries a parent update.
    Update {
        /// Who applies it.
        child: ChainId,
        /// Nonce of the first message.
        first: u8,
        /// End of the child's queue in the state that the header commits to.
        next: u8,
        /// Whether a quorum of the parent certified the header.
        is_certified: bool,
        /// The messages, read from the witness.
        messages: Vec<Message>,
    },
}

/// A step of the protocol; a trace is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    /// A message enters the gateway of its origin.
    Send(Send),
    /// A chain ends a period.
    Cut {
        /// Which.
        chain: ChainId,
    },
    /// Somebody brings a checkpoint, true or forged, onto the wire.
    Submit {
        /// A submission.
        packet: Packet,
    },
    /// Somebody brings a delivery onto the wire.
    Deliver {
        /// A delivery.
        packet: Packet,
    },
    /// A proposer puts into a block what a source served it, truth or lie.
    Update {
        /// An update.
        packet: Packet,
    },
    /// A packet reaches who handles it, and is accepted or refused.
    Arrive {
        /// From the wire.
        packet: Packet,
    },
    /// A packet is lost.
    Lose {
        /// From the wire.
        packet: Packet,
    },
    /// A packet will come once more.
    Duplicate {
        /// On the wire.
        packet: Packet,
    },
    /// A packet reaches who handles it; that node is killed before it is done, and starts again from its disk.
    Crash {
        /// From the wire.
        packet: Packet,
        /// How many durable writes it had done.
        writes: u8,
    },
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// From whom.
    pub from: Place,
    /// To whom.
    pub to: Place,
    /// What. Never a receipt.
    pub kind: Kind,
    /// To be credited.
    pub value: Amount,
    /// Prepaid.
    pub fee: Amount,
}
