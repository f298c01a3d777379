//! A node's view of its parent: the parent's own nodes, asked directly for proofs, and sometimes lying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context;
use cid::Cid;
use fvm_exec::witness::{RangeLimits, RangeQuery, record};
use parking_lot::Mutex;
use subnet_node::app::{ChainReader, Clock};
use subnet_node::parent::candidate::{STALE_BLOCKS, is_worth_proposing};
use subnet_node::parent::rules::{TrustRule, check};
use subnet_node::parent::{ParentCursor, ParentSource};
use subnet_types::limits::HANDOVERS_PER_UPDATE_MAX;
use subnet_types::parent::Handover;
use subnet_types::{Height, ParentUpdate};

/// What the nodes of a chain show; `None` for one that is stopped.
pub type Readers = Arc<Mutex<Vec<Option<ChainReader>>>>;

/// How a parent node deceives those who ask it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It says that there is no news, whatever there is.
    Silent,
    /// It alters a byte of what the state holds.
    Altered,
    /// It leaves out a block of the witness.
    Short,
    /// It proves fewer messages than there are.
    Partial,
    /// It gives the state of another block under a true certificate.
    Forked,
    /// It shows what was so a while ago.
    Old,
    /// It has no certificate but one that nobody signed.
    Unsigned,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Silent, Self::Altered, Self::Short, Self::Partial, Self::Forked, Self::Old, Self::Unsigned];
    /// Those that no node may believe whenever there is something to lie about. The others are true and say less.
    pub const FALSE: [Self; 4] = [Self::Altered, Self::Short, Self::Forked, Self::Unsigned];
}

/// How far back an old proof reaches, in blocks.
const OLD_BLOCKS: u64 = 7;

/// The parent as one node of a subnet sees it.
pub struct ParentView {
    readers: Readers,
    /// Which of the parent's nodes is asked first.
    first: usize,
    clock: Clock,
    trusting_period_ms: u64,
    /// What the node asked first says.
    lie: Mutex<Option<Lie>>,
    /// Whether it hears nothing of its parent.
    is_deaf: AtomicBool,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl ParentView {
    /// The view of the node with this number.
    pub fn new(readers: Readers, node: usize, clock: Clock, trusting_period_ms: u64) -> Self {
        let (lie, is_deaf, failed, dropped) = Default::default();
        Self { readers, first: node, clock, trusting_period_ms, lie, is_deaf, failed, dropped }
    }

    /// From now on the parent node that is asked first lies so, or not at all.
    pub fn set_lie(&self, lie: Option<Lie>) {
        *self.lie.lock() = lie;
    }

    /// Whether the node hears nothing of its parent from now on.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// Updates that a block brought and that changed nothing.
    pub fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Proofs that were none.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The parent's nodes that run, in the order in which this node asks them.
    fn sources(&self) -> Vec<ChainReader> {
        let readers = self.readers.lock();
        let count = readers.len();
        (0..count).filter_map(|offset| readers[(self.first + offset) % count].clone()).collect()
    }
}

impl ParentSource for ParentView {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return None;
        }
        let mut lie = *self.lie.lock();
        let now = (self.clock)();
        let rule = TrustRule { block_timestamp: now, trusting_period_ms: self.trusting_period_ms };
        for source in self.sources() {
            let update = match lie.take() {
                None => read_update(&source, cursor, None),
                Some(lie) => told(&source, cursor, lie),
            };
            let Some(update) = update.ok().flatten() else { continue };
            match check(cursor, &update, rule) {
                Ok(proven) if is_worth_proposing(cursor, &proven, now, self.trusting_period_ms) => return Some(update),
                Ok(_) => {}
                Err(_) => drop(self.dropped.fetch_add(1, Ordering::Relaxed)),
            }
        }
        None
    }

    fn is_adopted(&self, _: &Cid) -> bool {
        false
    }

    fn failed(&self, _: &ParentCursor, _: &ParentUpdate) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the subnet at `cursor` has to learn after the parent's height `at`, or after the newest that is proved; `None`
/// when there is no such proof yet, or nothing in it that the subnet could want.
///
/// # Errors
/// When the parent's state cannot be read.
pub fn read_update(
    parent: &ChainReader,
    cursor: &ParentCursor,
    at: Option<Height>,
) -> anyhow::Result<Option<ParentUpdate>> {
    let Some(last) = parent.tip().height.previous() else { return Ok(None) };
    let at = at.unwrap_or(last);
    if at > last || at < cursor.height || !has_news(parent, cursor, at)? {
        return Ok(None);
    }
    prove(parent, &cursor.query(), cursor, at.next()).map(Some)
}

