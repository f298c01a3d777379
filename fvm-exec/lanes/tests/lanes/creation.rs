//! Accounts that come into being in lanes, with the ids that they get in order.

use fvm_shared::message::Message;
use lanes::Decision;

use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::{exec, fil};
use crate::town::{CITIZENS, Expected, ROOT, numbered, ours, run, send};

const LANES: usize = 4;

/// A new account for a key; every `shared`th goes to the same one.
fn storm(count: u64) -> Vec<Message> {
    (0..count).map(|from| send(from, 0, numbered(CITIZENS + 2 * (from / 2)), fil(1))).collect()
}

#[test]
fn storm_of_new_accounts_runs_in_lanes_without_conflict() {
    let messages: Vec<_> = (0..200).map(|from| send(from, 0, numbered(CITIZENS + 2 * from), fil(1))).collect();
    let expected = Expected::of_all(*ROOT, &messages);
    deep(|| {
        let mut executor = ours(*ROOT, LANES);
        let rets = executor.execute(&expected.block()).unwrap();
        let stats = executor.stats();
        assert_eq!((stats.decision, stats.committed, stats.conflicts), (Decision::Lanes, 200, 0));
        expected.check(&rets, &mut executor);
    });
}

#[test]
fn two_who_pay_the_same_new_account_are_one_task() {
    let expected = Expected::of_all(*ROOT, &storm(120));
    deep(|| {
        let mut executor = ours(*ROOT, LANES);
        let rets = executor.execute(&expected.block()).unwrap();
        let stats = executor.stats();
        assert_eq!((stats.decision, stats.tasks, stats.conflicts), (Decision::Lanes, 60, 0));
        expected.check(&rets, &mut executor);
    });
}

#[test]
fn creation_that_fails_costs_those_after_it_and_changes_nothing() {
    let mut messages = storm(60);
    // Not enough money, so no account, and one id less than expected.
    messages[10].value = fil(500);
    messages.push(exec(0));
    messages.push(run(900, 0, 1, &Script::new().pay(numbered(CITIZENS + 400), &fil(1))));
    messages.push(send(901, 0, numbered(CITIZENS + 402), fil(1)));
    let expected = Expected::of_all(*ROOT, &messages);
    deep(|| {
        let mut executor = ours(*ROOT, LANES);
        let rets = executor.execute(&expected.block()).unwrap();
        expected.check(&rets, &mut executor);
    });
}
