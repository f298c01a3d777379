//! A child whose end is announced, and one that has ended.

use std::collections::BTreeSet;

use actor_runtime::{Runtime, SendReturn, decode_params, encode_params};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use gateway_actor::dispatch;
use subnet_types::actors::{
    COURIER_ID, ClaimParams, CloseChildParams, CloseChildReturn, CommitCheckpointParams, DeliverParams, DeliverReturn,
    EnqueueReturn, RefundChildParams, RefundReturn, SendParams, UnlockReturn, checkpoint, courier, gateway, refusal,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};

use crate::world::{
    ALICE, CHILD, ROBOT, RawOrUnit, World, as_receipt, at, call_to, child, child_address, down, f1, fil, nobody, root,
    transfer_to, up,
};

const OTHER: u64 = 201;

fn other_address() -> Address {
    Address::new_actor(b"other child")
}

fn code_of(message: &CrossMessage) -> u32 {
    match &message.kind {
        CrossKind::Receipt { exit_code, .. } => exit_code.value(),
        _ => panic!("{message:?} is no receipt"),
    }
}

#[test]
fn from_notice_on_only_answers_go_down() {
    let world = World::root_with_child();
    world.fund(10);
    assert_eq!(world.close(false), 1);
    let error = world.error(ALICE, 5, gateway::SEND, &transfer_to(at(child(), f1("bob"))));
    assert_eq!(error.exit_code, ExitCode::new(63), "{error}");
    let deeper = child().child(Address::new_actor(b"deeper")).unwrap();
    assert_eq!(world.error(ALICE, 5, gateway::SEND, &transfer_to(at(deeper, f1("bob")))).exit_code.value(), 63);

    // What it sends up is delivered, and what nobody takes is answered.
    assert_eq!(world.deliver(&up(0, 7)), ExitCode::OK);
    let lost = CrossMessage { destination: at(root(), nobody()), ..up(1, 9) };
    assert_eq!(world.deliver(&lost).value(), 119);
    let waiting = world.queued();
    assert_eq!((waiting.len(), code_of(&waiting[1]), waiting[1].value.clone()), (2, 119, fil(9)));
}

#[test]
fn message_of_another_chain_for_a_killed_subnet_is_answered_from_here() {
    for has_exited in [false, true] {
        let world = World::root_with_child();
        world.add_child(OTHER, other_address(), 0);
        world.close(has_exited);
        let sibling = root().child(other_address()).unwrap();
        let message =
            CrossMessage { origin: at(sibling, f1("carol")), destination: at(child(), f1("dave")), ..up(0, 8) };
        let params = DeliverParams { messages: vec![message] };
        let done: DeliverReturn = world.ok(OTHER, 8, gateway::DELIVER, &params);
        assert_eq!(done.outcomes, [refusal::KILLED_SUBNET]);
        let back = world.state().top_down(Runtime::store(&world.rt), OTHER, Nonce::ZERO, 9).unwrap();
        assert_eq!((back.len(), code_of(&back[0]), back[0].value.clone()), (1, 109, fil(8)));
    }
}

#[test]
fn after_the_end_nothing_goes_down_and_what_comes_up_is_delivered_or_kept_for_its_sender() {
    let world = World::root_with_child();
    world.close(true);
    let error = world.error(ALICE, 5, gateway::SEND, &transfer_to(at(child(), f1("bob"))));
    assert_eq!(error.exit_code, ExitCode::new(63));
    assert_eq!(world.deliver(&up(0, 7)), ExitCode::OK);
    assert_eq!(world.holds(f1("dave")), fil(7));
    let lost = CrossMessage { destination: at(root(), nobody()), ..up(1, 9) };
    assert_eq!(world.deliver(&lost).value(), 119);
    assert_eq!((world.kept(f1("carol")), world.queued().len()), (fil(9), 0));
    // Its sender has the key here, too.
    world.call(ALICE, 0, gateway::CLAIM, encode_params(&ClaimParams { address: f1("carol") }).unwrap()).unwrap();
    assert_eq!(world.holds(f1("carol")), fil(9));
}

