//! Segments between waypoints give the sequential result, and wrong waypoints do not matter.

use cid::Cid;
use fvm_exec::Overlay;
use fvm_ipld_encoding::{DAG_CBOR, IPLD_RAW};
use fvm_shared::econ::TokenAmount;
use lanes::{BlockMessage, BlockStats, Decision, Waypoints};
use multihash_codetable::Code::Blake2b256;
use multihash_codetable::MultihashDigest as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::random::{any_message, config, expected};
use crate::support::compare::RAW_LENGTH;
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::World;
use crate::town::{Expected, ROOT, ours, ours_on, run, writes};

const CASES: u32 = 120;

/// The waypoints that a proposer leaves, whose result must be right too.
fn marked(expected: &Expected, segments: usize) -> Waypoints {
    let store = Overlay::new(World::get().store.clone());
    let mut executor = ours_on(store.clone(), *ROOT, 1);
    let reached = |roots: &[Cid]| {
        let blocks = store.reached(roots)?;
        Ok(blocks.into_iter().map(|(cid, block)| (cid, block.to_vec())).collect())
    };
    let (rets, waypoints) = executor.execute_marking(&expected.block(), segments, reached).unwrap();
    expected.check(&rets, &mut executor);
    waypoints
}

/// Executes the block by these waypoints, which must give the sequential result and leave nothing missed in the store.
fn follow(expected: &Expected, lanes: usize, waypoints: &Waypoints) -> BlockStats {
    let store = Overlay::new(World::get().store.clone());
    let mut executor = ours_on(store.clone(), *ROOT, lanes);
    let missed = || store.take_failure().is_some();
    let rets = executor.execute_between(&expected.block(), waypoints, missed).unwrap();
    let stats = executor.stats().clone();
    expected.check(&rets, &mut executor);
    assert!(store.failure().is_none(), "what waypoints have invented is no failure");
    stats
}

#[test]
fn segments_between_waypoints_give_the_sequential_result() {
    let blocks = (vec(any_message(), 2..24), 2usize..6, 2usize..5);
    TestRunner::new(config(CASES))
        .run(&blocks, |(messages, segments, lanes)| {
            deep(|| {
                let expected = expected(&messages);
                let waypoints = marked(&expected, segments);
                let stats = follow(&expected, lanes, &waypoints);
                if !waypoints.is_empty() {
                    assert_eq!((stats.decision, stats.misled), (Decision::Waypoints, false));
                    assert_eq!(stats.committed, expected.messages.len());
                }
            });
            Ok(())
        })
        .unwrap();
}

/// What may be wrong with a waypoint.
#[derive(Clone, Debug)]
enum Lie {
    Balance(prop::sample::Index, u64),
    Forgets(prop::sample::Index),
    Deletes(prop::sample::Index),
    At(u32),
    Block(prop::sample::Index),
    Omits(prop::sample::Index),
    Code(prop::sample::Index),
    State(prop::sample::Index),
    Invents(u64),
    Again,
}

fn lie() -> impl Strategy<Value = Lie> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1u64..1_000).prop_map(|(index, more)| Lie::Balance(index, more)),
        any::<prop::sample::Index>().prop_map(Lie::Forgets),
        any::<prop::sample::Index>().prop_map(Lie::Deletes),
        (0u32..30).prop_map(Lie::At),
        any::<prop::sample::Index>().prop_map(Lie::Block),
        any::<prop::sample::Index>().prop_map(Lie::Omits),
        any::<prop::sample::Index>().prop_map(Lie::Code),
        any::<prop::sample::Index>().prop_map(Lie::State),
        (1u64..9_000).prop_map(Lie::Invents),
        Just(Lie::Again),
    ]
}

