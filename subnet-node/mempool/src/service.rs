//! The mempool of a node: pool, signatures, accounts and gossip together.
//!
//! Locks: the pool's lock is held while accounts are read, so that a commit cannot slip between reading an account
//! and admitting on it; it is never held while a signature is verified.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use parking_lot::Mutex;
use subnet_types::subnet_id::display_address;
use subnet_types::{Height, SignedMessage};
use tokio::sync::watch;

use crate::accounts::{AccountSource, AccountView, AccountsUnreadable};
use crate::gossip::{Gossip, GossipConfig, GossipError, GossipHandle, GossipStatus};
use crate::limits::{PoolLimits, REBROADCAST_BLOCKS, REBROADCAST_MESSAGES_MAX};
use crate::pool::{Admission, Checked, Choice, PendingMessage, Pool, PoolStats, SelectLimits};
use crate::publications::Publications;
use crate::rejection::Rejection;
use crate::rules::MessageRules;
use crate::signature::Verifier;
use crate::worker;

/// What a mempool needs to know.
#[derive(Clone, Debug)]
pub struct MempoolConfig {
    /// Rules of the chain.
    pub rules: MessageRules,
    /// How much to hold.
    pub limits: PoolLimits,
    /// Where and with whom to gossip.
    pub gossip: GossipConfig,
}

/// Why a mempool cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MempoolError {
    /// Gossip cannot start.
    #[error(transparent)]
    Gossip(#[from] GossipError),
    /// No thread for the worker.
    #[error("cannot start the mempool's thread: {reason}")]
    Thread {
        /// What the system said.
        reason: String,
    },
}

/// Why a pushed message does not wait now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// It breaks a rule.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// This node cannot read its state and must stop.
    #[error(transparent)]
    Fatal(#[from] AccountsUnreadable),
}

/// A committed block, as far as the mempool cares.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Its height.
    pub height: Height,
    /// Its messages.
    pub messages: &'a [SignedMessage],
}

/// What the pool holds, and counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MempoolMetrics {
    /// What the pool holds.
    pub pool: PoolStats,
    /// Messages admitted.
    pub admitted: u64,
    /// Messages that waited already when they came.
    pub duplicates: u64,
    /// Messages refused, faults included.
    pub rejected: u64,
    /// Messages that no honest node sends.
    pub faults: u64,
    /// Messages replaced by a better offer of their sender.
    pub replaced: u64,
    /// Messages that made room for better offers.
    pub evicted: u64,
    /// Messages that left because their nonce was used.
    pub used: u64,
    /// Messages that left because the balance did not cover them any more.
    pub uncovered: u64,
    /// Messages that left because they waited for too long.
    pub expired: u64,
    /// Messages that left because no block may hold them.
    pub discarded: u64,
    /// Messages published again.
    pub rebroadcast: u64,
}

/// Metrics and network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MempoolStatus {
    /// What the pool holds, and counters.
    pub metrics: MempoolMetrics,
    /// Network.
    pub gossip: GossipStatus,
}

/// A running mempool. Cheap to clone; all clones are the same mempool. It ends with [`Mempool::shutdown`] or with the
/// last clone.
#[derive(Clone)]
pub struct Mempool {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    gossip: GossipHandle,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The worker holds gossip and gossip feeds the worker: someone must say that it is over.
        self.gossip.end();
    }
}

impl Mempool {
    /// Starts gossip and the worker that judges what it brings. `accounts` answers from the last committed state.
    ///
    /// # Errors
    /// When the listen address cannot be used.
    pub async fn start(
        config: MempoolConfig,
        accounts: Arc<dyn AccountSource>,
        verifier: Arc<Verifier>,
    ) -> Result<Self, MempoolError> {
        let core = Arc::new(Core::new(config.rules, config.limits, accounts, verifier));
        let (gossip, inbound) = Gossip::start(config.gossip).await?;
        let worker = {
            let (core, gossip) = (core.clone(), gossip.clone());
            let builder = std::thread::Builder::new().name("mempool".to_owned());
            builder
                .spawn(move || worker::run(&core, &gossip, inbound))
                .map_err(|error| MempoolError::Thread { reason: error.to_string() })?
        };
        Ok(Self { inner: Arc::new(Inner { core, gossip, worker: Mutex::new(Some(worker)) }) })
    }

