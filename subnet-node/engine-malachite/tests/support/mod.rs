//! A chain without a VM: an application that keeps everything in memory, for tests of the engine.
//!
//! `Disk` is what survives a restart; a new `TestApp` over the same disk is the restarted node.
// Shared by several tests, each of which uses a part of it.
#![allow(dead_code, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use engine_api::{
    AppFailure, Block, BuildContext, BuiltBlock, ChainStatus, DecidedBlock, HeightRules, SignedExtension, Source,
    SubnetApp, UndecidedBlock, ValidateContext, Verdict,
};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::hash::{blake2b_256, cid_of, cid_of_bytes};
use subnet_types::{
    BlockHeader, BlsPublicKey, ChainIdentity, ConfigurationNumber, Digest, FinalityCertificate, Height, Payload, Power,
    TimestampMs, Validator, ValidatorSet, VoteKey,
};
use tokio::sync::watch;

/// Identity of the test chain.
pub const IDENTITY: ChainIdentity = Digest([42; 32]);

/// Seed of validator `index`'s vote key.
pub fn vote_seed(index: usize) -> [u8; 32] {
    [u8::try_from(index).unwrap() + 1; 32]
}

/// Vote key of validator `index`.
pub fn vote_key(index: usize) -> VoteKey {
    VoteKey(ed25519_dalek::SigningKey::from_bytes(&vote_seed(index)).verifying_key().to_bytes())
}

/// A set of the validators with these indices and powers.
pub fn set(number: u64, members: &[(usize, u64)]) -> ValidatorSet {
    let validators = members.iter().map(|(index, power)| Validator {
        owner: Address::new_actor(&[u8::try_from(*index).unwrap()]),
        vote_key: vote_key(*index),
        checkpoint_key: BlsPublicKey([u8::try_from(*index).unwrap(); 48]),
        power: Power::new(*power),
    });
    ValidatorSet::new(ConfigurationNumber::new(number), validators.collect()).unwrap()
}

/// The rules of the chain, the same on every node.
#[derive(Clone)]
pub struct Rules {
    /// Sets and the height from which each votes, ascending; the first from height 1.
    pub sets: Vec<(u64, ValidatorSet)>,
    /// Extensions are required at multiples of this.
    pub extension_period: Option<u64>,
    pub block_interval: Duration,
    /// Bytes of each block's only item.
    pub payload_bytes: usize,
    /// Bytes of the hints beside each block.
    pub hint_bytes: usize,
}

impl Rules {
    pub fn of(members: &[(usize, u64)]) -> Self {
        Self {
            sets: vec![(1, set(1, members))],
            extension_period: None,
            block_interval: Duration::from_millis(50),
            payload_bytes: 1000,
            hint_bytes: 0,
        }
    }

    pub fn set_at(&self, height: u64) -> &ValidatorSet {
        let last = self.sets.iter().rfind(|(from, _)| *from <= height);
        &last.expect("a set votes from height 1").1
    }

    fn extended(&self, height: u64) -> bool {
        self.extension_period.is_some_and(|period| height.is_multiple_of(period))
    }
}

/// What a node does differently, so that tests can see what the engine makes of it.
#[derive(Default)]
pub struct Behaviour {
    /// Live proposals of these (height, round) cannot be confirmed.
    pub not_yet: BTreeSet<(u64, u32)>,
    /// Live proposals of any round of these heights cannot be confirmed.
    pub never_confirms: BTreeSet<u64>,
    /// Blocks at these heights are rejected.
    pub rejects: BTreeSet<u64>,
    /// Committing fails at this height.
    pub commit_fails_at: Option<u64>,
    /// Building fails at this height.
    pub build_fails_at: Option<u64>,
    /// Added to the round in what a built block holds, so that a twin of this node builds other blocks.
    pub salt: u8,
    /// How long a commit takes.
    pub commit_delay: Duration,
    /// The only height at which it takes that long.
    pub slow_commit_at: Option<u64>,
    /// How long the answer takes when it is asked about a live proposal again.
    pub reask_delay: Duration,
}

#[derive(Default)]
struct Stored {
    committed: BTreeMap<u64, DecidedBlock>,
    undecided: BTreeMap<(u64, u32, Cid), UndecidedBlock>,
    upgrades: usize,
    builds: Vec<(u64, u32)>,
    validations: Vec<(u64, u32, Source)>,
    prepared: Vec<u64>,
    hints: BTreeMap<u64, Vec<Bytes>>,
    commits: Vec<u64>,
}

