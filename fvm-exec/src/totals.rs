//! Figures of execution, summed over blocks.

use std::collections::BTreeMap;
use std::time::Duration;

use lanes::BlockStats;
use vm::state::CacheUse;

/// What executing blocks has taken. Only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocks, by how their signed messages were executed.
    pub blocks: BTreeMap<&'static str, u64>,
    /// Signed messages.
    pub messages: u64,
    /// Messages whose outcome from a lane was committed.
    pub committed: u64,
    /// Outcomes from lanes that were not valid any more.
    pub conflicts: u64,
    /// Messages that were executed twice.
    pub reexecutions: u64,
    /// Blocks whose waypoints were wrong.
    pub misled: u64,
    /// Executing signed messages.
    pub execution: Duration,
    /// Time that lanes were running messages, over all lanes.
    pub lanes_busy: Duration,
    /// Writing states, receipts and events into memory.
    pub flush: Duration,
    /// Actors and addresses that were known when they were asked for.
    pub cache_hits: u64,
    /// Those that had to be read.
    pub cache_misses: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, block: &BlockStats, before: CacheUse, after: CacheUse, flush: Duration) {
        *self.blocks.entry(block.decision.name()).or_default() += 1;
        self.messages += block.messages as u64;
        self.committed += block.committed as u64;
        self.conflicts += block.conflicts as u64;
        self.reexecutions += block.reexecutions as u64;
        self.misled += u64::from(block.misled);
        self.execution += block.execute;
        self.lanes_busy += block.lanes_busy.iter().sum::<Duration>();
        self.flush += flush;
        // A snapshot that had to be replaced has begun to count anew.
        self.cache_hits += after.hits.saturating_sub(before.hits);
        self.cache_misses += after.misses.saturating_sub(before.misses);
    }
}
