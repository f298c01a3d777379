//! Receipts at the chain that sent: each counts once, from where it may come, with what was sent at most.

use actor_runtime::{Runtime, SendReturn};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::Digest;
use subnet_types::actors::{COURIER_ID, CarryReceiptParams, EnqueueReturn, SendParams, courier, gateway, refusal};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::limits::CROSS_RECEIPT_GAS;

use crate::world::{ALICE, ROBOT, World, as_receipt, at, call_to, child, f1, fil, nobody, root, transfer_to, up};

/// The receipt of the message with this origin sequence, from the child's bob to `to`.
fn receipt(nonce: u64, value: u64, to: Address, of_sequence: u64, code: u32) -> CrossMessage {
    let mut receipt = as_receipt(up(nonce, value), to, of_sequence);
    receipt.origin.address = f1("bob");
    if let CrossKind::Receipt { exit_code, .. } = &mut receipt.kind {
        *exit_code = ExitCode::new(code);
    }
    receipt
}

fn robot() -> Address {
    Address::new_id(ROBOT)
}

#[test]
fn refused_transfer_comes_back_once() {
    let world = World::root_with_child();
    world.fund(5);
    assert_eq!(world.deliver(&receipt(0, 5, f1("alice"), 0, 106)), ExitCode::OK);
    assert_eq!(world.holds(f1("alice")), fil(5));
    assert!(world.state().is_settled(world.rt.store(), 0).unwrap());
    assert_eq!(world.deliver(&receipt(1, 5, f1("alice"), 0, 106)), refusal::RECEIPT_REPEATED);
    assert_eq!((world.holds(f1("alice")), world.kept(f1("alice"))), (fil(5), fil(5)));
}

#[test]
fn receipt_for_what_was_never_sent_credits_nobody() {
    let world = World::root_with_child();
    assert_eq!(world.deliver(&receipt(0, 5, f1("alice"), 0, 106)), refusal::RECEIPT_UNKNOWN, "not sent yet");
    world.fund(5);
    let mut another = receipt(1, 5, f1("alice"), 0, 106);
    another.destination.address = f1("mallory");
    assert_eq!(world.deliver(&another), refusal::RECEIPT_UNKNOWN, "another's message");
    assert_eq!(world.deliver(&receipt(2, 5, f1("alice"), 1, 106)), refusal::RECEIPT_UNKNOWN, "a later one");
    let mut forged = receipt(3, 5, f1("alice"), 0, 106);
    if let CrossKind::Receipt { of, .. } = &mut forged.kind {
        *of = Digest([3; 32]);
    }
    assert_eq!(world.deliver(&forged), refusal::RECEIPT_UNKNOWN, "a forged id");
    assert_eq!(world.deliver(&receipt(4, 0, f1("alice"), 0, 0)), refusal::RECEIPT_UNKNOWN, "success of a transfer");
    assert_eq!((world.kept(f1("alice")), world.kept(f1("mallory"))), (fil(15), fil(5)));
    assert!(world.queued().iter().all(|message| matches!(message.kind, CrossKind::Transfer)), "no receipt for any");
    assert_eq!(world.deliver(&receipt(5, 5, f1("alice"), 0, 106)), ExitCode::OK, "none of them used the right one up");
}

#[test]
fn receipt_is_answered_by_nothing() {
    let world = World::root_with_child();
    let refused = CrossMessage { destination: at(root(), nobody()), ..up(0, 5) };
    assert_ne!(world.deliver(&refused), ExitCode::OK);
    let ours = world.queued().pop().unwrap();
    assert!(matches!(ours.kind, CrossKind::Receipt { .. }));
    let mut answer = receipt(1, 5, ours.origin.address, ours.origin_sequence, 106);
    if let CrossKind::Receipt { of, .. } = &mut answer.kind {
        *of = ours.id;
    }
    assert_eq!(world.deliver(&answer), refusal::RECEIPT_REPEATED);
}

