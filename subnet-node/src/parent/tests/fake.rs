//! A parent node that answers what it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use cid::Cid;
use client::api::{ApiError, ChildStatus, MessageStage, MessageStatus};
use client::rpc::RpcError;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use parking_lot::Mutex;
use subnet_types::{ChainIdentity, Digest, Height, Nonce, ParentUpdate, Sequence, SignedMessage, SubnetId};

use crate::parent::api::{ParentApi, ParentFacts, ProofQuery};

/// What several fake nodes of one parent share.
pub(crate) struct World {
    pub(crate) identity: ChainIdentity,
    pub(crate) update: Mutex<Option<ParentUpdate>>,
    pub(crate) last_sequence: Mutex<Sequence>,
    pub(crate) undelivered: Mutex<u64>,
    /// Of the next message up to deliver.
    pub(crate) next_nonce: Mutex<Nonce>,
    /// Whether a pushed message takes effect at once; otherwise it waits for ever.
    pub(crate) is_including: AtomicBool,
    pub(crate) is_refusing_estimates: AtomicBool,
    /// Everything that was ever pushed, in order.
    pub(crate) pushed: Mutex<Vec<SignedMessage>>,
    /// What waits for a block.
    pub(crate) pool: Mutex<BTreeMap<(Address, u64), SignedMessage>>,
    pub(crate) nonces: Mutex<BTreeMap<Address, u64>>,
    /// Digests of accepted checkpoints; zero where none is named.
    pub(crate) digests: Mutex<BTreeMap<Sequence, Digest>>,
    /// What an estimate asks for a unit of gas, in attoFIL.
    pub(crate) price: AtomicU64,
    pub(crate) block_gas_limit: AtomicU64,
}

impl World {
    pub(crate) fn new(identity: ChainIdentity) -> Arc<Self> {
        Arc::new(Self {
            identity,
            update: Mutex::new(None),
            last_sequence: Mutex::new(Sequence::ZERO),
            undelivered: Mutex::new(0),
            next_nonce: Mutex::new(Nonce::ZERO),
            is_including: AtomicBool::new(true),
            is_refusing_estimates: AtomicBool::new(false),
            pushed: Mutex::new(Vec::new()),
            pool: Mutex::default(),
            nonces: Mutex::default(),
            digests: Mutex::default(),
            price: AtomicU64::new(100),
            block_gas_limit: AtomicU64::new(10_000_000_000),
        })
    }
}

/// One fake node. Clones are the same node.
#[derive(Clone)]
pub(crate) struct FakeApi {
    pub(crate) world: Arc<World>,
    pub(crate) is_down: Arc<AtomicBool>,
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) identity: ChainIdentity,
    /// What this node serves in place of the world's update.
    pub(crate) update: Arc<Mutex<Option<ParentUpdate>>>,
    /// How often it served an update.
    pub(crate) reads: Arc<AtomicUsize>,
}

impl FakeApi {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self {
            world: world.clone(),
            is_down: Arc::default(),
            calls: Arc::default(),
            identity: world.identity,
            update: Arc::default(),
            reads: Arc::default(),
        }
    }

    fn call(&self) -> Result<(), RpcError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            let (url, reason) = (self.url().to_owned(), "connection refused".to_owned());
            return Err(RpcError::Unreachable { url, method: "fake", reason });
        }
        Ok(())
    }

    fn refused(&self, error: ApiError) -> RpcError {
        RpcError::Refused { url: self.url().to_owned(), method: "fake", error }
    }
}

#[async_trait]
impl ParentApi for FakeApi {
    fn url(&self) -> &str {
        "http://fake"
    }

    async fn facts(&self) -> Result<ParentFacts, RpcError> {
        self.call()?;
        let block_gas_limit = self.world.block_gas_limit.load(Ordering::Relaxed);
        Ok(ParentFacts { identity: self.identity, block_interval_ms: 1000, height: Height::new(1), block_gas_limit })
    }

    async fn proof(&self, query: &ProofQuery) -> Result<ParentUpdate, RpcError> {
        self.call()?;
        let absent = || self.refused(ApiError::NotFound("no such block yet".to_owned()));
        self.reads.fetch_add(1, Ordering::Relaxed);
        let own = self.update.lock().clone();
        let update = own.or_else(|| self.world.update.lock().clone()).ok_or_else(absent)?;
        match query.header {
            Some(header) if header != update.header.id() => Err(absent()),
            _ => Ok(update),
        }
    }

