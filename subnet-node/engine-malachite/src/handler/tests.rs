//! The handler alone, asked what Malachite asks.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::consensus::Role;
use arc_malachitebft_app_channel::app::engine::host::{Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, CommitSignature, Round, Validator as _, Validity, VoteExtensions,
};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_app_channel::app::types::{MisbehaviorEvidence, PeerId, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, Reply};
use bytes::Bytes;
use engine_api::{Block, Source};
use proto::block::BLOCK_BYTES_MAX;
use subnet_types::{Ed25519Signature, Height};
use support::{Behaviour, Disk, IDENTITY, Rules, TestApp, vote_key, vote_seed};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Handler;
use crate::context::{Address, At, BlockId, Chain, Members, ProposalInit, ProposalPart};
use crate::failure::Failure;
use crate::running::StatusCell;
use crate::signing::ChainSigner;
use crate::streaming::{CHUNK_BYTES, split};

const EQUAL: [(usize, u64); 4] = [(0, 10), (1, 10), (2, 10), (3, 10)];

/// A handler of node 0 and the ends that Malachite would hold.
struct Fixture {
    questions: mpsc::Sender<AppMsg<Chain>>,
    network: mpsc::Receiver<NetworkMsg<Chain>>,
    handler: JoinHandle<Result<(), Failure>>,
    disk: Arc<Disk>,
    rules: Rules,
}

impl Fixture {
    fn new(rules: &Rules) -> Self {
        Self::restarted(&Arc::default(), rules, Behaviour::default())
    }

    fn restarted(disk: &Arc<Disk>, rules: &Rules, behaviour: Behaviour) -> Self {
        let (questions, asked) = mpsc::channel(8);
        let (sent, network) = mpsc::channel(1000);
        let handler = Handler {
            app: Arc::new(TestApp { behaviour, ..TestApp::new(0, disk, rules) }),
            identity: IDENTITY,
            signer: ChainSigner::new(IDENTITY, &vote_seed(0)),
            propose_timeout: Duration::from_secs(1),
            network: sent,
            events: broadcast::Sender::new(100),
            status: Arc::new(StatusCell::default()),
            stream_prefix: 7,
        };
        let handler = tokio::spawn(handler.run(asked));
        Self { questions, network, handler, disk: disk.clone(), rules: rules.clone() }
    }

    /// Asks and waits for the answer; `None` when the handler gives none.
    async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> AppMsg<Chain>) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(question(reply)).await.ok()?;
        answer.await.ok()
    }

    async fn round(&self, height: u64, round: u32) -> Vec<ProposedValue<Chain>> {
        let answer = self.ask(|reply_value| AppMsg::StartedRound {
            height: At(height),
            round: Round::new(round),
            proposer: Address(self.proposer(height, round)),
            role: Role::Validator,
            reply_value,
        });
        answer.await.expect("a round always begins")
    }

    async fn value(&self, height: u64, round: u32) -> Option<BlockId> {
        let answer = self.ask(|reply| AppMsg::GetValue {
            height: At(height),
            round: Round::new(round),
            timeout: Duration::from_secs(1),
            reply,
        });
        answer.await.map(|value| value.value)
    }

    async fn part(&self, message: StreamMessage<ProposalPart>) -> Option<ProposedValue<Chain>> {
        let answer =
            self.ask(|reply| AppMsg::ReceivedProposalPart { from: peer(), published_by: None, part: message, reply });
        answer.await.expect("a part is always answered")
    }

    async fn parts(
        &self,
        parts: impl IntoIterator<Item = StreamMessage<ProposalPart>>,
    ) -> Option<ProposedValue<Chain>> {
        let mut value = None;
        for part in parts {
            value = self.part(part).await.or(value);
        }
        value
    }

    async fn synced(&self, height: u64, bytes: Bytes) -> SyncedValueOutcome<Chain> {
        let answer = self.ask(|reply| AppMsg::ProcessSyncedValue {
            height: At(height),
            round: Round::new(0),
            proposer: Address(vote_key(1)),
            value_bytes: bytes,
            reply,
        });
        answer.await.expect("a synced value is always answered")
    }

    async fn decide(&self, height: u64, block: BlockId, signers: u8) -> Option<()> {
        let certificate = decision(height, block, signers);
        self.ask(|reply| AppMsg::Decided { certificate, extensions: VoteExtensions::default(), reply }).await
    }

    async fn values(&self, first: u64, last: u64) -> Vec<RawDecidedValue<Chain>> {
        self.ask(|reply| AppMsg::GetDecidedValues { range: At(first)..=At(last), reply }).await.unwrap()
    }

    fn proposer(&self, height: u64, round: u32) -> subnet_types::VoteKey {
        let members = Members::new(self.rules.set_at(height)).unwrap();
        members.proposer(Height::new(height), round).address().0
    }

    /// A round in which validator `index` proposes.
    fn round_of(&self, index: usize, height: u64) -> u32 {
        (0..100).find(|round| self.proposer(height, *round) == vote_key(index)).expect("each one's turn comes")
    }

    /// Validator `index`'s block and announcement for its first turn.
    fn proposal(&self, index: usize, height: u64) -> (ProposalInit, Block, Bytes) {
        let app = TestApp::new(index, &self.disk, &self.rules);
        let block = app.block(height, vote_key(index), u8::try_from(index).unwrap());
        let encoded = proto::block::encode(&block.header, &block.payload);
        let init = ProposalInit {
            height: Height::new(height),
            round: self.round_of(index, height),
            proposer: vote_key(index),
            block: block.id(),
            bytes: encoded.len() as u64,
            signature: Ed25519Signature([0; 64]),
        };
        (signed(init, index), block, encoded)
    }

    async fn end(self) -> Result<(), Failure> {
        drop(self.questions);
        self.handler.await.unwrap()
    }
}

