//! Messages that set out from here: down, up, and what the door refuses.

use actor_runtime::mock::code;
use actor_runtime::{Runtime, SendReturn};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{
    CallParams, EnqueueReturn, RegisterChildParams, SYSTEM_ID, SendParams, checkpoint, gateway,
};
use subnet_types::cross::{CrossKind, departure_gas, message_id};
use subnet_types::genesis::mint_reserve;
use subnet_types::limits::{
    CROSS_CALL_GAS_MAX, CROSS_HOP_GAS, CROSS_MESSAGE_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX,
    CROSS_MESSAGES_PER_CHECKPOINT_MAX, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX, SUBNET_DEPTH_MAX,
};
use subnet_types::quantity::Height;
use subnet_types::{Digest, SubnetId};

use crate::world::{
    ALICE, CHILD, ETHAN, ROBOT, RawOrUnit, World, at, call_to, child, child_address, f1, fil, root, transfer_to,
};

fn refused(world: &World, value: u64, params: &SendParams) -> u32 {
    world.error(ALICE, value, gateway::SEND, params).exit_code.value()
}

fn below(parent: &SubnetId, name: &[u8]) -> SubnetId {
    parent.child(Address::new_actor(name)).unwrap()
}

#[test]
fn what_goes_down_is_queued_and_locked_with_the_child() {
    let world = World::root_with_child();
    let (first, second) = (world.fund(5), world.fund(7));
    assert_eq!((first.nonce.get(), second.nonce.get()), (0, 1));
    assert_ne!(first.id, second.id);
    assert_eq!(first.id, message_id(&Digest([7; 32]), &f1("alice"), 0));

    let queued = world.queued();
    assert_eq!(queued.len(), 2);
    assert_eq!((&queued[1].value, &queued[1].kind), (&fil(7), &CrossKind::Transfer));
    assert_eq!((&queued[1].origin.address, &queued[1].destination.address), (&f1("alice"), &f1("bob")));
    let locked: Vec<_> = world.sends().into_iter().filter(|(_, method, _)| *method == checkpoint::LOCK).collect();
    let lock = |value| (Address::new_id(CHILD), checkpoint::LOCK, fil(value));
    assert_eq!(locked, vec![lock(5), lock(7)]);
    assert!(world.state().all_pending_messages(world.rt.store()).unwrap().is_empty(), "transfers leave no record");
}

#[test]
fn what_goes_up_is_batched_and_leaves_circulation() {
    let world = World::subnet();
    let released = world.release(5);
    assert_eq!(released.nonce.get(), 0);
    let outbox = world.outbox();
    assert_eq!((outbox.len(), outbox[0].id), (1, released.id));
    assert_eq!((&outbox[0].destination.subnet, &outbox[0].destination.address), (&root(), &f1("bob")));
    assert_eq!((&outbox[0].value, &outbox[0].kind), (&fil(5), &CrossKind::Transfer));
    assert_eq!(world.sends().pop().unwrap(), (Address::new_id(SYSTEM_ID), METHOD_SEND, fil(5)));
    assert_eq!(world.state().reserve, mint_reserve() + fil(5));
}

#[test]
fn chains_further_away_are_reached_over_the_edge_on_the_way() {
    let world = World::root_with_child();
    let deep = below(&below(&child(), b"grandchild"), b"great-grandchild");
    world.ok::<EnqueueReturn>(ALICE, 5, gateway::SEND, &transfer_to(at(deep.clone(), f1("bob"))));
    assert_eq!(world.queued().pop().unwrap().destination.subnet, deep);

    let world = World::subnet();
    let sibling = below(&root(), b"sibling");
    for subnet in [root(), sibling.clone(), below(&sibling, b"cousin")] {
        world.ok::<EnqueueReturn>(ALICE, 5, gateway::SEND, &transfer_to(at(subnet.clone(), f1("bob"))));
        assert_eq!(world.outbox().pop().unwrap().destination.subnet, subnet);
    }
}

