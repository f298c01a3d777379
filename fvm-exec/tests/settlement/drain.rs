//! Ten thousand messages that wait, up and down, drained over blocks that stay within their limits.

use fvm_exec::BlockOutput;
use fvm_ipld_encoding::from_slice;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::event::ActorEvent;
use serde::de::DeserializeOwned;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::cross::CrossMessage;
use subnet_types::events::{TYPE_KEY, gateway};
use subnet_types::hash::encode;
use subnet_types::limits::{
    BLOCK_GAS_MAX, CROSS_MESSAGES_PER_BLOCK_MAX, CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX,
    CROSS_MESSAGES_PER_CHECKPOINT_MAX, IMPLICIT_GAS_MAX, SLICE_BYTES_MAX,
};
use subnet_types::{Nonce, Sequence};

use crate::common::accounts::secp;
use crate::common::chain::Chain;
use crate::common::parent::{top_down, update};
use crate::slices::{batch_from, delivery};
use crate::subnet::{Root, alice, nano};

/// How many messages wait.
const COUNT: u64 = 10_000;

/// Messages of one slice.
const SLICE: usize = 250;

/// What the gateway may ask for each delivered transfer, in gas.
const GAS_PER_TRANSFER_MAX: u64 = 12_000_000;

/// The recipient of the message with this nonce, which nobody has sent anything to before.
fn recipient(nonce: u64) -> Address {
    Address::new_secp256k1(&[[8; 57].as_slice(), &nonce.to_be_bytes()].concat()).unwrap()
}

fn field<T: DeserializeOwned>(event: &ActorEvent, key: &str) -> T {
    from_slice(&event.entries.iter().find(|entry| entry.key == key).unwrap().value).unwrap()
}

/// The messages that a block delivered, in order, by their places on the edge. None of them may have been refused.
fn delivered(output: &BlockOutput) -> Vec<u64> {
    let events = output.events.iter().flatten().filter(|stamped| stamped.emitter == GATEWAY_ID);
    let settled = events.filter(|stamped| field::<String>(&stamped.event, TYPE_KEY) == gateway::MESSAGE_SETTLED);
    settled
        .map(|stamped| {
            assert_eq!(field::<u32>(&stamped.event, "exit-code"), 0);
            field::<Nonce>(&stamped.event, gateway::FROM_NONCE_KEY).get()
        })
        .collect()
}

/// Each recipient has what one message brings it, and no more.
fn check_recipients(chain: &Chain) {
    for nonce in 0..COUNT {
        assert_eq!(chain.balance(&recipient(nonce)), nano(nonce + 1), "message {nonce}");
    }
}

#[test]
fn ten_thousand_messages_up_are_delivered_over_blocks_within_limits_in_order_and_once() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    root.fund(&subnet, secp(1), nano(COUNT * (COUNT + 1)));
    // All of them are accepted before the first one is delivered.
    let mut batches: Vec<(Sequence, Vec<CrossMessage>)> = Vec::new();
    for first in (0..COUNT).step_by(CROSS_MESSAGES_PER_CHECKPOINT_MAX) {
        let count = (COUNT - first).min(CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64);
        let batch = batch_from(&subnet, first, count, &recipient);
        let bytes: usize = batch.iter().map(|message| encode(message).len()).sum();
        assert!(bytes <= CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, "{bytes} bytes");
        let checkpoint = root.next(&subnet, &batch);
        let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
        assert!(root.submit(&subnet, &params).exit_code.is_success());
        batches.push((checkpoint.sequence, batch));
    }
    assert_eq!(root.state(&subnet).undelivered(), COUNT);

    let slices: Vec<_> = batches
        .iter()
        .flat_map(|(sequence, batch)| {
            (0..batch.len()).step_by(SLICE).map(move |from| (*sequence, batch, from..(from + SLICE).min(batch.len())))
        })
        .collect();
    let (mut next, mut blocks, mut each) = (0, 0, Vec::new());
    for (sequence, batch, range) in slices {
        let bytes: usize = batch[range.clone()].iter().map(|message| encode(message).len()).sum();
        assert!(bytes <= SLICE_BYTES_MAX, "{bytes} bytes");
        let message = delivery(&root, &subnet, alice(), sequence, batch, range.clone());
        let output = root.send_all(vec![message]);
        let receipt = output.message_receipt(0).unwrap();
        assert_eq!(receipt.exit_code, ExitCode::OK, "block {blocks}");
        assert!(output.gas_used <= BLOCK_GAS_MAX, "block {blocks} takes {} gas", output.gas_used);
        let expected: Vec<u64> = (next..next + range.len() as u64).collect();
        assert_eq!(delivered(&output), expected, "in order, and no other");
        each.push(receipt.gas_used / range.len() as u64);
        next += range.len() as u64;
        assert_eq!(root.state(&subnet).next_delivery_nonce.get(), next, "the cursor says where the next one goes on");
        blocks += 1;
    }
    let (least, most) = (each.iter().min().unwrap(), each.iter().max().unwrap());
    println!("{COUNT} messages up in {blocks} blocks, {least} to {most} gas each");
    assert!(*most <= GAS_PER_TRANSFER_MAX, "a transfer takes {most} gas");
    let state = root.state(&subnet);
    assert_eq!(state.undelivered_batches(&root.chain.store).unwrap(), []);
    assert_eq!((next, state.undelivered(), state.batch_reserved), (COUNT, 0, nano(0)));
    check_recipients(&root.chain);
}

#[test]
fn ten_thousand_messages_down_are_applied_over_blocks_within_limits_in_order_and_once() {
    let mut chain = Chain::child();
    let subnet = chain.genesis.subnet.clone();
    let (mut next, mut blocks, mut gas_max) = (0, 0, 0);
    while next < COUNT {
        // As every child's node reads it from the queue: from the cursor on, as many as one block may apply.
        let count = (COUNT - next).min(CROSS_MESSAGES_PER_BLOCK_MAX as u64);
        let messages =
            (next..next + count).map(|nonce| top_down(&subnet, nonce, recipient(nonce), nano(nonce + 1))).collect();
        let output = chain.execute_update(update(100 + blocks, messages), vec![]);
        let applied = output.parent_update.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(applied.outcomes.len() as u64, count, "block {blocks}");
        let gas_used = output.receipts[0].gas_used;
        assert!(gas_used <= IMPLICIT_GAS_MAX, "block {blocks} takes {gas_used} gas");
        let expected: Vec<u64> = (next..next + count).collect();
        assert_eq!(delivered(&output), expected, "in order, and no other");
        gas_max = gas_max.max(gas_used);
        next += count;
        let cursor = chain.view().gateway().unwrap().parent.unwrap().next_nonce;
        assert_eq!(cursor.get(), next, "the cursor says where the next one goes on");
        blocks += 1;
    }
    println!("{COUNT} messages down in {blocks} blocks, at most {gas_max} gas of an update");
    assert_eq!(blocks, COUNT.div_ceil(CROSS_MESSAGES_PER_BLOCK_MAX as u64));
    check_recipients(&chain);
}