    /// Admits a message of a local client and publishes it, now and from time to time while it waits. A message that
    /// waits already is a success.
    ///
    /// Verifies a signature and reads the state: up to some milliseconds on the caller's thread.
    ///
    /// # Errors
    /// Why it is not admitted, or that this node's state cannot be read.
    pub fn push(&self, signed: SignedMessage) -> Result<Cid, PushError> {
        let Inner { core, gossip, .. } = &*self.inner;
        let bytes = signed.to_bytes();
        let admission = core.admit(signed)?;
        if let Admission::Added { cid, .. } = &admission {
            let is_published = gossip.publish(bytes).is_ok();
            core.publications.lock().published(*cid, is_published);
        }
        Ok(admission.cid())
    }

    /// Messages for a block on top of the state that `accounts` shows, in the order in which they go into it. `choose`
    /// has the last word on each; what it discards leaves the pool. It runs under the pool's lock.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Vec<Arc<PendingMessage>>, AccountsUnreadable> {
        let core = &self.inner.core;
        let mut pool = core.pool.lock();
        let selection = core.note_failure(pool.select(limits, base_fee, accounts, choose))?;
        pool.discard(&selection.discarded);
        core.counters.lock().discarded += selection.discarded.len() as u64;
        Ok(selection.messages)
    }

    /// Takes a committed block in. Call it after the mempool's account source answers from the state after that
    /// block.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn on_commit(&self, commit: Commit<'_>) -> Result<(), AccountsUnreadable> {
        let Inner { core, gossip, .. } = &*self.inner;
        core.commit(commit.messages)?;
        let due = core.publications.lock().take_due(commit.height, REBROADCAST_MESSAGES_MAX);
        for cid in due {
            // What left the pool meanwhile is forgotten here.
            let Some(message) = core.pool.lock().get(&cid) else { continue };
            let is_published = gossip.publish(message.bytes().to_vec()).is_ok();
            core.publications.lock().published(cid, is_published);
            core.counters.lock().rebroadcast += u64::from(is_published);
        }
        Ok(())
    }

    /// All messages that wait, by sender and nonce.
    pub fn pending(&self) -> Vec<Arc<PendingMessage>> {
        self.inner.core.pool.lock().pending().cloned().collect()
    }

    /// A message that waits.
    pub fn message(&self, cid: &Cid) -> Option<Arc<PendingMessage>> {
        self.inner.core.pool.lock().get(cid)
    }

    /// The first nonce that `address` has free, pending messages counted; 0 for an account that does not exist.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn next_nonce(&self, address: &Address) -> Result<u64, AccountsUnreadable> {
        let core = &self.inner.core;
        let pool = core.pool.lock();
        let account = core.note_failure(core.accounts.account(address))?.unwrap_or_default();
        Ok(pool.next_nonce(address, account.nonce))
    }

    /// Counters and connections.
    pub fn status(&self) -> MempoolStatus {
        let Inner { core, gossip, .. } = &*self.inner;
        MempoolStatus { metrics: core.metrics(), gossip: gossip.status() }
    }

    /// Where gossip listens, with the port that was chosen.
    pub fn listen(&self) -> SocketAddr {
        self.inner.gossip.listen()
    }

    /// Waits until this node's state could not be read. The node must stop then.
    pub async fn failed(&self) -> AccountsUnreadable {
        let mut failure = self.inner.core.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        failed.expect("the sender lives as long as self").clone().expect("it was waited for")
    }

    /// Ends gossip and the worker, and waits for both.
    pub async fn shutdown(&self) {
        self.inner.gossip.shutdown().await;
        let Some(worker) = self.inner.worker.lock().take() else { return };
        // Gossip was the only one to feed the worker, so it ends after what it has in hand.
        let joined = tokio::task::spawn_blocking(move || worker.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the mempool's worker ended by a panic");
        }
    }
}

/// What the handle and the worker share.
pub(crate) struct Core {
    rules: MessageRules,
    pool: Mutex<Pool>,
    accounts: Arc<dyn AccountSource>,
    verifier: Arc<Verifier>,
    counters: Mutex<MempoolMetrics>,
    publications: Mutex<Publications>,
    failure: watch::Sender<Option<AccountsUnreadable>>,
}

impl Core {
    fn new(rules: MessageRules, limits: PoolLimits, accounts: Arc<dyn AccountSource>, verifier: Arc<Verifier>) -> Self {
        Self {
            pool: Mutex::new(Pool::new(rules.clone(), limits)),
            rules,
            accounts,
            verifier,
            counters: Mutex::default(),
            publications: Mutex::new(Publications::new(REBROADCAST_BLOCKS)),
            failure: watch::Sender::new(None),
        }
    }

