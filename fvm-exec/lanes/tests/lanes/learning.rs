//! What the executor makes of experience.

use fvm_shared::address::Address;
use lanes::Decision;

use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, fil};
use crate::town::{Expected, ROOT, ours, run, send, writes};

/// Three contracts that all change the fourth.
fn block(sequence: u64) -> Vec<fvm_shared::message::Message> {
    let fourth = Address::new_id(SCRIPTS[3]);
    let script = |value| Script::new().run(fourth, &writes(value), &fil(0), NO_LIMIT, 0);
    (0..60).map(|from| run(from, sequence, (from % 3) as usize, &script(from))).collect()
}

#[test]
fn contracts_that_meet_behind_the_scenes_are_one_chain_the_second_time() {
    let both: Vec<_> = block(0).into_iter().chain(block(1)).collect();
    let first = Expected::of_all(*ROOT, &block(0));
    let all = Expected::of_all(*ROOT, &both);
    deep(|| {
        let mut executor = ours(*ROOT, 3);
        let rets = executor.execute(&first.block()).unwrap();
        assert_eq!(executor.stats().decision, Decision::Lanes);
        assert!(executor.stats().conflicts > 0 && executor.stats().stopped, "{:?}", executor.stats());
        first.check(&rets, &mut executor);

        executor.execute(&all.block()[60..]).unwrap();
        assert_eq!(executor.stats().decision, Decision::Chained);
        assert_eq!(executor.stats().conflicts, 0);
        assert_eq!(executor.flush().unwrap(), all.root);
    });
}

#[test]
fn contract_that_is_only_read_is_no_reason_to_wait() {
    let looks = Script::new().call("self::root", &[0x700, 60]);
    let messages: Vec<_> = (0..40).map(|from| run(from, 0, (from % 2) as usize, &looks)).collect();
    let again: Vec<_> = (0..40).map(|from| run(from, 1, 0, &looks)).collect();
    let all: Vec<_> = messages.iter().chain(&again).cloned().collect();
    let (first, all) = (Expected::of_all(*ROOT, &messages), Expected::of_all(*ROOT, &all));
    deep(|| {
        let mut executor = ours(*ROOT, 2);
        let rets = executor.execute(&first.block()).unwrap();
        first.check(&rets, &mut executor);
        executor.execute(&all.block()[40..]).unwrap();
        let stats = executor.stats();
        assert_eq!((stats.decision, stats.tasks, stats.conflicts), (Decision::Lanes, 40, 0));
        assert_eq!(executor.flush().unwrap(), all.root);
    });
}

/// Hints that put every message of a chain into another lane: a third of the outcomes are enough to give up.
#[test]
fn hopeless_speculation_is_stopped() {
    let messages: Vec<_> = (0..200).map(|sequence| run(0, sequence, 0, &writes(sequence))).collect();
    let expected = Expected::of_all(*ROOT, &messages);
    let alone: Vec<_> = (0..200).collect();
    deep(|| {
        let mut executor = ours(*ROOT, 2);
        let rets = executor.execute_hinted(&expected.block(), &alone).unwrap();
        let stats = executor.stats();
        assert!(stats.stopped && stats.reexecutions < 40, "{stats:?}");
        expected.check(&rets, &mut executor);
    });
}

#[test]
fn small_blocks_are_left_alone() {
    let messages = [send(0, 0, Address::new_id(99), fil(1)), run(1, 0, 0, &writes(1))];
    let expected = Expected::of_all(*ROOT, &messages);
    deep(|| {
        let mut executor = ours(*ROOT, 2);
        let rets = executor.execute(&expected.block()).unwrap();
        assert!(matches!(executor.stats().decision, Decision::Small | Decision::Chained));
        assert!(executor.stats().lanes_busy.is_empty());
        expected.check(&rets, &mut executor);
    });
}