fn tell(waypoints: &mut Waypoints, which: prop::sample::Index, lie: &Lie) {
    let which = which.index(waypoints.len());
    let waypoint = &mut waypoints[which];
    let ids: Vec<_> = waypoint.actors.keys().copied().collect();
    let id = |index: &prop::sample::Index| if ids.is_empty() { 99 } else { ids[index.index(ids.len())] };
    match lie {
        Lie::Balance(index, more) => {
            if let Some(Some(actor)) = waypoint.actors.get_mut(&id(index)) {
                actor.balance += TokenAmount::from_atto(*more);
            }
        }
        Lie::Forgets(index) => {
            waypoint.actors.remove(&id(index));
        }
        Lie::Deletes(index) => {
            waypoint.actors.insert(id(index), None);
        }
        Lie::At(at) => waypoint.at = *at,
        Lie::Block(index) => {
            if !waypoint.blocks.is_empty() {
                let at = index.index(waypoint.blocks.len());
                waypoint.blocks[at].1.push(0);
            }
        }
        Lie::Code(index) => {
            let wasm = b"\0asm\x01\0\0\0".to_vec();
            let code = Cid::new_v1(IPLD_RAW, Blake2b256.digest(&wasm));
            if let Some(Some(actor)) = waypoint.actors.get_mut(&id(index)) {
                actor.code = code;
            }
            waypoint.blocks.push((code, wasm));
        }
        Lie::State(index) => {
            if let Some(Some(actor)) = waypoint.actors.get_mut(&id(index)) {
                actor.state = Cid::new_v1(DAG_CBOR, Blake2b256.digest(b"nowhere"));
            }
        }
        Lie::Omits(index) => {
            if !waypoint.blocks.is_empty() {
                let at = index.index(waypoint.blocks.len());
                waypoint.blocks.remove(at);
            }
        }
        Lie::Invents(id) => {
            let some = waypoint.actors.values().flatten().next().cloned();
            waypoint.actors.insert(*id, some);
        }
        Lie::Again => {
            let again = waypoint.clone();
            waypoints.push(again);
        }
    }
}

#[test]
fn wrong_waypoints_change_nothing() {
    let blocks = (vec(any_message(), 2..20), 2usize..5, any::<prop::sample::Index>(), lie());
    TestRunner::new(config(CASES))
        .run(&blocks, |(messages, segments, which, lie)| {
            deep(|| {
                let expected = expected(&messages);
                let mut waypoints = marked(&expected, segments);
                if waypoints.is_empty() {
                    return;
                }
                tell(&mut waypoints, which, &lie);
                follow(&expected, 3, &waypoints);
            });
            Ok(())
        })
        .unwrap();
}

/// Everybody writes the same contract: no partition helps, waypoints do.
#[test]
fn block_of_one_contract_runs_in_segments() {
    let messages: Vec<_> = (0..40).map(|from| run(from, 0, 0, &writes(from))).collect();
    let expected = Expected::of_all(*ROOT, &messages);
    deep(|| {
        let waypoints = marked(&expected, 4);
        assert_eq!(waypoints.iter().map(|waypoint| waypoint.at).collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(follow(&expected, 4, &waypoints).lanes_busy.len(), 4);

        // Without them it is a chain.
        let mut executor = ours(*ROOT, 4);
        let block: Vec<_> = messages.iter().map(|m| BlockMessage { message: m.clone(), length: RAW_LENGTH }).collect();
        let rets = executor.execute(&block).unwrap();
        assert_eq!(executor.stats().decision, Decision::Chained);
        expected.check(&rets, &mut executor);
    });
}

/// What waypoints bring is never compiled, not even to find out that they are wrong.
#[test]
fn code_that_waypoints_bring_is_not_run() {
    let messages: Vec<_> = (0..8).map(|from| run(from, 0, 0, &writes(from))).collect();
    let expected = Expected::of_all(*ROOT, &messages);
    deep(|| {
        let mut waypoints = marked(&expected, 4);
        let id = *waypoints[0].actors.keys().next().unwrap();
        let mut other = waypoints[0].actors[&id].clone().unwrap();
        other.code = Cid::new_v1(IPLD_RAW, Blake2b256.digest(b"other"));
        waypoints[0].actors.insert(id, Some(other));
        let mut executor = ours(*ROOT, 4);
        let missed = || panic!("they are not even tried");
        let rets = executor.execute_between(&expected.block(), &waypoints, missed).unwrap();
        assert!(executor.stats().misled && executor.stats().lanes_busy.is_empty());
        expected.check(&rets, &mut executor);
    });
}

/// The waypoints are right, but for a state that belongs to one and is not there when the next segment reads it: a message
/// would fail that does not.
#[test]
fn waypoints_without_their_states_change_nothing() {
    let reads = Script::new().call("self::root", &[0x700, 60]).call("ipld::block_open", &[0x700]);
    let messages: Vec<_> =
        (0..40).map(|from| run(from, 0, 0, &if from == 20 { reads.clone() } else { writes(from) })).collect();
    let expected = Expected::of_all(*ROOT, &messages);
    assert!(expected.rets[20].msg_receipt.exit_code.is_success());
    deep(|| {
        let mut waypoints = marked(&expected, 2);
        assert_eq!(waypoints[0].at, 20);
        waypoints[0].blocks.clear();
        // The first segment may have written it just in time.
        let misled = (0..20).filter(|_| follow(&expected, 2, &waypoints).misled).count();
        assert!(misled > 0);
    });
}
