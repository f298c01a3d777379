//! Batches in slices, brought by several submitters, and transfers in runs.

use actor_runtime::Runtime;
use checkpoint_actor::runs::RUN_MESSAGES_MAX;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{DeliverParams, gateway};
use subnet_types::cross::{CrossKind, CrossMessage, gas_to_carry};
use subnet_types::limits::CROSS_HOP_GAS;
use subnet_types::quantity::Nonce;

use crate::world::{GAS_FOR_ONE, OWNER, STRANGER, World, atto, prove};

/// A world that accepted a checkpoint with `count` transfers of 10, none of them delivered.
fn with_waiting(count: u64) -> (World, Vec<CrossMessage>) {
    let world = World::of_four();
    let batch = world.messages(count, 10);
    world.settle(&world.next(&batch), &[]).unwrap();
    world.rt.take_sends();
    (world, batch)
}

/// The nonces that went to the gateway, call by call, since the last look.
fn runs(world: &World) -> Vec<Vec<u64>> {
    let sends = world.rt.take_sends().into_iter().filter(|sent| sent.method == gateway::DELIVER);
    let nonces = sends.map(|sent| {
        let params: DeliverParams = actor_runtime::decode_params(sent.params).unwrap();
        let value = params.messages.iter().map(CrossMessage::amount).sum();
        assert_eq!(sent.value, value, "the value is the sum of the amounts");
        let gas = params.messages.iter().map(CrossMessage::delivery_gas).sum();
        assert_eq!(sent.gas_limit, Some(gas), "so is the gas");
        params.messages.iter().map(|message| message.nonce.get()).collect()
    });
    nonces.collect()
}

#[test]
fn slices_deliver_each_message_once_whatever_they_repeat() {
    let (world, batch) = with_waiting(13);
    for (range, undelivered) in [(0..3, 10), (3..4, 9), (0..7, 6), (6..12, 1), (1..13, 0)] {
        assert_eq!(world.deliver_slice(STRANGER, 1, &batch, range).unwrap().undelivered, undelivered);
    }
    assert_eq!(world.delivered(), (0..13).collect::<Vec<_>>());
    assert_eq!(world.deliver_slice(STRANGER, 1, &batch, 1..13).unwrap_err().exit_code, ExitCode::new(180));
    let state = world.state();
    assert_eq!(state.undelivered_batches(world.rt.store()).unwrap(), []);
    assert_eq!((state.custody, state.batch_reserved), (atto(870), atto(0)));
}

#[test]
fn later_of_two_submitters_is_turned_away_before_anything_is_hashed() {
    let (world, batch) = with_waiting(8);
    world.deliver_slice(STRANGER, 1, &batch, 0..4).unwrap();
    world.rt.take_sends();
    let error = world.deliver_slice(OWNER, 1, &batch, 0..4).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(183), "{error}");
    // Not even the messages are looked at, but for their nonces.
    let altered: Vec<_> =
        batch[..4].iter().map(|message| CrossMessage { value: -atto(1), ..message.clone() }).collect();
    let error = world.deliver_with(OWNER, 1, &altered, vec![]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(183), "{error}");
    assert_eq!(runs(&world), Vec::<Vec<u64>>::new());
}

#[test]
fn two_submitters_that_overlap_do_not_block_each_other() {
    let (world, batch) = with_waiting(20);
    // Each made its slice up before the other was included.
    let (mut next, mut turned_away) = (0, 0);
    while next < 20 {
        let slice = next..(next + 5).min(20);
        let longer = next..(next + 7).min(20);
        next =
            usize::try_from(world.deliver_slice(STRANGER, 1, &batch, slice.clone()).unwrap().next_nonce.get()).unwrap();
        match world.deliver_slice(OWNER, 1, &batch, longer) {
            Ok(progress) => next = usize::try_from(progress.next_nonce.get()).unwrap(),
            Err(error) => {
                assert!([180, 183].map(ExitCode::new).contains(&error.exit_code), "{error}");
                turned_away += 1;
            }
        }
    }
    assert_eq!((world.delivered(), turned_away), ((0..20).collect(), 0));
}

#[test]
fn slice_beyond_the_cursor_waits_its_turn() {
    let (world, batch) = with_waiting(6);
    assert_eq!(world.deliver_slice(STRANGER, 1, &batch, 1..3).unwrap_err().exit_code, ExitCode::new(174));
    world.deliver_slice(STRANGER, 1, &batch, 0..1).unwrap();
    world.deliver_slice(STRANGER, 1, &batch, 1..3).unwrap();
    assert_eq!(world.deliver_slice(STRANGER, 1, &batch, 4..6).unwrap_err().exit_code, ExitCode::new(174));
    assert_eq!(world.delivered(), [0, 1, 2]);
}

#[test]
fn slice_that_its_proof_does_not_show_moves_nothing() {
    let (world, batch) = with_waiting(7);
    world.deliver_slice(STRANGER, 1, &batch, 0..2).unwrap();
    let (slice, proof) = (batch[1..4].to_vec(), prove(&batch, 1..4));
    type Change = fn(&mut Vec<CrossMessage>);
    let changes: [Change; 8] = [
        |m| m[1].value = atto(11),
        |m| m[0].value = atto(11),
        |m| m[2].value = -atto(10),
        |m| drop(m.remove(1)),
        |m| drop(m.pop()),
        |m| m.swap(1, 2),
        |m| m.iter_mut().for_each(|message| message.nonce = message.nonce.next()),
        |m| m[2].nonce = Nonce::new(u64::MAX),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut altered = slice.clone();
        change(&mut altered);
        let error = world.deliver_with(STRANGER, 1, &altered, proof.clone()).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(172), "change {index}: {error}");
    }
    let wrong = [vec![], prove(&batch, 1..3), [proof.clone(), vec![proof[0]]].concat(), proof[1..].to_vec()];
    for (index, wrong) in wrong.into_iter().enumerate() {
        let error = world.deliver_with(STRANGER, 1, &slice, wrong).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(172), "proof {index}: {error}");
    }
    let beyond = [batch[5..].to_vec(), vec![crate::world::message(7, 10)]].concat();
    assert_eq!(world.deliver_with(STRANGER, 1, &beyond, vec![]).unwrap_err().exit_code, ExitCode::new(172));
    assert_eq!(world.delivered(), [0, 1]);
    world.deliver_with(STRANGER, 1, &slice, proof).unwrap();
}

