//! The rules that a message must keep to stand in a block, apart from its signature and its sender's state.
//!
//! All of them are functions of the message, its length and the block's context, so every validator gives the same
//! answer. Nonce and balance depend on the state and on the messages before; whoever builds or checks a block goes
//! through the senders for that. A message that breaks a rule and still reaches the executor gets a failing receipt
//! and changes nothing.

use fvm::gas::price_list_by_network_version;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::limits::MESSAGE_BYTES_MAX;

use crate::rules::NETWORK_VERSION;

/// What the block brings to the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRules {
    /// Base fee of the block the message is to stand in.
    pub base_fee: TokenAmount,
    /// Most gas that a block, and so a message, may ask for.
    pub block_gas_limit: u64,
}

/// Why a message must not stand in a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageRejection {
    /// Written for other rules.
    #[error("message version {actual}, only 0 is known")]
    Version {
        /// What the message says.
        actual: u64,
    },
    /// The encoded message is too long.
    #[error("message of {actual} bytes, at most {MESSAGE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        actual: usize,
    },
    /// Only keys sign messages.
    #[error("sender {address} is not a key address (f1 or f3)")]
    Sender {
        /// Who.
        address: String,
    },
    /// Value sent there is lost to everyone, or the address is nobody's.
    #[error("recipient {address} is the BLS zero address, which nobody owns")]
    ZeroRecipient {
        /// Where.
        address: String,
    },
    /// The count could not go on after it.
    #[error("nonce {actual} is the last there is")]
    LastNonce {
        /// What the message says.
        actual: u64,
    },
    /// An amount below zero.
    #[error("{field} is {actual} attoFIL, below zero")]
    Negative {
        /// Which.
        field: &'static str,
        /// What it is.
        actual: String,
    },
    /// The tip alone is more than the sender wants to pay for a unit of gas.
    #[error("gas premium {premium} is above the fee cap {cap} (attoFIL)")]
    PremiumAboveCap {
        /// The premium.
        premium: String,
        /// The cap.
        cap: String,
    },
    /// Would burn less than the block burns.
    #[error("fee cap {cap} is below the base fee {base_fee} (attoFIL)")]
    CapBelowBaseFee {
        /// The cap.
        cap: String,
        /// The block's base fee.
        base_fee: String,
    },
    /// Not even standing in the block is paid for.
    #[error("gas limit {actual}, its {length} bytes alone cost {min}")]
    GasBelowInclusion {
        /// What the message says.
        actual: u64,
        /// Gas for standing in a block.
        min: u64,
        /// Bytes of the signed message.
        length: usize,
    },
    /// No block could take it.
    #[error("gas limit {actual} is above the block's {max}")]
    GasAboveBlock {
        /// What the message says.
        actual: u64,
        /// The block gas limit.
        max: u64,
    },
}

impl MessageRejection {
    /// Whether the same message can be good for a later block.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::CapBelowBaseFee { .. })
    }

    /// The exit code in the receipt of such a message, should one reach execution.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Sender { .. } => ExitCode::SYS_SENDER_INVALID,
            Self::ZeroRecipient { .. } => ExitCode::SYS_INVALID_RECEIVER,
            Self::GasBelowInclusion { .. } => ExitCode::SYS_OUT_OF_GAS,
            Self::Version { .. }
            | Self::TooLarge { .. }
            | Self::LastNonce { .. }
            | Self::Negative { .. }
            | Self::PremiumAboveCap { .. }
            | Self::CapBelowBaseFee { .. }
            | Self::GasAboveBlock { .. } => ExitCode::SYS_SENDER_STATE_INVALID,
        }
    }
}

/// Gas that a message pays for standing in a block, `length` being that of the encoded signed message.
pub fn inclusion_gas(length: usize) -> u64 {
    price_list_by_network_version(NETWORK_VERSION).on_chain_message(length).total().round_up()
}

/// Checks a message against all rules. `length` is that of the encoded signed message, as it stands in payloads.
///
/// # Errors
/// The first rule it breaks.
pub fn check(message: &Message, length: usize, rules: &MessageRules) -> Result<(), MessageRejection> {
    check_form(message, length, rules.block_gas_limit)?;
    if message.gas_fee_cap < rules.base_fee {
        return Err(MessageRejection::CapBelowBaseFee {
            cap: message.gas_fee_cap.atto().to_string(),
            base_fee: rules.base_fee.atto().to_string(),
        });
    }
    Ok(())
}

/// Checks all rules but the one that depends on the block's base fee: a message that fails here fails for ever.
///
/// # Errors
/// The first rule it breaks.
pub fn check_form(message: &Message, length: usize, block_gas_limit: u64) -> Result<(), MessageRejection> {
    if message.version != 0 {
        return Err(MessageRejection::Version { actual: message.version });
    }
    if length > MESSAGE_BYTES_MAX {
        return Err(MessageRejection::TooLarge { actual: length });
    }
    check_addresses(&message.from, &message.to)?;
    if message.sequence == u64::MAX {
        return Err(MessageRejection::LastNonce { actual: message.sequence });
    }
    let amounts =
        [("value", &message.value), ("gas fee cap", &message.gas_fee_cap), ("gas premium", &message.gas_premium)];
    for (field, amount) in amounts {
        if amount.is_negative() {
            return Err(MessageRejection::Negative { field, actual: amount.atto().to_string() });
        }
    }
    if message.gas_premium > message.gas_fee_cap {
        return Err(MessageRejection::PremiumAboveCap {
            premium: message.gas_premium.atto().to_string(),
            cap: message.gas_fee_cap.atto().to_string(),
        });
    }
    let min = inclusion_gas(length);
    if message.gas_limit < min {
        return Err(MessageRejection::GasBelowInclusion { actual: message.gas_limit, min, length });
    }
    if message.gas_limit > block_gas_limit {
        return Err(MessageRejection::GasAboveBlock { actual: message.gas_limit, max: block_gas_limit });
    }
    Ok(())
}

