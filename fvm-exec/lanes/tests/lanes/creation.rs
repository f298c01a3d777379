//! Accounts that come into being in lanes, with the ids that they get in order.

use fvm_shared::address::Address;
use fvm_shared::message::Message;
use lanes::Decision;
use subnet_types::actors::INIT_ID;

use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, exec, fil};
use crate::town::{CITIZENS, Expected, ROOT, numbered, ours, run, send, writes};

const LANES: usize = 4;

/// A new account for a key, for every second message.
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

/// Has the init actor create an actor, in the middle of a message.
pub fn execs(script: Script) -> Script {
    let script = script.block(0x51, exec(0).params.bytes());
    let block = script.last_block();
    script.send_block(Address::new_id(INIT_ID), 2, block, &fil(0), NO_LIMIT, 0)
}

/// The init actor's own creations and those by sending, in one message and in both orders, standing and taken back. Ids
/// must not be given out twice, nor addresses be lost.
#[test]
fn both_ways_of_creating_an_actor_meet_in_one_message() {
    let fresh = |index: u64| numbered(CITIZENS + 100 + index);
    let reverted = |script: Script| {
        let failing = execs(Script::new()).exit(40, 0, "taken back");
        script.run(Address::new_id(SCRIPTS[1]), &failing, &fil(0), NO_LIMIT, 0)
    };
    let scripts = [
        execs(Script::new()).pay(fresh(0), &fil(1)),
        Script::new().pay(fresh(2), &fil(1)),
        reverted(Script::new()).pay(fresh(4), &fil(1)),
        Script::new().pay(fresh(6), &fil(1)),
        execs(Script::new().pay(fresh(8), &fil(1))).pay(fresh(10), &fil(1)),
        reverted(Script::new().pay(fresh(12), &fil(1))).pay(fresh(14), &fil(1)),
        execs(execs(Script::new())).pay(fresh(0), &fil(1)),
        Script::new().pay(fresh(16), &fil(1)),
    ];
    for first in 0..scripts.len() {
        let others = (0..scripts.len()).filter(|other| *other != first);
        let messages: Vec<_> = std::iter::once(first)
            .chain(others)
            .enumerate()
            .map(|(from, script)| {
                let call = run(from as u64, 0, 0, &scripts[script]);
                // Half of what the contract was given, so that it can pay all of them.
                Message { value: fil(5), gas_limit: 2_000_000_000, ..call }
            })
            .chain([run(50, 0, 2, &writes(1))])
            .collect();
        let expected = Expected::of_all(*ROOT, &messages);
        let created = expected.rets.iter().filter(|ret| ret.msg_receipt.exit_code.is_success()).count();
        assert_eq!(
            created,
            messages.len(),
            "{:?}",
            expected.rets.iter().map(|ret| ret.failure_info.clone()).collect::<Vec<_>>()
        );
        deep(|| {
            for lanes in [1, 2, LANES] {
                let components: Vec<u32> = (0..messages.len() as u32).collect();
                let mut executor = ours(*ROOT, lanes);
                let rets = executor.execute_hinted(&expected.block(), &components).unwrap();
                expected.check(&rets, &mut executor);
            }
        });
    }
}