#[test]
fn message_carries_what_was_asked_for_and_waits_for_its_answer() {
    let world = World::root_with_child();
    let mut params = call_to(at(child(), f1("bob")), 5_000);
    (params.fee, params.expires) = (fil(3), Some(Height::new(90)));
    let sent: EnqueueReturn = world.ok(ALICE, 10, gateway::SEND, &params);
    let queued = world.queued().pop().unwrap();
    assert_eq!((&queued.value, &queued.fee, queued.gas_limit), (&fil(7), &fil(3), 5_000));
    assert_eq!((queued.expires, queued.amount()), (Some(Height::new(90)), fil(10)));
    assert!(matches!(queued.kind, CrossKind::Call { method: 7, .. }));
    let pending = world.state().pending_message(world.rt.store(), &sent.id).unwrap().unwrap();
    assert_eq!((pending.origin, pending.destination), (f1("alice"), params.to.clone()));
    assert_eq!((pending.value, pending.fee, pending.sent_at.get()), (fil(7), fil(3), 5));

    let asking = SendParams { wants_receipt: true, ..transfer_to(params.to) };
    let sent: EnqueueReturn = world.ok(ALICE, 1, gateway::SEND, &asking);
    assert!(world.state().pending_message(world.rt.store(), &sent.id).unwrap().is_some());
}

#[test]
fn origin_is_the_key_the_ethereum_address_or_the_id() {
    let world = World::root_with_child();
    let expected = [
        (ALICE, f1("alice")),
        (ETHAN, Address::new_delegated(10, &[0xee; 20]).unwrap()),
        (ROBOT, Address::new_id(ROBOT)),
    ];
    for (caller, origin) in expected {
        world.ok::<EnqueueReturn>(caller, 1, gateway::SEND, &transfer_to(at(child(), f1("bob"))));
        assert_eq!(world.queued().last().unwrap().origin.address, origin);
    }
}

#[test]
fn transfer_needs_value_and_a_robust_recipient_and_a_call_may_go_without_value() {
    let world = World::root_with_child();
    let to = at(child(), f1("bob"));
    assert_eq!(refused(&world, 0, &transfer_to(to.clone())), 48);
    let all_is_fee = SendParams { fee: fil(5), ..transfer_to(to.clone()) };
    assert_eq!(refused(&world, 5, &all_is_fee), 48);
    assert_eq!(refused(&world, 1, &transfer_to(at(child(), Address::new_id(100)))), 51);
    world.ok::<EnqueueReturn>(ALICE, 0, gateway::SEND, &call_to(to, 1));
}

#[test]
fn the_own_chain_and_chains_without_a_way_are_refused() {
    let world = World::root_with_child();
    let error = |subnet| refused(&world, 1, &transfer_to(at(subnet, f1("bob"))));
    assert_eq!(error(root()), 64, "self-destination");
    assert_eq!(error(below(&root(), b"unknown")), 78);
    assert_eq!(error(below(&root(), b"robot")), 78, "an actor that exists but is no child");
    assert_eq!(error(SubnetId::root(315)), 50, "a root has no way up");
    assert_eq!(error(SubnetId::root(315).child(child_address()).unwrap()), 50);

    let world = World::subnet();
    let error = |subnet| refused(&world, 1, &transfer_to(at(subnet, f1("bob"))));
    assert_eq!(error(child()), 64, "self-destination");
    assert_eq!(error(SubnetId::root(315)), 50, "another hierarchy is not up");
    assert_eq!(error(below(&child(), b"unknown")), 78);
}

#[test]
fn a_name_with_more_levels_than_a_chain_may_have_is_refused_as_too_deep() {
    let world = World::root_with_child();
    // As `SendParams`, with a route that no `SubnetId` may have.
    let send = |steps: usize| {
        let route = vec![Address::new_actor(b"unknown"); steps];
        let to = ((314u64, route), f1("bob"));
        let params = (to, None::<CallParams>, fil(0), None::<Height>, false);
        world.error(ALICE, 1, gateway::SEND, &params).exit_code.value()
    };
    assert_eq!(send(SUBNET_DEPTH_MAX - 1), 78, "as deep as may be, and not there");
    assert_eq!(send(SUBNET_DEPTH_MAX), 75);
    assert_eq!(send(SUBNET_DEPTH_MAX + 20), 75);
    let garbage = world.error(ALICE, 1, gateway::SEND, &("no", "parameters")).exit_code;
    assert_eq!(garbage, ExitCode::USR_SERIALIZATION);
}

#[test]
fn nothing_goes_down_until_the_child_has_a_genesis() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    let params = RegisterChildParams { actor: child_address(), cross_gas_price: fil(0) };
    world.ok::<RawOrUnit>(CHILD, 0, gateway::REGISTER_CHILD, &params);
    assert_eq!(refused(&world, 1, &transfer_to(at(child(), f1("bob")))), 78);
    world.call(CHILD, 0, gateway::ACTIVATE_CHILD, None).unwrap();
    world.fund(1);
}

