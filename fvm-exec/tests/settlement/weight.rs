//! What the heaviest messages cost where they arrive: no weight that somebody else brings may hold up a chain, and every
//! message that a door has let in can be delivered.

use cross_caller::{Conduct, METHOD_START, StartParams, Status, served};
use fvm_ipld_encoding::{CborStore, RawBytes};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{CallParams, GATEWAY_ID, SendParams, gateway, refusal};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage, message_id};
use subnet_types::hash::encode;
use subnet_types::limits::{
    CROSS_CALL_GAS_MAX, CROSS_MESSAGE_BYTES_MAX, CROSS_RETURN_BYTES_MAX, IMPLICIT_GAS_MAX, SUBNET_DEPTH_MAX,
};
use subnet_types::{Nonce, SubnetId};

use crate::common::accounts::{call, secp};
use crate::common::chain::Chain;
use crate::common::parent::{top_down, update};
use crate::keys::Keys;
use crate::slices::{batch, delivery};
use crate::subnet::{Root, Subnet, alice, nano};

/// Parameters that make a call from `from` to `to` as large as a message may be, on every edge.
fn largest() -> RawBytes {
    RawBytes::new(vec![7; CROSS_MESSAGE_BYTES_MAX - 700])
}

fn largest_call() -> CrossKind {
    CrossKind::Call { method: 2, params: largest() }
}

/// An address that nobody has, with the longest payload there is.
fn nobody(index: u64) -> Address {
    Address::new_delegated(99, &[[index as u8; 46].as_slice(), &index.to_be_bytes()].concat()).unwrap()
}

/// The longest name below `subnet`.
fn deepest_below(subnet: &SubnetId) -> SubnetId {
    (subnet.route().len()..SUBNET_DEPTH_MAX - 1).fold(subnet.clone(), |subnet, _| subnet.child(nobody(7)).unwrap())
}

/// Settles these messages in a checkpoint of the subnet. Returns the gas.
fn settle(root: &mut Root, subnet: &Subnet, messages: &[CrossMessage]) -> u64 {
    let checkpoint = root.next(subnet, messages);
    let params = root.submission(subnet, &checkpoint, &[1, 2, 3], messages);
    let from = alice();
    let method = subnet_types::actors::checkpoint::SUBMIT_CHECKPOINT;
    let message = call(from, root.chain.nonce(&from), subnet.actor, method, &params, nano(0));
    let output = root.send_all(vec![Message { gas_limit: 9_000_000_000, ..message }]);
    let receipt = output.message_receipt(0).unwrap();
    assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
    assert_eq!(root.state(subnet).undelivered(), 0);
    receipt.gas_used
}

/// The answer of the subnet to a message that was sent there from the root.
fn answer(root: &Root, subnet: &Subnet, sent: &CrossMessage, exit_code: ExitCode, data: RawBytes) -> CrossMessage {
    let of = sent.id;
    let kind = CrossKind::Receipt { of, of_sequence: sent.origin_sequence, exit_code, return_data: data };
    let value = if exit_code.is_success() { nano(0) } else { sent.value.clone() };
    let [template] = batch(root, subnet, 1, &|_| secp(1)).try_into().unwrap();
    CrossMessage { origin: sent.destination.clone(), destination: sent.origin.clone(), value, kind, ..template }
}

fn queued(root: &Root, subnet: &Subnet) -> Vec<CrossMessage> {
    root.chain.view().gateway().unwrap().top_down(&root.chain.store, subnet.id, Nonce::ZERO, 100_000).unwrap()
}

/// A subnet of a subnet: the middle chain, whose parent the test plays, and its child.
fn middle() -> (Root, Subnet) {
    let mut middle = Root { chain: Chain::child() };
    let subnet = middle.chain.genesis.subnet.clone();
    let rich = [alice()].into_iter().chain((1..=4).map(|seed| Keys::of(seed).owner));
    let funding = rich.zip(0..).map(|(to, nonce)| top_down(&subnet, nonce, to, TokenAmount::from_whole(1_000)));
    let output = middle.chain.execute_update(update(6, funding.collect()), vec![]);
    assert!(matches!(output.parent_update, Some(Ok(_))), "{:?}", output.parent_update);
    let child = middle.active(4);
    (middle, child)
}

#[test]
fn largest_messages_for_a_grandchild_pass_and_hold_nothing_up() {
    let (mut middle, child) = middle();
    let first = middle.chain.view().gateway().unwrap().parent.unwrap().next_nonce.get();
    let waiting = queued(&middle, &child).len();
    let mut messages = Vec::new();
    for nonce in first..first + 64 {
        let template = top_down(&child.name, nonce, nobody(nonce), nano(1));
        messages.push(CrossMessage { kind: largest_call(), ..template });
    }
    let output = middle.chain.execute_update(update(7, messages), vec![]);
    let gas = output.receipts[0].gas_used;
    println!("64 of the largest messages go on to a child: {:.1} M gas", gas as f64 / 1e6);
    let outcomes = output.parent_update.unwrap().unwrap().outcomes;
    assert_eq!(outcomes, [ExitCode::OK; 64]);
    assert_eq!(queued(&middle, &child).len(), waiting + 64);
    assert!(gas < IMPLICIT_GAS_MAX / 2, "{gas}");
    middle.check();
}

