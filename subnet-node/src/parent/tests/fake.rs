//! A parent node that answers what it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use client::api::{ApiError, ChildStatus, MessageStage, MessageStatus};
use client::rpc::RpcError;
use fvm_ipld_encoding::from_slice;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use parking_lot::Mutex;
use subnet_types::actors::checkpoint::{DELIVER_BATCH, DELIVER_UNCLAIMED, SUBMIT_CHECKPOINT};
use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams};
use subnet_types::{
    ChainIdentity, CrossMessage, Digest, Height, Nonce, ParentUpdate, Sequence, SignedMessage, SubnetId,
};

use crate::parent::api::{ParentApi, ParentFacts, ProofApi, ProofQuery};

/// What several fake nodes of one parent share.
pub(crate) struct World {
    pub(crate) identity: ChainIdentity,
    pub(crate) update: Mutex<Option<ParentUpdate>>,
    pub(crate) last_sequence: Mutex<Sequence>,
    pub(crate) undelivered: Mutex<u64>,
    /// Of the next message up to deliver.
    pub(crate) next_nonce: Mutex<Nonce>,
    /// Whether messages that were set aside stay so, however often they are brought.
    pub(crate) is_retrying_in_vain: AtomicBool,
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
    /// Messages up that were set aside.
    pub(crate) unclaimed: Mutex<Vec<Nonce>>,
}

/// A change of something that a fake node would have said.
type Lie<T> = Option<Box<dyn Fn(&mut T) + Send + Sync>>;

/// What one fake node says that is not so.
#[derive(Default)]
pub(crate) struct Lies {
    /// What it makes of the settlement.
    pub(crate) status: Lie<ChildStatus>,
    /// What it makes of a message whose gas it estimates.
    pub(crate) estimate: Lie<Message>,
    /// What it says is waiting.
    pub(crate) pending: Option<Vec<Message>>,
    /// It refuses every estimate.
    pub(crate) is_refusing: bool,
    /// It knows of nothing: no child, no message.
    pub(crate) is_ignorant: bool,
}

impl World {
    pub(crate) fn new(identity: ChainIdentity) -> Arc<Self> {
        Arc::new(Self {
            identity,
            update: Mutex::new(None),
            last_sequence: Mutex::new(Sequence::ZERO),
            undelivered: Mutex::new(0),
            next_nonce: Mutex::new(Nonce::ZERO),
            is_retrying_in_vain: AtomicBool::new(false),
            is_including: AtomicBool::new(true),
            is_refusing_estimates: AtomicBool::new(false),
            pushed: Mutex::new(Vec::new()),
            pool: Mutex::default(),
            nonces: Mutex::default(),
            digests: Mutex::default(),
            price: AtomicU64::new(100),
            block_gas_limit: AtomicU64::new(10_000_000_000),
            unclaimed: Mutex::default(),
        })
    }
}

/// One fake node. Clones are the same node.
#[derive(Clone)]
pub(crate) struct FakeApi {
    pub(crate) url: &'static str,
    pub(crate) world: Arc<World>,
    pub(crate) is_down: Arc<AtomicBool>,
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) identity: ChainIdentity,
    /// What this node serves in place of the world's update.
    pub(crate) update: Arc<Mutex<Option<ParentUpdate>>>,
    /// How often it was asked for an update.
    pub(crate) reads: Arc<AtomicUsize>,
    /// How often with a header.
    pub(crate) named: Arc<AtomicUsize>,
    /// Whether it never answers; its client gives up after five seconds.
    pub(crate) is_silent: Arc<AtomicBool>,
    /// Whether nothing leads from the tracked validators to its newest block.
    pub(crate) is_unlinked: Arc<AtomicBool>,
    pub(crate) lies: Arc<Mutex<Lies>>,
}

impl FakeApi {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self {
            url: "http://fake",
            world: world.clone(),
            is_down: Arc::default(),
            calls: Arc::default(),
            identity: world.identity,
            update: Arc::default(),
            reads: Arc::default(),
            named: Arc::default(),
            is_silent: Arc::default(),
            is_unlinked: Arc::default(),
            lies: Arc::default(),
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
impl ProofApi for FakeApi {
    fn url(&self) -> &str {
        self.url
    }

    async fn facts(&self) -> Result<ParentFacts, RpcError> {
        self.call()?;
        let block_gas_limit = self.world.block_gas_limit.load(Ordering::Relaxed);
        Ok(ParentFacts { identity: self.identity, block_interval_ms: 1000, height: Height::new(1000), block_gas_limit })
    }