#[test]
fn batch_that_declared_another_value_than_its_messages_have_never_ends() {
    for (declared, delivered) in [(39, vec![0, 1]), (41, vec![0, 1])] {
        let world = World::of_four();
        let batch = world.messages(4, 10);
        let mut checkpoint = world.next(&batch);
        checkpoint.messages.value = atto(declared);
        assert_eq!(world.settle(&checkpoint, &batch).unwrap_err().exit_code, ExitCode::new(172));
        world.settle(&checkpoint, &[]).unwrap();
        world.deliver_slice(STRANGER, 1, &batch, 0..2).unwrap();
        let error = world.deliver_slice(STRANGER, 1, &batch, 2..4).unwrap_err();
        assert_eq!((error.exit_code, world.delivered()), (ExitCode::new(172), delivered), "{declared}: {error}");
    }
}

#[test]
fn transfers_in_a_row_share_calls_and_what_runs_code_goes_alone() {
    let world = World::of_four();
    let mut batch = world.messages(RUN_MESSAGES_MAX as u64 + 7, 10);
    let (call, receipt) = (RUN_MESSAGES_MAX + 2, RUN_MESSAGES_MAX + 3);
    batch[call].kind = CrossKind::Call { method: 7, params: RawBytes::default() };
    batch[call].gas_limit = 1_000;
    let (of, return_data) = (batch[0].id, RawBytes::default());
    batch[receipt].kind = CrossKind::Receipt { of, of_sequence: 0, exit_code: ExitCode::OK, return_data };
    world.settle(&world.next(&batch), &batch).unwrap();
    let max = RUN_MESSAGES_MAX as u64;
    let expected =
        vec![(0..max).collect(), vec![max, max + 1], vec![max + 2], vec![max + 3], (max + 4..max + 7).collect()];
    assert_eq!(runs(&world), expected);
}

#[test]
fn run_that_fails_is_delivered_one_by_one_and_only_its_culprit_set_aside() {
    let (world, batch) = with_waiting(RUN_MESSAGES_MAX as u64 + 3);
    world.gateway.failing.borrow_mut().push(1);
    let progress = world.deliver(1, &batch).unwrap();
    assert_eq!(progress.undelivered, 0);
    let max = RUN_MESSAGES_MAX as u64;
    let mut expected = vec![(0..max).collect::<Vec<u64>>()];
    expected.extend((0..max).map(|nonce| vec![nonce]));
    expected.push((max..max + 3).collect());
    assert_eq!(runs(&world), expected, "one by one as far as the run went, then together again");
    let others: Vec<_> = (0..max + 3).filter(|nonce| *nonce != 1).collect();
    assert_eq!((world.delivered(), world.state().unclaimed), (others, atto(10)));
    world.gateway.failing.borrow_mut().clear();
    world.deliver_unclaimed(&batch[1]).unwrap();
}

#[test]
fn run_that_burns_all_its_gas_still_leaves_enough_for_one_message() {
    let (world, batch) = with_waiting(3);
    world.gateway.failing.borrow_mut().push(2);
    let run = 3 * CROSS_HOP_GAS;
    world.rt.set_gas(run + 2 * GAS_FOR_ONE - CROSS_HOP_GAS, run);
    let progress = world.deliver(1, &batch).unwrap();
    assert_eq!(runs(&world), [vec![0, 1, 2], vec![0]]);
    assert_eq!((progress.next_nonce, world.delivered()), (Nonce::new(1), vec![0]));
    assert_eq!((world.state().batch_delivered, world.state().batch_reserved), (atto(10), atto(20)));

    // With less there is no run at all.
    let (world, batch) = with_waiting(3);
    world.rt.set_gas(2 * CROSS_HOP_GAS + 2 * GAS_FOR_ONE - CROSS_HOP_GAS - 1, 1_000_000_000);
    world.deliver(1, &batch).unwrap();
    assert_eq!(runs(&world), [vec![0]]);
}

#[test]
fn call_that_asks_for_more_gas_than_is_left_waits_with_all_behind_it() {
    let world = World::of_four();
    let mut batch = world.messages(3, 10);
    batch[1].kind = CrossKind::Call { method: 7, params: RawBytes::default() };
    batch[1].gas_limit = 500_000_000;
    world.settle(&world.next(&batch), &[]).unwrap();
    let needed = GAS_FOR_ONE + gas_to_carry(500_000_000);
    world.rt.set_gas(needed - 1, 0);
    assert_eq!(world.deliver(1, &batch).unwrap().next_nonce, Nonce::new(1));
    assert_eq!(world.deliver(1, &batch).unwrap().next_nonce, Nonce::new(1));
    world.rt.set_gas(needed, 0);
    assert_eq!(world.deliver(1, &batch).unwrap().next_nonce, Nonce::new(3));
}