#[test]
fn waiting_transfers_come_back_to_their_senders_in_order_and_once() {
    let world = World::root_with_child();
    for value in [10, 20, 30] {
        world.fund(value);
    }
    world.unlocking(1_000);
    assert_eq!(
        world.error(CHILD, 0, gateway::REFUND_CHILD, &RefundChildParams { messages_max: 9 }).exit_code.value(),
        76
    );
    assert_eq!(world.close(true), 3);
    let before = world.holds(f1("alice"));
    assert_eq!(world.refund(2), (2, 1));
    assert_eq!(world.holds(f1("alice")), &before + fil(30));
    assert_eq!(world.refund(9), (1, 0));
    assert_eq!(world.holds(f1("alice")), &before + fil(60));
    assert_eq!(world.refund(9), (0, 0));
    assert_eq!(world.holds(f1("alice")), before + fil(60));
    assert!(world.queued().is_empty());
}

#[test]
fn what_was_applied_is_not_refunded() {
    let world = World::root_with_child();
    for value in [10, 20] {
        world.fund(value);
    }
    let report = CommitCheckpointParams {
        top_down_applied: TopDownApplied { nonce: Nonce::new(1), parent_height: Height::new(1) },
        configuration: ConfigurationNumber::FIRST,
    };
    world.ok::<RawOrUnit>(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report);
    world.unlocking(1_000);
    assert_eq!(world.close(true), 1);
    let before = world.holds(f1("alice"));
    assert_eq!(world.refund(9), (1, 0));
    assert_eq!(world.holds(f1("alice")), before + fil(20));
}

#[test]
fn what_waits_is_known_in_all_wherever_the_child_stopped() {
    for applied in 0..=5 {
        let world = World::root_with_child();
        for value in [10, 30, 40, 50] {
            world.fund(value);
        }
        // One that brings a fee alone.
        let call = SendParams { fee: fil(7), ..call_to(at(child(), f1("bob")), 1_000) };
        world.ok::<EnqueueReturn>(ROBOT, 7, gateway::SEND, &call);
        let amounts = [10, 30, 40, 50, 7];
        let report = CommitCheckpointParams {
            top_down_applied: TopDownApplied { nonce: Nonce::new(applied), parent_height: Height::new(1) },
            configuration: ConfigurationNumber::FIRST,
        };
        world.ok::<RawOrUnit>(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report);
        let closed = world.close_and_count(true);
        let waiting: u64 = amounts[applied as usize..].iter().sum();
        assert_eq!((closed.unapplied, closed.amount), (5 - applied, fil(waiting)));
        world.unlocking(1_000);
        if applied < 5 {
            assert_eq!(world.refund(1), (1, 4 - applied));
            let closed = world.close_and_count(true);
            assert_eq!(closed.amount, fil(waiting - amounts[applied as usize]));
        }
    }
}

#[test]
fn actor_is_told_that_its_call_came_back() {
    let world = World::root_with_child();
    let call = SendParams { fee: fil(4), ..call_to(at(child(), f1("bob")), 1_000) };
    let sent: EnqueueReturn = world.ok(ROBOT, 54, gateway::SEND, &call);
    let store = || Runtime::store(&world.rt);
    assert!(world.state().pending_message(store(), &sent.id).unwrap().is_some());
    world.unlocking(1_000);
    world.close(true);
    world.sends();
    assert_eq!(world.refund(1), (1, 0));
    let sends = world.sends();
    let told: Vec<_> = sends.iter().filter(|(to, ..)| *to == Address::new_id(COURIER_ID)).collect();
    assert_eq!((told.len(), told[0].1), (1, courier::CARRY_RECEIPT));
    let paid = sends.iter().find(|(_, method, value)| *method == 0 && *value == fil(54));
    assert!(paid.is_some(), "value and fee come back: {sends:?}");
    assert!(world.state().pending_message(store(), &sent.id).unwrap().is_none());
}

