//! Reads of the committed chain: for the RPC server, the services of the node and block building alike.

use std::sync::Arc;

use cid::Cid;
use engine_api::Block;
use fvm_exec::{Accounts, BlockContext, CallOutcome, ExecError, Executor, StateView};
use fvm_shared::event::StampedEvent;
use fvm_shared::message::Message;
use fvm_shared::receipt::Receipt;
use subnet_types::{
    BlockHeader, ChainIdentity, CrossMessage, Digest, Genesis, Height, Payload, Sequence, SignedMessage, TimestampMs,
    ValidatorSet,
};
use tokio::sync::watch;

use super::accounts::Remembered;
use super::{ChainError, Tip};
use crate::storage::{
    BlockResults, CheckpointRecord, CrossTrace, MessagePosition, Store, StoreError, StoredCertificate,
};

/// Read access to one chain. Clones share everything; all methods may block on the disk, and [`Self::call`] on the VM.
#[derive(Clone)]
pub struct ChainReader {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    genesis: Genesis,
    genesis_cid: Cid,
    identity: ChainIdentity,
    executor: Executor<Store>,
    accounts: Remembered,
    tip: watch::Sender<Arc<Tip>>,
}

/// A signed message in the chain, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncludedMessage {
    /// Where it stands.
    pub position: MessagePosition,
    /// The message.
    pub message: SignedMessage,
    /// Its receipt.
    pub receipt: Receipt,
    /// What it emitted.
    pub events: Vec<StampedEvent>,
}