/// What survives a restart of a node.
pub struct Disk {
    stored: Mutex<Stored>,
    height: watch::Sender<u64>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { stored: Mutex::default(), height: watch::Sender::new(0) }
    }
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap()
    }

    pub fn committed(&self, height: u64) -> Option<DecidedBlock> {
        self.lock().committed.get(&height).cloned()
    }

    pub fn tip(&self) -> u64 {
        *self.height.borrow()
    }

    pub fn builds(&self) -> Vec<(u64, u32)> {
        self.lock().builds.clone()
    }

    pub fn validations(&self) -> Vec<(u64, u32, Source)> {
        self.lock().validations.clone()
    }

    /// Heights that this node was told to prepare for.
    pub fn prepared(&self) -> Vec<u64> {
        self.lock().prepared.clone()
    }

    /// The hints that came with each judged block of a height.
    pub fn hints(&self, height: u64) -> Vec<Bytes> {
        self.lock().hints.get(&height).cloned().unwrap_or_default()
    }

    pub fn commits(&self) -> Vec<u64> {
        self.lock().commits.clone()
    }

    pub fn upgrades(&self) -> usize {
        self.lock().upgrades
    }

    pub fn undecided(&self) -> usize {
        self.lock().undecided.len()
    }

    pub fn replace_undecided_records(&self, record: &[u8]) {
        for undecided in self.lock().undecided.values_mut() {
            undecided.record = record.to_vec();
        }
    }

    /// Resolves when `height` is committed.
    pub async fn reach(&self, height: u64) {
        let mut tip = self.height.subscribe();
        tip.wait_for(|tip| *tip >= height).await.unwrap();
    }
}

/// The application of one node.
pub struct TestApp {
    pub index: usize,
    pub disk: Arc<Disk>,
    pub rules: Rules,
    pub behaviour: Behaviour,
}

impl TestApp {
    pub fn new(index: usize, disk: &Arc<Disk>, rules: &Rules) -> Self {
        Self { index, disk: disk.clone(), rules: rules.clone(), behaviour: Behaviour::default() }
    }

    fn parent(&self, height: u64) -> (Cid, TimestampMs) {
        match self.disk.committed(height - 1) {
            Some(parent) => (parent.block.id(), parent.block.header.timestamp),
            None => (cid_of_bytes(b"genesis"), TimestampMs::new(0)),
        }
    }

    /// A block as `proposer` would build it.
    pub fn block(&self, height: u64, proposer: VoteKey, salt: u8) -> Block {
        let (parent, after) = self.parent(height);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let timestamp = TimestampMs::new(u64::try_from(now).unwrap().max(after.get() + 1));
        let payload = Payload { items: vec![vec![salt; self.rules.payload_bytes]] };
        let header = BlockHeader {
            version: 1,
            chain: IDENTITY,
            height: Height::new(height),
            parent,
            timestamp,
            proposer,
            payload_root: payload.root(),
            state_root: cid_of(&(height - 1)),
            receipts_root: cid_of(&height),
            gas_used: 0,
            base_fee: TokenAmount::from_atto(100),
            validators_hash: Digest([0; 32]),
            next_validators_hash: Digest([0; 32]),
        };
        Block { header, payload }
    }

    /// The hints beside that block.
    pub fn hints(&self, salt: u8) -> Bytes {
        vec![!salt; self.rules.hint_bytes].into()
    }

    fn extension(height: u64, block: &Cid, validator: &VoteKey) -> Vec<u8> {
        blake2b_256(&[&height.to_be_bytes()[..], &block.to_bytes(), validator.as_bytes()].concat()).0.repeat(3)
    }
}

#[async_trait]
impl SubnetApp for TestApp {
    async fn status(&self) -> Result<ChainStatus, AppFailure> {
        Ok(ChainStatus { committed: Height::new(self.disk.tip()), history_min: Height::new(1) })
    }

    async fn rules(&self, height: Height) -> Result<HeightRules, AppFailure> {
        let next = self.disk.tip() + 1;
        if height.get() > next {
            return Err(AppFailure::new("rules", format!("{height} is asked for, {next} is the next")));
        }
        Ok(HeightRules {
            height,
            validators: self.rules.set_at(height.get()).clone(),
            extensions_required: self.rules.extended(height.get()),
            block_interval: self.rules.block_interval,
            previous_timestamp: self.parent(height.get()).1,
        })
    }

    async fn prepare(&self, context: BuildContext) -> Result<(), AppFailure> {
        let height = context.height.get();
        assert_eq!((context.round, context.proposer), (0, vote_key(self.index)));
        self.disk.lock().prepared.push(height);
        Ok(())
    }

