//! Calls from other chains: carried by the courier, answered at once or later, and contained.

use actor_runtime::mock::{MockRuntime, code as mock_code};
use actor_runtime::{Runtime, SendReturn, decode_params, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use gateway_actor::{State, dispatch};
use subnet_types::Digest;
use subnet_types::actors::{
    AnswerParams, COURIER_ID, CarryCallParams, ClaimParams, CommitCheckpointParams, DeliverParams, DeliverReturn,
    EnqueueReturn, RegisterChildParams, SYSTEM_ID, checkpoint, courier, gateway, refusal,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::cross::{CrossKind, CrossMessage, call_key, gas_to_carry};
use subnet_types::limits::CROSS_RETURN_BYTES_MAX;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};

use crate::world::{
    ALICE, CHILD, ROBOT, RawOrUnit, World, amount, as_call, at, child, child_address, down, f1, fil, returned, root,
    transfer_to, up, validator,
};

fn answer_of(message: &CrossMessage) -> (ExitCode, RawBytes, fvm_shared::econ::TokenAmount) {
    let CrossKind::Receipt { exit_code, return_data, .. } = message.kind.clone() else { panic!("{message:?}") };
    (exit_code, return_data, message.value.clone())
}

fn key_of(call: &CrossMessage) -> Digest {
    call_key(&call.origin.subnet, &call.id)
}

fn answering(message: &CrossMessage, exit_code: u32) -> AnswerParams {
    AnswerParams { of: key_of(message), exit_code: ExitCode::new(exit_code), return_data: RawBytes::new(vec![4, 2]) }
}

#[test]
fn call_goes_through_the_courier_with_its_own_gas_and_is_answered() {
    let world = World::root_with_child();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(false, &[9]));
    let call = as_call(up(0, 5));
    assert_eq!(world.deliver(&call), ExitCode::OK);
    let sent = world.rt.take_sends().remove(0);
    assert_eq!((sent.to, sent.method, sent.value), (Address::new_id(COURIER_ID), courier::CARRY_CALL, fil(5)));
    let limit = sent.gas_limit.unwrap();
    assert!((call.gas_limit..call.gas_limit + 60_000_000).contains(&limit), "{limit}");
    let carried: CarryCallParams = decode_params(sent.params).unwrap();
    assert_eq!((carried.to, carried.gas_limit), (Address::new_actor(b"robot"), call.gas_limit));
    assert_eq!((carried.call.id, carried.call.origin, carried.call.method), (call.id, call.origin.clone(), 7));
    assert_eq!(carried.call.params.bytes(), [1, 2]);

    let receipt = world.queued().pop().unwrap();
    assert_eq!(answer_of(&receipt), (ExitCode::OK, RawBytes::new(vec![9]), fil(0)));
    assert_eq!((receipt.destination, receipt.origin.address), (call.origin, Address::new_actor(b"robot")));
}

#[test]
fn call_without_return_counts_as_answered_with_nothing() {
    let world = World::root_with_child();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, SendReturn::ok());
    assert_eq!(world.deliver(&as_call(up(0, 5))), ExitCode::OK);
    assert_eq!(answer_of(&world.queued()[0]), (ExitCode::OK, RawBytes::default(), fil(0)));
}

#[test]
fn failed_call_costs_only_itself_and_brings_its_value_back() {
    // What the VM says of the courier itself is no actor's to give.
    let codes = [
        (ExitCode::SYS_OUT_OF_GAS, refusal::OUT_OF_GAS),
        (ExitCode::SYS_ILLEGAL_INSTRUCTION, refusal::TRAPPED),
        (ExitCode::SYS_INVALID_RECEIVER, refusal::NO_DESTINATION),
        (ExitCode::USR_ASSERTION_FAILED, ExitCode::USR_ASSERTION_FAILED),
        (refusal::RETURN_TOO_LARGE, refusal::RETURN_TOO_LARGE),
        (refusal::BAD_RETURN, refusal::BAD_RETURN),
    ];
    for (ended, code) in codes {
        let world = World::subnet();
        world.rt.answer(COURIER_ID, courier::CARRY_CALL, SendReturn::failed(ended));
        let outcomes = world.apply_all(vec![down(0, 1), as_call(down(1, 5)), down(2, 2)]);
        assert_eq!(outcomes, vec![ExitCode::OK, code, ExitCode::OK]);
        assert_eq!(answer_of(&world.outbox()[0]), (code, RawBytes::default(), fil(5)));
        assert_eq!((world.rt.balance_of(COURIER_ID), world.minted()), (fil(0), fil(3)));
    }
}

