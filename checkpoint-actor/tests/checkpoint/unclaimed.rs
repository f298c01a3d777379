//! Messages that the gateway would not take, and their way out.

use actor_runtime::{Runtime, SendReturn, encode_params};
use checkpoint_actor::dispatch;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{DeliverReturn, GATEWAY_ID, checkpoint as methods, gateway, refusal};
use subnet_types::cross::CrossMessage;
use subnet_types::quantity::Nonce;

use crate::world::{GAS_FOR_ONE, STRANGER, World, atto};

/// A world in which the gateway fails at the first and the third of three messages of 100.
fn with_two_set_aside() -> (World, Vec<CrossMessage>) {
    let world = World::of_four();
    let messages = world.messages(3, 100);
    world.gateway.failing.borrow_mut().extend([0, 2]);
    let progress = world.settle(&world.next(&messages), &messages).unwrap();
    assert_eq!((progress.undelivered, world.delivered()), (0, vec![1]));
    world.rt.take_sends();
    (world, messages)
}

#[test]
fn message_at_which_the_gateway_fails_is_set_aside() {
    let (world, _) = with_two_set_aside();
    let state = world.state();
    assert_eq!((state.custody, state.unclaimed, state.batch_reserved), (atto(700), atto(200), atto(0)));
}

#[test]
fn anyone_has_it_delivered_once_the_gateway_takes_it() {
    let (world, messages) = with_two_set_aside();
    world.gateway.failing.borrow_mut().clear();
    assert_eq!(world.deliver_unclaimed(&messages[2]), Ok(ExitCode::OK));
    assert_eq!((world.delivered(), world.state().unclaimed), (vec![1, 2], atto(100)));
    let sent = world.rt.take_sends().pop().unwrap();
    assert_eq!((sent.to, sent.method, sent.value), (Address::new_id(GATEWAY_ID), gateway::DELIVER, atto(100)));
    assert_eq!(sent.gas_limit, None, "with all the gas that there is: with as much as before it would fail again");

    assert_eq!(world.deliver_unclaimed(&messages[0]), Ok(ExitCode::OK));
    assert_eq!((world.delivered(), world.state().unclaimed), (vec![1, 2, 0], atto(0)));
    for message in &messages {
        let error = world.deliver_unclaimed(message).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(176), "nothing is delivered twice: {error}");
    }
    assert_eq!(world.state().custody, atto(700));
}

#[test]
fn one_that_the_gateway_then_refuses_goes_back_into_custody() {
    let (world, messages) = with_two_set_aside();
    world.gateway.failing.borrow_mut().clear();
    world.gateway.refused.borrow_mut().push(0);
    assert_eq!(world.deliver_unclaimed(&messages[0]), Ok(refusal::FORBIDDEN));
    assert_eq!((world.state().custody, world.state().unclaimed), (atto(800), atto(100)));
    assert_eq!(world.deliver_unclaimed(&messages[0]).unwrap_err().exit_code, ExitCode::new(176));
}

#[test]
fn one_at_which_the_gateway_fails_again_stays_unclaimed() {
    let (world, messages) = with_two_set_aside();
    let error = world.deliver_unclaimed(&messages[0]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(179), "{error}");
    assert_eq!(world.state().unclaimed, atto(200));
    world.gateway.failing.borrow_mut().clear();
    world.deliver_unclaimed(&messages[0]).unwrap();
}

#[test]
fn another_message_under_the_same_nonce_is_refused() {
    let (world, messages) = with_two_set_aside();
    world.gateway.failing.borrow_mut().clear();
    let changes: [fn(&mut CrossMessage); 4] = [
        |m| m.destination.address = Address::new_actor(b"thief"),
        |m| m.value = atto(101),
        |m| (m.value, m.fee) = (atto(50), atto(50)),
        |m| m.nonce = Nonce::new(2),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut altered = messages[0].clone();
        change(&mut altered);
        let error = world.deliver_unclaimed(&altered).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(177), "change {index}: {error}");
    }
    for nonce in [1, 3, u64::MAX] {
        let unknown = CrossMessage { nonce: Nonce::new(nonce), ..messages[0].clone() };
        assert_eq!(world.deliver_unclaimed(&unknown).unwrap_err().exit_code, ExitCode::new(176));
    }
    assert_eq!(world.delivered(), [1]);
}

#[test]
fn too_little_gas_for_a_delivery_is_refused_before_it() {
    let (world, messages) = with_two_set_aside();
    world.gateway.failing.borrow_mut().clear();
    world.rt.set_gas(GAS_FOR_ONE - 1, 0);
    let error = world.deliver_unclaimed(&messages[0]).unwrap_err();
    assert_eq!((error.exit_code, world.rt.take_sends().len()), (ExitCode::new(178), 0), "{error}");
    world.rt.set_gas(GAS_FOR_ONE, 0);
    world.deliver_unclaimed(&messages[0]).unwrap();
}

#[test]
fn nothing_nests_inside_it() {
    let (world, messages) = with_two_set_aside();
    let again = encode_params(&messages[2]).unwrap();
    world.rt.answer_with(move |rt, _| {
        let error = rt.call(dispatch, STRANGER, &atto(0), methods::DELIVER_UNCLAIMED, again.clone()).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(175));
        let outcome = DeliverReturn { outcomes: vec![ExitCode::OK] };
        Some(SendReturn { exit_code: ExitCode::OK, return_data: encode_params(&outcome).unwrap() })
    });
    world.deliver_unclaimed(&messages[0]).unwrap();
    assert!(!world.state().is_delivering);
    assert_eq!(world.rt.balance(), world.state().stake_total + atto(800));
}
