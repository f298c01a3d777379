//! A chain to tell stories about.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::keys::{AccountKey, AccountScheme, CheckpointKeypair, VoteKeypair};
use client::sign_message;
use engine_api::{
    Block, BuildContext, BuiltBlock, DecidedBlock, SignedExtension, Source, SubnetApp, ValidateContext, Verdict,
};
use fvm_exec::Engine;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use mempool::{
    AccountSource, AccountsUnreadable, Choice, Commit, MessageRules, PendingMessage, Pool, PoolLimits, SelectLimits,
    Verifier,
};
use parking_lot::Mutex;
use subnet_types::actors::{CallParams, GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::{CrossAddress, CrossKind};
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION, GenesisBalance, ParentAnchor};
use subnet_types::hash::encode;
use subnet_types::limits::BLOCK_GAS_MIN;
use subnet_types::message::SignaturePolicy;
use subnet_types::vote::{CommitSignature, VoteKind, extension_signing_bytes, vote_signing_bytes};
use subnet_types::{
    ConfigurationNumber, CrossMessage, Digest, FinalityCertificate, Genesis, Height, Nonce, ParentUpdate, Power,
    SignedMessage, SubnetId, TimestampMs, Validator, ValidatorSet,
};

pub use super::parent_chain::{ParentState, certified, parent_update};
use crate::app::draft::DraftOptions;
use crate::app::genesis::{GenesisContent, OpenOptions, open_chain};
use crate::app::messages::MessageSource;
use crate::app::{App, AppParts, ChainReader, pool_rules};
use crate::checkpoint::sign::CheckpointSigner;
use crate::metrics::Metrics;
use crate::parent::{ParentCursor, ParentSource};
use crate::storage::MemoryLimits;

/// Blocks between checkpoints of the subnet.
pub const PERIOD: u64 = 2;
pub const START_MS: u64 = 1_700_000_000_000;
pub const VALIDATORS: u8 = 4;

pub fn vote_key(seed: u8) -> VoteKeypair {
    VoteKeypair::from_secret(&[seed; 32]).unwrap()
}

pub fn checkpoint_key(seed: u8) -> CheckpointKeypair {
    CheckpointKeypair::from_secret(&[seed; 32]).unwrap()
}

pub fn account(seed: u8) -> AccountKey {
    AccountKey::from_secret(AccountScheme::Secp256k1, &[seed; 32]).unwrap()
}

pub fn fil(amount: u64) -> TokenAmount {
    TokenAmount::from_whole(amount)
}

/// Validators with seeds from `first` on; one of equal power each.
pub fn validators(first: u8, count: u8) -> ValidatorSet {
    let validators = (first..first + count)
        .map(|seed| Validator {
            owner: account(seed).address(),
            vote_key: vote_key(seed).public(),
            checkpoint_key: checkpoint_key(seed).public(),
            power: Power::new(1),
        })
        .collect();
    ValidatorSet::new(ConfigurationNumber::FIRST, validators).unwrap()
}

fn parameters() -> ChainParameters {
    ChainParameters {
        block_interval_ms: 1000,
        block_gas_limit: BLOCK_GAS_MIN,
        base_fee_min: TokenAmount::from_atto(100),
        signatures: SignaturePolicy::Bound,
        checkpoint_period_blocks: PERIOD,
        trusting_period_ms: 600_000,
        cross_gas_price: TokenAmount::default(),
        bundle: actor_bundle::manifest_cid(),
    }
}

fn content(genesis: Genesis) -> GenesisContent {
    let bundle = actor_bundle::blocks().iter().map(|(cid, bytes)| (*cid, bytes.clone())).collect();
    GenesisContent { genesis, bundle }
}

/// A root on which accounts 1 to 9 hold 1000 FIL each.
pub fn root() -> GenesisContent {
    let mut balances: Vec<GenesisBalance> =
        (1..10).map(|seed| GenesisBalance { address: account(seed).address(), balance: fil(1000) }).collect();
    balances.sort_by_key(|entry| entry.address);
    content(Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(31_415_926),
        timestamp: TimestampMs::new(START_MS),
        chain: parameters(),
        validators: validators(1, VALIDATORS),
        balances,
        parent: None,
    })
}

pub const PARENT_IDENTITY: Digest = Digest([0x77; 32]);

/// A subnet whose parent has the validators with seeds 101 to 104.
pub fn subnet() -> GenesisContent {
    let timestamp = TimestampMs::new(START_MS);
    content(Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(31_415_926).child(Address::new_actor(b"checkpoint actor")).unwrap(),
        timestamp,
        chain: parameters(),
        validators: validators(1, VALIDATORS),
        balances: Vec::new(),
        parent: Some(ParentAnchor {
            identity: PARENT_IDENTITY,
            height: Height::new(50),
            timestamp,
            validators: validators(101, VALIDATORS),
        }),
    })
}

/// A parent that says what it is told to.
#[derive(Default)]
pub struct FakeParent {
    pub candidate: Mutex<Option<ParentUpdate>>,
    /// The block that the operator named.
    pub adopted: Mutex<Option<cid::Cid>>,
    /// Updates of which the chain said that they failed.
    pub failed: Mutex<Vec<ParentUpdate>>,
}

