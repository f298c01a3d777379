//! Parent updates on a subnet.

use actor_runtime::Runtime;
use actor_runtime::mock::code as code_of;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::event::ActorEvent;
use subnet_types::actors::{
    ApplyParentUpdateParams, ApplyParentUpdateReturn, BURNT_FUNDS_ID, GATEWAY_ID, SYSTEM_ID, gateway, refusal,
};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::events;
use subnet_types::genesis::TOTAL_POWER_MAX;
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::limits::{CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};

use crate::world::{ALICE, World, as_call, as_receipt, at, child, down, f1, fil, nobody, root, set, validator};

fn update(height: u64, messages: Vec<CrossMessage>) -> ApplyParentUpdateParams {
    ApplyParentUpdateParams {
        parent_height: Height::new(height),
        parent_block: cid_of_bytes(b"parent"),
        parent_timestamp: TimestampMs::new(height * 1_000),
        parent_validators: None,
        messages,
        changes: vec![],
        next_nonce: Nonce::ZERO,
        next_configuration: ConfigurationNumber::FIRST,
    }
}

fn value(update: &ApplyParentUpdateParams) -> u64 {
    update.messages.iter().map(|m| u64::try_from(m.amount().atto().clone()).unwrap()).sum()
}

fn apply(world: &World, update: &ApplyParentUpdateParams) -> Vec<ExitCode> {
    world.ok::<ApplyParentUpdateReturn>(SYSTEM_ID, value(update), gateway::APPLY_PARENT_UPDATE, update).outcomes
}

fn refused(world: &World, update: &ApplyParentUpdateParams) -> ExitCode {
    world.error(SYSTEM_ID, value(update), gateway::APPLY_PARENT_UPDATE, update).exit_code
}

fn change(number: u64, seed: u8, power: u64) -> MembershipChange {
    MembershipChange { number: ConfigurationNumber::new(number), validator: validator(seed, power) }
}

#[test]
fn messages_are_credited_in_order_and_the_view_moves() {
    let world = World::subnet();
    assert_eq!(apply(&world, &update(60, vec![down(0, 5), down(1, 7)])), vec![ExitCode::OK; 2]);
    let credit = |value| (f1("dave"), METHOD_SEND, fil(value));
    assert_eq!(world.sends(), vec![credit(5), credit(7)]);
    let parent = world.state().parent.unwrap();
    assert_eq!((parent.height.get(), parent.next_nonce.get(), parent.timestamp.get()), (60, 2, 60_000));
    assert_eq!(parent.block, Some(cid_of_bytes(b"parent")));

    assert_eq!(apply(&world, &update(60, vec![down(2, 1)])), vec![ExitCode::OK], "the rest of the same height");
    assert!(apply(&world, &update(61, vec![])).is_empty(), "only to follow");
}

