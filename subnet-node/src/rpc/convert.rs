//! Our values in Filecoin's shapes.

use cid::Cid;
use client::api::{BlockHeaderJson, JsonAmount, JsonBytes, ReceiptJson};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::receipt::Receipt;
use subnet_types::actors::SYSTEM_ID;
use subnet_types::{BlockHeader, Genesis, Height, Payload, ValidatorSet};

/// The header of a block that `validators` voted on. See the table in the module's documentation.
pub(super) fn header_json(header: &BlockHeader, validators: &ValidatorSet) -> BlockHeaderJson {
    let owner = validators.find(&header.proposer).map(|(_, validator)| validator.owner);
    BlockHeaderJson {
        miner: owner.unwrap_or(Address::new_id(SYSTEM_ID)).into(),
        ticket: None,
        election_proof: None,
        beacon_entries: Some(Vec::new()),
        win_post_proof: Some(Vec::new()),
        parents: vec![header.parent.into()],
        parent_weight: weight(header.height),
        height: header.height.get(),
        parent_state_root: header.state_root.into(),
        parent_message_receipts: header.receipts_root.into(),
        messages: header.payload_root.into(),
        bls_aggregate: None,
        timestamp: header.timestamp.seconds(),
        block_sig: None,
        fork_signaling: 0,
        parent_base_fee: header.base_fee.clone().into(),
    }
}

/// A header for height 0, which has none of its own.
pub(super) fn genesis_header_json(genesis: &Genesis, state_root: Cid) -> BlockHeaderJson {
    let nothing = Payload::default().root();
    BlockHeaderJson {
        miner: Address::new_id(SYSTEM_ID).into(),
        ticket: None,
        election_proof: None,
        beacon_entries: Some(Vec::new()),
        win_post_proof: Some(Vec::new()),
        parents: vec![genesis.cid().into()],
        parent_weight: weight(Height::GENESIS),
        height: 0,
        parent_state_root: state_root.into(),
        parent_message_receipts: nothing.into(),
        messages: nothing.into(),
        bls_aggregate: None,
        timestamp: genesis.timestamp.seconds(),
        block_sig: None,
        fork_signaling: 0,
        parent_base_fee: genesis.chain.base_fee_min.clone().into(),
    }
}

fn weight(height: Height) -> JsonAmount {
    TokenAmount::from_atto(height.get()).into()
}

pub(super) fn receipt_json(receipt: &Receipt) -> ReceiptJson {
    ReceiptJson {
        exit_code: receipt.exit_code.value(),
        r#return: JsonBytes(receipt.return_data.bytes().to_vec()),
        gas_used: receipt.gas_used,
        events_root: receipt.events_root.map(Into::into),
    }
}
