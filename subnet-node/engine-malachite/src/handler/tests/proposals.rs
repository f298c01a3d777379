//! Which blocks are proposed, taken, judged and kept.

use super::*;

#[tokio::test]
async fn a_round_gets_one_block_however_often_it_is_asked_for_and_after_a_restart() {
    let mut fixture = Fixture::new(&Rules::of(&EQUAL));
    fixture.round(1, 0).await;
    let first = fixture.value(1, 0).await.unwrap();
    assert_eq!(fixture.value(1, 0).await, Some(first));
    let other = fixture.value(1, 1).await.unwrap();
    assert_ne!(other, first);
    assert!(fixture.network.recv().await.is_some(), "the block is streamed");
    assert_eq!(fixture.disk.undecided(), 2, "blocks are stored before they are proposed");

    let (disk, rules) = (fixture.disk.clone(), fixture.rules.clone());
    fixture.end().await.unwrap();
    let restarted = Fixture::restarted(&disk, &rules, Behaviour::default());
    let known = restarted.round(1, 0).await;
    assert_eq!(known.iter().map(|value| value.value).collect::<Vec<_>>(), [first]);
    assert_eq!(restarted.value(1, 0).await, Some(first));
    assert_eq!(restarted.value(1, 1).await, Some(other));
    assert_eq!(disk.builds(), [(1, 0), (1, 1)]);
    assert_eq!(restarted.value(2, 0).await, None, "only the height being decided is proposed");
    restarted.end().await.unwrap();
}

#[tokio::test]
async fn the_expected_proposers_block_is_judged_stored_and_kept_over_a_restart() {
    let fixture = Fixture::new(&Rules { payload_bytes: 3 * CHUNK_BYTES, ..Rules::of(&EQUAL) });
    fixture.round(1, 0).await;
    let (init, block, encoded) = fixture.proposal(1, 1);
    let round = init.round;
    let value = fixture.parts(split(init, encoded, Bytes::new(), stream("a"))).await.expect("the block is complete");
    assert_eq!((value.value, value.validity), (BlockId(block.id()), Validity::Valid));
    assert_eq!(fixture.disk.validations(), [(1, round, Source::Live)]);

    let (disk, rules) = (fixture.disk.clone(), fixture.rules.clone());
    fixture.end().await.unwrap();
    let restarted = Fixture::restarted(&disk, &rules, Behaviour::default());
    assert_eq!(restarted.round(1, round).await, [value]);
    assert_eq!(disk.validations().last(), Some(&(1, round, Source::Certified)), "it was accepted before the restart");
    restarted.end().await.unwrap();
}

