//! Rules a message keeps or breaks by itself, whatever the state is. Block validation may use them as well.

use fvm_shared::address::Protocol;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use num_traits::Signed;
use subnet_types::SignedMessage;
use subnet_types::block::decode_canonical;
use subnet_types::limits::MESSAGE_BYTES_MAX;

use crate::rejection::Rejection;

/// What a message costs before it runs, as a function of its encoded size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// For any message.
    pub base: u64,
    /// For each byte.
    pub per_byte: u64,
}

impl IntrinsicGas {
    /// The least gas limit of a message of `bytes`.
    pub const fn of(&self, bytes: usize) -> u64 {
        self.base.saturating_add(self.per_byte.saturating_mul(bytes as u64))
    }
}

/// What the VM says of a message's form: a function of the message, its encoded length and the block gas limit. The
/// pool does not know the VM; without its word it would keep messages that no block may hold.
pub type FormCheck = fn(&Message, usize, u64) -> Result<(), String>;

/// Rules of one chain that are fixed at its genesis, so that every node judges a message the same.
#[derive(Clone, Debug)]
pub struct MessageRules {
    /// Gas that the signed messages of one block may ask for together.
    pub block_gas_limit: u64,
    /// What a message costs before it runs.
    pub intrinsic: IntrinsicGas,
    /// The chain's least base fee. A fee cap below it can never pay for inclusion.
    pub base_fee_min: TokenAmount,
    /// The VM's own rules. What is refused here is refused for ever, on every node.
    pub form: FormCheck,
}

impl MessageRules {
    /// Checks one message of `bytes` encoded bytes against everything that needs no state and no signature.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check(&self, signed: &SignedMessage, bytes: usize) -> Result<(), Rejection> {
        let message = &signed.message;
        if bytes > MESSAGE_BYTES_MAX {
            return Err(Rejection::TooLarge { actual: bytes, max: MESSAGE_BYTES_MAX });
        }
        if message.version != 0 {
            return Err(Rejection::Version { actual: message.version });
        }
        if !matches!(message.from.protocol(), Protocol::Secp256k1 | Protocol::BLS) {
            return Err(Rejection::SenderKind { from: message.from.to_string() });
        }
        check_amounts(message)?;
        let min = self.intrinsic.of(bytes);
        if message.gas_limit < min {
            return Err(Rejection::GasBelowIntrinsic { actual: message.gas_limit, min });
        }
        if message.gas_limit > self.block_gas_limit {
            return Err(Rejection::GasAboveBlock { actual: message.gas_limit, max: self.block_gas_limit });
        }
        if message.gas_fee_cap < self.base_fee_min {
            return Err(Rejection::FeeCapTooLow {
                actual: message.gas_fee_cap.clone(),
                min: self.base_fee_min.clone(),
            });
        }
        // Last: the rules above name what is wrong more precisely.
        (self.form)(message, bytes, self.block_gas_limit).map_err(|reason| Rejection::Form { reason })
    }
}

fn check_amounts(message: &Message) -> Result<(), Rejection> {
    let amounts = [("value", &message.value), ("fee cap", &message.gas_fee_cap), ("premium", &message.gas_premium)];
    for (field, amount) in amounts {
        if amount.atto().is_negative() {
            return Err(Rejection::NegativeAmount { field, actual: amount.clone() });
        }
    }
    if message.gas_premium > message.gas_fee_cap {
        return Err(Rejection::PremiumAboveFeeCap {
            premium: message.gas_premium.clone(),
            fee_cap: message.gas_fee_cap.clone(),
        });
    }
    Ok(())
}

/// Decodes what a peer or a client sent.
///
/// # Errors
/// When it is too large or not the canonical encoding of a signed message.
pub fn decode(bytes: &[u8]) -> Result<SignedMessage, Rejection> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Rejection::TooLarge { actual: bytes.len(), max: MESSAGE_BYTES_MAX });
    }
    decode_canonical(bytes).map_err(|reason| Rejection::Malformed { reason })
}

/// Most that including the message can take from its sender: value and the gas fee at the fee cap.
pub fn cost(message: &Message) -> TokenAmount {
    &message.value + &message.gas_fee_cap * message.gas_limit
}

/// What the proposer gets for each unit of gas at `base_fee`; `None` where the fee cap does not cover the base fee.
pub fn tip(message: &Message, base_fee: &TokenAmount) -> Option<TokenAmount> {
    let room = &message.gas_fee_cap - base_fee;
    if room.is_negative() { None } else { Some(room.min(message.gas_premium.clone())) }
}
