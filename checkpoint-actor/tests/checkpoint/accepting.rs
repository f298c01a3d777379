//! Checkpoints that are accepted, and what that changes.

use actor_runtime::{Runtime, decode_params};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{BURNT_FUNDS_ID, CommitCheckpointParams, gateway};
use subnet_types::checkpoint::ConfigurationApplied;
use subnet_types::genesis::MembershipMode;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};

use crate::world::{NANO, World, atto};

#[test]
fn three_of_four_settle_a_checkpoint() {
    let world = World::of_four();
    let mut checkpoint = world.next(&[]);
    checkpoint.top_down_applied.nonce = Nonce::new(2);
    checkpoint.top_down_applied.parent_height = Height::new(590);
    checkpoint.burned = atto(40);
    let progress = world.settle(&checkpoint, &[]).unwrap();
    assert_eq!((progress.next_nonce, progress.undelivered), (Nonce::ZERO, 0));

    let state = world.state();
    assert_eq!((state.last_sequence.get(), state.last_height.get()), (1, 10));
    assert_eq!(state.last_digest, World::digest(&checkpoint));
    assert_eq!(state.last_state_root, Some(checkpoint.state_root));
    assert_eq!(state.top_down_applied, checkpoint.top_down_applied);
    assert_eq!(state.custody, atto(960));

    let sends = world.rt.take_sends();
    let report: CommitCheckpointParams = decode_params(sends[0].params.clone()).unwrap();
    assert_eq!(sends[0].method, gateway::COMMIT_CHECKPOINT);
    assert_eq!((report.top_down_applied, report.configuration.get()), (checkpoint.top_down_applied, 1));
    assert_eq!((sends[1].to, sends[1].method), (Address::new_id(BURNT_FUNDS_ID), METHOD_SEND));
    assert_eq!(sends[1].value, atto(40));
}

#[test]
fn all_few_and_uneven_signers_verify_as_one_key() {
    // None absent; few absent (subtracted); more absent than present (added).
    let world = World::active(MembershipMode::Collateral, &[1, 1, 1, 1, 1, 1, 100]);
    for signers in [&[1, 2, 3, 4, 5, 6, 7][..], &[1, 2, 3, 5, 7], &[7], &[2, 7]] {
        let checkpoint = world.next(&[]);
        world.submit(&checkpoint, &world.certify(&checkpoint, signers), &[]).unwrap();
    }
    assert_eq!(world.state().last_sequence.get(), 4);
}

#[test]
fn duplicate_of_an_accepted_checkpoint_is_told_from_a_gap() {
    let world = World::of_four();
    let first = world.next(&[]);
    let certificate = world.certify(&first, &[1, 2, 3]);
    let mut gap = first.clone();
    gap.sequence = gap.sequence.next();
    assert_eq!(world.settle(&gap, &[]).unwrap_err().exit_code, ExitCode::new(153));
    world.submit(&first, &certificate, &[]).unwrap();
    assert_eq!(world.submit(&first, &certificate, &[]).unwrap_err().exit_code, ExitCode::new(152));
}

#[test]
fn batch_value_leaves_custody_at_acceptance() {
    let world = World::of_four();
    let messages = world.messages(3, 100);
    let mut checkpoint = world.next(&messages);
    checkpoint.burned = atto(50);
    let progress = world.settle(&checkpoint, &[]).unwrap();
    assert_eq!((progress.next_nonce.get(), progress.undelivered), (0, 3));
    let state = world.state();
    assert_eq!((state.custody, state.batch_reserved), (atto(650), atto(300)));
    assert_eq!(state.next_batch_nonce, Nonce::new(3));
}

#[test]
fn release_beyond_the_custody_halts_this_subnet_and_nothing_is_taken() {
    let world = World::of_four();
    let messages = world.messages(1, 900);
    let mut greedy = world.next(&messages);
    greedy.burned = atto(101);
    let error = world.settle(&greedy, &messages).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(161));
    assert!(error.message.contains("900") && error.message.contains("101") && error.message.contains("1000"));
    assert!(world.delivered().is_empty());
    // Exactly all of it is fine: stake beside it is never touched.
    let mut all = world.next(&messages);
    all.burned = atto(100);
    world.settle(&all, &messages).unwrap();
    assert_eq!((world.state().custody, world.state().stake_total), (atto(0), atto(40 * NANO)));
}

#[test]
fn certificate_of_the_old_configuration_turns_invalid_when_the_new_is_confirmed() {
    let world = World::of_four();
    world.join(5, 100 * NANO).unwrap();
    // Until a checkpoint says that it applied configuration 2, configuration 1 signs.
    world.settle(&world.next(&[]), &[]).unwrap();
    let mut confirming = world.next(&[]);
    let known = world.state().configuration(world.rt.store(), ConfigurationNumber::new(2)).unwrap().unwrap();
    confirming.configuration =
        ConfigurationApplied { number: ConfigurationNumber::new(2), validators_hash: known.validators_hash };
    let stale = world.certify(&confirming, &[1, 2, 3]);
    world.submit(&confirming, &stale, &[]).unwrap();
    assert_eq!(world.state().configuration_confirmed.get(), 2);

    let next = world.next(&[]);
    let mut old = world.certify(&next, &[1, 2, 3]);
    assert_eq!(
        world.submit(&next, &old, &[]).unwrap_err().exit_code,
        ExitCode::new(169),
        "30 of 140 is no quorum of configuration 2"
    );
    old.configuration = ConfigurationNumber::FIRST;
    assert_eq!(world.submit(&next, &old, &[]).unwrap_err().exit_code, ExitCode::new(167));
    world.submit(&next, &world.certify(&next, &[1, 5]), &[]).unwrap();
}

#[test]
fn checkpoint_that_ignores_this_chain_for_too_long_is_refused_whenever_it_is_submitted() {
    let world = World::of_four();
    let followed = |height| {
        let mut checkpoint = world.next(&[]);
        checkpoint.top_down_applied.parent_height = Height::new(height);
        checkpoint
    };
    world.rt.set_block(10_000, 20_000);
    world.gateway.oldest_unapplied.set(Some(Height::new(550)));
    assert_eq!(world.settle(&followed(651), &[]).unwrap_err().exit_code, ExitCode::new(164));
    world.settle(&followed(650), &[]).unwrap();
    world.gateway.oldest_unapplied.set(None);
    world.settle(&followed(651), &[]).unwrap();
}