#[test]
fn when_custody_is_short_the_first_are_paid_first_and_none_holds_up_the_others() {
    let world = World::root_with_child();
    for value in [10, 20, 30] {
        world.fund(value);
    }
    world.unlocking(25);
    world.close(true);
    let before = world.holds(f1("alice"));
    assert_eq!(world.refund(9), (3, 0));
    assert_eq!(world.holds(f1("alice")), before + fil(25));
}

#[test]
fn answer_that_waits_for_a_dead_subnet_is_kept_for_its_recipient() {
    let world = World::root_with_child();
    let lost = CrossMessage { destination: at(root(), nobody()), ..up(0, 9) };
    world.deliver(&lost);
    assert_eq!(code_of(&world.queued()[0]), 119);
    world.unlocking(1_000);
    world.close(true);
    assert_eq!(world.refund(9), (1, 0));
    assert_eq!(world.kept(f1("carol")), fil(9));
}

#[test]
fn messages_from_further_up_are_answered_upwards() {
    let world = World::subnet();
    let (id, actor) = (300, Address::new_actor(b"grandchild"));
    world.add_child(id, actor, 0);
    let grandchild = child().child(actor).unwrap();
    let message = CrossMessage { destination: at(grandchild, f1("dave")), ..down(0, 11) };
    assert_eq!(world.apply_all(vec![message]), [ExitCode::OK]);
    world.unlocking(1_000);
    let params = CloseChildParams { has_exited: true };
    world.ok::<CloseChildReturn>(id, 0, gateway::CLOSE_CHILD, &params);
    let done: RefundReturn = world.ok(id, 0, gateway::REFUND_CHILD, &RefundChildParams { messages_max: 9 });
    assert_eq!((done.refunded, done.left), (1, 0));
    let up = world.outbox();
    assert_eq!((up.len(), code_of(&up[0]), up[0].value.clone()), (1, 109, fil(11)));
    assert_eq!(up[0].destination, at(root(), f1("carol")));
}

#[test]
fn receipt_that_comes_for_a_dead_subnet_is_kept_here() {
    let world = World::root_with_child();
    world.add_child(OTHER, other_address(), 0);
    world.close(true);
    let sibling = root().child(other_address()).unwrap();
    let receipt = as_receipt(up(0, 6), f1("erin"), 0);
    let receipt = CrossMessage { origin: at(sibling, f1("carol")), destination: at(child(), f1("erin")), ..receipt };
    let params = DeliverParams { messages: vec![receipt] };
    let done: DeliverReturn = world.ok(OTHER, 6, gateway::DELIVER, &params);
    assert_eq!((done.outcomes, world.kept(f1("erin"))), (vec![refusal::KILLED_SUBNET], fil(6)));
}

#[test]
fn answers_that_leave_nothing_to_keep_are_passed_for_good() {
    let world = World::root_with_child();
    world.add_child(OTHER, other_address(), 0);
    let sibling = root().child(other_address()).unwrap();
    // A sibling's answer to an id of the child, which nobody has here, and many that bring nothing.
    let answer = |nonce: u64, value: u64, to: Address| {
        let receipt = as_receipt(up(nonce, value), to, 0);
        CrossMessage { origin: at(sibling.clone(), f1("mallory")), destination: at(child(), to), ..receipt }
    };
    let mut messages = vec![answer(0, 7, Address::new_id(1_234))];
    messages.extend((1..71).map(|nonce| answer(nonce, 0, f1("nobody"))));
    let count = messages.len() as u64;
    let done: DeliverReturn = world.ok(OTHER, 7, gateway::DELIVER, &DeliverParams { messages });
    assert!(done.outcomes.iter().all(|code| code.is_success()), "{:?}", done.outcomes);
    world.fund(10);
    world.unlocking(1_000);
    assert_eq!(world.close(true), count + 1);
    let (before, burnt) = (world.holds(f1("alice")), world.burnt());
    assert_eq!(world.refund(1), (1, count));
    assert_eq!(world.burnt(), &burnt + fil(7));
    // As many in a call as its gas is there for.
    let mut left = count;
    while left > 0 {
        let (refunded, then) = world.refund(64);
        assert!(refunded > 0 && then == left - refunded, "{refunded} of {left}, and {then} are left");
        left = then;
    }
    assert_eq!((world.holds(f1("alice")), world.burnt()), (before + fil(10), burnt + fil(7)));
}

