//! What messages pay on their way.

use actor_runtime::{Runtime, encode_params};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use gateway_actor::dispatch;
use subnet_types::actors::{COURIER_ID, DeliverParams, SYSTEM_ID, checkpoint, courier, gateway, refusal};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::limits::CROSS_HOP_GAS;

use crate::world::{ALICE, CHILD, World, amount, as_call, as_receipt, child, down, f1, fil, returned, root, up};

/// What one hop of a transfer takes at price 1.
const HOP: u64 = CROSS_HOP_GAS;

fn with_fee(message: CrossMessage, fee: u64) -> CrossMessage {
    CrossMessage { fee: fil(fee), ..message }
}

#[test]
fn bottom_up_the_submitter_is_paid_and_the_rest_of_a_transfer_is_burned() {
    let world = World::root_with_child_at(1);
    assert_eq!(world.deliver_all(&[with_fee(up(0, 5), HOP), with_fee(up(1, 5), HOP + 9)]), vec![ExitCode::OK; 2]);
    let dave = (f1("dave"), METHOD_SEND, fil(5));
    let paid = (Address::new_id(CHILD), METHOD_SEND, fil(2 * HOP));
    let burned = (Address::new_id(99), METHOD_SEND, fil(9));
    assert_eq!(world.sends(), vec![dave.clone(), dave, paid, burned]);
}

#[test]
fn submitter_is_who_signed_and_not_who_called() {
    let world = World::root_with_child_at(1);
    let message = with_fee(up(0, 5), HOP);
    let params = encode_params(&DeliverParams { messages: vec![message.clone()] }).unwrap();
    let dispatch_for_alice = |rt: &_, method, params| {
        actor_runtime::mock::MockRuntime::set_origin(rt, ALICE);
        dispatch(rt, method, params)
    };
    world.rt.call(dispatch_for_alice, CHILD, &fil(amount(&message)), gateway::DELIVER, params).unwrap();
    assert_eq!(world.rt.balance_of(ALICE), fil(HOP));
}

#[test]
fn top_down_all_is_burned_and_nothing_returns_to_the_reserve() {
    let world = World::subnet_at(1);
    assert_eq!(world.apply_all(vec![with_fee(down(0, 5), HOP + 3)]), vec![ExitCode::OK]);
    let burned = (Address::new_id(99), METHOD_SEND, fil(HOP + 3));
    assert_eq!(world.sends(), vec![(f1("dave"), METHOD_SEND, fil(5)), burned]);
    assert_eq!(world.minted(), fil(5 + HOP + 3));
    assert_eq!(world.cut(10).unwrap().burned, fil(HOP + 3));
}

#[test]
fn fee_below_the_price_pays_what_it_has_and_the_value_goes_back() {
    let world = World::root_with_child_at(1);
    assert_eq!(world.deliver(&with_fee(up(0, 5), HOP - 1)), refusal::FEE_TOO_LOW);
    let receipt = world.queued().pop().unwrap();
    assert_eq!((receipt.value, receipt.fee), (fil(5), fil(0)));
    let paid = (Address::new_id(CHILD), METHOD_SEND, fil(HOP - 1));
    assert_eq!(world.sends(), vec![paid, (Address::new_id(CHILD), checkpoint::LOCK, fil(5))]);
    let call = as_call(up(1, 5));
    let need = call.delivery_gas();
    assert_eq!(world.deliver(&with_fee(call.clone(), need - 1)), refusal::FEE_TOO_LOW, "its gas counts");
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(false, &[]));
    assert_eq!(world.deliver(&with_fee(call, need)), ExitCode::OK);
}

