//! Accepted messages on their way to the gateway.

use actor_runtime::mock::MockRuntime;
use actor_runtime::{Runtime, encode_params};
use checkpoint_actor::dispatch;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{DeliverBatchParams, GATEWAY_ID, SubmitCheckpointParams, checkpoint as methods, gateway};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::limits::CROSS_HOP_GAS;
use subnet_types::quantity::{Nonce, Sequence};

use crate::world::{GAS_FOR_ONE, OWNER, STRANGER, World, atto, message};

#[test]
fn messages_are_delivered_in_order_with_their_amounts() {
    let world = World::of_four();
    let messages = world.messages(3, 100);
    let progress = world.settle(&world.next(&messages), &messages).unwrap();
    assert_eq!((progress.next_nonce.get(), progress.undelivered), (3, 0));
    assert_eq!(world.delivered(), [0, 1, 2]);
    let sends: Vec<_> = world.rt.take_sends().into_iter().filter(|sent| sent.method == gateway::DELIVER).collect();
    assert_eq!(sends.len(), 1, "transfers in a row share one call");
    assert_eq!((sends[0].to, &sends[0].value), (Address::new_id(GATEWAY_ID), &atto(300)));
    assert_eq!(sends[0].gas_limit, Some(3 * CROSS_HOP_GAS), "with the gas of all of them");
    assert_eq!((world.state().custody, world.state().batch_reserved), (atto(700), atto(0)));
}

#[test]
fn altered_messages_refuse_the_whole_submission() {
    type Change = fn(&mut Vec<CrossMessage>);
    let changes: [Change; 11] = [
        |m| m[1].kind = CrossKind::Transfer,
        |m| m[1].kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![1, 3]) },
        |m| m[1].kind = CrossKind::Call { method: 3, params: RawBytes::new(vec![1, 2]) },
        |m| m[1].value = atto(101),
        |m| m[1].destination.address = Address::new_actor(b"thief"),
        |m| m.swap(0, 1),
        |m| drop(m.pop()),
        |m| m.push(m[2].clone()),
        |m| m[2].nonce = Nonce::new(3),
        |m| (m[0].value, m[1].value) = (atto(50), atto(150)),
        |m| (m[0].value, m[1].value) = (-atto(50), atto(250)),
    ];
    let world = World::of_four();
    let mut messages = world.messages(3, 100);
    messages[1].kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![1, 2]) };
    let checkpoint = world.next(&messages);
    for (index, change) in changes.into_iter().enumerate() {
        let mut altered = messages.clone();
        change(&mut altered);
        let error = world.settle(&checkpoint, &altered).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(172), "change {index}: {error}");
    }
    world.settle(&checkpoint, &[]).unwrap();
    let mut altered = messages.clone();
    altered[0].value = atto(99);
    assert_eq!(world.deliver(1, &altered).unwrap_err().exit_code, ExitCode::new(172));
    assert_eq!(world.deliver(1, &[]).unwrap_err().exit_code, ExitCode::new(172));
    assert!(world.delivered().is_empty());
    assert_eq!(world.deliver(1, &messages).unwrap().undelivered, 0);
}

#[test]
fn too_little_gas_stops_with_the_cursor_unmoved_and_anyone_continues() {
    let world = World::of_four();
    let messages = world.messages(4, 100);
    world.rt.set_gas(GAS_FOR_ONE - 1, 0);
    let progress = world.settle(&world.next(&messages), &messages).unwrap();
    assert_eq!((progress.next_nonce.get(), progress.undelivered), (0, 4));
    assert!(world.delivered().is_empty(), "accepted, not delivered");

    // Each send takes some, so that there is enough for two.
    world.rt.set_gas(GAS_FOR_ONE + 20, 20);
    assert_eq!(world.deliver(1, &messages).unwrap().undelivered, 2);
    assert_eq!(world.delivered(), [0, 1]);
    assert_eq!((world.state().batch_delivered, world.state().batch_reserved), (atto(200), atto(200)));
    world.rt.set_gas(0, 0);
    assert_eq!(world.deliver(1, &messages).unwrap().undelivered, 2);

    world.rt.set_gas(10 * GAS_FOR_ONE, 0);
    assert_eq!(world.deliver(1, &messages).unwrap().undelivered, 0);
    assert_eq!(world.delivered(), [0, 1, 2, 3]);
    assert_eq!(world.deliver(1, &messages).unwrap_err().exit_code, ExitCode::new(180), "nothing is delivered twice");
}