impl ParentSource for FakeParent {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        let candidate = self.candidate.lock().clone()?;
        (candidate.header.height.previous()? > cursor.height).then_some(candidate)
    }

    fn is_adopted(&self, header: &cid::Cid) -> bool {
        self.adopted.lock().as_ref() == Some(header)
    }

    fn failed(&self, _: &ParentCursor, update: &ParentUpdate) {
        self.failed.lock().push(update.clone());
    }
}

/// The pool without its network.
pub struct PoolSource(Mutex<Pool>);

impl MessageSource for PoolSource {
    fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Vec<Arc<PendingMessage>>, AccountsUnreadable> {
        let mut pool = self.0.lock();
        let selection = pool.select(limits, base_fee, accounts, choose)?;
        pool.discard(&selection.discarded);
        Ok(selection.messages)
    }

    fn on_commit(&self, _: Commit<'_>) -> Result<(), AccountsUnreadable> {
        Ok(())
    }
}

/// One node, whose database outlives its runs.
pub struct Node {
    pub content: GenesisContent,
    pub folder: tempfile::TempDir,
    pub parent: Arc<FakeParent>,
    pub now: Arc<AtomicU64>,
    /// In which the app executes from its next start on.
    pub lanes: NonZeroUsize,
    /// When the app drafts, if not as the chain's parameters say.
    pub drafts: Option<DraftOptions>,
    pool: Arc<PoolSource>,
    app: Option<App>,
}

impl Node {
    pub fn new(content: GenesisContent) -> Self {
        let rules = pool_rules(&content.genesis);
        Self::with_rules(content, rules)
    }

    /// A node whose pool goes by these rules.
    pub fn with_rules(content: GenesisContent, rules: MessageRules) -> Self {
        let mut node = Self {
            content,
            folder: tempfile::tempdir().unwrap(),
            parent: Arc::default(),
            now: Arc::new(AtomicU64::new(START_MS)),
            lanes: NonZeroUsize::MIN,
            drafts: None,
            pool: Arc::new(PoolSource(Mutex::new(Pool::new(rules, PoolLimits::default())))),
            app: None,
        };
        node.restart();
        node
    }