#[test]
fn answer_comes_from_the_destination_and_a_refusal_from_the_way_only() {
    let world = World::root_with_child();
    let grandchild = child().child(Address::new_actor(b"grandchild")).unwrap();
    let deeper = grandchild.child(Address::new_actor(b"deeper")).unwrap();
    let asking = SendParams { wants_receipt: true, ..transfer_to(at(grandchild.clone(), f1("bob"))) };
    world.ok::<EnqueueReturn>(ALICE, 5, gateway::SEND, &asking);
    let from = |nonce, subnet, value, code| {
        let mut receipt = receipt(nonce, value, f1("alice"), 0, code);
        receipt.origin.subnet = subnet;
        receipt
    };
    assert_eq!(world.deliver(&from(0, child(), 0, 0)), refusal::RECEIPT_SENDER, "success from the middle");
    assert_eq!(world.deliver(&from(1, deeper, 0, 9)), refusal::RECEIPT_SENDER, "a refusal from beyond");
    let mut other = from(2, grandchild.clone(), 0, 0);
    other.origin.address = f1("mallory");
    assert_eq!(world.deliver(&other), refusal::RECEIPT_SENDER, "another address");
    assert_eq!(world.deliver(&from(3, child(), 5, 108)), ExitCode::OK, "a refusal from the middle");
    assert_eq!(world.deliver(&from(4, grandchild, 0, 0)), refusal::RECEIPT_REPEATED);
    assert!(world.state().all_pending_messages(world.rt.store()).unwrap().is_empty());
}

#[test]
fn forged_refusal_moves_the_forgers_money_and_touches_no_recorded_message() {
    let world = World::root_with_child();
    world.fund(5);
    world.ok::<EnqueueReturn>(ALICE, 7, gateway::SEND, &asking_child());
    // Anybody can make the id of a number and an address.
    assert_eq!(world.deliver(&receipt(0, 9, f1("mallory"), 1, 106)), refusal::RECEIPT_REPEATED);
    assert_eq!((world.holds(f1("mallory")), world.kept(f1("mallory"))), (fil(0), fil(9)));
    assert_eq!(world.deliver(&receipt(1, 7, f1("alice"), 1, 106)), ExitCode::OK, "the true one counts");

    // A plain transfer has no record: the forger pays, and the true refusal is kept for the sender to claim.
    assert_eq!(world.deliver(&receipt(2, 9, f1("mallory"), 0, 106)), ExitCode::OK);
    assert_eq!(world.deliver(&receipt(3, 5, f1("alice"), 0, 106)), refusal::RECEIPT_REPEATED);
    assert_eq!((world.holds(f1("alice")), world.kept(f1("alice"))), (fil(7), fil(5)));
}

fn asking_child() -> SendParams {
    SendParams { wants_receipt: true, ..transfer_to(at(child(), f1("bob"))) }
}

#[test]
fn receipt_brings_no_more_than_was_sent() {
    let world = World::root_with_child();
    let params = SendParams { fee: fil(2), ..asking_child() };
    world.ok::<EnqueueReturn>(ALICE, 7, gateway::SEND, &params);
    assert_eq!(world.deliver(&receipt(0, 8, f1("alice"), 0, 9)), refusal::RECEIPT_VALUE);
    assert_eq!((world.holds(f1("alice")), world.kept(f1("alice"))), (fil(0), fil(8)));
    assert_eq!(world.deliver(&receipt(1, 7, f1("alice"), 0, 9)), ExitCode::OK);
}

