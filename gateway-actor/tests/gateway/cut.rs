//! The end of a period.

use actor_runtime::{Runtime, encode_params};
use fvm_shared::error::ExitCode;
use gateway_actor::dispatch;
use gateway_actor::types::Draft;
use subnet_types::actors::{ApplyParentUpdateParams, BURNT_FUNDS_ID, SYSTEM_ID, gateway};
use subnet_types::cross::{CrossKind, MessageBatch};
use subnet_types::genesis::mint_reserve;
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::limits::{
    CROSS_MESSAGES_PER_BLOCK_MAX, CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_MAX,
};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};

use crate::world::{ALICE, CHILD, World, at, child, down, f1, fil, nobody, root, set, validator};

#[test]
fn cut_fixes_batch_burn_cursor_and_configuration() {
    let world = World::subnet();
    world.release(5);
    world.release(6);
    // Fees reach the burnt-funds actor too.
    world.rt.set_balance(BURNT_FUNDS_ID, &(world.burnt() + fil(40)));
    let update = ApplyParentUpdateParams {
        parent_height: Height::new(70),
        parent_block: cid_of_bytes(b"parent"),
        parent_timestamp: TimestampMs::new(70_000),
        parent_validators: None,
        messages: vec![down(0, 3)],
        changes: vec![MembershipChange { number: ConfigurationNumber::new(2), validator: validator(4, 10) }],
        next_nonce: Nonce::ZERO,
        next_configuration: ConfigurationNumber::FIRST,
    };
    world.call(SYSTEM_ID, 3, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap()).unwrap();

    let cut = world.cut(10).unwrap();
    assert_eq!((cut.sequence.get(), cut.height.get(), cut.burned.clone()), (1, 10, fil(40)));
    assert_eq!((cut.messages.count, cut.messages.value.clone()), (2, fil(11)));
    let applied = cut.top_down_applied;
    assert_eq!((applied.nonce.get(), applied.parent_height.get()), (1, 70));
    let sealed = set(2, &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    assert_eq!((cut.configuration.number.get(), cut.configuration.validators_hash), (2, sealed.hash()));
    let state = world.state();
    assert_eq!(state.validators(world.rt.store()).unwrap(), sealed);
    assert_eq!(state.last_cut, Some(cut.clone()));
    let batch = state.batch(world.rt.store(), &cut).unwrap();
    assert_eq!(MessageBatch::of(Nonce::ZERO, &batch), cut.messages);
}

#[test]
fn second_period_starts_empty_and_continues_the_numbers() {
    let world = World::subnet();
    world.release(5);
    world.cut(10).unwrap();
    world.rt.set_block(11, 0);
    assert_eq!(world.release(8).nonce.get(), 1);
    let cut = world.cut(20).unwrap();
    assert_eq!((cut.sequence.get(), cut.messages.first_nonce.get(), cut.messages.count), (2, 1, 1));
    assert_eq!((cut.messages.value, cut.burned), (fil(8), fil(0)));
    let empty = world.cut(30).unwrap();
    assert_eq!(empty.messages, MessageBatch::of(Nonce::new(2), &[]));
}

#[test]
fn cut_off_the_period_twice_by_strangers_or_on_a_root_is_refused() {
    let world = World::subnet();
    for height in [5, 9, 11, 20] {
        assert_eq!(world.cut(height).unwrap_err().exit_code, ExitCode::USR_ILLEGAL_STATE, "height {height}");
    }
    world.rt.set_block(10, 0);
    let stranger = world.call(ALICE, 0, gateway::CUT_CHECKPOINT, None).unwrap_err();
    assert_eq!(stranger.exit_code, ExitCode::USR_FORBIDDEN);
    world.cut(10).unwrap();
    assert_eq!(world.cut(10).unwrap_err().exit_code, ExitCode::USR_ILLEGAL_STATE);
    assert_eq!(World::root().cut(10).unwrap_err().exit_code, ExitCode::new(54));
}

#[test]
fn cut_notices_balances_that_fell() {
    let world = World::subnet();
    world.rt.set_balance(BURNT_FUNDS_ID, &fil(5));
    assert_eq!(world.cut(10).unwrap().burned, fil(5));
    world.rt.set_balance(BURNT_FUNDS_ID, &fil(4));
    let error = world.cut(20).unwrap_err();
    assert!(error.message.contains("burnt funds holds 4") && error.message.contains("at least 5"), "{error}");
    world.rt.set_balance(BURNT_FUNDS_ID, &fil(5));
    world.rt.set_balance(SYSTEM_ID, &(mint_reserve() - fil(1)));
    let error = world.cut(20).unwrap_err();
    assert!(error.message.contains("the mint reserve holds"), "{error}");
}

#[test]
fn value_sent_to_the_system_actor_counts_as_burned_once() {
    let world = World::subnet();
    world.rt.set_balance(SYSTEM_ID, &(mint_reserve() + fil(7)));
    world.release(5);
    assert_eq!(world.cut(10).unwrap().burned, fil(7));
    assert_eq!(world.cut(20).unwrap().burned, fil(0));
}

#[test]
fn value_may_go_down_and_up_for_ever() {
    let world = World::subnet();
    // Each round moves half of the whole reserve; four of them would have emptied one that nothing comes back to.
    let half = mint_reserve().div_floor(2);
    for round in 0..4 {
        let mut message = down(round, 0);
        message.value = half.clone();
        message.destination.address = nobody();
        let update = ApplyParentUpdateParams {
            parent_height: Height::new(70 + round),
            parent_block: cid_of_bytes(b"parent"),
            parent_timestamp: TimestampMs::new(70_000),
            parent_validators: None,
            messages: vec![message],
            changes: vec![],
            next_nonce: Nonce::ZERO,
            next_configuration: ConfigurationNumber::FIRST,
        };
        let params = encode_params(&update).unwrap();
        world.rt.call(dispatch, SYSTEM_ID, &half, gateway::APPLY_PARENT_UPDATE, params).unwrap();
        world.check();
        let cut = world.cut(10 * (round as i64 + 1)).unwrap();
        assert_eq!((cut.messages.value, cut.burned), (half.clone(), fil(0)));
    }
    assert_eq!(world.minted(), fil(0));
}

/// Ten thousand transfers put into a queue by `queue`, each worth its number.
const QUEUED: u64 = 10_000;

#[test]
fn ten_thousand_messages_up_leave_by_cuts_within_limits_in_order_and_once() {
    let world = World::subnet();
    let mut state = world.state();
    for value in 1..=QUEUED {
        let draft = Draft::new(f1("alice"), at(root(), f1("bob")), fil(value), CrossKind::Transfer);
        state.send_up(world.rt.store(), Height::new(5), draft).unwrap();
    }
    world.rt.save_state(&state).unwrap();
    world.rt.set_balance(SYSTEM_ID, &state.reserve);
    let (mut next, mut cuts) = (0, 0);
    while world.state().outbox.count > 0 {
        cuts += 1;
        let cut = world.cut(10 * cuts).unwrap();
        assert!(cut.messages.count > 0 && cut.messages.count <= CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64);
        let batch = world.state().batch(world.rt.store(), &cut).unwrap();
        assert_eq!(MessageBatch::of(Nonce::new(next), &batch), cut.messages);
        let bytes: usize = batch.iter().map(|message| encode(message).len()).sum();
        assert!(bytes <= CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, "{bytes} bytes");
        for message in batch {
            assert_eq!((message.nonce.get(), message.value), (next, fil(next + 1)));
            next += 1;
        }
    }
    assert_eq!((next, cuts as u64), (QUEUED, QUEUED.div_ceil(CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64)));
}

#[test]
fn ten_thousand_messages_down_are_read_in_ranges_that_fit_a_block_in_order_and_once() {
    let parent = World::root_with_child();
    let mut state = parent.state();
    for value in 1..=QUEUED {
        let draft = Draft::new(f1("carol"), at(child(), f1("dave")), fil(value), CrossKind::Transfer);
        state.queue_down(parent.rt.store(), CHILD, Height::new(5), draft).unwrap();
    }
    let (mut next, mut blocks) = (0, 0);
    loop {
        // What a block of the child takes: from its cursor on.
        let range = state.top_down(parent.rt.store(), CHILD, Nonce::new(next), CROSS_MESSAGES_PER_BLOCK_MAX).unwrap();
        if range.is_empty() {
            break;
        }
        blocks += 1;
        for message in range {
            assert_eq!((message.nonce.get(), message.value), (next, fil(next + 1)));
            next += 1;
        }
    }
    assert_eq!((next, blocks), (QUEUED, QUEUED.div_ceil(CROSS_MESSAGES_PER_BLOCK_MAX as u64)));
}

#[test]
fn cut_in_the_middle_of_a_drain_reports_the_last_height_of_which_nothing_is_missing() {
    let world = World::subnet();
    let anchor = world.state().parent.unwrap().height;
    let update = |height, nonce, next_nonce, next_configuration| ApplyParentUpdateParams {
        parent_height: Height::new(height),
        parent_block: cid_of_bytes(b"parent"),
        parent_timestamp: TimestampMs::new(height * 1_000),
        parent_validators: None,
        messages: vec![down(nonce, 3)],
        changes: vec![],
        next_nonce: Nonce::new(next_nonce),
        next_configuration: ConfigurationNumber::new(next_configuration),
    };
    let reported = |update: &ApplyParentUpdateParams, cut: i64| {
        world.call(SYSTEM_ID, 3, gateway::APPLY_PARENT_UPDATE, encode_params(update).unwrap()).unwrap();
        let applied = world.cut(cut).unwrap().top_down_applied;
        (applied.nonce.get(), applied.parent_height)
    };
    // Two messages wait, then one and a change, then nothing.
    assert_eq!(reported(&update(70, 0, 3, 2), 10), (1, anchor));
    assert_eq!(world.state().parent.unwrap().height, Height::new(70), "it is followed all the same");
    assert_eq!(reported(&update(80, 1, 2, 3), 20), (2, anchor), "a change is missing");
    assert_eq!(reported(&update(80, 2, 3, 2), 30), (3, Height::new(80)));
    assert_eq!(reported(&update(90, 3, 5, 2), 40), (4, Height::new(80)));
}