#[test]
fn whatever_is_refused_pays_for_its_arrival_but_what_cannot_be_answered() {
    let world = World::root_with_child_at(1);
    let paid = |what: &str, message: CrossMessage, code: ExitCode| -> (TokenAmount, Option<TokenAmount>) {
        assert_eq!(world.deliver(&message), code, "{what}");
        let receipt = world.queued().pop();
        let earned = world.sends().into_iter().filter(|(_, method, _)| *method == METHOD_SEND);
        (earned.map(|(_, _, amount)| amount).sum(), receipt.map(|receipt| receipt.fee))
    };
    let astray = CrossMessage { destination: crate::world::at(child(), f1("bob")), ..with_fee(up(0, 5), HOP + 7) };
    assert_eq!(paid("astray", astray, refusal::WRONG_DIRECTION), (fil(HOP), Some(fil(7))));
    let late = CrossMessage { expires: Some(Default::default()), ..with_fee(up(1, 5), HOP + 8) };
    assert_eq!(paid("late", late, refusal::EXPIRED), (fil(HOP), Some(fil(8))));
    let mut forged = with_fee(up(2, 5), HOP);
    forged.origin.subnet = root();
    let before = world.queued().len();
    assert_eq!(paid("forged", forged, refusal::FORGED_ORIGIN).0, fil(0));
    assert_eq!(world.queued().len(), before);
    let mut answer = crate::world::as_receipt(up(3, 5), f1("bob"), 0);
    answer.destination.subnet = child();
    let price = answer.delivery_gas();
    assert_eq!(paid("an answer astray", with_fee(answer, price + 9), refusal::WRONG_DIRECTION).0, fil(price));
    assert_eq!(world.kept(f1("bob")), fil(5 + 9));
}

#[test]
fn rest_of_the_fee_goes_back_with_the_receipt() {
    let world = World::subnet_at(1);
    let asking = CrossMessage { wants_receipt: true, ..with_fee(down(0, 5), 2 * HOP) };
    let mut lost = with_fee(down(1, 7), 2 * HOP + 4);
    lost.destination.address = crate::world::nobody();
    assert_eq!(world.apply_all(vec![asking, lost]), vec![ExitCode::OK, refusal::NO_DESTINATION]);
    let receipts: Vec<_> = world.outbox().into_iter().map(|receipt| (receipt.value, receipt.fee)).collect();
    assert_eq!(receipts, vec![(fil(0), fil(HOP)), (fil(7), fil(HOP + 4))]);
    let back = (Address::new_id(SYSTEM_ID), METHOD_SEND, fil(7 + 2 * HOP + 4));
    assert_eq!(world.sends().pop().unwrap(), back);
}

#[test]
fn message_that_goes_on_pays_this_hop_and_has_enough_for_the_next_there_and_back() {
    let sibling = Address::new_actor(b"sibling");
    let world = World::root_with_child_at(1);
    world.add_child(201, sibling, 2);
    let message = |nonce, fee| {
        let mut message = with_fee(up(nonce, 5), fee);
        message.destination.subnet = root().child(sibling).unwrap();
        message
    };
    assert_eq!(world.deliver(&message(0, 5 * HOP - 1)), refusal::FEE_TOO_LOW, "paid for arriving, not for going on");
    let back = world.queued().pop().unwrap();
    assert_eq!((back.value, back.fee), (fil(5), fil(4 * HOP - 1)));
    assert_eq!(world.deliver(&message(1, 5 * HOP)), ExitCode::OK);
    let queued = world.state().top_down(world.rt.store(), 201, Default::default(), 9).unwrap();
    assert_eq!((queued.len(), &queued[0].fee), (1, &fil(4 * HOP)));
}

#[test]
fn receipt_pays_what_it_has_and_never_fails_for_its_fee() {
    let world = World::root_with_child_at(1);
    let need = 2 * HOP;
    let params = subnet_types::actors::SendParams {
        fee: fil(need),
        ..crate::world::transfer_to(crate::world::at(child(), f1("bob")))
    };
    for _ in 0..2 {
        world.ok::<subnet_types::actors::EnqueueReturn>(ALICE, 5 + need, gateway::SEND, &params);
    }
    world.rt.take_sends();
    let most = as_receipt(up(0, 5), f1("alice"), 0).delivery_gas();
    for (sequence, fee, paid) in [(0, 10, 10), (1, most + 4, most)] {
        let receipt = with_fee(as_receipt(up(sequence, 5), f1("alice"), sequence), fee);
        assert!(matches!(receipt.kind, CrossKind::Receipt { .. }));
        assert_eq!(world.deliver(&receipt), ExitCode::OK);
        let sends = world.sends();
        assert_eq!(sends[0], (f1("alice"), METHOD_SEND, fil(5 + fee - paid)));
        assert_eq!(sends[1], (Address::new_id(CHILD), METHOD_SEND, fil(paid)));
    }
}