impl ChainReader {
    pub(super) fn new(store: Store, genesis: Genesis, executor: Executor<Store>) -> Result<Self, StoreError> {
        let tip = Tip::load(&store, &genesis)?;
        let (genesis_cid, identity) = (genesis.cid(), genesis.identity());
        let tip = watch::Sender::new(Arc::new(tip));
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                genesis,
                genesis_cid,
                identity,
                executor,
                accounts: Remembered::default(),
                tip,
            }),
        })
    }

    /// From what the chain started.
    pub fn genesis(&self) -> &Genesis {
        &self.inner.genesis
    }

    /// CID of the genesis document.
    pub fn genesis_cid(&self) -> Cid {
        self.inner.genesis_cid
    }

    /// Identity of the chain.
    pub fn identity(&self) -> &ChainIdentity {
        &self.inner.identity
    }

    /// The store, as a source of IPLD blocks.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Runs blocks and calls of this chain.
    pub fn executor(&self) -> &Executor<Store> {
        &self.inner.executor
    }

    /// The accounts of the state `root`.
    ///
    /// # Errors
    /// When the store fails or holds no such state.
    pub fn accounts(&self, root: &Cid) -> Result<Arc<Accounts<Store>>, ExecError> {
        self.inner.accounts.at(&self.inner.store, root)
    }

    /// The last committed block.
    pub fn tip(&self) -> Arc<Tip> {
        self.inner.tip.borrow().clone()
    }

    /// Follows the last committed block.
    pub fn watch_tip(&self) -> watch::Receiver<Arc<Tip>> {
        self.inner.tip.subscribe()
    }

    pub(super) fn set_tip(&self, tip: Tip) {
        self.inner.tip.send_replace(Arc::new(tip));
    }

    /// Header at `height`; `None` at genesis and above the tip.
    ///
    /// # Errors
    /// When the store fails.
    pub fn header(&self, height: Height) -> Result<Option<BlockHeader>, StoreError> {
        self.inner.store.header(height)
    }

    /// Time of the block at `height`, or of genesis; `None` above the tip.
    ///
    /// # Errors
    /// When the store fails.
    pub fn timestamp(&self, height: Height) -> Result<Option<TimestampMs>, StoreError> {
        if height == Height::GENESIS {
            return Ok(Some(self.inner.genesis.timestamp));
        }
        Ok(self.header(height)?.map(|header| header.timestamp))
    }

    /// Block at `height`; `None` at genesis and above the tip.
    ///
    /// # Errors
    /// When the store fails.
    pub fn block(&self, height: Height) -> Result<Option<Block>, StoreError> {
        let Some(header) = self.inner.store.header(height)? else { return Ok(None) };
        let payload = self.payload(height)?;
        Ok(Some(Block { header, payload }))
    }

    /// Height of a block by its id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn height_of(&self, block: &Cid) -> Result<Option<Height>, StoreError> {
        if *block == self.inner.genesis_cid {
            return Ok(Some(Height::GENESIS));
        }
        self.inner.store.height_of(block)
    }

    /// Signed messages of the block at `height`, in order; `None` where there is no block.
    ///
    /// # Errors
    /// When the store fails or holds what this code never committed.
    pub fn messages(&self, height: Height) -> Result<Option<Vec<SignedMessage>>, StoreError> {
        if self.inner.store.header(height)?.is_none() {
            return Ok(None);
        }
        let (_, messages) = self.payload(height)?.parse().map_err(|error| StoreError::Corrupt {
            what: "payload",
            key: height.to_string(),
            reason: error.to_string(),
        })?;
        Ok(Some(messages))
    }

    /// Results of the block at `height`; genesis has some.
    ///
    /// # Errors
    /// When the store fails.
    pub fn results(&self, height: Height) -> Result<Option<BlockResults>, StoreError> {
        self.inner.store.results(height)
    }

    /// Receipts of the block at `height`: of the parent update, each message, tips and cut. Empty at genesis.
    ///
    /// # Errors
    /// When the store fails.
    pub fn receipts(&self, height: Height) -> Result<Vec<Receipt>, StoreError> {
        Ok(self.inner.store.receipts(height)?.unwrap_or_default().receipts)
    }

    /// Events of the block at `height`, a list for each receipt; empty when it has none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn events(&self, height: Height) -> Result<Vec<Vec<StampedEvent>>, StoreError> {
        Ok(self.inner.store.events(height)?.events)
    }

    /// Certificate of the block at `height`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn certificate(&self, height: Height) -> Result<Option<StoredCertificate>, StoreError> {
        self.inner.store.certificate(height)
    }

    /// A message by its CID, with its receipt.
    ///
    /// # Errors
    /// When the store fails.
    pub fn message(&self, cid: &Cid) -> Result<Option<IncludedMessage>, StoreError> {
        let store = &self.inner.store;
        let Some(position) = store.message_position(cid)? else { return Ok(None) };
        let index = position.receipt_index();
        let payload = self.payload(position.height)?;
        let item = store.require(payload.items.get(index), "message", &cid.to_string())?;
        let message = fvm_ipld_encoding::from_slice(item).map_err(|error| StoreError::Corrupt {
            what: "message",
            key: cid.to_string(),
            reason: error.to_string(),
        })?;
        let receipt = self.receipts(position.height)?.into_iter().nth(index);
        let receipt = store.require(receipt, "receipt", &cid.to_string())?;
        let events = self.events(position.height)?.into_iter().nth(index).unwrap_or_default();
        Ok(Some(IncludedMessage { position, message, receipt, events }))
    }

    /// Validators that vote on `height`, which is at most two above the tip.
    ///
    /// # Errors
    /// When the store fails or the height is further ahead.
    pub fn validators(&self, height: Height) -> Result<ValidatorSet, StoreError> {
        self.inner.store.validators(height)
    }

    /// Root of the state after the block at `height`; `None` above the tip.
    ///
    /// # Errors
    /// When the store fails.
    pub fn state_root(&self, height: Height) -> Result<Option<Cid>, StoreError> {
        Ok(self.results(height)?.map(|results| results.state_root))
    }

    /// The state under `root`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn state(&self, root: &Cid) -> Result<StateView<'_, Store>, ChainError> {
        Ok(StateView::new(&self.inner.store, root)?)
    }

    /// The state after the last committed block.
    ///
    /// # Errors
    /// When the store fails.
    pub fn latest_state(&self) -> Result<StateView<'_, Store>, ChainError> {
        self.state(&self.tip().results.state_root)
    }

    /// What `message` would do in the block after the one at `height`. Blocks for as long as the VM runs.
    ///
    /// # Errors
    /// When the height is not committed, or the store or VM fails.
    pub fn call(&self, height: Height, message: &Message) -> Result<CallOutcome, ChainError> {
        let tip = self.tip();
        let head = tip.height;
        let state_root = self.state_root(height)?.ok_or(ChainError::NotCommitted { height, head })?;
        let context = self.context_after(height, &tip)?;
        Ok(self.inner.executor.call(&state_root, &context, message)?)
    }

    /// Circumstances of the block after `height`, as far as they are known.
    fn context_after(&self, height: Height, tip: &Tip) -> Result<BlockContext, ChainError> {
        if height == tip.height {
            let (height, base_fee) = (height.next(), tip.next_base_fee.clone());
            let timestamp = TimestampMs::new(tip.timestamp.get().saturating_add(self.interval_ms()));
            return Ok(BlockContext { height, timestamp, base_fee });
        }
        let next = self.header(height.next())?;
        let next = self.inner.store.require(next, "header", &height.next().to_string())?;
        Ok(BlockContext { height: next.height, timestamp: next.timestamp, base_fee: next.base_fee })
    }

    /// The checkpoint with this sequence.
    ///
    /// # Errors
    /// When the store fails.
    pub fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, StoreError> {
        self.inner.store.checkpoint(sequence)
    }

    /// The last checkpoint that was cut; `None` before the first and on a root.
    ///
    /// # Errors
    /// When the store fails.
    pub fn last_checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        match self.cut_before(self.tip().height) {
            Some(sequence) => self.checkpoint(sequence),
            None => Ok(None),
        }
    }

    /// Checkpoints from `from` on, at most `max`, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn checkpoints(&self, from: Sequence, max: usize) -> Result<Vec<CheckpointRecord>, StoreError> {
        let mut found = Vec::new();
        let mut sequence = from.max(Sequence::new(1));
        while found.len() < max {
            let Some(record) = self.checkpoint(sequence)? else { break };
            found.push(record);
            sequence = sequence.next();
        }
        Ok(found)
    }

    /// Messages that a checkpoint carries, in nonce order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn checkpoint_messages(&self, record: &CheckpointRecord) -> Result<Vec<CrossMessage>, ChainError> {
        let gateway = self.latest_state()?.gateway()?;
        gateway.batch(&self.inner.store, &record.cut).map_err(ChainError::Gateway)
    }

    /// What this chain saw of a cross message, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn cross_traces(&self, id: &Digest) -> Result<Vec<CrossTrace>, StoreError> {
        self.inner.store.cross_traces(id)
    }

    /// Sequence of the last cut at or before `height`; `None` before the first and on a root.
    pub fn cut_before(&self, height: Height) -> Option<Sequence> {
        if self.inner.genesis.subnet.is_root() {
            return None;
        }
        let cuts = height.get() / self.inner.genesis.chain.checkpoint_period_blocks;
        (cuts > 0).then(|| Sequence::new(cuts))
    }

    /// Sequence of the cut that the block at `height` makes, if it makes one.
    pub fn cut_at(&self, height: Height) -> Option<Sequence> {
        let period = self.inner.genesis.chain.checkpoint_period_blocks;
        if height.get().is_multiple_of(period) { self.cut_before(height) } else { None }
    }

    fn interval_ms(&self) -> u64 {
        self.inner.genesis.chain.block_interval_ms
    }

    fn payload(&self, height: Height) -> Result<Payload, StoreError> {
        let store = &self.inner.store;
        store.require(store.payload(height)?, "payload", &height.to_string())
    }
}