#[test]
fn only_system_applies_and_only_on_a_subnet() {
    let world = World::subnet();
    let params = update(60, vec![]);
    assert_eq!(world.error(ALICE, 0, gateway::APPLY_PARENT_UPDATE, &params).exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(refused(&World::root(), &params), ExitCode::new(54));
}

#[test]
fn update_that_skips_repeats_or_goes_back_changes_nothing() {
    let world = World::subnet();
    assert_eq!(refused(&world, &update(49, vec![])), ExitCode::new(55), "before the anchor");
    assert_eq!(refused(&world, &update(60, vec![down(1, 5)])), ExitCode::new(56));
    assert_eq!(refused(&world, &update(60, vec![down(0, 5), down(2, 5)])), ExitCode::new(56));
    assert_eq!(refused(&world, &update(60, vec![down(0, 5), down(0, 5)])), ExitCode::new(56));
    assert_eq!(refused(&world, &update(60, vec![down(u64::MAX, 5)])), ExitCode::new(56));
    apply(&world, &update(60, vec![down(0, 5)]));
    assert_eq!(refused(&world, &update(61, vec![down(0, 5)])), ExitCode::new(56), "applied already");
    assert_eq!(refused(&world, &update(59, vec![])), ExitCode::new(55));
    let mut earlier = update(61, vec![]);
    earlier.parent_timestamp = TimestampMs::new(59_999);
    assert_eq!(refused(&world, &earlier), ExitCode::new(55));
    assert_eq!(world.minted(), fil(5));
}

#[test]
fn value_must_be_the_sum_of_the_messages() {
    let world = World::subnet();
    let params = update(60, vec![down(0, 5), down(1, 7)]);
    for wrong in [0, 11, 13] {
        let error = world.error(SYSTEM_ID, wrong, gateway::APPLY_PARENT_UPDATE, &params);
        assert_eq!(error.exit_code, ExitCode::new(49));
    }
    let mut negative = update(60, vec![down(0, 5), down(1, 7)]);
    negative.messages[0].value = -fil(5);
    let error = world.error(SYSTEM_ID, 2, gateway::APPLY_PARENT_UPDATE, &negative);
    assert_eq!(error.exit_code, ExitCode::new(58));
}

#[test]
fn more_than_one_block_may_apply_is_refused() {
    let world = World::subnet();
    let messages = |count: usize| (0..count as u64).map(|nonce| down(nonce, 1)).collect::<Vec<_>>();
    let most = CROSS_MESSAGES_PER_BLOCK_MAX;
    assert_eq!(refused(&world, &update(60, messages(most + 1))), ExitCode::new(57));
    assert_eq!(apply(&world, &update(60, messages(most))).len(), most);
    let mut changes = update(61, vec![]);
    changes.changes = (0..=CHANGES_PER_UPDATE_MAX as u64).map(|index| change(2 + index, 4, index + 1)).collect();
    assert_eq!(refused(&world, &changes), ExitCode::new(57));
    changes.changes.pop();
    apply(&world, &changes);
    assert_eq!(world.state().pending(world.rt.store()).unwrap().number().get(), 65);
}

#[test]
fn hostile_message_costs_only_itself_and_goes_back() {
    type Change = fn(&mut CrossMessage);
    let cases: [(ExitCode, Change); 6] = [
        (refusal::GAS_LIMIT, |m| {
            *m = as_call(m.clone());
            m.gas_limit = u64::MAX;
        }),
        (refusal::FORBIDDEN, |m| {
            *m = as_call(m.clone());
            m.destination.address = f1("system");
        }),
        (refusal::RECIPIENT, |m| m.destination.address = Address::new_id(100)),
        (refusal::UNKNOWN_SUBNET, |m| m.destination.subnet = child().child(nobody()).unwrap()),
        (refusal::WRONG_DIRECTION, |m| m.destination.subnet = root()),
        (refusal::NO_DESTINATION, |m| m.destination.address = nobody()),
    ];
    for (code, change) in cases {
        let world = World::subnet();
        world.rt.add_actor(GATEWAY_ID, code_of("gateway"), Some(f1("system")));
        let mut hostile = down(1, 7);
        change(&mut hostile);
        let outcomes = apply(&world, &update(60, vec![down(0, 5), hostile.clone(), down(2, 3)]));
        assert_eq!(outcomes, vec![ExitCode::OK, code, ExitCode::OK]);
        let receipt = world.outbox().pop().unwrap();
        assert_eq!((receipt.destination, receipt.value), (hostile.origin.clone(), hostile.amount()));
        let expected = CrossKind::Receipt {
            of: hostile.id,
            of_sequence: hostile.origin_sequence,
            exit_code: code,
            return_data: RawBytes::default(),
        };
        assert_eq!(receipt.kind, expected);
        let burn = world.sends().pop().unwrap();
        assert_eq!(burn, (Address::new_id(SYSTEM_ID), METHOD_SEND, hostile.amount()), "it goes where a release goes");
        assert_eq!(world.minted(), fil(8), "what reached the others");
    }
}

#[test]
fn receipt_that_cannot_be_credited_is_kept_and_makes_none() {
    let world = World::subnet();
    let mut state = world.state();
    state.next_origin_sequence = 1;
    world.rt.save_state(&state).unwrap();
    let receipt = as_receipt(down(0, 5), nobody(), 0);
    let mut own = down(1, 2);
    own.origin = at(child(), f1("carol"));
    let outcomes = apply(&world, &update(60, vec![receipt, own]));
    assert_eq!(outcomes, vec![refusal::NO_DESTINATION, refusal::FORGED_ORIGIN]);
    assert!(world.outbox().is_empty());
    assert_eq!(world.state().unclaimed_total, fil(7));
}

#[test]
fn changes_wait_in_the_pending_configuration_for_the_cut() {
    let world = World::subnet();
    let mut params = update(60, vec![]);
    params.changes = vec![change(2, 4, 10), change(3, 1, 0), change(4, 2, 99)];
    apply(&world, &params);
    let state = world.state();
    assert_eq!(state.pending(world.rt.store()).unwrap(), set(4, &[(2, 99), (3, 10), (4, 10)]));
    assert_eq!(state.validators(world.rt.store()).unwrap().number(), ConfigurationNumber::FIRST);

    params.changes = vec![change(6, 5, 1)];
    assert_eq!(refused(&world, &params), ExitCode::new(56));
    params.changes = vec![change(4, 5, 1)];
    assert_eq!(refused(&world, &params), ExitCode::new(56));
    assert_eq!(world.state().pending(world.rt.store()).unwrap(), set(4, &[(2, 99), (3, 10), (4, 10)]));
}

/// Numbers of the refused changes that were told since the last look.
fn told_refused(world: &World) -> Vec<u64> {
    let kind = encode(&events::gateway::CHANGE_REFUSED);
    let events = world.rt.take_events();
    let refused = events.iter().filter(|event| event.entries[0].value == kind);
    let number = |event: &ActorEvent| event.entries.iter().find(|entry| entry.key == "configuration").unwrap().clone();
    refused.map(|event| fvm_ipld_encoding::from_slice(&number(event).value).unwrap()).collect()
}

#[test]
fn change_that_makes_no_valid_set_costs_only_itself() {
    let world = World::subnet();
    let repeated_key = {
        let mut change = change(3, 5, 1);
        change.validator.checkpoint_key = validator(1, 1).checkpoint_key;
        change
    };
    let too_much = change(4, 5, TOTAL_POWER_MAX - 29);
    let mut params = update(60, vec![down(0, 5)]);
    params.changes = vec![change(2, 4, 10), repeated_key, too_much, change(5, 2, 0), change(6, 5, 7)];
    assert_eq!(apply(&world, &params), vec![ExitCode::OK], "messages go on");
    assert_eq!(world.state().pending(world.rt.store()).unwrap(), set(6, &[(1, 10), (3, 10), (4, 10), (5, 7)]));
    assert_eq!(told_refused(&world), [3, 4]);

    // As much as can be counted is fine, and somebody must be left.
    let world = World::subnet();
    params.messages = vec![];
    params.changes = vec![change(2, 5, TOTAL_POWER_MAX - 30), change(3, 5, 0)];
    apply(&world, &params);
    assert_eq!(told_refused(&world), [0; 0]);
    params.changes = (1..=3).map(|seed| change(3 + u64::from(seed), seed, 0)).collect();
    apply(&world, &params);
    assert_eq!(told_refused(&world), [6]);
    assert_eq!(world.state().pending(world.rt.store()).unwrap(), set(6, &[(3, 10)]));
    let cut = world.cut(10).unwrap();
    assert_eq!((cut.configuration.number.get(), cut.configuration.validators_hash), (6, set(6, &[(3, 10)]).hash()));
}

#[test]
fn changes_make_the_same_set_however_they_are_split_over_updates() {
    // Leaves nobody after the third, whatever comes after it.
    let changes: Vec<_> = (1..=3).map(|seed| change(1 + u64::from(seed), seed, 0)).chain([change(5, 4, 1)]).collect();
    let expected = set(5, &[(3, 10), (4, 1)]);
    for size in 1..=changes.len() {
        let world = World::subnet();
        for part in changes.chunks(size) {
            apply(&world, &ApplyParentUpdateParams { changes: part.to_vec(), ..update(60, vec![]) });
        }
        assert_eq!(world.state().pending(world.rt.store()).unwrap(), expected, "{size} at once");
    }
}

#[test]
fn receipts_are_taken_when_the_outbox_is_full_for_users() {
    let world = World::subnet();
    let full = world.fill_outbox();
    let hostile = |nonce| {
        let mut message = down(nonce, 2);
        message.destination.address = nobody();
        message
    };
    apply(&world, &update(60, vec![hostile(0), hostile(1), hostile(2)]));
    assert_eq!(world.state().outbox.count, full + 3);
    world.rt.set_balance(BURNT_FUNDS_ID, &(world.burnt() + fil(11)));
    let cut = world.cut(10).unwrap();
    assert_eq!((cut.messages.count + world.state().outbox.count, cut.burned), (full + 3, fil(11)));
    assert_eq!(world.release(1).nonce.get(), full + 3);
    let next = world.cut(20).unwrap();
    assert_eq!(next.messages.first_nonce.get(), cut.messages.count);
    assert_eq!(next.burned, fil(0), "what waited left circulation when it was queued");
}

#[test]
fn set_of_the_parents_validators_is_checked_before_it_is_stored() {
    let world = World::subnet();
    let mut params = update(60, vec![]);
    params.parent_validators = Some(set(2, &[(5, 1), (6, 2)]));
    apply(&world, &params);
    assert_eq!(world.state().parent_validators(world.rt.store()).unwrap(), params.parent_validators);
    // Decoding takes any list; only the check knows that somebody must be in it.
    let nobody: Vec<u8> = fvm_ipld_encoding::to_vec(&(3u64, Vec::<subnet_types::Validator>::new())).unwrap();
    params.parent_validators = Some(fvm_ipld_encoding::from_slice(&nobody).unwrap());
    let error = world.error(SYSTEM_ID, 0, gateway::APPLY_PARENT_UPDATE, &params);
    assert_eq!(error.exit_code, ExitCode::new(59), "{error}");
    assert_eq!(world.state().parent_validators(world.rt.store()).unwrap(), Some(set(2, &[(5, 1), (6, 2)])));
}

#[test]
fn update_without_gas_for_all_leaves_the_rest_to_the_next() {
    let world = World::subnet();
    let messages: Vec<_> = (0..5).map(|nonce| down(nonce, 10 + nonce)).collect();
    // Each transfer takes 200 million of what is left; the third finds 150, and ending an update takes most of that.
    world.rt.set_gas(550_000_000, 200_000_000);
    let first = update(60, messages.clone());
    assert_eq!(apply(&world, &first), [ExitCode::OK; 2]);
    assert_eq!(world.state().parent.unwrap().next_nonce.get(), 2);
    assert_eq!((world.holds(f1("dave")), world.minted()), (fil(21), fil(21)), "the rest is in the reserve again");
    let back = (Address::new_id(SYSTEM_ID), METHOD_SEND, fil(12 + 13 + 14));
    assert_eq!(world.sends().pop().unwrap(), back);
    world.check();

    world.rt.set_gas(10_000_000_000, 0);
    assert_eq!(apply(&world, &update(60, messages[2..].to_vec())), [ExitCode::OK; 3]);
    assert_eq!((world.holds(f1("dave")), world.minted()), (fil(60), fil(60)));
    world.check();
}

#[test]
fn receipt_without_gas_for_code_is_credited_and_the_update_goes_on() {
    let world = World::subnet();
    world.ok::<subnet_types::actors::EnqueueReturn>(
        crate::world::ROBOT,
        5,
        gateway::SEND,
        &crate::world::call_to(at(root(), f1("bob")), 1_000),
    );
    let robot = Address::new_id(crate::world::ROBOT);
    let receipt = as_receipt(down(0, 5), robot, 0);
    let mut receipt = CrossMessage { origin: at(root(), f1("bob")), ..receipt };
    receipt.id = subnet_types::Digest([3; 32]);
    // Enough to begin; then the credit takes nearly all of it.
    world.rt.set_gas(1_000_000_000, 950_000_000);
    assert_eq!(apply(&world, &update(60, vec![receipt])), [ExitCode::OK]);
    assert_eq!(world.holds(robot), fil(5));
    assert!(!world.state().is_delivering);
}
