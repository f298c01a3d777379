//! Whole networks of engines in one process.

#![allow(clippy::unwrap_used)]

mod cluster;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::{Cluster, PATIENCE};
use engine_api::{DecidedBlock, EngineError, EngineEvent, ExitReason, Source};
use engine_malachite::signing;
use subnet_types::membership::is_quorum;
use subnet_types::{Power, ValidatorSet};
use support::{Behaviour, IDENTITY, Rules, set, vote_key};
use tokio::sync::broadcast::error::RecvError;

const EQUAL: [(usize, u64); 4] = [(0, 10), (1, 10), (2, 10), (3, 10)];

fn assert_final(decided: &DecidedBlock, validators: &ValidatorSet) {
    let certificate = &decided.certificate;
    assert_eq!(certificate.block, decided.block.id());
    certificate.verify(&IDENTITY, validators, signing::verify).expect("the certificate proves the block");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_decide_the_same_blocks_with_certificates_that_verify() {
    let mut cluster = Cluster::new("same", 4, Rules::of(&EQUAL));
    cluster.start(0..4).await;
    let mut events = cluster.engine(0).events();
    cluster.reach(0..4, 5).await;
    cluster.assert_agreement(0..4, 5);
    for node in 0..4 {
        for height in 1..=5 {
            let decided = cluster.disk(node).committed(height).unwrap();
            assert_final(&decided, cluster.rules.set_at(height));
            assert!(decided.extensions.is_empty());
            let mut other_chain = IDENTITY;
            other_chain.0[0] ^= 1;
            let validators = cluster.rules.set_at(height);
            decided.certificate.verify(&other_chain, validators, signing::verify).expect_err("signed for this chain");
        }
    }
    assert!(cluster.engine(0).status().height >= 5);
    let mut committed = BTreeSet::new();
    while let Ok(event) = events.try_recv() {
        if let EngineEvent::Committed { height, block } = event {
            assert_eq!(cluster.disk(0).committed(height.get()).unwrap().block.id(), block);
            committed.insert(height.get());
        }
    }
    assert!(committed.is_superset(&BTreeSet::from([2, 3, 4, 5])), "{committed:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_travel_beside_the_blocks_to_every_validator() {
    // More than a chunk.
    let mut cluster = Cluster::new("hints", 4, Rules { hint_bytes: 200_000, ..Rules::of(&EQUAL) });
    cluster.start(0..4).await;
    cluster.reach(0..4, 8).await;
    cluster.assert_agreement(0..4, 8);
    // A block that a node has built itself or got with its certificate is judged without, or not at all.
    let hinted = |node: usize| {
        (1..=8).filter(|height| cluster.disk(node).hints(*height).iter().any(|hints| hints.len() == 200_000)).count()
    };
    let counts: Vec<usize> = (0..4).map(hinted).collect();
    assert!(counts.iter().all(|count| *count >= 1), "{counts:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_validator_decides_alone() {
    let mut cluster = Cluster::new("lone", 1, Rules::of(&EQUAL[..1]));
    cluster.start(0..1).await;
    cluster.reach(0..1, 3).await;
    assert_final(&cluster.disk(0).committed(3).unwrap(), cluster.rules.set_at(3));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn required_extensions_of_a_quorum_stand_beside_the_certificate() {
    let rules = Rules { extension_period: Some(3), ..Rules::of(&[(0, 40), (1, 20), (2, 20), (3, 20)]) };
    let mut cluster = Cluster::new("extensions", 4, rules);
    cluster.start(0..4).await;
    cluster.reach(0..4, 7).await;
    for node in 0..4 {
        for height in 1..=7 {
            let decided = cluster.disk(node).committed(height).unwrap();
            if height % 3 != 0 {
                assert!(decided.extensions.is_empty(), "node {node}, height {height}");
                continue;
            }
            let validators = cluster.rules.set_at(height);
            let mut power = 0;
            for entry in &decided.extensions {
                assert!(decided.certificate.signatures.iter().any(|other| other.validator == entry.validator));
                let bytes = subnet_types::vote::extension_signing_bytes(
                    &IDENTITY,
                    decided.certificate.height,
                    decided.certificate.round,
                    &decided.certificate.block,
                    &entry.validator,
                    &entry.extension,
                );
                assert!(signing::verify(&entry.validator, &bytes, &entry.signature));
                power += validators.find(&entry.validator).unwrap().1.power.get();
            }
            assert!(is_quorum(Power::new(power), validators.total_power()), "node {node}, height {height}: {power}");
        }
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_catches_up_and_a_new_one_starts_from_nothing() {
    let rules = Rules { extension_period: Some(4), ..Rules::of(&EQUAL) };
    let mut cluster = Cluster::new("catch-up", 5, rules);
    cluster.start(0..4).await;
    cluster.reach(0..4, 3).await;
    cluster.stop(3).await;
    let stopped_at = cluster.disk(3).tip();
    cluster.reach(0..3, stopped_at + 25).await;
    assert_eq!(cluster.disk(3).tip(), stopped_at, "a stopped node commits nothing");

    cluster.start([3, 4]).await;
    cluster.reach([3, 4], stopped_at + 25).await;
    let tip = cluster.disk(0).tip();
    cluster.reach(0..5, tip + 3).await;
    cluster.assert_agreement(0..5, tip + 3);
    assert!(cluster.disk(4).validations().iter().any(|(.., source)| *source == Source::Certified));
    // A synced height brings its extensions along, so that any node can assemble the checkpoint.
    let synced = cluster.disk(4).committed(4).unwrap();
    assert!(synced.extensions.len() >= 3);
    assert_final(&synced, cluster.rules.set_at(4));
    cluster.stop_all().await;
}

/// Notes when a node begins each height.
fn note_starts(cluster: &Cluster, node: usize) -> Arc<Mutex<BTreeMap<u64, Instant>>> {
    let starts = Arc::new(Mutex::new(BTreeMap::new()));
    let (noted, mut events) = (starts.clone(), cluster.engine(node).events());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(EngineEvent::RoundStarted { height, round: 0, .. }) => {
                    noted.lock().unwrap().insert(height.get(), Instant::now());
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_began_one_height_late_is_soon_in_step_and_in_the_certificates_again() {
    let block_interval = Duration::from_millis(600);
    let mut cluster = Cluster::new("in-step", 4, Rules { block_interval, ..Rules::of(&EQUAL) });
    cluster.start(0..3).await;
    // It begins height 4 when the others are in the middle of it.
    let (slow_commit_at, commit_delay) = (Some(3), block_interval * 3 / 2);
    cluster.start_with(3, Behaviour { slow_commit_at, commit_delay, ..Behaviour::default() }).await;
    let (steady, late) = (note_starts(&cluster, 0), note_starts(&cluster, 3));
    cluster.reach(0..4, 16).await;
    cluster.stop_all().await;

    let apart = |height: u64| {
        let (steady, late) = (steady.lock().unwrap()[&height], late.lock().unwrap()[&height]);
        late.max(steady) - late.min(steady)
    };
    assert!(apart(4) > block_interval / 4, "it was not late at all: {:?}", apart(4));
    let mut later: Vec<Duration> = (6..=15).map(apart).collect();
    later.sort_unstable();
    assert!(later[5] < block_interval / 4, "{later:?} apart, the interval is {block_interval:?}");
    let signers = |height| cluster.disk(0).committed(height).unwrap().certificate.signatures.len();
    let complete = (6..=15).filter(|height| signers(*height) == 4).count();
    assert!(complete >= 5, "{complete} of 10 certificates hold all signatures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_is_in_the_certificates_again() {
    let block_interval = Duration::from_millis(600);
    let mut cluster = Cluster::new("again", 4, Rules { block_interval, ..Rules::of(&EQUAL) });
    cluster.start(0..4).await;
    cluster.reach(0..4, 2).await;
    cluster.stop(3).await;
    let stopped_at = cluster.disk(3).tip();
    cluster.reach(0..3, stopped_at + 3).await;
    // The others are near the end of a height when it is back.
    tokio::time::sleep(block_interval / 2).await;
    cluster.start([3]).await;
    let back_at = cluster.disk(0).tip();
    cluster.reach(0..4, back_at + 11).await;
    cluster.stop_all().await;
    let signed = |height: &u64| {
        let certificate = cluster.disk(0).committed(*height).unwrap().certificate;
        certificate.signatures.iter().any(|entry| entry.validator == vote_key(3))
    };
    let signed = (back_at + 1..=back_at + 10).filter(signed).count();
    assert!(signed >= 5, "it is in {signed} of 10 certificates");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_node_has_is_refused_by_the_name_of_its_setting() {
    let mut cluster = Cluster::new("port", 2, Rules::of(&EQUAL[..1]));
    cluster.start(0..1).await;
    cluster.share_port(1, 0);
    match cluster.try_start_as(1, 1, Behaviour::default()).await {
        Err(EngineError::Config { field: "listen", reason }) => assert!(reason.contains("in use"), "{reason}"),
        other => panic!("expected a refused port, got {:?}", other.map(|_| "an engine").map_err(|e| e.to_string())),
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_confirm_a_block_withholds_its_vote_and_the_chain_goes_on() {
    let mut cluster = Cluster::new("not-yet", 4, Rules::of(&EQUAL));
    cluster.start(0..3).await;
    cluster.start_with(3, Behaviour { never_confirms: BTreeSet::from([4]), ..Behaviour::default() }).await;
    cluster.reach(0..4, 8).await;
    cluster.assert_agreement(0..4, 8);
    let proposer = cluster.disk(0).committed(4).unwrap().block.header.proposer;
    for node in 0..4 {
        let signers = cluster.disk(node).committed(4).unwrap().certificate.signatures;
        // Its own block it need not confirm.
        assert!(proposer == vote_key(3) || signers.iter().all(|entry| entry.validator != vote_key(3)), "node {node}");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_nobody_can_confirm_at_first_is_confirmed_in_a_later_round() {
    let mut cluster = Cluster::new("late", 4, Rules::of(&EQUAL));
    for node in 0..4 {
        let not_yet = BTreeSet::from([(3, 0)]);
        cluster.start_with(node, Behaviour { not_yet, ..Behaviour::default() }).await;
    }
    cluster.reach(0..4, 5).await;
    cluster.assert_agreement(0..4, 5);
    assert!(cluster.disk(0).committed(3).unwrap().certificate.round > 0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_changes_at_a_height_and_a_node_outside_of_it_follows() {
    let mut rules = Rules::of(&EQUAL);
    // Validator 3 leaves, 4 joins with much power; later 4 leaves and 3 comes back.
    rules.sets.push((5, set(2, &[(0, 10), (1, 10), (2, 10), (4, 25)])));
    rules.sets.push((10, set(3, &EQUAL)));
    let mut cluster = Cluster::new("sets", 5, rules);
    cluster.start(0..5).await;
    cluster.reach(0..5, 13).await;
    cluster.assert_agreement(0..5, 13);
    for height in 1..=13 {
        let decided = cluster.disk(4).committed(height).unwrap();
        assert_final(&decided, cluster.rules.set_at(height));
        let has_joiner = decided.certificate.signatures.iter().any(|entry| entry.validator == vote_key(4));
        assert_eq!(has_joiner, (5..10).contains(&height), "without its 25 of 55 there is no quorum, height {height}");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_restart_on_their_logs_and_the_chain_goes_on() {
    let mut cluster = Cluster::new("restart", 4, Rules::of(&EQUAL));
    for turn in 1..=3 {
        cluster.start(0..4).await;
        cluster.reach(0..4, turn * 3).await;
        cluster.stop_all().await;
    }
    let lowest = (0..4).map(|node| cluster.disk(node).tip()).min().unwrap();
    cluster.assert_agreement(0..4, lowest);
    for node in 0..4 {
        let mut builds = cluster.disk(node).builds();
        let asked = builds.len();
        builds.sort_unstable();
        builds.dedup();
        assert_eq!(builds.len(), asked, "a block is built once for each height and round, restarts included");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_blocks_and_slow_commits_do_not_stop_the_chain() {
    let payload_bytes = 3 * 1024 * 1024;
    let mut cluster = Cluster::new("large", 4, Rules { payload_bytes, ..Rules::of(&EQUAL) });
    for node in 0..4 {
        let commit_delay = Duration::from_millis(150);
        cluster.start_with(node, Behaviour { commit_delay, ..Behaviour::default() }).await;
    }
    cluster.reach(0..4, 4).await;
    cluster.assert_agreement(0..4, 4);
    assert_eq!(cluster.disk(0).committed(4).unwrap().block.payload.size_bytes(), payload_bytes);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_application_ends_the_engine_with_the_kind_of_failure() {
    let mut cluster = Cluster::new("failing", 2, Rules::of(&EQUAL[..1]));
    cluster.start_with(0, Behaviour { commit_fails_at: Some(2), ..Behaviour::default() }).await;
    let reason = tokio::time::timeout(PATIENCE, cluster.engine(0).wait()).await.unwrap();
    assert_eq!(reason, ExitReason::Safety("commit: told to fail".to_owned()));
    assert_eq!(cluster.disk(0).tip(), 1, "nothing is decided after a failure");
    cluster.stop(0).await;

    cluster.start_with(0, Behaviour { build_fails_at: Some(3), ..Behaviour::default() }).await;
    let reason = tokio::time::timeout(PATIENCE, cluster.engine(0).wait()).await.unwrap();
    assert_eq!(reason, ExitReason::Liveness("build: told to fail".to_owned()));
    assert_eq!(cluster.disk(0).tip(), 2, "what was decided before the crash is committed after it");
    cluster.stop(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_finds_a_final_block_invalid_stops_for_an_operator() {
    let mut cluster = Cluster::new("diverged", 4, Rules::of(&EQUAL));
    cluster.start(0..3).await;
    cluster.start_with(3, Behaviour { rejects: BTreeSet::from([3]), ..Behaviour::default() }).await;
    let reason = tokio::time::timeout(PATIENCE, cluster.engine(3).wait()).await.unwrap();
    assert!(matches!(&reason, ExitReason::Safety(why) if why.contains("invalid on this node")), "{reason:?}");
    cluster.reach(0..3, 6).await;
    assert_eq!(cluster.disk(3).tip(), 2);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_of_a_proposal_stops_the_node_instead_of_proposing_anew() {
    let mut cluster = Cluster::new("damaged", 2, Rules::of(&EQUAL[..1]));
    cluster.start_with(0, Behaviour { commit_fails_at: Some(2), ..Behaviour::default() }).await;
    tokio::time::timeout(PATIENCE, cluster.engine(0).wait()).await.unwrap();
    cluster.stop(0).await;
    cluster.disk(0).replace_undecided_records(b"garbage");
    cluster.start(0..1).await;
    let reason = tokio::time::timeout(PATIENCE, cluster.engine(0).wait()).await.unwrap();
    assert!(matches!(&reason, ExitReason::Safety(why) if why.contains("stored proposal")), "{reason:?}");
    cluster.stop(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_runs_twice_is_reported() {
    let mut cluster = Cluster::new("twice", 5, Rules::of(&EQUAL));
    cluster.start(0..4).await;
    let mut events = cluster.engine(0).events();
    cluster.start_as(4, 3, Behaviour { salt: 100, ..Behaviour::default() }).await;
    let report = async {
        loop {
            match events.recv().await {
                Ok(EngineEvent::Equivocation { validator, .. }) => return validator,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("the engine ended"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, report).await.expect("a report"), vote_key(3));
    let tip = cluster.disk(0).tip();
    cluster.reach(0..3, tip + 3).await;
    cluster.assert_agreement(0..3, tip + 3);
    cluster.stop_all().await;
}
