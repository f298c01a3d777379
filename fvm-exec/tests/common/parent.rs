//! What a parent sends down, without a parent.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage, message_id};
use subnet_types::hash::cid_of;
use subnet_types::{ConfigurationNumber, Height, Nonce, SubnetId, TimestampMs};

use super::accounts::secp;
use super::genesis::{GENESIS_TIME_MS, PARENT_IDENTITY, ROOT_CHAIN_ID};

/// A transfer from the root to `to` on `subnet`.
pub fn top_down(subnet: &SubnetId, nonce: u64, to: Address, value: TokenAmount) -> CrossMessage {
    let origin = secp(111);
    CrossMessage {
        id: message_id(&PARENT_IDENTITY, &origin, nonce),
        origin: CrossAddress { subnet: SubnetId::root(ROOT_CHAIN_ID), address: origin },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: subnet.clone(), address: to },
        value,
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: TokenAmount::from_atto(0),
        expires: None,
        wants_receipt: false,
    }
}

/// An update with these messages at the parent's height `parent_height`.
pub fn update(parent_height: u64, messages: Vec<CrossMessage>) -> ApplyParentUpdateParams {
    ApplyParentUpdateParams {
        parent_height: Height::new(parent_height),
        parent_block: cid_of(&("parent block", parent_height + 1)),
        parent_timestamp: TimestampMs::new(GENESIS_TIME_MS + parent_height * 1000),
        parent_validators: None,
        messages,
        changes: Vec::new(),
        next_nonce: Nonce::ZERO,
        next_configuration: ConfigurationNumber::FIRST,
    }
}
