//! Accounts and their messages. Execution does not verify signatures, so these are blanks of the right length.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use serde::Serialize;
use subnet_types::actors::{GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::CrossAddress;
use subnet_types::hash::encode;
use subnet_types::{SignedMessage, SubnetId};

/// The f1 address of `seed`.
pub fn secp(seed: u8) -> Address {
    Address::new_secp256k1(&[seed; 65]).unwrap()
}

/// The f3 address of `seed`.
pub fn bls(seed: u8) -> Address {
    Address::new_bls(&[seed; 48]).unwrap()
}

/// The f410 address of `seed`.
pub fn ethereum(seed: u8) -> Address {
    Address::new_delegated(10, &[seed; 20]).unwrap()
}

/// A plain transfer that pays well for its gas.
pub fn transfer(from: Address, sequence: u64, to: Address, value: TokenAmount) -> Message {
    Message {
        version: 0,
        from,
        to,
        sequence,
        value,
        method_num: 0,
        params: RawBytes::default(),
        gas_limit: 20_000_000,
        gas_fee_cap: TokenAmount::from_atto(1_000),
        gas_premium: TokenAmount::from_atto(10),
    }
}

/// A call that pays well for its gas.
pub fn call(
    from: Address,
    sequence: u64,
    to: Address,
    method_num: MethodNum,
    params: &impl Serialize,
    value: TokenAmount,
) -> Message {
    let params = RawBytes::new(encode(params));
    Message { method_num, params, gas_limit: 1_000_000_000, ..transfer(from, sequence, to, value) }
}

/// A transfer without a fee to an account of another chain.
pub fn cross_transfer(from: Address, sequence: u64, subnet: SubnetId, to: Address, value: TokenAmount) -> Message {
    let to = CrossAddress { subnet, address: to };
    let params = SendParams { to, call: None, fee: TokenAmount::default(), expires: None, wants_receipt: false };
    call(from, sequence, Address::new_id(GATEWAY_ID), gateway::SEND, &params, value)
}

/// `message` with a blank signature of its sender's kind.
pub fn signed(message: Message) -> SignedMessage {
    let signature = match message.from.protocol() {
        Protocol::BLS => Signature::new_bls(vec![0; 96]),
        _ => Signature::new_secp256k1(vec![0; 65]),
    };
    SignedMessage { message, signature }
}
