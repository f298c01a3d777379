//! Messages on their way through: down, up, and over to a sibling.

use actor_runtime::Runtime;
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::event::ActorEvent;
use subnet_types::SubnetId;
use subnet_types::actors::{SYSTEM_ID, checkpoint, refusal};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::events::gateway as events;
use subnet_types::genesis::mint_reserve;
use subnet_types::hash::encode;
use subnet_types::limits::CROSS_MESSAGE_BYTES_MAX;
use subnet_types::quantity::{Height, Nonce};

use crate::world::{CHILD, World, as_call, as_receipt, at, child, down, f1, fil, nobody, root, up};

/// Id of another child's checkpoint actor.
const SIBLING: u64 = 201;

fn sibling() -> SubnetId {
    root().child(Address::new_actor(b"sibling")).unwrap()
}

fn grandchild() -> SubnetId {
    child().child(Address::new_actor(b"grandchild")).unwrap()
}

/// All but what each edge makes new.
fn same(sent: &CrossMessage, went_on: &CrossMessage) {
    let renewed = CrossMessage { nonce: sent.nonce, ..went_on.clone() };
    assert_eq!(&renewed, sent);
}

fn to_sibling(nonce: u64) -> CrossMessage {
    let mut message = up(nonce, 5);
    message.destination.subnet = sibling();
    (message.fee, message.wants_receipt) = (fil(2), true);
    message.expires = Some(Height::new(1));
    message
}

fn below_a_subnet() -> World {
    let world = World::subnet();
    world.add_child(CHILD, Address::new_actor(b"grandchild"), 0);
    world
}

#[test]
fn message_crosses_to_a_sibling_at_the_common_ancestor() {
    let world = World::root_with_child();
    world.add_child(SIBLING, Address::new_actor(b"sibling"), 0);
    let messages = [to_sibling(4), as_receipt(to_sibling(5), f1("erin"), 8), as_call(to_sibling(6))];
    assert_eq!(world.deliver_all(&messages), vec![ExitCode::OK; 3], "expiry is not judged here");
    let queued = world.state().top_down(world.rt.store(), SIBLING, Nonce::ZERO, 9).unwrap();
    assert_eq!(queued.len(), 3);
    for (index, (sent, went_on)) in messages.iter().zip(&queued).enumerate() {
        assert_eq!(went_on.nonce.get(), index as u64);
        same(sent, went_on);
    }
    let lock = (Address::new_id(SIBLING), checkpoint::LOCK, fil(21));
    assert_eq!(world.sends(), vec![lock], "what left one custody is in the other");
}

/// Of each event of a kind, where the message came from: the child's actor and its nonce there.
fn places(events: &[ActorEvent], kind: &str) -> Vec<(Option<u64>, Option<u64>)> {
    let of_kind = events.iter().filter(|event| event.entries[0].value == encode(&kind));
    let number = |event: &ActorEvent, key: &str| {
        let entry = event.entries.iter().find(|entry| entry.key == key)?;
        Some(fvm_ipld_encoding::from_slice::<u64>(&entry.value).unwrap())
    };
    of_kind.map(|event| (number(event, events::FROM_ACTOR_KEY), number(event, events::FROM_NONCE_KEY))).collect()
}

#[test]
fn events_say_at_which_place_a_message_came_so_that_an_id_used_twice_confuses_nobody() {
    let world = World::root_with_child();
    world.add_child(SIBLING, Address::new_actor(b"sibling"), 0);
    world.fund(5);
    let sent = world.rt.take_events();
    assert_eq!(places(&sent, events::MESSAGE_QUEUED_DOWN), [(None, None)], "it set out here");
    // One goes on, one is credited here, one forges its origin: all with one id.
    let id = to_sibling(4).id;
    let lost = CrossMessage { id, destination: at(root(), nobody()), ..up(6, 3) };
    let forged = CrossMessage { id, origin: at(root(), f1("carol")), ..up(7, 3) };
    world.deliver_all(&[to_sibling(4), CrossMessage { id, ..up(5, 3) }, lost, forged]);
    let events = world.rt.take_events();
    let came = |nonce| (Some(CHILD), Some(nonce));
    assert_eq!(places(&events, events::MESSAGE_SETTLED), [4, 5, 6, 7].map(came));
    assert_eq!(places(&events, events::MESSAGE_QUEUED_DOWN), [came(4), (None, None)], "and an answer, made here");

    let world = below_a_subnet();
    let mut message = down(9, 5);
    message.destination = at(grandchild(), f1("dave"));
    let mut kept = as_receipt(down(10, 5), f1("erin"), 8);
    kept.fee = fil(1);
    let mut state = world.state();
    state.parent.as_mut().unwrap().next_nonce = Nonce::new(9);
    world.rt.save_state(&state).unwrap();
    world.apply_all(vec![message, kept]);
    let events = world.rt.take_events();
    let came = |nonce| (None, Some(nonce));
    assert_eq!(places(&events, events::MESSAGE_SETTLED), [9, 10].map(came));
    assert_eq!(places(&events, events::MESSAGE_QUEUED_DOWN), [came(9)]);
    assert_eq!(places(&events, events::VALUE_UNCLAIMED), [came(10)]);
}