#[test]
fn strangers_close_and_refund_nothing_and_too_little_gas_refunds_nothing() {
    let world = World::root_with_child();
    world.fund(10);
    let refund = RefundChildParams { messages_max: 1 };
    let close = CloseChildParams { has_exited: true };
    assert_eq!(world.error(ALICE, 0, gateway::CLOSE_CHILD, &close).exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(world.error(ALICE, 0, gateway::REFUND_CHILD, &refund).exit_code, ExitCode::USR_FORBIDDEN);
    world.unlocking(10);
    world.close(true);
    world.rt.set_gas(200_000_000, 0);
    assert_eq!(world.error(CHILD, 0, gateway::REFUND_CHILD, &refund).exit_code, ExitCode::new(77));
    world.rt.set_gas(300_000_000, 0);
    assert_eq!(world.refund(9), (1, 0));
}

#[test]
fn refund_that_runs_out_of_gas_changes_nothing_and_goes_through_with_more() {
    // What sends cost is not the gateway's to know: here up to far more than it reckons with.
    for per_send in [0, 20_000_000, 60_000_000, 150_000_000] {
        let world = World::root_with_child();
        for _ in 0..3 {
            world.ok::<EnqueueReturn>(ROBOT, 5, gateway::SEND, &call_to(at(child(), f1("bob")), 1_000));
        }
        world.unlocking(1_000_000);
        assert_eq!(world.close(true), 3);
        let (mut gas, mut refusals) = (50_000_000, BTreeSet::new());
        let mut left = 3;
        while left > 0 {
            world.rt.set_gas(gas, per_send);
            let before = world.state();
            let params = encode_params(&RefundChildParams { messages_max: 3 }).unwrap();
            match world.call(CHILD, 0, gateway::REFUND_CHILD, params) {
                Ok(done) => {
                    let done: RefundReturn = decode_params(done).unwrap();
                    assert!(done.refunded > 0 && done.left == left - done.refunded);
                    left = done.left;
                }
                Err(error) => {
                    refusals.insert(error.exit_code.value());
                    assert_eq!(world.state(), before, "{error}");
                    gas += 10_000_000;
                    assert!(gas < 2_000_000_000, "no gas is enough: {error}");
                }
            }
        }
        // Too little to begin with, and too little when the sender was to be told.
        assert!(refusals.iter().all(|code| [72, 77].contains(code)) && refusals.contains(&77), "{refusals:?}");
        assert_eq!(refusals.contains(&72), per_send == 150_000_000, "{per_send}: {refusals:?}");
        assert!(world.state().all_pending_messages(Runtime::store(&world.rt)).unwrap().is_empty());
    }
}

#[test]
fn refund_does_not_nest() {
    let world = World::root_with_child();
    let call = call_to(at(child(), f1("bob")), 1_000);
    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::SEND, &call);
    world.close(true);
    world.rt.answer_with(|rt, sent| {
        if sent.method == checkpoint::UNLOCK {
            let amount = fil(0);
            let return_data = encode_params(&UnlockReturn { amount }).unwrap();
            return Some(SendReturn { exit_code: ExitCode::OK, return_data });
        }
        let again = encode_params(&RefundChildParams { messages_max: 1 }).unwrap();
        let error = rt.call(dispatch, CHILD, &fil(0), gateway::REFUND_CHILD, again).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(60));
        Some(SendReturn::ok())
    });
    assert_eq!(world.refund(1), (1, 0));
    assert_eq!(world.child().actor, child_address());
}