#[test]
fn what_cannot_be_locked_leaves_no_message() {
    let world = World::root_with_child();
    world.rt.answer_with(|_, sent| {
        (sent.method == checkpoint::LOCK).then(|| SendReturn::failed(ExitCode::USR_ILLEGAL_STATE))
    });
    let error = world.error(ROBOT, 5, gateway::SEND, &transfer_to(at(child(), f1("bob"))));
    assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_STATE);
    assert!(world.queued().is_empty());
}

#[test]
fn fee_is_part_of_the_value_and_pays_the_way_there_and_back() {
    let need = 2 * CROSS_HOP_GAS * 3;
    for world in [World::root_with_child_at(3), World::subnet_at(3)] {
        let to = if world.state().subnet == root() { child() } else { root() };
        let with_fee = |fee: u64| SendParams { fee: fil(fee), ..transfer_to(at(to.clone(), f1("bob"))) };
        assert_eq!(refused(&world, need + 1, &with_fee(need - 1)), 66);
        assert_eq!(refused(&world, need - 1, &with_fee(need)), 65, "more than came");
        let negative = SendParams { fee: -fil(1), ..with_fee(0) };
        assert_eq!(refused(&world, 1, &negative), 65);
        world.ok::<EnqueueReturn>(ALICE, need + 1, gateway::SEND, &with_fee(need));
        // A call pays for its gas as well.
        let call = |fee| SendParams { fee: fil(fee), ..call_to(at(to.clone(), f1("bob")), 1_000) };
        let asked = call(0).call.unwrap();
        let kind = CrossKind::Call { method: asked.method, params: asked.params };
        let dearer = 3 * departure_gas(&kind, 1_000, true);
        assert_eq!(refused(&world, dearer, &call(dearer - 1)), 66);
        world.ok::<EnqueueReturn>(ALICE, dearer, gateway::SEND, &call(dearer));
    }
}

#[test]
fn calls_ask_for_no_more_gas_and_messages_take_no_more_bytes_than_may_cross() {
    let world = World::root_with_child();
    let to = at(child(), f1("bob"));
    assert_eq!(refused(&world, 1, &call_to(to.clone(), CROSS_CALL_GAS_MAX + 1)), 67);
    world.ok::<EnqueueReturn>(ALICE, 1, gateway::SEND, &call_to(to.clone(), CROSS_CALL_GAS_MAX));
    let mut large = call_to(to, 1);
    large.call.as_mut().unwrap().params = vec![0; CROSS_MESSAGE_BYTES_MAX].into();
    assert_eq!(refused(&world, 1, &large), 52);
}

#[test]
fn full_outbox_drains_batch_by_batch_and_then_takes_users_again() {
    let world = World::subnet();
    let mut accepted = world.fill_outbox();
    let error = world.error(ROBOT, 1, gateway::SEND, &transfer_to(at(root(), f1("bob"))));
    assert_eq!(error.exit_code, ExitCode::new(53));
    assert!(error.message.contains("outbox full") && error.message.contains("height 10"), "{error}");
    let waiting = world.state().outbox;
    assert!(waiting.bytes as usize >= OUTBOX_BYTES_MAX || waiting.count as usize >= OUTBOX_MESSAGES_MAX);
    assert_eq!(world.state().reserve, mint_reserve() + fil(accepted), "the refused one kept its value");

    let mut taken = 0;
    for period in 1.. {
        let cut = world.cut(10 * period).unwrap();
        assert_eq!(cut.messages.first_nonce.get(), taken);
        taken += cut.messages.count;
        assert!(world.state().batch(world.rt.store(), &cut).unwrap().iter().all(|message| message.value == fil(1)));
        if taken == accepted {
            break;
        }
        let bytes = world.state().outbox.bytes as usize;
        let one = bytes / (accepted - taken) as usize;
        let count = cut.messages.count as usize;
        let is_full = (count + 2) * one > CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX;
        assert!(is_full || count == CROSS_MESSAGES_PER_CHECKPOINT_MAX, "{period}");
        if period == 1 {
            // Room again, behind what waits.
            assert_eq!(world.release(1).nonce.get(), accepted);
            accepted += 1;
        }
    }
    assert_eq!(world.state().outbox.base.get(), accepted);
}
