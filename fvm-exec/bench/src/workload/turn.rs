//! One message after another.

use std::collections::BTreeMap;

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::{ActorID, METHOD_SEND, MethodNum};
use serde::Serialize;
use subnet_types::hash::encode;

use super::random::Random;

/// Gas that a plain send may use; making an account takes a tenth of it.
const SEND_GAS: u64 = 20_000_000;
/// Gas that a call may use; a swap among many traders takes a tenth of it.
const CALL_GAS: u64 = 2_000_000_000;

/// Where messages come from.
pub(crate) trait Source {
    /// The message of this turn.
    fn message(&mut self, turn: &mut Turn<'_>) -> Message;

    /// The group of each message of a block, if a planner is to be told (or lied to).
    fn predictions(&self, _messages: u64) -> Option<Vec<u32>> {
        None
    }
}

/// What a source knows when it makes a message.
pub(crate) struct Turn<'a> {
    /// Position of the message in its block.
    pub index: u64,
    pub senders: &'a mut Senders,
    pub random: &'a mut Random,
}

/// The nonces that senders are at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Senders(BTreeMap<Address, u64>);

impl Senders {
    /// The nonce that a sender's next message needs.
    pub fn nonce(&self, from: &Address) -> u64 {
        self.0.get(from).copied().unwrap_or_default()
    }

    /// A transfer that will be executed, be it that it fails.
    pub fn send(&mut self, from: Address, to: Address, value: TokenAmount) -> Message {
        let nonce = self.0.entry(from).or_default();
        let sequence = *nonce;
        *nonce += 1;
        Message {
            version: 0,
            from,
            to,
            sequence,
            value,
            method_num: METHOD_SEND,
            params: RawBytes::default(),
            gas_limit: SEND_GAS,
            gas_fee_cap: TokenAmount::from_atto(1_000),
            gas_premium: TokenAmount::from_atto(10),
        }
    }

    /// A call that will be executed, be it that it fails.
    pub fn call(&mut self, from: Address, to: ActorID, method_num: MethodNum, params: &impl Serialize) -> Message {
        self.call_raw(from, to, method_num, encode(params))
    }

    /// A call with these bytes as parameters.
    pub fn call_raw(&mut self, from: Address, to: ActorID, method_num: MethodNum, params: Vec<u8>) -> Message {
        let transfer = self.send(from, Address::new_id(to), TokenAmount::default());
        Message { method_num, params: RawBytes::new(params), gas_limit: CALL_GAS, ..transfer }
    }
}
