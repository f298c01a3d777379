//! The handler alone, asked what Malachite asks.

mod decisions;
mod proposals;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::consensus::Role;
use arc_malachitebft_app_channel::app::engine::host::{Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, CommitSignature, NilOrVal, Round, Validator as _, Validity, VoteExtensions, VoteType,
};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_app_channel::app::types::{MisbehaviorEvidence, PeerId, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, NetworkMsg, Reply, Signer as _, Verifier as _};
use bytes::Bytes;
use engine_api::{Block, Source};
use proto::block::BLOCK_BYTES_MAX;
use subnet_types::hash::blake2b_256;
use subnet_types::limits::HINT_BYTES_MAX;
use subnet_types::{Ed25519Signature, Height};
use support::{Behaviour, Disk, IDENTITY, Rules, TestApp, vote_key, vote_seed};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Handler;
use crate::certified::Certified;
use crate::context::{Address, At, BlockId, Chain, HintsInit, Members, ProposalInit, ProposalPart, Vote};
use crate::failure::Failure;
use crate::running::StatusCell;
use crate::signing::{ChainSigner, ChainVerifier};
use crate::streaming::{CHUNK_BYTES, split};

const EQUAL: [(usize, u64); 4] = [(0, 10), (1, 10), (2, 10), (3, 10)];

/// A handler of node 0 and the ends that Malachite would hold.
struct Fixture {
    questions: mpsc::Sender<AppMsg<Chain>>,
    network: mpsc::Receiver<NetworkMsg<Chain>>,
    handler: JoinHandle<Result<(), Failure>>,
    disk: Arc<Disk>,
    rules: Rules,
    certified: Certified,
}

impl Fixture {
    fn new(rules: &Rules) -> Self {
        Self::restarted(&Arc::default(), rules, Behaviour::default())
    }

    fn restarted(disk: &Arc<Disk>, rules: &Rules, behaviour: Behaviour) -> Self {
        let (questions, asked) = mpsc::channel(8);
        let (sent, network) = mpsc::channel(1000);
        let certified = Certified::default();
        let handler = Handler {
            certified: certified.clone(),
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
        Self { questions, network, handler, disk: disk.clone(), rules: rules.clone(), certified }
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

    async fn restream(&self, height: u64, block: cid::Cid) {
        let question = AppMsg::RestreamProposal {
            height: At(height),
            round: Round::new(0),
            valid_round: Round::Nil,
            address: Address(vote_key(0)),
            value_id: BlockId(block),
        };
        self.questions.send(question).await.expect("the handler runs");
    }

    /// The next announcement that is sent out; what else is sent is passed over.
    async fn announced(&mut self) -> ProposalInit {
        loop {
            let NetworkMsg::PublishProposalPart(message) = self.network.recv().await.expect("the handler runs");
            if let StreamContent::Data(ProposalPart::Init(init)) = message.content {
                return init;
            }
        }
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

    /// Verifies the precommits of validators 0 to 2 for a block, as Malachite does with those in a certificate.
    async fn verify(&self, height: u64, block: &Block) {
        let verifier = ChainVerifier { identity: IDENTITY, certified: self.certified.clone() };
        for index in 0..3 {
            let vote = Vote {
                kind: VoteType::Precommit,
                height: At(height),
                round: Round::new(0),
                value: NilOrVal::Val(BlockId(block.id())),
                address: Address(vote_key(index)),
                extension: None,
            };
            let signed = ChainSigner::new(IDENTITY, &vote_seed(index)).sign_vote(vote).await.unwrap();
            let verified = verifier.verify_signed_vote(&signed.message, &signed.signature, &vote_key(index)).await;
            assert!(verified.unwrap().is_valid());
        }
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
            hints: None,
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

/// The announcement with these hints, as validator `index` signs it.
fn with_hints(init: &ProposalInit, hints: &Bytes, index: usize) -> ProposalInit {
    let signature = Ed25519Signature([0; 64]);
    let mut announced = HintsInit { bytes: hints.len() as u64, digest: blake2b_256(hints), signature };
    let bytes = init.hints_signing_bytes(&IDENTITY, &announced);
    announced.signature = ChainSigner::new(IDENTITY, &vote_seed(index)).sign(&bytes);
    ProposalInit { hints: Some(announced), ..init.clone() }
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