#[test]
fn actors_are_credited_first_and_then_told_by_the_courier() {
    let world = World::root_with_child();
    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::SEND, &call_to(at(child(), f1("bob")), 1_000));
    world.rt.take_sends();
    world.rt.answer(COURIER_ID, courier::CARRY_RECEIPT, SendReturn::ok());
    let receipt = receipt(0, 5, robot(), 0, 33);
    let CrossKind::Receipt { of, .. } = receipt.kind.clone() else { unreachable!() };
    assert_eq!(world.deliver(&receipt), ExitCode::OK);
    let sends = world.rt.take_sends();
    assert_eq!((sends[0].to, sends[0].method, sends[0].value.clone()), (robot(), METHOD_SEND, fil(5)));
    assert_eq!((sends[1].to, sends[1].method), (Address::new_id(COURIER_ID), courier::CARRY_RECEIPT));
    assert!(sends[1].gas_limit.unwrap() >= CROSS_RECEIPT_GAS);
    let told: CarryReceiptParams = actor_runtime::decode_params(sends[1].params.clone()).unwrap();
    assert_eq!((told.to, told.receipt.of, told.receipt.from), (robot(), of, at(child(), f1("bob"))));
    assert_eq!((told.receipt.exit_code.value(), told.receipt.value, told.receipt.fee), (33, fil(5), fil(0)));
}

#[test]
fn nobody_can_tell_an_actor_that_its_plain_transfer_was_refused() {
    let world = World::root_with_child();
    let plain = SendParams { wants_receipt: false, ..transfer_to(at(child(), f1("bob"))) };
    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::SEND, &plain);
    world.sends();
    // It was delivered, and the child that has it says otherwise; a true refusal looks the same.
    assert_eq!(world.deliver(&receipt(0, 2, robot(), 0, 106)), ExitCode::OK);
    assert_eq!(world.sends(), vec![(robot(), METHOD_SEND, fil(2))], "the value, and no word of it");
}

#[test]
fn what_the_told_actor_does_changes_nothing() {
    for answer in [SendReturn::failed(ExitCode::SYS_OUT_OF_GAS), SendReturn::failed(ExitCode::USR_FORBIDDEN)] {
        let world = World::root_with_child();
        world.ok::<EnqueueReturn>(ROBOT, 5, gateway::SEND, &call_to(at(child(), f1("bob")), 1_000));
        world.rt.answer(COURIER_ID, courier::CARRY_RECEIPT, answer);
        assert_eq!(world.deliver(&receipt(0, 5, robot(), 0, 33)), ExitCode::OK);
        assert_eq!(world.rt.balance_of(ROBOT), fil(5));
        assert_eq!(world.deliver(&receipt(1, 5, robot(), 0, 33)), refusal::RECEIPT_REPEATED);
    }
}

#[test]
fn receipt_for_accounts_runs_no_code() {
    let world = World::root_with_child();
    world.fund(5);
    world.rt.take_sends();
    world.deliver(&receipt(0, 5, f1("alice"), 0, 106));
    assert_eq!(world.sends(), vec![(f1("alice"), METHOD_SEND, fil(5))]);
}

#[test]
fn receipt_that_cannot_be_credited_or_go_on_is_kept() {
    let world = World::root_with_child();
    let elsewhere = root().child(Address::new_actor(b"elsewhere")).unwrap();
    let mut lost = receipt(0, 5, f1("alice"), 0, 9);
    lost.destination.subnet = elsewhere.clone();
    assert_eq!(world.deliver(&lost), refusal::UNKNOWN_SUBNET);
    assert_eq!(world.kept(f1("alice")), fil(5));
    // An id of another chain is somebody else here.
    let mut lost = receipt(1, 6, Address::new_id(ROBOT), 0, 9);
    lost.destination.subnet = elsewhere;
    assert_eq!(world.deliver(&lost), refusal::UNKNOWN_SUBNET);
    assert_eq!((world.kept(Address::new_id(ROBOT)), world.burnt()), (fil(0), fil(6)));

    let mut state = world.state();
    state.next_origin_sequence = 2;
    world.rt.save_state(&state).unwrap();
    assert_eq!(world.deliver(&receipt(2, 7, nobody(), 0, 9)), refusal::NO_DESTINATION);
    assert_eq!(world.deliver(&receipt(3, 8, Address::new_id(99), 1, 9)), refusal::FORBIDDEN);
    assert_eq!((world.kept(nobody()), world.kept(Address::new_id(99))), (fil(7), fil(8)));
    assert!(world.queued().is_empty(), "a receipt never makes a receipt");
}