fn signed(mut init: ProposalInit, index: usize) -> ProposalInit {
    init.signature = ChainSigner::new(IDENTITY, &vote_seed(index)).sign(&init.signing_bytes(&IDENTITY));
    init
}

fn stream(name: &'static str) -> StreamId {
    StreamId::new(Bytes::from_static(name.as_bytes()))
}

fn peer() -> PeerId {
    let keypair = libp2p_identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
    PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
}

fn decision(height: u64, block: BlockId, signers: u8) -> CommitCertificate<Chain> {
    let signature = |index: u8| CommitSignature::new(Address(vote_key(index.into())), Ed25519Signature([index; 64]));
    CommitCertificate {
        height: At(height),
        round: Round::new(0),
        value_id: block,
        commit_signatures: (0..signers).map(signature).collect(),
    }
}

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
    let value = fixture.parts(split(init, encoded, stream("a"))).await.expect("the block is complete");
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
    let mut offer = |init: ProposalInit, encoded: Bytes| split(init, encoded, streams.next().unwrap());

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
        answers.push(fixture.parts(split(signed(init, 1), encoded, id)).await.is_some());
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
    assert_eq!(unsure.parts(split(init, encoded, stream("a"))).await, None, "the vote is withheld");
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
async fn a_rejected_block_is_answered_as_invalid() {
    let rules = Rules::of(&EQUAL);
    let rejects = BTreeSet::from([1]);
    let fixture = Fixture::restarted(&Arc::default(), &rules, Behaviour { rejects, ..Behaviour::default() });
    fixture.round(1, 0).await;
    let (init, _, encoded) = fixture.proposal(1, 1);
    let value = fixture.parts(split(init, encoded, stream("a"))).await.unwrap();
    assert_eq!(value.validity, Validity::Invalid);
    fixture.end().await.unwrap();
}

#[tokio::test]
async fn a_block_of_the_next_height_waits_until_that_height_begins() {
    let fixture = Fixture::new(&Rules::of(&EQUAL));
    fixture.round(1, 0).await;
    let (init, block, encoded) = fixture.proposal(1, 1);
    let now = fixture.parts(split(init, encoded, stream("now"))).await.unwrap();
    // The next block's parent is this one, as for a validator that is ahead of us.
    let ahead = Arc::new(Disk::default());
    let (early, early_block) = {
        let other = Fixture::restarted(&ahead, &fixture.rules, Behaviour::default());
        other.round(1, 0).await;
        let encoded = proto::block::encode(&block.header, &block.payload);
        let init = ProposalInit { block: block.id(), bytes: encoded.len() as u64, ..other.proposal(1, 1).0 };
        let init = signed(init, 1);
        let value = other.parts(split(init, encoded, stream("x"))).await.unwrap();
        other.decide(1, value.value, 3).await.unwrap();
        let (init, block, encoded) = other.proposal(2, 2);
        other.end().await.unwrap();
        (split(init, encoded, stream("early")), block)
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
async fn a_decision_is_acknowledged_when_committed_and_the_next_height_waits_for_it() {
    let rules = Rules { extension_period: Some(2), ..Rules::of(&EQUAL) };
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
    assert_eq!(parameters.target_time, Some(rules.block_interval));
    acknowledged.await.unwrap();
    assert_eq!(fixture.disk.upgrades(), 1);
    assert_eq!(fixture.disk.committed(1).unwrap().certificate.signatures.len(), 4);
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