#[test]
fn call_needs_all_its_gas_to_be_there() {
    let world = World::root_with_child();
    let call = as_call(up(0, 5));
    let needed = gas_to_carry(call.gas_limit);
    world.rt.set_gas(needed - 1, 0);
    let params = DeliverParams { messages: vec![call] };
    let error = world.error(CHILD, 5, gateway::DELIVER, &params);
    assert_eq!(error.exit_code, ExitCode::new(72), "{error}");
    assert!(world.sends().iter().all(|(to, _, _)| *to != Address::new_id(COURIER_ID)), "it was not even tried");
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(false, &[]));
    world.rt.set_gas(needed, 0);
    assert_eq!(world.ok::<DeliverReturn>(CHILD, 5, gateway::DELIVER, &params).outcomes, [ExitCode::OK]);
}

#[test]
fn answer_put_off_is_given_once_by_the_actor_called() {
    let world = World::root_with_child();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, b"not looked at"));
    let call = CrossMessage { fee: fil(3), ..as_call(up(0, 5)) };
    assert_eq!(world.deliver(&call), ExitCode::OK);
    assert!(world.queued().is_empty(), "no answer yet");
    let owed = world.state().owed(world.rt.store(), &key_of(&call)).unwrap().unwrap();
    assert_eq!((owed.actor, &owed.value, &owed.fee), (ROBOT, &fil(5), &fil(3)));
    assert_eq!(world.rt.balance(), fil(3), "the fee waits for the answer");

    let refused =
        |caller, value, params: &AnswerParams| world.error(caller, value, gateway::ANSWER, params).exit_code.value();
    assert_eq!(refused(ALICE, 0, &answering(&call, 0)), 69, "somebody else");
    assert_eq!(refused(ROBOT, 6, &answering(&call, 0)), 70, "more than came");
    assert_eq!(refused(ROBOT, 4, &answering(&call, 77)), 74, "a failure that keeps value");
    assert_eq!(refused(ROBOT, 0, &answering(&up(9, 0), 0)), 68, "another message");
    let long = AnswerParams { return_data: vec![0; CROSS_RETURN_BYTES_MAX + 1].into(), ..answering(&call, 0) };
    assert_eq!(refused(ROBOT, 0, &long), 52);

    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::ANSWER, &answering(&call, 77));
    let receipt = world.queued().pop().unwrap();
    assert_eq!(answer_of(&receipt), (ExitCode::new(77), RawBytes::new(vec![4, 2]), fil(5)));
    assert_eq!((receipt.fee, receipt.destination), (fil(3), call.origin.clone()));
    assert_eq!(world.sends().pop().unwrap(), (Address::new_id(CHILD), checkpoint::LOCK, fil(8)));
    assert_eq!(refused(ROBOT, 0, &answering(&call, 0)), 68, "once");
}

#[test]
fn answer_to_a_call_from_above_goes_up() {
    let world = World::subnet();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    let call = as_call(down(0, 5));
    assert_eq!(world.apply_all(vec![call.clone()]), vec![ExitCode::OK]);
    world.ok::<EnqueueReturn>(ROBOT, 2, gateway::ANSWER, &answering(&call, 0));
    assert_eq!(answer_of(&world.outbox()[0]), (ExitCode::OK, RawBytes::new(vec![4, 2]), fil(2)));
    assert_eq!(world.minted(), fil(3));
}

#[test]
fn reused_id_moves_only_what_it_brings_and_takes_no_answer_away() {
    let world = World::root_with_child();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    let call = as_call(up(0, 5));
    assert_eq!(world.deliver(&call), ExitCode::OK);
    let again = CrossMessage { nonce: Nonce::new(1), value: fil(9), ..call.clone() };
    assert_eq!(world.deliver(&again), refusal::ID_TAKEN);
    assert_eq!(answer_of(&world.queued()[0]), (refusal::ID_TAKEN, RawBytes::default(), fil(9)));
    assert_eq!(world.state().owed(world.rt.store(), &key_of(&call)).unwrap().unwrap().value, fil(5));
}

/// Deferred calls under one id, from two chains that reach this one over different edges or over the same one.
fn same_id_from_two_chains(world: &World, mine: &CrossMessage, theirs: &CrossMessage) {
    assert_eq!((mine.id, mine.origin.subnet == theirs.origin.subnet), (theirs.id, false));
    let owed = |message: &CrossMessage| world.state().owed(world.rt.store(), &key_of(message)).unwrap().unwrap();
    for (message, value) in [(theirs, 9), (mine, 5)] {
        let owed = owed(message);
        assert_eq!((owed.id, owed.origin, owed.value), (message.id, message.origin.clone(), fil(value)));
    }
}

