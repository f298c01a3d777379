//! Bottom-up messages: credited, refused with a receipt, or kept unclaimed.

use actor_runtime::mock::code;
use actor_runtime::{Runtime, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use gateway_actor::{State, dispatch};
use subnet_types::SubnetId;
use subnet_types::actors::{ClaimParams, DeliverParams, DeliverReturn, FundParams, checkpoint, gateway, refusal};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::quantity::Height;

use crate::world::{ALICE, CHILD, ROBOT, World, as_receipt, child, child_address, f1, fil, nobody, root, up};

fn amount(message: &CrossMessage) -> u64 {
    message.amount().atto().try_into().unwrap()
}

fn one(message: &CrossMessage) -> DeliverParams {
    DeliverParams { messages: vec![message.clone()] }
}

fn deliver(world: &World, message: &CrossMessage) -> ExitCode {
    let returned: DeliverReturn = world.ok(CHILD, amount(message), gateway::DELIVER, &one(message));
    assert_eq!(returned.outcomes.len(), 1);
    returned.outcomes[0]
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
}

#[test]
fn refused_message_sends_its_value_back_with_a_receipt_and_its_reason() {
    type Change = fn(&mut CrossMessage);
    let cases: [(ExitCode, Change); 8] = [
        (refusal::CALL, |m| m.kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![1]) }),
        (refusal::EXPIRED, |m| m.expires = Some(Height::new(5))),
        (refusal::FEE, |m| m.fee = fil(1)),
        (refusal::RECIPIENT, |m| m.destination.address = Address::new_id(ALICE)),
        (refusal::FORBIDDEN, |m| m.destination.address = child_address()),
        (refusal::NO_ROUTE, |m| m.destination.subnet = SubnetId::root(314).child(nobody()).unwrap()),
        (refusal::WRONG_DIRECTION, |m| m.destination.subnet = child()),
        (ExitCode::SYS_INVALID_RECEIVER, |m| m.destination.address = nobody()),
    ];
    for (nonce, (code, change)) in cases.into_iter().enumerate() {
        let world = World::root_with_child();
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
fn receipt_credits_even_an_id_and_never_makes_a_receipt() {
    let world = World::root_with_child();
    let mut receipt = as_receipt(up(0, 5));
    receipt.destination.address = Address::new_id(ROBOT);
    assert_eq!(deliver(&world, &receipt), ExitCode::OK);
    assert_eq!(world.rt.balance_of(ROBOT), fil(5));

    let mut stranded = as_receipt(up(1, 7));
    stranded.destination.address = nobody();
    assert_eq!(deliver(&world, &stranded), ExitCode::SYS_INVALID_RECEIVER);
    stranded.destination.address = Address::new_id(99);
    assert_eq!(deliver(&world, &stranded), refusal::FORBIDDEN);
    assert!(world.queued().is_empty());
    let mut kept = world.state().unclaimed(world.rt.store()).unwrap();
    kept.sort();
    assert_eq!(kept, vec![(Address::new_id(99), fil(7)), (nobody(), fil(7))]);
}

#[test]
fn unclaimed_value_is_credited_once_that_can_work() {
    let world = World::root_with_child();
    let mut stranded = as_receipt(up(0, 7));
    stranded.destination.address = nobody();
    deliver(&world, &stranded);
    deliver(&world, &stranded);
    let claim = ClaimParams { address: nobody() };
    assert_eq!(world.error(ALICE, 0, gateway::CLAIM, &claim).exit_code, ExitCode::new(62), "still nobody there");

    world.rt.add_actor(300, code("account"), Some(nobody()));
    world.call(ALICE, 0, gateway::CLAIM, encode_params(&claim).unwrap()).unwrap();
    assert_eq!(world.rt.balance_of(300), fil(14));
    assert_eq!(world.error(ALICE, 0, gateway::CLAIM, &claim).exit_code, ExitCode::new(61));
}

#[test]
fn deliveries_do_not_nest_but_messages_may_be_queued_in_one() {
    let world = World::root_with_child();
    world.rt.answer_with(|rt, sent| {
        if sent.to == f1("dave") {
            assert!(rt.load_state::<State>().unwrap().is_delivering);
            let params = |value: u64| encode_params(&one(&up(1, value))).unwrap();
            let nested = rt.call(dispatch, CHILD, &fil(1), gateway::DELIVER, params(1)).unwrap_err();
            assert_eq!(nested.exit_code, ExitCode::new(60));
            // The mock's handler does not answer inside itself; the queue does.
            rt.answer(CHILD, checkpoint::LOCK, actor_runtime::SendReturn::ok());
            let fund = encode_params(&FundParams { subnet: child(), to: f1("bob") }).unwrap();
            rt.call(dispatch, ROBOT, &fil(3), gateway::FUND, fund).unwrap();
        }
        Some(actor_runtime::SendReturn::ok())
    });
    assert_eq!(deliver(&world, &up(0, 5)), ExitCode::OK);
    assert_eq!(world.queued().len(), 1, "what was queued inside is not overwritten by the delivery");
}

#[test]
fn every_refusal_has_words() {
    for code in 100..108 {
        assert!(refusal::describe(ExitCode::new(code)).is_some(), "{code}");
    }
    assert_eq!(refusal::describe(ExitCode::OK), None);
}
