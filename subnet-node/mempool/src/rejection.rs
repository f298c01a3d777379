//! Why a message is not admitted, and whether whoever sent it misbehaved.

use fvm_shared::econ::TokenAmount;

use crate::signature::SignatureError;

/// Why a message is not admitted. Amounts are in attoFIL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The bytes are no signed message, or not in its one canonical form.
    #[error("not a canonically encoded signed message: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// Too many bytes.
    #[error("message of {actual} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its bytes.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// A message version that does not exist.
    #[error("message version {actual}, only version 0 exists")]
    Version {
        /// What it says.
        actual: u64,
    },
    /// The sender is not a key address.
    #[error("sender {from} is no f1 or f3 address, so no signature can be checked against it")]
    SenderKind {
        /// The sender.
        from: String,
    },
    /// An amount below zero.
    #[error("{field} is {} attoFIL, below zero", .actual.atto())]
    NegativeAmount {
        /// Which.
        field: &'static str,
        /// What it is.
        actual: TokenAmount,
    },
    /// The premium is above what the sender pays at most.
    #[error("premium {} is above the fee cap {}", .premium.atto(), .fee_cap.atto())]
    PremiumAboveFeeCap {
        /// Offered to the proposer for each unit of gas.
        premium: TokenAmount,
        /// Most that the sender pays for each unit of gas.
        fee_cap: TokenAmount,
    },
    /// Not enough gas to carry the message at all.
    #[error("gas limit {actual} is below {min}, what a message of this size costs before it runs")]
    GasBelowIntrinsic {
        /// Its gas limit.
        actual: u64,
        /// The least.
        min: u64,
    },
    /// More gas than a block has.
    #[error("gas limit {actual} is above the block's {max}")]
    GasAboveBlock {
        /// Its gas limit.
        actual: u64,
        /// The block's.
        max: u64,
    },
    /// No block may hold it, for a reason that the VM gives.
    #[error("{reason}")]
    Form {
        /// What the VM's rules said.
        reason: String,
    },
    /// Nobody is there to pay.
    #[error("sender {from} has no account yet: send it something first")]
    NoAccount {
        /// The sender.
        from: String,
    },
    /// The signature does not prove the sender.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The fee cap is below the chain's least base fee.
    #[error("fee cap {} is below the chain's least base fee {}", .actual.atto(), .min.atto())]
    FeeCapTooLow {
        /// Its fee cap.
        actual: TokenAmount,
        /// The least.
        min: TokenAmount,
    },
    /// The nonce is used up.
    #[error("nonce {actual} is used, the account's next is {expected}")]
    NonceStale {
        /// Its nonce.
        actual: u64,
        /// The account's.
        expected: u64,
    },
    /// The nonce is too far ahead.
    #[error("nonce {actual} is too far ahead: the first free nonce is {next}, gaps up to {gap_max} are kept")]
    NonceGap {
        /// Its nonce.
        actual: u64,
        /// First one that the sender has free.
        next: u64,
        /// Allowed distance.
        gap_max: u64,
    },
    /// The account cannot pay for all that it has pending.
    #[error(
        "balance {} does not cover {} (this message) and {} (pending messages of the sender)",
        .balance.atto(), .cost.atto(), .pending.atto()
    )]
    Balance {
        /// What the account holds.
        balance: TokenAmount,
        /// Value and most gas fee of this message.
        cost: TokenAmount,
        /// The same of the sender's other pending messages.
        pending: TokenAmount,
    },
    /// A message with this nonce waits already and the offer is not high enough to replace it.
    #[error("nonce {nonce} is taken by a pending message: replacing it needs {needed}, got {offered}")]
    ReplacementUnderpriced {
        /// The contested nonce.
        nonce: u64,
        /// What this message offers.
        offered: Box<Price>,
        /// The least that replaces the pending one.
        needed: Box<Price>,
    },
    /// The sender has too much pending.
    #[error("the sender has {actual} pending messages, at most {max} are kept")]
    SenderFull {
        /// How many wait.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// The pool is full of better offers.
    #[error("the pool is full and tip {} per gas does not outbid its cheapest message", .tip.atto())]
    PoolFull {
        /// What this message would pay the proposer at the least base fee.
        tip: TokenAmount,
    },
}

/// What a message pays for each unit of gas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// To the proposer.
    pub premium: TokenAmount,
    /// At most, base fee included.
    pub fee_cap: TokenAmount,
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "premium {} and fee cap {}", self.premium.atto(), self.fee_cap.atto())
    }
}

impl Rejection {
    /// Whether no honest node would have sent this. What depends on state, prices or room is ordinary: nodes differ
    /// in it for a moment.
    pub const fn is_fault(&self) -> bool {
        match self {
            Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Version { .. }
            | Self::SenderKind { .. }
            | Self::NegativeAmount { .. }
            | Self::PremiumAboveFeeCap { .. }
            | Self::GasBelowIntrinsic { .. }
            | Self::GasAboveBlock { .. }
            | Self::FeeCapTooLow { .. }
            | Self::Form { .. }
            | Self::Signature(_) => true,
            Self::NoAccount { .. }
            | Self::NonceStale { .. }
            | Self::NonceGap { .. }
            | Self::Balance { .. }
            | Self::ReplacementUnderpriced { .. }
            | Self::SenderFull { .. }
            | Self::PoolFull { .. } => false,
        }
    }
}