#[test]
fn id_that_another_chain_has_used_before_neither_blocks_nor_takes_the_answer() {
    const OTHER: u64 = 201;
    let world = World::root_with_child();
    let other = Address::new_actor(b"other");
    world.add_child(OTHER, other, 0);
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    // The other chain knows which id the next message from Carol will have: its parts are public.
    let mine = as_call(up(0, 5));
    let mut theirs = as_call(up(0, 9));
    theirs.origin.subnet = root().child(other).unwrap();
    let deliver = |from, message: &CrossMessage| {
        let params = DeliverParams { messages: vec![message.clone()] };
        world.ok::<DeliverReturn>(from, amount(message), gateway::DELIVER, &params).outcomes
    };
    assert_eq!(deliver(OTHER, &theirs), vec![ExitCode::OK]);
    assert_eq!(deliver(CHILD, &mine), vec![ExitCode::OK]);
    same_id_from_two_chains(&world, &mine, &theirs);

    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::ANSWER, &answering(&mine, 0));
    let receipt = world.queued().pop().unwrap();
    assert_eq!(receipt.destination, mine.origin, "who called is answered");
    assert!(matches!(receipt.kind, CrossKind::Receipt { of, .. } if of == mine.id), "{receipt:?}");
    assert!(world.state().top_down(world.rt.store(), OTHER, Nonce::ZERO, 9).unwrap().is_empty());
    world.ok::<EnqueueReturn>(ROBOT, 9, gateway::ANSWER, &answering(&theirs, 0));
    let theirs_queued = world.state().top_down(world.rt.store(), OTHER, Nonce::ZERO, 9).unwrap();
    assert_eq!((theirs_queued.len(), &theirs_queued[0].destination), (1, &theirs.origin));
    assert_eq!(world.queued().len(), 1);
}

#[test]
fn id_of_one_chain_above_does_not_block_another_chain_above() {
    let world = World::subnet();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    let mine = CrossMessage { id: Digest([3; 32]), ..as_call(down(1, 5)) };
    let mut theirs = CrossMessage { id: mine.id, ..as_call(down(0, 9)) };
    theirs.origin.subnet = root().child(Address::new_actor(b"sibling")).unwrap();
    assert_eq!(world.apply_all(vec![theirs.clone(), mine.clone()]), vec![ExitCode::OK; 2]);
    same_id_from_two_chains(&world, &mine, &theirs);
    world.ok::<EnqueueReturn>(ROBOT, 5, gateway::ANSWER, &answering(&mine, 0));
    assert_eq!(world.outbox()[0].destination, mine.origin);
}

/// A child without a genesis, and a checkpoint actor that is no child yet.
const INACTIVE: u64 = 203;
const NEWEST: u64 = 204;

/// What a delivered call tries against the gateway, from inside.
fn attack(rt: &MockRuntime) {
    assert!(rt.load_state::<State>().unwrap().is_delivering);
    let before: State = rt.load_state().unwrap();
    let code = |caller, value: u64, method, params| {
        rt.call(dispatch, caller, &fil(value), method, params).unwrap_err().exit_code.value()
    };
    let deliver = || encode_params(&DeliverParams { messages: vec![up(1, 1)] }).unwrap();
    let forbidden = ExitCode::USR_FORBIDDEN.value();
    let registering = RegisterChildParams { actor: child_address(), cross_gas_price: fil(0) };
    let change = MembershipChange { number: ConfigurationNumber::new(2), validator: validator(4, 1) };
    let report = CommitCheckpointParams {
        top_down_applied: TopDownApplied { nonce: Nonce::ZERO, parent_height: Height::new(1) },
        configuration: ConfigurationNumber::FIRST,
    };
    let update = subnet_types::actors::ApplyParentUpdateParams {
        parent_height: Height::new(99),
        parent_block: subnet_types::hash::cid_of_bytes(b"parent"),
        parent_timestamp: Default::default(),
        parent_validators: None,
        messages: vec![],
        changes: vec![],
        next_nonce: Nonce::ZERO,
        next_configuration: ConfigurationNumber::FIRST,
    };
    let claim = ClaimParams { address: f1("alice") };
    // As the robot itself.
    assert_eq!(code(ROBOT, 1, gateway::DELIVER, deliver()), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::REGISTER_CHILD, encode_params(&registering).unwrap()), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::ACTIVATE_CHILD, None), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::LOG_CHANGE, encode_params(&change).unwrap()), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::COMMIT_CHECKPOINT, encode_params(&report).unwrap()), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap()), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::CUT_CHECKPOINT, None), forbidden);
    assert_eq!(code(ROBOT, 0, gateway::CLAIM, encode_params(&claim).unwrap()), 60);
    let answer = AnswerParams { of: key_of(&up(0, 0)), exit_code: ExitCode::OK, return_data: RawBytes::default() };
    assert_eq!(code(ROBOT, 0, gateway::ANSWER, encode_params(&answer).unwrap()), 68, "before it is put off");
    // Through those that may.
    assert_eq!(code(CHILD, 1, gateway::DELIVER, deliver()), 60);
    assert_eq!(code(CHILD, 0, gateway::COMMIT_CHECKPOINT, encode_params(&report).unwrap()), 60);
    assert_eq!(code(SYSTEM_ID, 0, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap()), 60);
    assert_eq!(code(SYSTEM_ID, 0, gateway::CUT_CHECKPOINT, None), 60);
    assert_eq!(code(CHILD, 0, gateway::LOG_CHANGE, encode_params(&change).unwrap()), 60);
    assert_eq!(code(INACTIVE, 0, gateway::ACTIVATE_CHILD, None), 60);
    let registering = RegisterChildParams { actor: Address::new_actor(b"newest"), cross_gas_price: fil(0) };
    rt.add_actor(NEWEST, mock_code("checkpoint"), Some(registering.actor));
    assert_eq!(code(NEWEST, 0, gateway::REGISTER_CHILD, encode_params(&registering).unwrap()), 60);
    assert_eq!(rt.load_state::<State>().unwrap(), before);
}