#[tokio::test]
async fn a_block_announced_by_anybody_else_altered_or_of_another_place_is_dropped() {
    let fixture = Fixture::new(&Rules { payload_bytes: 2 * CHUNK_BYTES, ..Rules::of(&EQUAL) });
    fixture.round(1, 0).await;
    let (init, _, encoded) = fixture.proposal(1, 1);
    let mut streams = (0u8..).map(|name| StreamId::new(Bytes::copy_from_slice(&[name])));
    let mut offer = |init: ProposalInit, encoded: Bytes| split(init, encoded, Bytes::new(), streams.next().unwrap());

    let stranger = ProposalInit { proposer: vote_key(9), ..init.clone() };
    assert_eq!(fixture.parts(offer(signed(stranger, 9), encoded.clone())).await, None, "no validator");
    let out_of_turn = ProposalInit { round: fixture.round_of(2, 1), ..init.clone() };
    assert_eq!(fixture.parts(offer(signed(out_of_turn, 1), encoded.clone())).await, None, "not its turn");
    let forged = signed(init.clone(), 2);
    assert_eq!(fixture.parts(offer(forged, encoded.clone())).await, None, "signed by another validator");
    let oversized = ProposalInit { bytes: BLOCK_BYTES_MAX as u64 + 1, ..init.clone() };
    assert_eq!(fixture.parts(offer(signed(oversized, 1), encoded.clone())).await, None, "too large");
    let far = ProposalInit { height: Height::new(100), ..init.clone() };
    assert_eq!(fixture.parts(offer(signed(far, 1), encoded.clone())).await, None, "far ahead");

    let mut altered = encoded.to_vec();
    altered[CHUNK_BYTES] ^= 1;
    assert_eq!(fixture.parts(offer(init.clone(), altered.into())).await, None, "altered on its way");
    let (other, _, other_encoded) = fixture.proposal(2, 1);
    let swapped = ProposalInit { bytes: other.bytes, ..init.clone() };
    assert_eq!(fixture.parts(offer(signed(swapped, 1), other_encoded)).await, None, "another's block");
    assert_eq!((fixture.disk.undecided(), fixture.disk.validations().len()), (0, 0), "nothing reached the application");

    assert!(fixture.parts(offer(init, encoded)).await.is_some(), "the proposer's own block still passes");
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn one_proposer_gets_two_blocks_of_a_round_looked_into_and_no_third() {
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    fixture.round(1, 0).await;
    let mut answers = Vec::new();
    for salt in 0..3 {
        let (init, mut block, _) = fixture.proposal(1, 1);
        block.header.gas_used = salt;
        let encoded = proto::block::encode(&block.header, &block.payload);
        let init = ProposalInit { block: block.id(), bytes: encoded.len() as u64, ..init };
        let id = StreamId::new(Bytes::copy_from_slice(&salt.to_be_bytes()));
        answers.push(fixture.parts(split(signed(init, 1), encoded, Bytes::new(), id)).await.is_some());
    }
    assert_eq!(answers, [true, true, false]);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_block_that_cannot_be_confirmed_is_withheld_stored_and_asked_about_in_the_next_round() {
    let rules = Rules::of(&EQUAL);
    let disk = Arc::default();
    let round = Fixture::new(&rules).round_of(1, 1);
    let not_yet = BTreeSet::from([(1, round)]);
    let unsure = Fixture::restarted(&disk, &rules, Behaviour { not_yet, ..Behaviour::default() });
    unsure.round(1, 0).await;
    let (init, block, encoded) = unsure.proposal(1, 1);
    assert_eq!(unsure.parts(split(init, encoded, Bytes::new(), stream("a"))).await, None, "the vote is withheld");
    assert_eq!(disk.undecided(), 1, "the block is kept");
    assert_eq!(unsure.round(1, 1).await, [], "still not confirmed");
    unsure.end().await.unwrap();

    // After a restart it is asked about as a live block: nobody accepted it yet.
    let sure = Fixture::restarted(&disk, &rules, Behaviour::default());
    let values = sure.round(1, 7).await;
    assert_eq!(
        values.iter().map(|value| (value.value, value.validity)).collect::<Vec<_>>(),
        [(BlockId(block.id()), Validity::Valid)]
    );
    assert!(disk.validations().iter().all(|(.., source)| *source == Source::Live));
    sure.end().await.unwrap();
}

#[tokio::test]
async fn a_round_does_not_wait_for_open_blocks_that_take_long_to_confirm() {
    let rules = Rules::of(&EQUAL);
    let reask_delay = Duration::from_secs(60);
    let behaviour = Behaviour { never_confirms: BTreeSet::from([1]), reask_delay, ..Behaviour::default() };
    let fixture = Fixture::restarted(&Arc::default(), &rules, behaviour);
    fixture.round(1, 0).await;
    for (index, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let (init, _, encoded) = fixture.proposal(index, 1);
        assert_eq!(fixture.parts(split(init, encoded, Bytes::new(), stream(name))).await, None, "the vote is withheld");
    }
    let started = std::time::Instant::now();
    assert_eq!(fixture.round(1, 1).await, []);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let asked = fixture.disk.validations();
    assert_eq!(asked.len(), 6, "all were asked about again: {asked:?}");
    fixture.handler.abort();
}

#[tokio::test]
async fn a_rejected_block_is_answered_as_invalid() {
    let rules = Rules::of(&EQUAL);
    let rejects = BTreeSet::from([1]);
    let fixture = Fixture::restarted(&Arc::default(), &rules, Behaviour { rejects, ..Behaviour::default() });
    fixture.round(1, 0).await;
    let (init, _, encoded) = fixture.proposal(1, 1);
    let value = fixture.parts(split(init, encoded, Bytes::new(), stream("a"))).await.unwrap();
    assert_eq!(value.validity, Validity::Invalid);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_block_of_the_next_height_waits_until_that_height_begins() {
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    fixture.round(1, 0).await;
    let (init, block, encoded) = fixture.proposal(1, 1);
    let now = fixture.parts(split(init, encoded, Bytes::new(), stream("now"))).await.unwrap();
    // The next block's parent is this one, as for a validator that is ahead of us.
    let ahead = Arc::new(Disk::default());
    let (early, early_block) = {
        let other = Fixture::restarted(&ahead, &fixture.rules, Behaviour::default());
        other.round(1, 0).await;
        let encoded = proto::block::encode(&block.header, &block.payload);
        let init = ProposalInit { block: block.id(), bytes: encoded.len() as u64, ..other.proposal(1, 1).0 };
        let init = signed(init, 1);
        let value = other.parts(split(init, encoded, Bytes::new(), stream("x"))).await.unwrap();
        other.decide(1, value.value, 3).await.unwrap();
        let (init, block, encoded) = other.proposal(2, 2);
        other.end().await.unwrap();
        (split(init, encoded, Bytes::new(), stream("early")), block)
    };
    assert_eq!(fixture.parts(early).await, None, "height 1 is being decided");
    let validated = fixture.disk.validations().len();
    fixture.decide(1, now.value, 3).await.unwrap();
    assert_eq!(fixture.disk.validations().len(), validated, "it is not judged before its height begins");
    let round = fixture.round_of(2, 2);
    let values = fixture.round(2, round).await;
    assert_eq!(values.iter().map(|value| value.value).collect::<Vec<_>>(), [BlockId(early_block.id())]);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn hints_reach_the_application_with_their_block_and_never_the_disk() {
    let fixture = Fixture::new(&Rules { payload_bytes: 2 * CHUNK_BYTES, ..Rules::of(&EQUAL) });
    fixture.round(1, 0).await;
    let (init, block, encoded) = fixture.proposal(1, 1);
    let hints = Bytes::from(vec![9; CHUNK_BYTES + 5]);
    let announced = with_hints(&init, &hints, 1);
    let value = fixture.parts(split(announced, encoded, hints.clone(), stream("a"))).await.expect("all is here");
    assert_eq!((value.value, value.validity), (BlockId(block.id()), Validity::Valid));
    assert_eq!(fixture.disk.hints(1), [hints]);

    // After a restart the block is the same, and streamed without.
    let (disk, rules) = (fixture.disk.clone(), fixture.rules.clone());
    fixture.end().await.unwrap();
    let mut restarted = Fixture::restarted(&disk, &rules, Behaviour::default());
    assert_eq!(restarted.round(1, init.round).await, [value]);
    assert_eq!(disk.hints(1).last(), Some(&Bytes::new()));
    restarted.restream(1, block.id()).await;
    assert_eq!(restarted.announced().await, init);
    restarted.end().await.unwrap();
}

#[tokio::test]
async fn hints_that_are_not_the_announced_ones_are_dropped_and_the_block_stays() {
    let mut fixture = Fixture::new(&Rules::of(&EQUAL));
    fixture.round(1, 0).await;
    let (init, block, encoded) = fixture.proposal(1, 1);
    let hints = Bytes::from(vec![9; 500]);
    let announced = with_hints(&init, &hints, 1);
    let forged = with_hints(&init, &hints, 2);
    assert_eq!(
        fixture.parts(split(forged, encoded.clone(), hints.clone(), stream("a"))).await,
        None,
        "another validator's hints for this block"
    );
    let altered = Bytes::from(vec![8; 500]);
    let value = fixture.parts(split(announced, encoded, altered, stream("b"))).await.expect("the block is good");
    assert_eq!(value.validity, Validity::Valid);
    assert_eq!(fixture.disk.hints(1), [Bytes::new()]);
    fixture.restream(1, block.id()).await;
    assert_eq!(fixture.announced().await, init, "nothing is announced that is not here");
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn own_block_is_streamed_with_its_hints_as_long_as_they_are_here() {
    let mut fixture = Fixture::new(&Rules { hint_bytes: CHUNK_BYTES + 1, ..Rules::of(&EQUAL) });
    fixture.round(1, 0).await;
    let BlockId(id) = fixture.value(1, 0).await.unwrap();
    let first = fixture.announced().await;
    assert_eq!(first.hints.as_ref().map(|hints| hints.bytes), Some(CHUNK_BYTES as u64 + 1));
    fixture.restream(1, id).await;
    assert_eq!(fixture.announced().await, first);
    let (disk, rules) = (fixture.disk.clone(), fixture.rules.clone());
    fixture.end().await.unwrap();
    let mut restarted = Fixture::restarted(&disk, &rules, Behaviour::default());
    restarted.round(1, 0).await;
    assert_eq!(restarted.value(1, 0).await, Some(BlockId(id)));
    assert_eq!(restarted.announced().await, ProposalInit { hints: None, ..first });
    restarted.end().await.unwrap();
}

#[tokio::test]
async fn more_hints_than_may_be_sent_are_left_out() {
    let mut fixture = Fixture::new(&Rules { hint_bytes: HINT_BYTES_MAX + 1, ..Rules::of(&EQUAL) });
    fixture.round(1, 0).await;
    fixture.value(1, 0).await.unwrap();
    assert_eq!(fixture.announced().await.hints, None);
    fixture.end().await.unwrap();
}
