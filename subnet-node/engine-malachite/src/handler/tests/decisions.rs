//! From a decision to the next height, and what peers and validators are told about it.

use super::*;

#[tokio::test]
async fn a_decision_is_acknowledged_when_committed_and_the_next_height_waits_for_it() {
    let block_interval = Duration::from_secs(3600);
    let rules = Rules { extension_period: Some(2), block_interval, ..Rules::of(&EQUAL) };
    let commit_delay = Duration::from_millis(50);
    let fixture = Fixture::restarted(&Arc::default(), &rules, Behaviour { commit_delay, ..Behaviour::default() });
    fixture.round(1, 0).await;
    let block = fixture.value(1, 0).await.unwrap();
    let (reply, acknowledged) = oneshot::channel();
    let certificate = decision(1, block, 3);
    let decided = AppMsg::Decided { certificate, extensions: VoteExtensions::default(), reply };
    fixture.questions.send(decided).await.unwrap();
    let next = fixture.ask(|reply| AppMsg::Finalized {
        certificate: decision(1, block, 4),
        extensions: VoteExtensions::default(),
        evidence: MisbehaviorEvidence { proposals: Default::default(), votes: Default::default() },
        reply,
    });
    let Some(Next::Start(height, parameters)) = next.await else { panic!("the next height starts") };
    assert_eq!(fixture.disk.commits(), [1], "the next height starts after the commit");
    assert_eq!(height, At(2));
    assert!(parameters.vote_extension_policy.is_required());
    assert_eq!(parameters.target_time, Some(block_interval), "an hour has not passed since the block before");
    acknowledged.await.unwrap();
    assert_eq!(fixture.disk.upgrades(), 1);
    assert_eq!(fixture.disk.committed(1).unwrap().certificate.signatures.len(), 4);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_height_that_begins_late_is_to_take_less_time() {
    // The test chain's genesis is of 1970.
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    let (height, parameters) = fixture.ask(|reply| AppMsg::ConsensusReady { reply }).await.unwrap();
    assert_eq!((height, parameters.target_time), (At(1), Some(Duration::ZERO)));
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_decision_already_committed_is_acknowledged_and_an_unknown_or_other_block_stops_the_engine() {
    let rules = Rules::of(&EQUAL);
    let fixture = Fixture::new(&rules);
    fixture.round(1, 0).await;
    let block = fixture.value(1, 0).await.unwrap();
    fixture.decide(1, block, 3).await.unwrap();
    let disk = fixture.disk.clone();
    fixture.end().await.unwrap();

    let again = Fixture::restarted(&disk, &rules, Behaviour::default());
    again.round(2, 0).await;
    assert_eq!(again.decide(1, block, 3).await, Some(()));
    assert_eq!(disk.commits(), [1], "it is not committed twice");
    again.end().await.unwrap();

    let unknown = BlockId(subnet_types::hash::cid_of_bytes(b"unknown"));
    for (height, kind) in [(1, "Safety"), (2, "Liveness")] {
        let fixture = Fixture::restarted(&disk, &rules, Behaviour::default());
        fixture.round(2, 0).await;
        assert_eq!(fixture.decide(height, unknown, 3).await, None, "nothing is acknowledged");
        let failure = fixture.end().await.unwrap_err();
        assert!(format!("{failure:?}").contains(kind), "height {height}: {failure:?}");
    }
}

#[tokio::test]
async fn synced_blocks_are_judged_as_certified_and_anything_else_is_the_peers_fault() {
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    assert!(matches!(fixture.synced(1, Bytes::new()).await, SyncedValueOutcome::LocalTransientError));
    fixture.round(1, 0).await;
    let (_, block, encoded) = fixture.proposal(1, 1);
    assert!(matches!(fixture.synced(1, Bytes::from_static(b"garbage")).await, SyncedValueOutcome::PeerFault));
    let (mut other_chain, payload) = (block.header.clone(), block.payload.clone());
    other_chain.chain.0[0] ^= 1;
    let foreign = proto::block::encode(&other_chain, &payload);
    assert!(matches!(fixture.synced(1, foreign).await, SyncedValueOutcome::PeerFault));
    let (_, other, _) = fixture.proposal(2, 1);
    fixture.verify(1, &other).await;
    assert!(matches!(fixture.synced(1, encoded.clone()).await, SyncedValueOutcome::PeerFault));
    assert_eq!((fixture.disk.undecided(), fixture.disk.validations().len()), (0, 0), "another block costs nothing");
    fixture.verify(1, &block).await;
    match fixture.synced(1, encoded).await {
        SyncedValueOutcome::Verdict(value) => assert_eq!(value.value, BlockId(block.id())),
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.disk.validations(), [(1, 0, Source::Certified)]);
    assert_eq!(fixture.disk.undecided(), 1, "it outlives a crash before its decision is committed");
    fixture.decide(1, BlockId(block.id()), 3).await.unwrap();
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn ranges_of_decided_blocks_are_clamped_by_what_is_there_and_by_what_a_response_holds() {
    let fixture = Fixture::new(&Rules { payload_bytes: 4 * 1024 * 1024, ..Rules::of(&EQUAL) });
    for height in 1..=3 {
        fixture.round(height, 0).await;
        let block = fixture.value(height, 0).await.unwrap();
        fixture.decide(height, block, 3).await.unwrap();
    }
    let heights =
        |values: Vec<RawDecidedValue<Chain>>| values.iter().map(|v| v.certificate.height.0).collect::<Vec<_>>();
    assert_eq!(heights(fixture.values(1, 1).await), [1]);
    assert_eq!(heights(fixture.values(3, u64::MAX - 1).await), [3]);
    assert_eq!(heights(fixture.values(1, 3).await), [1, 2], "three blocks of 4 MiB are more than 10 MiB");
    assert_eq!(heights(fixture.values(0, 3).await), Vec::<u64>::new());
    assert_eq!(heights(fixture.values(4, 9).await), Vec::<u64>::new());
    assert_eq!(heights(fixture.values(3, 1).await), Vec::<u64>::new());
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn extensions_are_judged_one_by_one_in_their_order() {
    let rules = Rules { extension_period: Some(1), ..Rules::of(&EQUAL) };
    let fixture = Fixture::new(&rules);
    fixture.round(1, 0).await;
    let block = fixture.value(1, 0).await.unwrap();
    let own = fixture
        .ask(|reply| AppMsg::ExtendVote {
            height: At(1),
            round: Round::new(0),
            value_id: block,
            vote_extension_policy: Default::default(),
            reply,
        })
        .await
        .flatten()
        .expect("an extension");
    let offered = [(3, own.clone()), (0, own), (1, Bytes::new())];
    let extensions = offered.map(|(index, extension)| (Address(vote_key(index)), extension)).to_vec();
    let verdicts = fixture
        .ask(|reply| AppMsg::VerifyVoteExtensions {
            height: At(1),
            round: Round::new(0),
            value_id: block,
            extensions,
            reply,
        })
        .await
        .unwrap();
    let answers: Vec<_> = verdicts.iter().map(|(address, verdict)| (address.0, verdict.is_ok())).collect();
    assert_eq!(answers, [(vote_key(3), false), (vote_key(0), true), (vote_key(1), false)]);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_node_that_proposes_next_is_told_so_after_the_commit_and_no_other_is() {
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    let mut turns = Vec::new();
    for height in 1..=12 {
        fixture.round(height, 0).await;
        let round = fixture.round_of(0, height);
        let block = fixture.value(height, round).await.unwrap();
        fixture.decide(height, block, 3).await.unwrap();
        if fixture.proposer(height + 1, 0) == vote_key(0) {
            turns.push(height + 1);
        }
    }
    let disk = fixture.disk.clone();
    fixture.end().await.unwrap();
    assert!((2..=5).contains(&turns.len()), "{turns:?}");
    assert_eq!(disk.prepared(), turns);
}