#[test]
fn delivered_call_enters_nowhere_but_where_messages_are_sent() {
    let world = World::root_with_child();
    let registering = RegisterChildParams { actor: Address::new_actor(b"inactive"), cross_gas_price: fil(0) };
    world.rt.add_actor(INACTIVE, mock_code("checkpoint"), Some(registering.actor));
    world.ok::<RawOrUnit>(INACTIVE, 0, gateway::REGISTER_CHILD, &registering);
    world.courier(|rt, _| {
        attack(rt);
        // The mock's handler does not answer inside itself; the queue does.
        rt.answer(CHILD, checkpoint::LOCK, SendReturn::ok());
        let send = encode_params(&transfer_to(at(child(), f1("bob")))).unwrap();
        rt.call(dispatch, ROBOT, &fil(3), gateway::SEND, send).unwrap();
        returned(false, &[])
    });
    assert_eq!(world.deliver_all(&[as_call(up(0, 5)), up(1, 2)]), vec![ExitCode::OK; 2]);
    let queued = world.queued();
    assert_eq!(queued.len(), 2, "what was queued inside is not overwritten by the delivery");
    assert_eq!((&queued[0].kind, &queued[0].value), (&CrossKind::Transfer, &fil(3)));
    assert_ne!(queued[0].id, queued[1].id);
}

#[test]
fn earlier_call_may_be_answered_from_within_a_later_one() {
    let world = World::root_with_child();
    world.rt.answer(COURIER_ID, courier::CARRY_CALL, returned(true, &[]));
    let first = as_call(up(0, 5));
    world.deliver(&first);
    let of = key_of(&first);
    world.courier(move |rt, _| {
        rt.answer(CHILD, checkpoint::LOCK, SendReturn::ok());
        let params = AnswerParams { of, exit_code: ExitCode::OK, return_data: RawBytes::default() };
        rt.call(dispatch, ROBOT, &fil(0), gateway::ANSWER, encode_params(&params).unwrap()).unwrap();
        returned(false, &[])
    });
    assert_eq!(world.deliver(&as_call(up(1, 5))), ExitCode::OK);
    assert_eq!(world.queued().len(), 2);
    assert!(world.state().owed(world.rt.store(), &of).unwrap().is_none());
}

#[test]
fn what_a_failed_call_did_is_undone() {
    let world = World::root_with_child();
    world.courier(|rt, _| {
        rt.answer(CHILD, checkpoint::LOCK, SendReturn::ok());
        let send = encode_params(&transfer_to(at(child(), f1("bob")))).unwrap();
        rt.call(dispatch, ROBOT, &fil(3), gateway::SEND, send).unwrap();
        SendReturn::failed(ExitCode::USR_ILLEGAL_STATE)
    });
    assert_eq!(world.deliver(&as_call(up(0, 5))), ExitCode::USR_ILLEGAL_STATE);
    assert_eq!(world.queued().len(), 1, "its receipt alone");
}
