//! Any block, any partition, any number of lanes: the same result.

use fvm::executor::ApplyRet;
use fvm_shared::message::Message;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::creation::execs;
use crate::support::deep;
use crate::support::random::{Draft, draft};
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, alice, fil};
use crate::town::{Expected, ROOT, citizen, numbered, ours, run, send, writes};
use fvm_shared::address::Address;

/// Blocks that are tried. `LANES_CASES` asks for another number.
const CASES: u32 = 250;

pub fn config(cases: u32) -> ProptestConfig {
    let wanted = std::env::var("LANES_CASES").ok().and_then(|cases| cases.parse().ok());
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x1a_2026);
    ProptestConfig {
        cases: wanted.unwrap_or(cases),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

/// A message of a citizen, or of one of the three who try everything.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Any {
    Wild(Draft),
    /// Pays somebody, who may not be there yet, more than the sender has now and then.
    Send {
        from: u64,
        to: u64,
        value: u64,
    },
    /// Changes a contract, or only looks at it.
    Call {
        from: u64,
        actor: usize,
        does: u8,
    },
    /// Makes a contract do something.
    Run {
        from: u64,
        actor: usize,
        script: Script,
    },
    /// With a nonce that is not the next one.
    Early {
        from: u64,
    },
}

/// Citizens who send.
pub const SENDERS: u64 = 12;

pub fn any_message() -> impl Strategy<Value = Any> {
    let value = prop_oneof![6 => 0u64..4, 2 => 90u64..101, 1 => 150u64..400];
    let to = prop_oneof![4 => 0..SENDERS, 2 => 40u64..44, 3 => 2_000u64..2_006];
    prop_oneof![
        3 => draft().prop_map(Any::Wild),
        5 => (0..SENDERS, to, value).prop_map(|(from, to, value)| Any::Send { from, to, value }),
        5 => (0..SENDERS, 0..SCRIPTS.len(), 0u8..9).prop_map(|(from, actor, does)| Any::Call { from, actor, does }),
        1 => (0..SENDERS).prop_map(|from| Any::Early { from }),
    ]
}

fn call(from: u64, sequence: u64, actor: usize, does: u8) -> Message {
    let other = Address::new_id(SCRIPTS[(actor + 1) % SCRIPTS.len()]);
    let script = match does {
        0 => writes(sequence),
        1 => Script::new().call("self::root", &[0x700, 60]),
        2 => Script::new().call("self::current_balance", &[]).pay(citizen(from), &fil(1)),
        3 => Script::new().run(other, &writes(from), &fil(1), NO_LIMIT, 0),
        4 => Script::new().call("actor::balance_of", &[SCRIPTS[0]]).call("actor::balance_of", &[99]),
        5 => Script::new().pay(numbered(2_003), &fil(1)).run(other, &writes(3).exit(40, 0, "no"), &fil(0), NO_LIMIT, 0),
        6 => execs(Script::new()).pay(numbered(2_000 + sequence % 6), &fil(1)),
        7 => Script::new()
            .run(other, &execs(Script::new()).exit(40, 0, "no"), &fil(0), NO_LIMIT, 0)
            .pay(numbered(2_000 + from % 6), &fil(1)),
        _ => Script::new().pay(alice(), &fil(60)),
    };
    run(from, sequence, actor, &script)
}

/// The block and what the stock executor makes of it.
pub fn expected(all: &[Any]) -> Expected {
    let mut drafts = [0u64; 3];
    let mut citizens = [0u64; SENDERS as usize];
    let mut next = all.iter();
    let mut last: Option<&Any> = None;
    Expected::of(*ROOT, |ret: Option<&ApplyRet>| {
        // A refused message has not used its nonce.
        if ret.is_some_and(|ret| ret.msg_receipt.gas_used > 0) {
            match last {
                Some(Any::Wild(draft)) => drafts[draft.from] += 1,
                Some(Any::Send { from, .. } | Any::Call { from, .. } | Any::Run { from, .. }) => {
                    citizens[*from as usize] += 1
                }
                Some(Any::Early { .. }) | None => {}
            }
        }
        last = next.next();
        Some(match last? {
            Any::Wild(draft) => draft.with_sequence(drafts[draft.from]),
            Any::Send { from, to, value } => send(*from, citizens[*from as usize], numbered(*to), fil(*value)),
            Any::Call { from, actor, does } => call(*from, citizens[*from as usize], *actor, *does),
            Any::Run { from, actor, script } => {
                let message = run(*from, citizens[*from as usize], *actor, script);
                Message { gas_limit: 300_000_000, ..message }
            }
            Any::Early { from } => send(*from, citizens[*from as usize] + 7, citizen(0), fil(1)),
        })
    })
}

#[test]
fn any_partition_on_any_number_of_lanes_gives_the_sequential_result() {
    let blocks = (vec(any_message(), 1..24), vec(0u32..8, 24), 1usize..=8);
    TestRunner::new(config(CASES))
        .run(&blocks, |(messages, components, lanes)| {
            deep(|| {
                let expected = expected(&messages);
                let mut executor = ours(*ROOT, lanes);
                let rets = executor.execute_hinted(&expected.block(), &components).unwrap();
                expected.check(&rets, &mut executor);
            });
            Ok(())
        })
        .unwrap();
}

/// The executor's own predictions, over blocks that follow each other, so that it has learned something.
#[test]
fn predicted_partitions_give_the_sequential_result() {
    TestRunner::new(config(CASES / 4))
        .run(&(vec(vec(any_message(), 1..40), 1..3), 2usize..=4), |(blocks, lanes)| {
            deep(|| {
                let mut executor = ours(*ROOT, lanes);
                let mut all = Vec::new();
                let mut done = 0;
                for block in blocks {
                    all.extend(block);
                    // From the beginning each time, for the nonces; the executor has done the first ones.
                    let expected = expected(&all);
                    let rets = executor.execute(&expected.block()[done..]).unwrap();
                    for (index, ret) in rets.iter().enumerate() {
                        let at = done + index;
                        crate::support::compare::assert_same(&expected.messages[at], &expected.rets[at], ret);
                    }
                    done = expected.messages.len();
                    assert_eq!(executor.flush().unwrap(), expected.root, "state roots differ");
                }
            });
            Ok(())
        })
        .unwrap();
}
