//! A batch that no message to the parent has room for, drained slice by slice.

use std::ops::Range;

use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{DeliverBatchParams, checkpoint};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::hash::{encode, merkle_range_proof};
use subnet_types::limits::{MESSAGE_BYTES_MAX, SLICE_BYTES_MAX};
use subnet_types::{Digest, Nonce, Sequence};

use crate::common::accounts::{call, secp};
use crate::keys::Keys;
use crate::subnet::{Root, Subnet, alice, nano};

/// Who comes too late pays no more than delivering this many messages costs, whatever the slice: the bytes of it, mostly.
const TURNED_AWAY_MESSAGES_MAX: u64 = 3;

/// The recipient of the message with this nonce, which nobody has sent anything to before.
fn recipient(nonce: u64) -> Address {
    Address::new_secp256k1(&[[7; 57].as_slice(), &nonce.to_be_bytes()].concat()).unwrap()
}

/// `count` transfers up, each of another value to another recipient.
pub fn batch(root: &Root, subnet: &Subnet, count: u64, to: &dyn Fn(u64) -> Address) -> Vec<CrossMessage> {
    batch_from(subnet, root.state(subnet).next_batch_nonce.get(), count, to)
}

/// As [`batch`], from a nonce on.
pub fn batch_from(subnet: &Subnet, first: u64, count: u64, to: &dyn Fn(u64) -> Address) -> Vec<CrossMessage> {
    let message = |nonce| CrossMessage {
        id: Digest([1; 32]),
        origin: CrossAddress { subnet: subnet.name.clone(), address: secp(1) },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: subnet.name.parent().unwrap(), address: to(nonce) },
        value: nano(nonce + 1),
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: nano(0),
        expires: None,
        wants_receipt: false,
    };
    (first..first + count).map(message).collect()
}

/// The message with which `from` delivers the slice `range` of a batch.
pub fn delivery(
    root: &Root,
    subnet: &Subnet,
    from: Address,
    sequence: Sequence,
    batch: &[CrossMessage],
    range: Range<usize>,
) -> Message {
    let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
    let proof = merkle_range_proof(&leaves, range.start, range.end);
    let params = DeliverBatchParams { sequence, messages: batch[range].to_vec(), proof };
    let message = call(from, root.chain.nonce(&from), subnet.actor, checkpoint::DELIVER_BATCH, &params, nano(0));
    Message { gas_limit: 4_900_000_000, ..message }
}

#[test]
fn hundreds_of_messages_are_delivered_once_and_in_order_by_two_who_do_not_know_of_each_other() {
    const COUNT: usize = 600;
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    root.fund(&subnet, secp(1), nano(200_000));
    let batch = batch(&root, &subnet, COUNT as u64, &recipient);
    let bytes: usize = batch.iter().map(|message| encode(message).len()).sum();
    assert!(bytes > MESSAGE_BYTES_MAX, "{bytes} bytes fit one message");
    let checkpoint = root.next(&subnet, &batch);
    let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
    assert!(root.submit(&subnet, &params).exit_code.is_success());
    let custody = root.state(&subnet).custody;

    let submitters = [(alice(), 90), (Keys::of(1).owner, 50)];
    let (mut cursor, mut blocks, mut both) = (0, 0, 0);
    let (mut turned_away, mut delivering) = (Vec::new(), Vec::new());
    while cursor < COUNT {
        // Each makes its slice up from the state before the block, and each second time the shorter one comes first.
        let mut pair = submitters;
        if blocks % 2 == 1 {
            pair.reverse();
        }
        let messages = pair.map(|(from, length)| {
            let range = cursor..(cursor + length).min(COUNT);
            assert!(batch[range.clone()].iter().map(|message| encode(message).len()).sum::<usize>() <= SLICE_BYTES_MAX);
            delivery(&root, &subnet, from, checkpoint.sequence, &batch, range)
        });
        let output = root.send_all(messages.to_vec());
        let receipts = [0, 1].map(|index| output.message_receipt(index).unwrap().clone());
        assert!(receipts[0].exit_code.is_success(), "block {blocks}: exit {}", receipts[0].exit_code);
        let before = std::mem::replace(&mut cursor, root.state(&subnet).next_delivery_nonce.get() as usize);
        if receipts[1].exit_code.is_success() {
            both += 1;
        } else {
            assert!([180, 183].map(ExitCode::new).contains(&receipts[1].exit_code), "exit {}", receipts[1].exit_code);
            turned_away.push(receipts[1].gas_used);
            delivering.push(receipts[0].gas_used / (cursor - before) as u64);
        }
        for nonce in 0..COUNT as u64 {
            let expected = if nonce < cursor as u64 { nano(nonce + 1) } else { nano(0) };
            assert_eq!(root.chain.balance(&recipient(nonce)), expected, "message {nonce}, cursor {cursor}");
        }
        blocks += 1;
        assert!(blocks < 20, "no progress beyond {cursor}");
    }
    assert!(blocks > 3 && both > 0 && !turned_away.is_empty(), "{blocks} blocks, {both} of both, {turned_away:?}");
    println!(
        "{COUNT} messages in {blocks} blocks; turned away for {turned_away:?} gas, a message costs {delivering:?}"
    );
    for (gas, each) in turned_away.iter().zip(&delivering) {
        assert!(*gas < each * TURNED_AWAY_MESSAGES_MAX, "turned away for {gas}, a message costs {each}");
    }
    let state = root.state(&subnet);
    assert_eq!(state.undelivered_batches(&root.chain.store).unwrap(), []);
    assert_eq!((state.undelivered(), state.batch_reserved, state.custody), (0, nano(0), custody));
}