    async fn build(&self, context: BuildContext) -> Result<BuiltBlock, AppFailure> {
        let height = context.height.get();
        assert_eq!(height, self.disk.tip() + 1, "only the next height is built");
        if self.behaviour.build_fails_at == Some(height) {
            return Err(AppFailure::new("build", "told to fail"));
        }
        self.disk.lock().builds.push((height, context.round));
        let salt = self.behaviour.salt.wrapping_add(u8::try_from(context.round).unwrap());
        Ok(BuiltBlock { block: self.block(height, context.proposer, salt), hints: self.hints(salt) })
    }

    async fn validate(&self, context: ValidateContext, block: &Block) -> Result<Verdict, AppFailure> {
        let (height, round) = (context.height.get(), context.round);
        let next = self.disk.tip() + 1;
        if context.source == Source::Live && height < next {
            // A block that was asked about again may be overtaken by a certificate for its height.
            return Ok(Verdict::NotYet("the height is decided".to_owned()));
        }
        assert_eq!(height, next, "only the next height is judged");
        let asked = (height, round, context.source);
        let is_again = context.source == Source::Live && self.disk.validations().contains(&asked);
        self.disk.lock().validations.push(asked);
        self.disk.lock().hints.entry(height).or_default().push(context.hints);
        if is_again {
            tokio::time::sleep(self.behaviour.reask_delay).await;
        }
        let (parent, after) = self.parent(height);
        if block.header.parent != parent || block.header.timestamp <= after {
            return Ok(Verdict::Reject("it does not follow the last block".to_owned()));
        }
        if self.behaviour.rejects.contains(&height) {
            return Ok(Verdict::Reject("told to reject".to_owned()));
        }
        let unconfirmed =
            self.behaviour.not_yet.contains(&(height, round)) || self.behaviour.never_confirms.contains(&height);
        if unconfirmed && context.source == Source::Live {
            return Ok(Verdict::NotYet("told to wait".to_owned()));
        }
        Ok(Verdict::Accept)
    }

    async fn extend_vote(&self, height: Height, block: &Cid) -> Result<Vec<u8>, AppFailure> {
        assert!(self.rules.extended(height.get()), "an extension is asked for only where one is required");
        Ok(Self::extension(height.get(), block, &vote_key(self.index)))
    }

    async fn verify_extension(
        &self,
        height: Height,
        block: &Cid,
        validator: &VoteKey,
        extension: &[u8],
    ) -> Result<(), String> {
        let expected = Self::extension(height.get(), block, validator);
        if extension == expected { Ok(()) } else { Err("it is not the expected one".to_owned()) }
    }

    async fn commit(&self, decided: DecidedBlock) -> Result<(), AppFailure> {
        let height = decided.certificate.height.get();
        assert_eq!(decided.certificate.block, decided.block.id());
        if self.behaviour.commit_fails_at == Some(height) {
            return Err(AppFailure::new("commit", "told to fail"));
        }
        if self.behaviour.slow_commit_at.is_none_or(|slow| slow == height) {
            tokio::time::sleep(self.behaviour.commit_delay).await;
        }
        let mut stored = self.disk.lock();
        assert!(height <= self.disk.tip() + 1, "heights are committed in order");
        stored.committed.insert(height, decided);
        stored.undecided.retain(|(undecided, _, _), _| *undecided > height);
        stored.commits.push(height);
        drop(stored);
        self.disk.height.send_if_modified(|tip| std::mem::replace(tip, height.max(*tip)) < height);
        Ok(())
    }

    async fn upgrade_certificate(
        &self,
        certificate: FinalityCertificate,
        extensions: Vec<SignedExtension>,
    ) -> Result<(), AppFailure> {
        let mut stored = self.disk.lock();
        stored.upgrades += 1;
        let decided = stored.committed.get_mut(&certificate.height.get()).expect("only what is committed is upgraded");
        assert!(certificate.signatures.len() > decided.certificate.signatures.len());
        decided.certificate = certificate;
        decided.extensions = extensions;
        Ok(())
    }

    async fn decided(&self, height: Height) -> Result<Option<DecidedBlock>, AppFailure> {
        Ok(self.disk.committed(height.get()))
    }

    async fn put_undecided(&self, undecided: UndecidedBlock) -> Result<(), AppFailure> {
        let key = (undecided.height.get(), undecided.round, undecided.block);
        self.disk.lock().undecided.insert(key, undecided);
        Ok(())
    }

    async fn undecided(&self, height: Height) -> Result<Vec<UndecidedBlock>, AppFailure> {
        let of_height = |undecided: &&UndecidedBlock| undecided.height == height;
        Ok(self.disk.lock().undecided.values().filter(of_height).cloned().collect())
    }
}