    pub(crate) fn admit(&self, signed: SignedMessage) -> Result<Admission, PushError> {
        let result = self.try_admit(signed);
        if let Err(PushError::Fatal(failure)) = &result {
            self.failure.send_replace(Some(failure.clone()));
        }
        self.count(&result);
        result
    }

    /// Cheap checks first; the signature only of what would be admitted; then all once more, since the chain went on
    /// meanwhile.
    fn try_admit(&self, signed: SignedMessage) -> Result<Admission, PushError> {
        let bytes = signed.to_bytes().len();
        self.rules.check(&signed, bytes)?;
        let from = signed.message.from;
        {
            let mut pool = self.pool.lock();
            let account = self.account(&from)?;
            self.count_departures(&pool.refresh(&from, &account));
            if let Checked::Duplicate { cid } = pool.check(&signed, bytes, &account)? {
                return Ok(Admission::Duplicate { cid });
            }
        }
        self.verifier.verify(&signed).map_err(Rejection::from)?;
        let mut pool = self.pool.lock();
        let account = self.account(&from)?;
        self.count_departures(&pool.refresh(&from, &account));
        Ok(pool.add(signed, &account)?)
    }

    /// Checks the signatures of those that could be admitted, on all cores. What is wrong with the others is told when
    /// they are admitted one by one; it costs no signature.
    pub(crate) fn learn<'a>(&self, messages: impl Iterator<Item = &'a SignedMessage>) {
        let admissible = |signed: &&SignedMessage| {
            let bytes = signed.to_bytes().len();
            // A state that cannot be read is noticed by the admission that follows.
            let Ok(account) = self.account(&signed.message.from) else { return false };
            matches!(self.pool.lock().check(signed, bytes, &account), Ok(Checked::Admissible))
        };
        self.verifier.learn(&messages.filter(admissible).collect::<Vec<_>>());
    }

    /// The account that pays. Without one no block may hold the message, whatever it costs; and where gas costs
    /// nothing, senders that do not exist could fill the pool.
    fn account(&self, from: &Address) -> Result<AccountView, PushError> {
        let account = self.accounts.account(from)?;
        Ok(account.ok_or_else(|| Rejection::NoAccount { from: display_address(from) })?)
    }

    fn count(&self, result: &Result<Admission, PushError>) {
        let mut counters = self.counters.lock();
        match result {
            Ok(Admission::Added { replaced, evicted, .. }) => {
                counters.admitted += 1;
                counters.replaced += u64::from(replaced.is_some());
                counters.evicted += evicted.len() as u64;
            }
            Ok(Admission::Duplicate { .. }) => counters.duplicates += 1,
            Err(PushError::Rejected(rejection)) => {
                counters.rejected += 1;
                counters.faults += u64::from(rejection.is_fault());
            }
            Err(PushError::Fatal(_)) => {}
        }
    }

    fn count_departures(&self, departures: &crate::pool::Departures) {
        let mut counters = self.counters.lock();
        counters.used += departures.used.len() as u64;
        counters.uncovered += departures.uncovered.len() as u64;
        counters.expired += departures.expired.len() as u64;
    }

    /// Counts bytes that are no message.
    pub(crate) fn count_garbage(&self) {
        let mut counters = self.counters.lock();
        counters.rejected += 1;
        counters.faults += 1;
    }

    fn commit(&self, committed: &[SignedMessage]) -> Result<(), AccountsUnreadable> {
        let departures = self.pool.lock().on_commit(committed, &*self.accounts);
        self.count_departures(&self.note_failure(departures)?);
        Ok(())
    }

    /// Encoded messages for a peer that was away.
    pub(crate) fn sample(&self, messages_max: usize, bytes_max: usize) -> Vec<Vec<u8>> {
        self.pool.lock().sample(messages_max, bytes_max).iter().map(|message| message.bytes().to_vec()).collect()
    }

    fn note_failure<T>(&self, result: Result<T, AccountsUnreadable>) -> Result<T, AccountsUnreadable> {
        if let Err(failure) = &result {
            self.failure.send_replace(Some(failure.clone()));
        }
        result
    }

    fn metrics(&self) -> MempoolMetrics {
        let pool = self.pool.lock().stats();
        MempoolMetrics { pool, ..*self.counters.lock() }
    }
}