    async fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, RpcError> {
        self.call()?;
        let id = Address::new_id(105);
        let last_sequence = *self.world.last_sequence.lock();
        let digest = self.world.digests.lock().get(&last_sequence).copied();
        Ok(ChildStatus {
            subnet: child.clone(),
            actor: child.checkpoint_actor().unwrap_or(id).into(),
            id: id.into(),
            is_active: true,
            notice_height: None,
            exit_from: None,
            exit_height: None,
            unrefunded: 0,
            claimed: TokenAmount::default().into(),
            last_state_root: None,
            unbonding: TokenAmount::default().into(),
            members: 4,
            validators_min: 4,
            last_sequence,
            last_digest: digest.unwrap_or(Digest::ZERO),
            last_height: Height::ZERO,
            confirmed_configuration: subnet_types::ConfigurationNumber::FIRST,
            custody: TokenAmount::default().into(),
            stake: TokenAmount::default().into(),
            batch_reserved: TokenAmount::default().into(),
            top_down_next_nonce: Nonce::ZERO,
            top_down_applied: Nonce::ZERO,
            bottom_up_next_nonce: *self.world.next_nonce.lock(),
            undelivered: *self.world.undelivered.lock(),
        })
    }

    async fn state_nonce(&self, sender: &Address) -> Result<u64, RpcError> {
        self.call()?;
        Ok(self.world.nonces.lock().get(sender).copied().unwrap_or_default())
    }

    async fn next_nonce(&self, sender: &Address) -> Result<u64, RpcError> {
        let last = self.pending(sender).await?.last().map(|message| message.sequence + 1);
        Ok(last.unwrap_or(self.state_nonce(sender).await?))
    }

    async fn pending(&self, sender: &Address) -> Result<Vec<Message>, RpcError> {
        self.call()?;
        let pool = self.world.pool.lock();
        Ok(pool.range((*sender, 0)..=(*sender, u64::MAX)).map(|(_, signed)| signed.message.clone()).collect())
    }

    async fn estimate(&self, message: &Message, _: &TokenAmount) -> Result<Message, RpcError> {
        self.call()?;
        if self.world.is_refusing_estimates.load(Ordering::Relaxed) {
            return Err(self.refused(ApiError::InvalidParams("the message fails".to_owned())));
        }
        let price = TokenAmount::from_atto(self.world.price.load(Ordering::Relaxed));
        Ok(Message { gas_limit: 1_000_000, gas_fee_cap: price.clone(), gas_premium: price, ..message.clone() })
    }

    async fn push(&self, signed: &SignedMessage) -> Result<Cid, RpcError> {
        self.call()?;
        self.world.pushed.lock().push(signed.clone());
        let (from, nonce) = (signed.message.from, signed.message.sequence);
        if !self.world.is_including.load(Ordering::Relaxed) {
            self.world.pool.lock().insert((from, nonce), signed.clone());
        } else {
            self.world.nonces.lock().insert(from, nonce + 1);
        }
        if self.world.is_including.load(Ordering::Relaxed) {
            use fvm_ipld_encoding::from_slice;
            use subnet_types::actors::checkpoint::{DELIVER_BATCH, SUBMIT_CHECKPOINT};
            use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams};
            if signed.message.method_num == SUBMIT_CHECKPOINT {
                let mut last = self.world.last_sequence.lock();
                *last = last.next();
                let submission: SubmitCheckpointParams = from_slice(signed.message.params.bytes()).unwrap();
                if submission.messages.is_empty() {
                    *self.world.undelivered.lock() += submission.checkpoint.messages.count;
                }
            }
            if signed.message.method_num == DELIVER_BATCH {
                let delivery: DeliverBatchParams = from_slice(signed.message.params.bytes()).unwrap();
                let (mut next, mut undelivered) = (self.world.next_nonce.lock(), self.world.undelivered.lock());
                let from = *next;
                for message in delivery.messages.iter().filter(|message| message.nonce >= from) {
                    assert_eq!(message.nonce, *next, "in order");
                    *next = next.next();
                    *undelivered -= 1;
                }
            }
        }
        Ok(signed.cid())
    }

    async fn message_status(&self, message: &Cid) -> Result<MessageStatus, RpcError> {
        self.call()?;
        let is_included = self.world.is_including.load(Ordering::Relaxed);
        let stage = if is_included { MessageStage::Included } else { MessageStage::Pending };
        Ok(MessageStatus {
            message: (*message).into(),
            stage,
            height: None,
            exit_code: is_included.then_some(0),
            gas_used: None,
            r#return: None,
        })
    }
}
