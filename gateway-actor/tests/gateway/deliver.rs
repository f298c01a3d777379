//! Bottom-up messages: credited, refused with a receipt, or kept unclaimed.

use actor_runtime::mock::code as code_of;
use actor_runtime::{Runtime, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::SubnetId;
use subnet_types::actors::{ClaimParams, DeliverParams, GATEWAY_ID, checkpoint, gateway, refusal};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::limits::CROSS_CALL_GAS_MAX;
use subnet_types::quantity::{Height, Nonce};

use crate::world::{ALICE, CHILD, World, amount, as_call, as_receipt, child, child_address, f1, fil, nobody, root, up};

fn one(message: &CrossMessage) -> DeliverParams {
    DeliverParams { messages: vec![message.clone()] }
}

fn deliver(world: &World, message: &CrossMessage) -> ExitCode {
    world.deliver(message)
}

#[test]
fn transfer_is_credited() {
    let world = World::root_with_child();
    assert_eq!(deliver(&world, &up(0, 5)), ExitCode::OK);
    assert_eq!(world.sends(), vec![(f1("dave"), METHOD_SEND, fil(5))]);
    assert!(world.queued().is_empty());
}

#[test]
fn only_a_registered_child_delivers_and_with_the_exact_amount() {
    let world = World::root_with_child();
    assert_eq!(world.error(ALICE, 5, gateway::DELIVER, &one(&up(0, 5))).exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(world.error(CHILD, 4, gateway::DELIVER, &one(&up(0, 5))).exit_code, ExitCode::new(49));
    assert_eq!(world.error(CHILD, 6, gateway::DELIVER, &one(&up(0, 5))).exit_code, ExitCode::new(49));
    let mut negative = up(0, 5);
    negative.value = -fil(5);
    assert_eq!(world.error(CHILD, 0, gateway::DELIVER, &one(&negative)).exit_code, ExitCode::new(58));
    let mut hidden = DeliverParams { messages: vec![up(0, 10), negative] };
    hidden.messages[1].nonce = Nonce::new(1);
    assert_eq!(world.error(CHILD, 5, gateway::DELIVER, &hidden).exit_code, ExitCode::new(58), "hidden by the sum");
}

#[test]
fn messages_of_one_call_are_in_nonce_order_without_a_gap() {
    let world = World::root_with_child();
    let refused = |messages: Vec<CrossMessage>| {
        let value = messages.iter().map(amount).sum();
        world.error(CHILD, value, gateway::DELIVER, &DeliverParams { messages }).exit_code.value()
    };
    assert_eq!(refused(vec![up(3, 1), up(5, 1)]), 71);
    assert_eq!(refused(vec![up(3, 1), up(3, 1)]), 71);
    assert_eq!(refused(vec![up(3, 1), up(2, 1)]), 71);
    assert_eq!(refused(vec![up(u64::MAX, 1)]), 71);
    assert_eq!(world.deliver_all(&[up(3, 1), up(4, 1)]), vec![ExitCode::OK; 2]);
    assert!(world.deliver_all(&[]).is_empty());
}

#[test]
fn run_of_transfers_costs_one_reading_and_no_writing_of_the_state() {
    let world = World::root_with_child();
    let before = world.rt.state_root().unwrap();
    let run: Vec<_> = (0..50).map(|nonce| up(nonce, 1 + nonce)).collect();
    assert_eq!(world.deliver_all(&run), vec![ExitCode::OK; 50]);
    assert_eq!(world.rt.state_root().unwrap(), before);
    let sends = world.sends();
    assert_eq!(sends, (0..50).map(|nonce| (f1("dave"), METHOD_SEND, fil(1 + nonce))).collect::<Vec<_>>());
}

#[test]
fn what_goes_back_of_a_run_is_locked_in_one_go() {
    let world = World::root_with_child();
    let lost = |nonce| {
        let mut message = up(nonce, 5);
        message.destination.address = nobody();
        message
    };
    let missing = refusal::NO_DESTINATION;
    assert_eq!(world.deliver_all(&[lost(0), up(1, 1), lost(2)]), vec![missing, ExitCode::OK, missing]);
    assert_eq!(world.queued().len(), 2);
    assert_eq!(world.sends().pop().unwrap(), (Address::new_id(CHILD), checkpoint::LOCK, fil(10)));
}

#[test]
fn refused_message_sends_its_value_back_with_a_receipt_and_its_reason() {
    type Change = fn(&mut CrossMessage);
    let cases: [(ExitCode, Change); 10] = [
        (refusal::GAS_LIMIT, |m| {
            *m = as_call(m.clone());
            m.gas_limit = CROSS_CALL_GAS_MAX + 1;
        }),
        (refusal::EXPIRED, |m| m.expires = Some(Height::new(5))),
        (refusal::RECIPIENT, |m| m.destination.address = Address::new_id(ALICE)),
        (refusal::FORBIDDEN, |m| m.destination.address = child_address()),
        (refusal::FORBIDDEN, |m| m.destination.address = f1("system")),
        (refusal::FORBIDDEN, |m| {
            *m = as_call(m.clone());
            m.destination.address = child_address();
        }),
        (refusal::UNKNOWN_SUBNET, |m| m.destination.subnet = SubnetId::root(314).child(nobody()).unwrap()),
        (refusal::NO_ROUTE, |m| m.destination.subnet = SubnetId::root(315)),
        (refusal::WRONG_DIRECTION, |m| m.destination.subnet = child()),
        (refusal::NO_DESTINATION, |m| m.destination.address = nobody()),
    ];
    for (nonce, (code, change)) in cases.into_iter().enumerate() {
        let world = World::root_with_child();
        world.rt.add_actor(GATEWAY_ID, code_of("gateway"), Some(f1("system")));
        let mut message = up(nonce as u64, 5);
        change(&mut message);
        assert_eq!(deliver(&world, &message), code);
        let receipt = world.queued().pop().unwrap();
        assert_eq!((receipt.destination, receipt.value), (message.origin.clone(), message.amount()));
        let expected = CrossKind::Receipt {
            of: message.id,
            of_sequence: message.origin_sequence,
            exit_code: code,
            return_data: RawBytes::default(),
        };
        assert_eq!(receipt.kind, expected);
        let last = world.sends().pop().unwrap();
        assert_eq!(last, (Address::new_id(CHILD), checkpoint::LOCK, message.amount()), "{code:?}");
    }
}

#[test]
fn message_expires_at_its_height_and_not_before() {
    let world = World::root_with_child();
    let mut message = up(0, 5);
    message.expires = Some(Height::new(6));
    assert_eq!(deliver(&world, &message), ExitCode::OK);
    world.rt.set_block(6, 0);
    assert_eq!(deliver(&world, &message), refusal::EXPIRED);
}

#[test]
fn forged_origin_goes_back_without_a_receipt() {
    let world = World::root_with_child();
    let sibling = SubnetId::root(314).child(Address::new_actor(b"sibling")).unwrap();
    for subnet in [root(), sibling, SubnetId::root(1)] {
        let mut message = up(0, 5);
        message.origin.subnet = subnet;
        assert_eq!(deliver(&world, &message), refusal::FORGED_ORIGIN);
        assert_eq!(world.sends(), vec![(Address::new_id(CHILD), checkpoint::LOCK, fil(5))]);
        assert!(world.queued().is_empty());
    }
    let mut below = up(0, 5);
    below.origin.subnet = child().child(Address::new_actor(b"grandchild")).unwrap();
    assert_eq!(deliver(&world, &below), ExitCode::OK, "a grandchild is inside the child's subtree");
}

#[test]
fn unclaimed_value_is_credited_once_that_can_work() {
    let world = World::root_with_child();
    let stranded = as_receipt(up(0, 7), nobody(), 0);
    assert_eq!(deliver(&world, &stranded), refusal::RECEIPT_UNKNOWN);
    deliver(&world, &stranded);
    let claim = ClaimParams { address: nobody() };
    assert_eq!(world.error(ALICE, 0, gateway::CLAIM, &claim).exit_code, ExitCode::new(62), "still nobody there");

    world.rt.add_actor(300, code_of("account"), Some(nobody()));
    world.call(ALICE, 0, gateway::CLAIM, encode_params(&claim).unwrap()).unwrap();
    assert_eq!(world.rt.balance_of(300), fil(14));
    assert_eq!(world.error(ALICE, 0, gateway::CLAIM, &claim).exit_code, ExitCode::new(61));
}

#[test]
fn every_refusal_has_words() {
    for code in 100..=refusal::QUEUE_FULL.value() {
        assert!(refusal::describe(ExitCode::new(code)).is_some(), "{code}");
    }
    assert_eq!(refusal::describe(ExitCode::OK), None);
}