    async fn proof(&self, query: &ProofQuery) -> Result<Option<ParentUpdate>, RpcError> {
        self.call()?;
        let absent = || self.refused(ApiError::NotFound("no such block yet".to_owned()));
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.named.fetch_add(usize::from(query.header.is_some()), Ordering::Relaxed);
        if self.is_silent.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Err(RpcError::Timeout { url: self.url().to_owned(), method: "fake", seconds: 5.0 });
        }
        if self.is_unlinked.load(Ordering::Relaxed) && query.header.is_none() {
            return Err(self.refused(ApiError::NotFound("they never voted".to_owned())));
        }
        let own = self.update.lock().clone();
        let update = own.or_else(|| self.world.update.lock().clone()).ok_or_else(absent)?;
        match query.header {
            Some(header) if header != update.header.id() => Err(absent()),
            _ => Ok(Some(update)),
        }
    }
}

#[async_trait]
impl ParentApi for FakeApi {
    async fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, RpcError> {
        self.call()?;
        if self.lies.lock().is_ignorant {
            return Err(self.refused(ApiError::NotFound("no such child".to_owned())));
        }
        let id = Address::new_id(105);
        let last_sequence = *self.world.last_sequence.lock();
        let digest = self.world.digests.lock().get(&last_sequence).copied();
        let mut status = ChildStatus {
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
            unclaimed: self.world.unclaimed.lock().clone(),
        };
        if let Some(lie) = &self.lies.lock().status {
            lie(&mut status);
        }
        Ok(status)
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
        if let Some(lie) = &self.lies.lock().pending {
            return Ok(lie.clone());
        }
        let pool = self.world.pool.lock();
        Ok(pool.range((*sender, 0)..=(*sender, u64::MAX)).map(|(_, signed)| signed.message.clone()).collect())
    }

    async fn estimate(&self, message: &Message, _: &TokenAmount) -> Result<Message, RpcError> {
        self.call()?;
        if self.world.is_refusing_estimates.load(Ordering::Relaxed) || self.lies.lock().is_refusing {
            return Err(self.refused(ApiError::InvalidParams("the message fails".to_owned())));
        }
        let price = TokenAmount::from_atto(self.world.price.load(Ordering::Relaxed));
        let mut estimated =
            Message { gas_limit: 1_000_000, gas_fee_cap: price.clone(), gas_premium: price, ..message.clone() };
        if let Some(lie) = &self.lies.lock().estimate {
            lie(&mut estimated);
        }
        Ok(estimated)
    }

    async fn push(&self, signed: &SignedMessage) -> Result<Cid, RpcError> {
        self.call()?;
        // Nodes share what waits: a message that reaches two of them is one.
        if self.world.pushed.lock().contains(signed) {
            return Ok(signed.cid());
        }
        self.world.pushed.lock().push(signed.clone());
        let (from, nonce) = (signed.message.from, signed.message.sequence);
        if !self.world.is_including.load(Ordering::Relaxed) {
            self.world.pool.lock().insert((from, nonce), signed.clone());
        } else {
            self.world.nonces.lock().insert(from, nonce + 1);
        }
        if self.world.is_including.load(Ordering::Relaxed) {
            if signed.message.method_num == SUBMIT_CHECKPOINT {
                let mut last = self.world.last_sequence.lock();
                let submission: SubmitCheckpointParams = from_slice(signed.message.params.bytes()).unwrap();
                let is_next = submission.checkpoint.sequence == last.next();
                if is_next {
                    *last = last.next();
                }
                if is_next && submission.messages.is_empty() {
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
        if signed.message.method_num == DELIVER_UNCLAIMED && self.world.is_including.load(Ordering::Relaxed) {
            let message: CrossMessage = from_slice(signed.message.params.bytes()).unwrap();
            let stays = self.world.is_retrying_in_vain.load(Ordering::Relaxed);
            self.world.unclaimed.lock().retain(|nonce| stays || *nonce != message.nonce);
        }
        Ok(signed.cid())
    }

    async fn message_status(&self, message: &Cid) -> Result<MessageStatus, RpcError> {
        self.call()?;
        if self.lies.lock().is_ignorant {
            return Err(self.refused(ApiError::NotFound("no such message".to_owned())));
        }
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