    /// Closes the database and opens it again. What was not committed is gone.
    pub fn restart(&mut self) {
        self.app = None;
        let options = OpenOptions {
            database: self.folder.path().join("db"),
            memory: MemoryLimits::default(),
            engine: Engine::new(2).unwrap(),
            lanes: self.lanes,
        };
        let chain = open_chain(&self.content, &options).unwrap();
        let now = self.now.clone();
        let is_subnet = !self.content.genesis.subnet.is_root();
        let parts = AppParts {
            verifier: Arc::new(Verifier::new(*chain.identity(), SignaturePolicy::Bound)),
            chain,
            messages: self.pool.clone(),
            parent: is_subnet.then(|| self.parent.clone() as Arc<dyn ParentSource>),
            signer: Some(CheckpointSigner::new(checkpoint_key(1))),
            clock: Arc::new(move || TimestampMs::new(now.load(Ordering::Relaxed))),
            metrics: Metrics::new().chain,
        };
        self.app = Some(match self.drafts {
            Some(options) => App::with_drafts(parts, options),
            None => App::new(parts),
        });
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub fn chain(&self) -> &ChainReader {
        self.app().chain()
    }

    pub fn next_height(&self) -> Height {
        self.chain().tip().height.next()
    }

    pub fn balance(&self, address: &Address) -> TokenAmount {
        let state = self.chain().latest_state().unwrap();
        state.actor_at(address).unwrap().map(|(_, actor)| actor.balance).unwrap_or_default()
    }

    /// A message of `from` with its next nonce; `skip` leaves a gap.
    pub fn message(&self, from: &AccountKey, to: Address, value: TokenAmount, skip: u64) -> Message {
        let state = self.chain().latest_state().unwrap();
        let nonce = state.actor_at(&from.address()).unwrap().map_or(0, |(_, actor)| actor.sequence);
        Message {
            version: 0,
            from: from.address(),
            to,
            sequence: nonce + skip,
            value,
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: 20_000_000,
            gas_fee_cap: TokenAmount::from_atto(1000),
            gas_premium: TokenAmount::from_atto(10),
        }
    }

    pub fn sign(&self, message: &Message, key: &AccountKey) -> SignedMessage {
        sign_message(message, key, self.chain().identity())
    }

    /// Lets a message wait for the next block.
    pub fn push(&self, message: &Message, key: &AccountKey) -> SignedMessage {
        let signed = self.sign(message, key);
        let accounts = crate::app::accounts::LatestAccounts::new(self.chain().clone());
        let account = accounts.account(&message.from).unwrap().unwrap_or_default();
        self.pool.0.lock().add(signed.clone(), &account).unwrap();
        signed
    }

    /// Whether a message still waits for a block.
    pub fn is_waiting(&self, signed: &SignedMessage) -> bool {
        self.pool.0.lock().get(&signed.cid()).is_some()
    }

    /// The next block as validator 1 builds it in round 0, a second later than the last.
    pub async fn build(&self) -> Block {
        self.build_in(0).await
    }

    /// The same in another round.
    pub async fn build_in(&self, round: u32) -> Block {
        self.built(round).await.block
    }

    /// The same with its hints.
    pub async fn built(&self, round: u32) -> BuiltBlock {
        self.now.fetch_add(1000, Ordering::Relaxed);
        self.app().build(self.build_context(round)).await.unwrap()
    }

    /// Lets validator 1 prepare for the next height, and waits until nothing is executed any more.
    pub async fn prepare(&self) {
        self.app().prepare(self.build_context(0)).await.unwrap();
        self.app().inner.speculations.idle();
    }

    fn build_context(&self, round: u32) -> BuildContext {
        BuildContext {
            height: self.next_height(),
            round,
            proposer: vote_key(1).public(),
            time_budget: Duration::from_secs(30),
        }
    }

    pub async fn judge(&self, block: &Block, source: Source) -> Verdict {
        self.judge_hinted(block, source, Bytes::new()).await
    }

    pub async fn judge_hinted(&self, block: &Block, source: Source, hints: Bytes) -> Verdict {
        let context = ValidateContext { height: block.header.height, round: 0, source, hints };
        self.app().validate(context, block).await.unwrap()
    }

    /// Builds, judges and commits a block.
    pub async fn step(&self) -> DecidedBlock {
        let block = self.build().await;
        assert_eq!(self.judge(&block, Source::Live).await, Verdict::Accept);
        let decided = self.decide(block);
        self.app().commit(decided.clone()).await.unwrap();
        decided
    }

    /// What an engine with three of the four validators at work hands over for `block`.
    pub fn decide(&self, block: Block) -> DecidedBlock {
        let (identity, height, id) = (*self.chain().identity(), block.header.height, block.id());
        let certificate = certificate(&identity, height, &id, 1);
        let sequence = height.previous().and_then(|height| self.chain().cut_at(height));
        let extensions = match sequence {
            None => Vec::new(),
            Some(sequence) => {
                let digest = self.chain().checkpoint(sequence).unwrap().unwrap().digest;
                (1..VALIDATORS).map(|seed| extension(&identity, height, &id, seed, &digest)).collect()
            }
        };
        DecidedBlock { block, certificate, extensions }
    }
}

/// Precommits of three validators with seeds from `first` on.
pub fn certificate(identity: &Digest, height: Height, block: &cid::Cid, first: u8) -> FinalityCertificate {
    let signatures = (first..first + 3)
        .map(|seed| {
            let key = vote_key(seed);
            let validator = key.public();
            let bytes = vote_signing_bytes(identity, VoteKind::Precommit, height, 0, Some(block), &validator);
            CommitSignature { validator, signature: key.sign(&bytes) }
        })
        .collect();
    FinalityCertificate { height, round: 0, block: *block, signatures }
}

pub fn extension(identity: &Digest, height: Height, block: &cid::Cid, seed: u8, digest: &Digest) -> SignedExtension {
    let key = vote_key(seed);
    let validator = key.public();
    let extension = checkpoint_key(seed).sign_digest(digest).as_bytes().to_vec();
    let bytes = extension_signing_bytes(identity, height, 0, block, &validator, &extension);
    SignedExtension { validator, signature: key.sign(&bytes), extension }
}

/// A transfer of `value` from the parent to `to`.
pub fn top_down(subnet: &SubnetId, nonce: u64, to: Address, value: TokenAmount) -> CrossMessage {
    let origin = Address::new_secp256k1(&[9; 65]).unwrap();
    CrossMessage {
        id: subnet_types::cross::message_id(&PARENT_IDENTITY, &origin, nonce),
        origin: CrossAddress { subnet: SubnetId::root(31_415_926), address: origin },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: subnet.clone(), address: to },
        value,
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: TokenAmount::default(),
        expires: None,
        wants_receipt: false,
    }
}

/// A node with 30 FIL on account 1, of which a release of 4 waits for the next block.
pub async fn funded() -> Node {
    releasing(1).await
}

/// The same with this many releases of 4 FIL.
pub async fn releasing(count: u64) -> Node {
    sending(count, None).await
}

/// The same, each of them with this call.
pub async fn sending(count: u64, call: Option<CallParams>) -> Node {
    let node = Node::new(subnet());
    let message = top_down(&node.content.genesis.subnet, 0, account(1).address(), fil(30));
    *node.parent.candidate.lock() = Some(parent_update(60, vec![message]));
    node.step().await;
    let key = account(1);
    for nonce in 0..count {
        let mut release = node.message(&key, Address::new_id(GATEWAY_ID), fil(4), nonce);
        release.method_num = gateway::SEND;
        let (to, fee) = (SubnetId::root(31_415_926), TokenAmount::default());
        let params = SendParams { call: call.clone(), ..client::cross::transfer(to, account(7).address(), fee) };
        release.params = RawBytes::new(encode(&params));
        release.gas_limit = 100_000_000;
        node.push(&release, &key);
    }
    node
}