/// Whether the state after `at` has something that the subnet has not, or the subnet has not looked for long. Saves
/// making proofs of nothing.
fn has_news(parent: &ChainReader, cursor: &ParentCursor, at: Height) -> anyhow::Result<bool> {
    if at.saturating_since(cursor.height) >= STALE_BLOCKS {
        return Ok(true);
    }
    let root = parent.state_root(at)?.context("a height below the tip")?;
    let state = parent.state(&root)?;
    let actor = cursor.subnet.checkpoint_actor().context("a subnet has a checkpoint actor")?;
    let Some(id) = state.lookup_id(&actor)? else { return Ok(false) };
    let child = state.gateway()?.child(parent.store(), id)?;
    Ok(child.is_some_and(|child| {
        child.next_nonce > cursor.next_nonce || child.configuration_logged >= cursor.next_configuration
    }))
}

/// The proof of `query` with the parent's header at `height`, for a subnet that tracks what `cursor` says.
///
/// # Errors
/// When the parent's state cannot be read, or it has no such header.
pub fn prove(
    parent: &ChainReader,
    query: &RangeQuery,
    cursor: &ParentCursor,
    height: Height,
) -> anyhow::Result<ParentUpdate> {
    let (handovers, height) = handovers(parent, cursor, height)?;
    let header = parent.header(height)?.context("a header below the tip")?;
    let certificate = parent.certificate(height)?.context("its certificate")?.certificate;
    let witness = record(parent.store(), &header.state_root, query)?.blocks;
    Ok(ParentUpdate { handovers, header, certificate, witness })
}

/// The handovers from what the cursor tracks to the header at `height`, or to the last one that so many lead to.
fn handovers(parent: &ChainReader, cursor: &ParentCursor, height: Height) -> anyhow::Result<(Vec<Handover>, Height)> {
    let mut handovers = Vec::new();
    let mut before = cursor.height.next();
    while before < height {
        let header = parent.header(before)?.context("a header below the tip")?;
        if header.next_validators_hash != header.validators_hash {
            if handovers.len() == HANDOVERS_PER_UPDATE_MAX {
                return Ok((handovers, before));
            }
            let certificate = parent.certificate(before)?.context("its certificate")?.certificate;
            handovers.push(Handover { header, certificate, validators: parent.validators(before.next())? });
        }
        before = before.next();
    }
    Ok((handovers, height))
}

/// What a parent node says that lies so.
///
/// # Errors
/// When the parent's state cannot be read.
pub fn told(parent: &ChainReader, cursor: &ParentCursor, lie: Lie) -> anyhow::Result<Option<ParentUpdate>> {
    let Some(last) = parent.tip().height.previous() else { return Ok(None) };
    if lie == Lie::Silent || last < cursor.height {
        return Ok(None);
    }
    let mut update = match lie {
        Lie::Old => {
            let height = last.get().saturating_sub(OLD_BLOCKS).max(cursor.height.get());
            return prove(parent, &cursor.query(), cursor, Height::new(height).next()).map(Some);
        }
        Lie::Partial => {
            let limits = RangeLimits { messages_max: 1, ..RangeLimits::UPDATE };
            let query = RangeQuery { limits, ..cursor.query() };
            return prove(parent, &query, cursor, last.next()).map(Some);
        }
        _ => prove(parent, &cursor.query(), cursor, last.next())?,
    };
    forge(&mut update, lie);
    Ok(Some(update))
}

/// Makes of a true proof a false one.
pub fn forge(update: &mut ParentUpdate, lie: Lie) {
    match lie {
        Lie::Altered => {
            let longest = update.witness.iter_mut().max_by_key(|block| block.bytes.len());
            if let Some(byte) = longest.and_then(|block| block.bytes.last_mut()) {
                *byte ^= 1;
            }
        }
        Lie::Short => drop(update.witness.pop()),
        Lie::Forked => update.header.state_root = update.header.receipts_root,
        Lie::Unsigned => update.certificate.signatures.clear(),
        Lie::Silent | Lie::Partial | Lie::Old => {}
    }
}