#[test]
fn batches_are_delivered_in_their_order() {
    let world = World::of_four();
    let first = world.messages(2, 10);
    world.settle(&world.next(&first), &[]).unwrap();
    world.settle(&world.next(&[]), &[]).unwrap();
    let third = world.messages(2, 20);
    let progress = world.settle(&world.next(&third), &third).unwrap();
    assert_eq!((progress.next_nonce.get(), progress.undelivered), (0, 4), "the first batch waits");

    assert_eq!(world.deliver(3, &third).unwrap_err().exit_code, ExitCode::new(174));
    assert_eq!(world.deliver(2, &[]).unwrap_err().exit_code, ExitCode::new(180), "an empty batch has no turn");
    for unknown in [0, 4, u64::MAX] {
        assert_eq!(world.deliver(unknown, &first).unwrap_err().exit_code, ExitCode::new(173));
    }
    assert_eq!(world.deliver(1, &first).unwrap().undelivered, 2);
    assert_eq!(world.deliver(1, &first).unwrap_err().exit_code, ExitCode::new(180));
    assert_eq!(world.deliver(3, &third).unwrap().undelivered, 0);
    assert_eq!(world.delivered(), [0, 1, 2, 3]);
}

#[test]
fn message_refused_by_the_gateway_costs_only_itself() {
    let world = World::of_four();
    let messages = world.messages(3, 100);
    world.gateway.refused.borrow_mut().push(1);
    let progress = world.settle(&world.next(&messages), &messages).unwrap();
    assert_eq!((progress.next_nonce.get(), progress.undelivered), (3, 0));
    let state = world.state();
    // The gateway locked it again while the delivery ran.
    assert_eq!((state.custody, state.batch_reserved, state.unclaimed), (atto(800), atto(0), atto(0)));
}

#[test]
fn submissions_and_deliveries_do_not_nest() {
    let world = World::of_four();
    let messages = world.messages(2, 100);
    let checkpoint = world.next(&messages);
    let submission = SubmitCheckpointParams {
        checkpoint: checkpoint.clone(),
        certificate: world.certify(&checkpoint, &[1, 2, 3]),
        messages: messages.clone(),
    };
    let delivery = DeliverBatchParams { sequence: Sequence::new(1), messages: messages.clone(), proof: Vec::new() };
    let nested = [
        (methods::SUBMIT_CHECKPOINT, encode_params(&submission).unwrap()),
        (methods::DELIVER_BATCH, encode_params(&delivery).unwrap()),
        (methods::DELIVER_UNCLAIMED, encode_params(&messages[0]).unwrap()),
    ];
    world.settle(&checkpoint, &[]).unwrap();
    world.rt.answer_with(move |rt, sent| {
        assert_eq!(sent.method, gateway::DELIVER);
        for (method, params) in &nested {
            let error = rt.call(dispatch, STRANGER, &atto(0), *method, params.clone()).unwrap_err();
            assert_eq!(error.exit_code, ExitCode::new(175));
        }
        Some(actor_runtime::SendReturn::ok())
    });
    assert_eq!(world.deliver(1, &messages).unwrap().undelivered, 0);
}

#[test]
fn contracts_neither_submit_nor_deliver() {
    let world = World::of_four();
    let (first, unclaimed) = (world.messages(1, 100), message(0, 100));
    world.gateway.failing.borrow_mut().push(0);
    world.settle(&world.next(&first), &first).unwrap();
    world.gateway.failing.borrow_mut().clear();
    let second = world.messages(1, 100);
    world.settle(&world.next(&second), &[]).unwrap();
    let checkpoint = world.next(&[]);
    let certificate = world.certify(&checkpoint, &[1, 2, 3]);
    let submission = SubmitCheckpointParams { checkpoint, certificate, messages: vec![] };
    let delivery = DeliverBatchParams { sequence: Sequence::new(2), messages: second, proof: Vec::new() };
    let calls = [
        (methods::SUBMIT_CHECKPOINT, encode_params(&submission).unwrap()),
        (methods::DELIVER_BATCH, encode_params(&delivery).unwrap()),
        (methods::DELIVER_UNCLAIMED, encode_params(&unclaimed).unwrap()),
    ];
    for (method, params) in calls {
        let signed_by = |origin| {
            let under = |rt: &MockRuntime, method, params| {
                rt.set_origin(origin);
                dispatch(rt, method, params)
            };
            world.rt.call(under, STRANGER, &atto(0), method, params.clone())
        };
        assert_eq!(signed_by(OWNER).unwrap_err().exit_code, ExitCode::new(181));
        signed_by(STRANGER).unwrap();
    }
    assert_eq!((world.state().last_sequence, world.delivered()), (Sequence::new(3), vec![1, 0]));
}

#[test]
fn batch_never_delivers_more_than_it_declared() {
    let world = World::of_four();
    let messages = world.messages(2, 100);
    world.settle(&world.next(&messages), &[]).unwrap();
    let mut state = world.state();
    let batch = state.batch_in_turn(world.rt.store(), Sequence::new(1)).unwrap();
    state.pass_message(&batch, Nonce::new(0), &atto(150)).unwrap();
    let error = state.pass_message(&batch, Nonce::new(1), &atto(51)).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::USR_ILLEGAL_STATE, "{error}");
    state.pass_message(&batch, Nonce::new(1), &atto(50)).unwrap();
}