#[test]
fn call_with_all_the_gas_that_a_call_may_have_is_delivered() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    for gas_limit in [100_000_000, 610_000_000, CROSS_CALL_GAS_MAX] {
        let before = root.chain.balance(&secp(50));
        let mut messages = batch(&root, &subnet, 2, &|_| secp(50));
        for message in &mut messages {
            message.kind = largest_call();
            (message.value, message.gas_limit) = (nano(10), gas_limit);
        }
        // One comes with the checkpoint, the other in a slice.
        let checkpoint = root.next(&subnet, &messages);
        let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
        assert!(root.submit(&subnet, &params).exit_code.is_success());
        for range in [0..1, 1..2] {
            let message = delivery(&root, &subnet, alice(), checkpoint.sequence, &messages, range);
            let output = root.send_all(vec![message]);
            assert!(output.message_receipt(0).unwrap().exit_code.is_success());
        }
        settle(&mut root, &subnet, &[]);
        assert_eq!(root.chain.balance(&secp(50)) - before, nano(20), "{gas_limit} gas");
        assert_eq!((root.state(&subnet).undelivered(), root.state(&subnet).unclaimed.clone()), (0, nano(0)));
    }
}

#[test]
fn call_that_loops_with_all_its_gas_is_answered() {
    let mut root = Root::with_keys(4);
    let state = cross_caller::State::new(&root.chain.store).unwrap();
    root.chain.place("robot", test_actors::CROSS_CALLER.wasm, &state);
    let subnet = root.active(4);
    let mut messages = batch(&root, &subnet, 1, &|_| Address::new_actor(b"robot"));
    messages[0].kind = CrossKind::Call { method: served::LOOP, params: RawBytes::new(encode(&0u64)) };
    messages[0].gas_limit = CROSS_CALL_GAS_MAX;
    let gas = settle(&mut root, &subnet, &messages);
    assert!(gas > CROSS_CALL_GAS_MAX, "{gas}");
    assert_eq!(root.state(&subnet).unclaimed, nano(0));
    let last = queued(&root, &subnet).pop().unwrap();
    assert!(
        matches!(last.kind, CrossKind::Receipt { exit_code: refusal::OUT_OF_GAS, .. }) && last.value == nano(1),
        "{last:?}"
    );
}

/// Calls from `from` on the root to the subnet farthest below `subnet` that a name can say, all of value zero.
fn outstanding(root: &mut Root, subnet: &Subnet, count: u64) {
    let gateway_address = Address::new_id(GATEWAY_ID);
    let from = alice();
    for block in 0..count.div_ceil(30) {
        let nonce = root.chain.nonce(&from);
        let messages = (0..30.min(count - block * 30)).map(|index| {
            let to = CrossAddress { subnet: deepest_below(&subnet.name), address: nobody(index) };
            let params = CallParams { method: 2, params: RawBytes::default(), gas_limit: 0 };
            let params = SendParams { to, call: Some(params), fee: nano(0), expires: None, wants_receipt: true };
            let message = call(from, nonce + index, gateway_address, gateway::SEND, &params, nano(0));
            Message { gas_limit: 330_000_000, ..message }
        });
        let output = root.chain.execute(messages.collect());
        for receipt in &output.receipts {
            assert!(receipt.exit_code.is_success(), "exit {} with {} gas", receipt.exit_code, receipt.gas_used);
        }
        let dearest = output.receipts.iter().map(|receipt| receipt.gas_used).max().unwrap();
        println!(
            "{} wait for answers; the dearest of the last took {:.1} M gas",
            (block + 1) * 30,
            dearest as f64 / 1e6
        );
    }
    root.check();
}

#[test]
fn answers_reach_actors_however_many_others_wait_for_theirs() {
    let mut root = Root::with_keys(4);
    let state = cross_caller::State::new(&root.chain.store).unwrap();
    let robot = root.chain.place("robot", test_actors::CROSS_CALLER.wasm, &state);
    let subnet = root.active(4);
    let mut figures = Vec::new();
    for number in 0..3u64 {
        let start = StartParams {
            to: CrossAddress { subnet: subnet.name.clone(), address: secp(1) },
            method: 2,
            params: RawBytes::default(),
            value: nano(5),
            fee: nano(0),
            gas_limit: 1_000_000,
            expires: None,
            conduct: Conduct::Take,
        };
        root.ok(alice(), Address::new_actor(b"robot"), METHOD_START, &start, nano(5));
        let sent = queued(&root, &subnet).pop().unwrap();
        assert_eq!(sent.id, message_id(&root.chain.genesis.identity(), &sent.origin.address, sent.origin_sequence));
        outstanding(&mut root, &subnet, [0, 60, 300][number as usize]);
        let (code, data) = match number {
            0 => (ExitCode::new(100), RawBytes::default()),
            _ => (ExitCode::OK, RawBytes::new(vec![1; CROSS_RETURN_BYTES_MAX])),
        };
        let receipt = answer(&root, &subnet, &sent, code, data);
        let gas = settle(&mut root, &subnet, &[receipt]);
        figures.push(gas);
        println!("a receipt for an actor, with its checkpoint: {:.1} M gas", gas as f64 / 1e6);
        assert_eq!(root.state(&subnet).unclaimed, nano(0), "the gateway took it");
        let actor = root.chain.view().actor(robot).unwrap().unwrap();
        let state: cross_caller::State = root.chain.store.get_cbor(&actor.state).unwrap().unwrap();
        let status = state.call(&root.chain.store, number).unwrap().status;
        assert_ne!(status, Status::Waiting, "the actor was told of {number}");
    }
    assert!(figures[2] < 2 * figures[0], "{figures:?}");
}
