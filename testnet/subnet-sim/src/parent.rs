//! A node's view of its parent: the parent's own nodes, asked directly, and sometimes lying.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use async_trait::async_trait;
use fvm_shared::econ::TokenAmount;
use parking_lot::Mutex;
use subnet_node::app::{ChainReader, Clock};
use subnet_node::parent::candidate::{difference, is_worth_proposing};
use subnet_node::parent::rules::{TrustRule, check, parent_height};
use subnet_node::parent::{Confirmation, ParentCursor, ParentSource};
use subnet_types::limits::{CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX};
use subnet_types::{Height, ParentUpdate};

/// What the nodes of a chain show; `None` for one that is stopped.
pub type Readers = Arc<Mutex<Vec<Option<ChainReader>>>>;

/// How a parent node deceives those who ask it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It says that nothing is queued, whatever is.
    Empty,
    /// It gives the first message more value.
    Altered,
    /// It leaves the first message out.
    Skipped,
}

/// The parent as one node of a subnet sees it.
pub struct ParentView {
    readers: Readers,
    /// Which of the parent's nodes is asked first.
    first: usize,
    clock: Clock,
    trusting_period_ms: u64,
    lie: Mutex<Option<Lie>>,
    failed: AtomicU64,
}

impl ParentView {
    /// The view of the node with this number.
    pub fn new(readers: Readers, node: usize, clock: Clock, trusting_period_ms: u64) -> Self {
        Self { readers, first: node, clock, trusting_period_ms, lie: Mutex::new(None), failed: AtomicU64::new(0) }
    }

    /// From now on the parent node lies so, or not at all.
    pub fn set_lie(&self, lie: Option<Lie>) {
        *self.lie.lock() = lie;
    }

    /// Updates that a block brought and that changed nothing.
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn reader(&self) -> Option<ChainReader> {
        let readers = self.readers.lock();
        let count = readers.len();
        (0..count).find_map(|offset| readers[(self.first + offset) % count].clone())
    }

    fn read(&self, cursor: &ParentCursor, at: Option<Height>) -> anyhow::Result<Option<ParentUpdate>> {
        let Some(reader) = self.reader() else { return Ok(None) };
        Ok(read_update(&reader, cursor, at)?.map(|update| told(update, *self.lie.lock())))
    }

    fn trust_rule(&self) -> TrustRule {
        TrustRule { block_timestamp: (self.clock)(), trusting_period_ms: self.trusting_period_ms }
    }
}

#[async_trait]
impl ParentSource for ParentView {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        let update = self.read(cursor, None).ok().flatten()?;
        let is_worth = is_worth_proposing(cursor, &update, (self.clock)(), self.trusting_period_ms);
        (is_worth && check(cursor, &update, self.trust_rule()).is_ok()).then_some(update)
    }

    async fn confirm(&self, cursor: &ParentCursor, update: &ParentUpdate) -> Confirmation {
        match self.read(cursor, parent_height(update)) {
            Ok(Some(read)) => difference(update, &read).map_or(Confirmation::Confirmed, Confirmation::Differs),
            Ok(None) => Confirmation::CannotRead("the parent is not that far".to_owned()),
            Err(error) => Confirmation::CannotRead(error.to_string()),
        }
    }

    fn failed(&self, _: &ParentCursor, _: &ParentUpdate) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the subnet at `cursor` has to learn after the parent's height `at`, or after the newest that is proved; `None`
/// when there is no such proof yet.
///
/// # Errors
/// When the parent's state cannot be read.
pub fn read_update(
    parent: &ChainReader,
    cursor: &ParentCursor,
    at: Option<Height>,
) -> anyhow::Result<Option<ParentUpdate>> {
    let Some(last) = parent.tip().height.previous() else { return Ok(None) };
    let height = at.unwrap_or(last);
    let Some(root) = parent.state_root(height)?.filter(|_| height <= last) else { return Ok(None) };
    let state = parent.state(&root)?;
    let actor = cursor.subnet.checkpoint_actor().context("a subnet has a checkpoint actor")?;
    let Some(id) = state.lookup_id(&actor)? else { return Ok(None) };
    let (gateway, store) = (state.gateway()?, parent.store());
    let messages = gateway.top_down(store, id, cursor.next_nonce, CROSS_MESSAGES_PER_BLOCK_MAX)?;
    let changes = gateway.changes(store, id, cursor.next_configuration, CHANGES_PER_UPDATE_MAX)?;
    let header = parent.header(height.next())?.context("a header below the tip")?;
    let certificate = parent.certificate(height.next())?.context("its certificate")?.certificate;
    Ok(Some(ParentUpdate { handovers: Vec::new(), header, certificate, messages, changes, witness: Vec::new() }))
}

fn told(mut update: ParentUpdate, lie: Option<Lie>) -> ParentUpdate {
    match lie {
        None => {}
        Some(Lie::Empty) => {
            update.messages.clear();
            update.changes.clear();
        }
        Some(Lie::Altered) => {
            if let Some(first) = update.messages.first_mut() {
                first.value += TokenAmount::from_whole(1);
            }
        }
        Some(Lie::Skipped) => drop(update.messages.drain(..update.messages.len().min(1))),
    }
    update
}
