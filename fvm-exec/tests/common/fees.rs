//! Filecoin's fee rules in plain arithmetic, written from the specification and apart from the VM.

use fvm_shared::bigint::BigInt;
use fvm_shared::message::Message;
use num_traits::{Signed, Zero};

/// What the sender of an executed message pays, in attoFIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Goes to burnt funds: the base fee of used gas and of a part of the gas that was asked for in excess.
    pub burnt: BigInt,
    /// Goes to the proposer.
    pub tip: BigInt,
}

impl Fees {
    /// The fees of a message that used `gas_used` under `base_fee`.
    pub fn of(message: &Message, gas_used: u64, base_fee: &BigInt) -> Self {
        let limit = BigInt::from(message.gas_limit);
        let used = BigInt::from(gas_used);
        let unused = &limit - &used;
        // The share of unused gas that burns grows from nothing at 10 % in excess to all at 110 %.
        let excess: BigInt = &limit - &used * 11 / 10;
        let excess = if excess.is_negative() { BigInt::zero() } else { excess.min(used.clone()) };
        let burned_unused = if used.is_zero() { limit.clone() } else { unused * excess / &used };
        let room = message.gas_fee_cap.atto() - base_fee;
        Self { burnt: base_fee * (used + burned_unused), tip: message.gas_premium.atto().min(&room) * limit }
    }

    /// All the sender pays.
    pub fn total(&self) -> BigInt {
        &self.burnt + &self.tip
    }

    /// What the sender must hold before the message runs.
    pub fn cover(message: &Message) -> BigInt {
        message.gas_fee_cap.atto() * message.gas_limit
    }
}