#[test]
fn message_goes_further_up_and_leaves_circulation() {
    let world = below_a_subnet();
    let message = |nonce, to| {
        let mut message = up(nonce, 5);
        (message.origin.subnet, message.destination.subnet) = (grandchild(), to);
        message
    };
    let messages = [message(0, root()), message(1, sibling())];
    assert_eq!(world.deliver_all(&messages), vec![ExitCode::OK; 2]);
    for (sent, went_on) in messages.iter().zip(&world.outbox()) {
        same(sent, went_on);
    }
    assert_eq!(world.sends(), vec![(Address::new_id(SYSTEM_ID), METHOD_SEND, fil(10))]);
    assert_eq!(world.state().reserve, mint_reserve() + fil(10));
}

#[test]
fn message_goes_further_down_and_is_locked() {
    let world = below_a_subnet();
    let mut messages = vec![down(0, 5), down(1, 6)];
    messages.iter_mut().for_each(|message| message.destination.subnet = grandchild());
    messages[1].origin.subnet = sibling();
    assert_eq!(world.apply_all(messages.clone()), vec![ExitCode::OK; 2]);
    for (sent, went_on) in messages.iter().zip(&world.queued()) {
        same(sent, went_on);
    }
    assert_eq!(world.sends(), vec![(Address::new_id(CHILD), checkpoint::LOCK, fil(11))]);
}

#[test]
fn middle_refuses_what_cannot_go_on_and_says_why() {
    let world = below_a_subnet();
    let unknown = child().child(Address::new_actor(b"unknown")).unwrap();
    let mut lost = down(0, 5);
    lost.destination = at(unknown.clone(), f1("bob"));
    assert_eq!(world.apply_all(vec![lost.clone()]), vec![refusal::UNKNOWN_SUBNET]);
    let receipt = world.outbox().pop().unwrap();
    assert_eq!((receipt.origin, receipt.destination), (at(child(), f1("bob")), lost.origin.clone()));
    assert_eq!(receipt.value, fil(5));

    let mut up_and_down = up(0, 7);
    (up_and_down.origin.subnet, up_and_down.destination.subnet) = (grandchild(), unknown);
    assert_eq!(world.deliver(&up_and_down), refusal::UNKNOWN_SUBNET);
    assert_eq!(world.queued().pop().unwrap().value, fil(7));

    let mut large = as_call(up(1, 3));
    (large.origin.subnet, large.destination.subnet) = (grandchild(), root());
    large.kind = CrossKind::Call { method: 7, params: vec![0; CROSS_MESSAGE_BYTES_MAX].into() };
    assert_eq!(world.deliver(&large), refusal::TOO_LARGE);

    let root_world = World::root_with_child();
    let mut lost = up(0, 5);
    lost.destination.subnet = SubnetId::root(315);
    assert_eq!(root_world.deliver(&lost), refusal::NO_ROUTE);
}

#[test]
fn each_hop_checks_where_a_message_comes_from_and_goes() {
    let world = below_a_subnet();
    // From the child: origin inside it, destination outside.
    let from_child = |nonce, origin, destination| {
        let mut message = up(nonce, 5);
        (message.origin.subnet, message.destination.subnet) = (origin, destination);
        world.deliver(&message)
    };
    assert_eq!(from_child(0, child(), root()), refusal::FORGED_ORIGIN);
    assert_eq!(from_child(1, sibling(), root()), refusal::FORGED_ORIGIN);
    assert_eq!(from_child(2, grandchild(), grandchild()), refusal::WRONG_DIRECTION);
    // From the parent: the reverse.
    let from_parent = |nonce, origin, destination| {
        let mut message = down(nonce, 5);
        (message.origin.subnet, message.destination.subnet) = (origin, destination);
        world.apply_all(vec![message])[0]
    };
    assert_eq!(from_parent(0, grandchild(), child()), refusal::FORGED_ORIGIN);
    assert_eq!(from_parent(1, child(), child()), refusal::FORGED_ORIGIN);
    assert_eq!(from_parent(2, root(), sibling()), refusal::WRONG_DIRECTION);
    assert_eq!(from_parent(3, sibling(), child()), ExitCode::OK);
}

#[test]
fn full_outbox_lets_receipts_pass_and_nothing_else_through() {
    let world = below_a_subnet();
    let waiting = world.fill_outbox();
    let mut message = up(0, 5);
    (message.origin.subnet, message.destination.subnet) = (grandchild(), root());
    assert_eq!(world.deliver(&message), refusal::QUEUE_FULL);
    assert_eq!(world.queued().pop().unwrap().value, fil(5), "it goes back where it came from");
    assert_eq!(world.state().outbox.count, waiting);
    let receipt = CrossMessage { nonce: Nonce::new(1), ..as_receipt(message, f1("erin"), 8) };
    assert_eq!(world.deliver(&receipt), ExitCode::OK);
    assert_eq!(world.state().outbox.count, waiting + 1);
}
