//! Blocks of transfers.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use lanes::{BlockStats, Decision};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::random::config;
use crate::support::deep;
use crate::support::world::fil;
use crate::town::{CITIZENS, Expected, ROOT, citizen, numbered, ours, send};

const LANES: usize = 4;
const SENDS: u64 = 1_200;

/// Random blocks, each of which is as long as many of the other tests together.
const CASES: u32 = 12;

fn execute(messages: &[Message]) -> BlockStats {
    let expected = Expected::of_all(*ROOT, messages);
    deep(|| {
        let mut executor = ours(*ROOT, LANES);
        let rets = executor.execute(&expected.block()).unwrap();
        let stats = executor.stats().clone();
        expected.check(&rets, &mut executor);
        stats
    })
}

#[test]
fn disjoint_transfers_are_merged() {
    let messages: Vec<_> = (0..SENDS).map(|from| send(from, 0, citizen(CITIZENS - 1 - from), fil(1))).collect();
    let stats = execute(&messages);
    assert_eq!((stats.decision, stats.committed, stats.conflicts), (Decision::Bulk, 1_200, 0));
}

#[test]
fn everybody_may_pay_the_same_one_who_pays_too() {
    let mut messages: Vec<_> = (0..SENDS).map(|from| send(from, 0, citizen(7), fil(1))).collect();
    messages.extend((1..5).map(|sequence| send(7, sequence, citizen(8), fil(1))));
    let stats = execute(&messages);
    assert_eq!((stats.decision, stats.committed, stats.stopped), (Decision::Bulk, 1_204, false));
}

#[test]
fn who_lives_from_hand_to_mouth_is_found_out() {
    // Citizen 1 can only pay after having been paid by somebody whose messages another lane has.
    let mut messages: Vec<_> = (0..SENDS).map(|from| send(from, 0, citizen(1), TokenAmount::from_atto(1))).collect();
    messages.push(send(2, 1, citizen(1), fil(50)));
    messages.push(send(1, 1, citizen(3), fil(120)));
    let stats = execute(&messages);
    assert_eq!((stats.decision, stats.committed, stats.stopped), (Decision::Bulk, 0, true));
    assert_eq!(stats.reexecutions, messages.len());
}

#[test]
fn transfers_that_fail_are_transfers() {
    let mut messages: Vec<_> = (0..SENDS).map(|from| send(from, 0, citizen(CITIZENS - 1 - from), fil(101))).collect();
    messages.push(send(SENDS, 0, Address::new_id(7_777), fil(1)));
    messages.push(send(SENDS + 1, 5, citizen(0), fil(1)));
    let stats = execute(&messages);
    assert_eq!((stats.decision, stats.stopped), (Decision::Bulk, false));
}

/// Many placeholders come into being: one after another, for they take ids.
#[test]
fn new_receivers_are_not_for_bulk() {
    let messages: Vec<_> = (0..SENDS).map(|from| send(from, 0, numbered(CITIZENS + 1 + 2 * from), fil(1))).collect();
    assert_eq!(execute(&messages).decision, Decision::Small);
}

/// Transfers among few and among many, with and without the money, in the right order of nonces and out of it. Whether they
/// can be merged or not, the result is the sequential one, and both happens.
#[test]
fn random_transfers_give_the_sequential_result() {
    let transfer = (any::<u16>(), any::<u16>(), prop_oneof![20 => 0u64..3, 1 => 60u64..120], 0u8..200);
    let blocks = (vec(transfer, SENDS as usize..1_500), 1u64..1_000, 2usize..=6, any::<bool>());
    let config = config(CASES);
    // A soak asks for as many blocks of a few messages.
    let config = ProptestConfig { cases: config.cases.div_ceil(20).max(CASES), ..config };
    let (mut merged, mut refused) = (0, 0);
    let counts = std::cell::RefCell::new((&mut merged, &mut refused));
    TestRunner::new(config)
        .run(&blocks, |(transfers, receivers, lanes, apart)| {
            let mut sequences = vec![0u64; CITIZENS as usize];
            let messages: Vec<_> = transfers
                .into_iter()
                .map(|(from, to, value, odd)| {
                    // Where those who pay are not paid, nothing depends on the order.
                    let (from, to) = if apart {
                        (u64::from(from) % 1_000, 1_000 + u64::from(to) % receivers)
                    } else {
                        (u64::from(from) % CITIZENS, u64::from(to) % receivers)
                    };
                    let sequence = &mut sequences[from as usize];
                    let early = u64::from(odd == 0);
                    let message = send(from, *sequence + early, citizen(to), fil(value));
                    *sequence += 1 - early;
                    message
                })
                .collect();
            let expected = Expected::of_all(*ROOT, &messages);
            let stats = deep(|| {
                let mut executor = ours(*ROOT, lanes.max(LANES));
                let rets = executor.execute(&expected.block()).unwrap();
                let stats = executor.stats().clone();
                expected.check(&rets, &mut executor);
                stats
            });
            let mut counts = counts.borrow_mut();
            match (stats.decision, stats.stopped) {
                (Decision::Bulk, false) => *counts.0 += 1,
                (Decision::Bulk, true) => *counts.1 += 1,
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    assert!(merged > 0 && refused > 0, "{merged} blocks were merged, {refused} were not");
}