fn check_addresses(from: &Address, to: &Address) -> Result<(), MessageRejection> {
    let is_key = matches!(from.protocol(), Protocol::Secp256k1 | Protocol::BLS);
    if !is_key || from.is_bls_zero_address() {
        return Err(MessageRejection::Sender { address: from.to_string() });
    }
    if to.is_bls_zero_address() {
        return Err(MessageRejection::ZeroRecipient { address: to.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_encoding::RawBytes;

    const LENGTH: usize = 200;
    const BLOCK_GAS: u64 = 10_000_000_000;

    fn good() -> Message {
        Message {
            version: 0,
            from: Address::new_secp256k1(&[7; 65]).unwrap(),
            to: Address::new_id(1000),
            sequence: 0,
            value: TokenAmount::from_atto(1),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: inclusion_gas(LENGTH),
            gas_fee_cap: TokenAmount::from_atto(100),
            gas_premium: TokenAmount::from_atto(100),
        }
    }

    fn verdict(change: impl FnOnce(&mut Message)) -> Result<(), MessageRejection> {
        let mut message = good();
        change(&mut message);
        check(&message, LENGTH, &MessageRules { base_fee: TokenAmount::from_atto(100), block_gas_limit: BLOCK_GAS })
    }

    #[test]
    fn message_at_every_bound_is_allowed() {
        assert_eq!(verdict(|_| ()), Ok(()));
        assert_eq!(verdict(|message| message.from = Address::new_bls(&[3; 48]).unwrap()), Ok(()));
        assert_eq!(verdict(|message| message.gas_limit = BLOCK_GAS), Ok(()));
        assert_eq!(verdict(|message| message.sequence = u64::MAX - 1), Ok(()));
    }

    #[test]
    fn each_rule_has_its_own_rejection() {
        type R = MessageRejection;
        let zero = Address::new_bls(&[0xc0].into_iter().chain([0; 47]).collect::<Vec<_>>()).unwrap();
        type Case = (Box<dyn FnOnce(&mut Message)>, fn(&R) -> bool);
        let cases: Vec<Case> = vec![
            (Box::new(|m| m.version = 1), |r| matches!(r, R::Version { actual: 1 })),
            (Box::new(|m| m.from = Address::new_id(1)), |r| matches!(r, R::Sender { .. })),
            (Box::new(|m| m.from = Address::new_actor(b"x")), |r| matches!(r, R::Sender { .. })),
            (Box::new(move |m| m.from = zero), |r| matches!(r, R::Sender { .. })),
            (Box::new(move |m| m.to = zero), |r| matches!(r, R::ZeroRecipient { .. })),
            (Box::new(|m| m.sequence = u64::MAX), |r| matches!(r, R::LastNonce { .. })),
            (Box::new(|m| m.value = TokenAmount::from_atto(-1)), |r| matches!(r, R::Negative { field: "value", .. })),
            (Box::new(|m| m.gas_fee_cap = TokenAmount::from_atto(-1)), |r| {
                matches!(r, R::Negative { field: "gas fee cap", .. })
            }),
            (Box::new(|m| m.gas_premium = TokenAmount::from_atto(-1)), |r| {
                matches!(r, R::Negative { field: "gas premium", .. })
            }),
            (Box::new(|m| m.gas_premium = TokenAmount::from_atto(101)), |r| matches!(r, R::PremiumAboveCap { .. })),
            (Box::new(|m| m.gas_limit -= 1), |r| matches!(r, R::GasBelowInclusion { .. })),
            (Box::new(|m| m.gas_limit = 0), |r| matches!(r, R::GasBelowInclusion { .. })),
            (Box::new(|m| m.gas_limit = BLOCK_GAS + 1), |r| matches!(r, R::GasAboveBlock { .. })),
        ];
        for (index, (change, expected)) in cases.into_iter().enumerate() {
            let rejection = verdict(change).unwrap_err();
            assert!(expected(&rejection), "case {index}: {rejection}");
            assert!(!rejection.is_retryable(), "case {index}");
            assert!(!rejection.exit_code().is_success(), "case {index}");
        }
    }

    #[test]
    fn fee_cap_below_the_base_fee_can_become_good_again() {
        let mut message = good();
        message.gas_fee_cap = TokenAmount::from_atto(99);
        message.gas_premium = TokenAmount::from_atto(1);
        let at = |base_fee| MessageRules { base_fee: TokenAmount::from_atto(base_fee), block_gas_limit: BLOCK_GAS };
        let rejection = check(&message, LENGTH, &at(100)).unwrap_err();
        assert!(rejection.is_retryable(), "{rejection}");
        assert_eq!(check(&message, LENGTH, &at(99)), Ok(()));
    }

    #[test]
    fn too_long_a_message_is_refused_and_length_costs_gas() {
        let rules = MessageRules { base_fee: TokenAmount::from_atto(0), block_gas_limit: BLOCK_GAS };
        let mut message = good();
        message.gas_limit = inclusion_gas(MESSAGE_BYTES_MAX);
        assert_eq!(check(&message, MESSAGE_BYTES_MAX, &rules), Ok(()));
        assert!(matches!(check(&message, MESSAGE_BYTES_MAX + 1, &rules), Err(MessageRejection::TooLarge { .. })));
        assert_eq!(inclusion_gas(LENGTH + 1) - inclusion_gas(LENGTH), 1300);
    }
}
