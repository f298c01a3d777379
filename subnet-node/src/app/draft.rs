//! The next block, executed before it is proposed.
//!
//! A header carries the results of the block before, so a proposer can propose what it has not executed. One that knows
//! its turn executes all the same, in what remains of the block interval: others then get waypoints with the block and
//! run its segments in parallel, however much its messages depend on each other.
//!
//! ```text
//!   commit h ──▶ prepare: draft h+1 ──▶ execute it, leaving waypoints ──▶ build h+1: propose the draft, with hints
//!                                                                   └──▶ or forget it, and build from what is there now
//! ```
//!
//! A draft does not hold the messages that came after it. It is proposed only where they would not have found room, or
//! where executing takes so long that everybody is better off with the hints; where neither is to be expected, there is
//! no draft. Hints go with what takes long and with nothing else: they are bytes that every validator waits for before
//! it votes. There is one draft at a time, and none outlives the next commit. Nobody has to know that a block was one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine_api::BuildContext;
use parking_lot::Mutex;
use subnet_types::genesis::ChainParameters;
use subnet_types::limits::{CLOCK_DRIFT_MS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX};
use subnet_types::{Height, SignedMessage, TimestampMs};

use super::build::Assembled;
use super::execute::{execute_marking, own_content};
use super::speculation::Key;
use super::{ChainError, Frame, Inner, Tip};
use crate::metrics::DraftMetrics;

/// Segments that the waypoints of a draft make. More than most validators have cores, so that segments of unequal length
/// do not leave some of them idle; each costs those who ship the hints a copy of what the segment has changed.
const SEGMENTS: usize = 8;

/// Part of the block interval that executing a block takes before it is worth being drafted. At 100 Mbit/s the most
/// hints that may be sent take about as long as a fifth of a second, and seldom are there nearly so many.
const HEAVY_SHARE: u32 = 5;

/// Percent of a limit at which a block counts as full: the next message would often not find room.
const FULL_PERCENT: u64 = 75;

/// How many times as much gas as the last block a block may ask for to be judged by it.
const PACE_SCALE_MAX: u64 = 4;

/// Intervals by which the last block may be in the past. A node that is further behind catches up, and does not
/// propose.
const BEHIND_INTERVALS_MAX: u64 = 3;

/// Part of the clock drift that a draft's time may be ahead when it is proposed; the rest is for clocks that differ.
const AHEAD_SHARE: u64 = 2;

/// When a draft is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DraftOptions {
    /// Least time that executing the block takes.
    pub(super) heavy: Duration,
    /// Or how full it is, in percent.
    pub(super) full_percent: u64,
}

impl DraftOptions {
    /// Those of a chain with these parameters.
    pub(super) fn of(chain: &ChainParameters) -> Self {
        let interval = Duration::from_millis(chain.block_interval_ms);
        Self { heavy: interval / HEAVY_SHARE, full_percent: FULL_PERCENT }
    }

    /// Whether a block is worth being drafted, as far as can be foreseen: full, or heavy at the pace of the last one.
    fn expects(&self, fill: Fill, last: Pace) -> bool {
        fill.percent >= self.full_percent || last.time_of(fill.gas) >= self.heavy
    }
}

/// How much of what a block may hold it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    /// Gas that its messages ask for.
    pub(super) gas: u64,
    /// Of that which it is fullest of, in percent.
    pub(super) percent: u64,
}

impl Fill {
    /// Of a block with these messages' gas, this many bytes and items.
    pub(super) fn new(gas: u64, gas_max: u64, bytes: usize, items: usize) -> Self {
        let percent = |part: u64, whole: u64| part.saturating_mul(100) / whole.max(1);
        let percents = [
            percent(gas, gas_max),
            percent(bytes as u64, PAYLOAD_BYTES_MAX as u64),
            percent(items as u64, PAYLOAD_ITEMS_MAX as u64),
        ];
        Self { gas, percent: percents.into_iter().max().unwrap_or_default() }
    }
}

/// The draft, if there is one.
pub(super) struct Drafts {
    options: DraftOptions,
    state: Mutex<State>,
    metrics: DraftMetrics,
}

#[derive(Default)]
struct State {
    draft: Option<Draft>,
    /// The height for which a block was built last. A draft for it would come too late.
    built: Height,
    last: Pace,
}

/// Gas that the messages of the last block asked for, and how long executing it took.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    gas: u64,
    took: Duration,
}

impl Pace {
    /// How long messages take that ask for so much gas. Nothing where the last block was much smaller: what it took was
    /// not for its messages.
    fn time_of(self, gas: u64) -> Duration {
        if gas / PACE_SCALE_MAX > self.gas {
            return Duration::ZERO;
        }
        let nanos = self.took.as_nanos().saturating_mul(u128::from(gas)) / u128::from(self.gas.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

struct Draft {
    key: Key,
    built: Assembled,
    is_full: bool,
    began: Instant,
    /// Its hints, and how long executing it took.
    executed: Option<(Bytes, Duration)>,
}

impl Drafts {
    pub(super) fn new(options: DraftOptions, metrics: DraftMetrics) -> Self {
        Self { options, state: Mutex::default(), metrics }
    }

    /// Forgets the draft: a block was committed, whose messages asked for so much gas and took so long.
    pub(super) fn committed(&self, messages: &[SignedMessage], took: Duration) {
        let gas = messages.iter().fold(0u64, |sum, signed| sum.saturating_add(signed.message.gas_limit));
        let mut state = self.state.lock();
        state.last = Pace { gas, took };
        if state.draft.take().is_some() {
            self.metrics.dropped();
        }
    }

    /// A draft was executed.
    fn executed(&self, key: Key, hints: Vec<u8>, took: Duration) {
        let mut state = self.state.lock();
        if let Some(draft) = state.draft.as_mut().filter(|draft| draft.key == key) {
            draft.executed = Some((hints.into(), took));
        }
    }

    /// What to propose on `tip`, if a draft of it is worth more than a new block. Waits for a draft that is being put
    /// together; one that is still executed goes without hints.
    pub(super) fn propose(&self, context: &BuildContext, tip: &Tip, now: TimestampMs) -> Option<(Assembled, Bytes)> {
        let mut state = self.state.lock();
        state.built = context.height;
        let Draft { built, is_full, began, executed, .. } = state.draft.take()?;
        let header = &built.block.header;
        let is_for_this = context.round == 0 && header.parent == tip.id && header.proposer == context.proposer;
        let is_timely = header.timestamp.saturating_since(now) <= CLOCK_DRIFT_MS_MAX / AHEAD_SHARE;
        let took = executed.as_ref().map_or_else(|| began.elapsed(), |(_, took)| *took);
        let is_heavy = took >= self.options.heavy;
        let is_worth_it = is_full || is_heavy;
        if !(is_for_this && is_timely && is_worth_it) {
            tracing::debug!(height = %header.height, is_for_this, is_timely, is_worth_it, ?took, "draft dropped");
            self.metrics.dropped();
            return None;
        }
        let hints = executed.filter(|_| is_heavy).map_or_else(Bytes::new, |(hints, _)| hints);
        self.metrics.proposed(!hints.is_empty());
        tracing::debug!(height = %header.height, ?took, hints = hints.len(), "draft proposed");
        Some((built, hints))
    }
}

impl Inner {
    /// Drafts the next block, if it is worth it, and begins to execute it.
    pub(super) fn prepare(&self, context: &BuildContext) -> Result<(), ChainError> {
        let started = Instant::now();
        let frame = self.frame()?;
        let (tip, interval_ms) = (&frame.tip, self.chain().genesis().chain.block_interval_ms);
        let now = (self.parts.clock)();
        let is_behind = now.saturating_since(tip.timestamp) > BEHIND_INTERVALS_MAX * interval_ms;
        // Whoever builds the block meanwhile waits for this lock, and so does not select messages a second time.
        let mut state = self.drafts.state.lock();
        if context.height != tip.height.next() || state.built >= context.height || is_behind {
            return Ok(());
        }
        // The time at which the block is due. It is later only where this node is late already.
        let due = tip.timestamp.get().saturating_add(interval_ms);
        let timestamp = TimestampMs::new(due).max(now);
        let (built, fill) = self.assemble(context, &frame, timestamp, started)?;
        if !self.drafts.options.expects(fill, state.last) {
            tracing::debug!(height = %context.height, fill.percent, fill.gas, "no draft");
            return Ok(());
        }
        let key = Key { block: built.block.id(), state_root: tip.results.state_root };
        let is_full = fill.percent >= self.drafts.options.full_percent;
        state.draft = Some(Draft { key, built: built.clone(), is_full, began: Instant::now(), executed: None });
        drop(state);
        self.drafts.metrics.begun();
        self.speculate_draft(key, frame.clone(), built);
        Ok(())
    }

    fn speculate_draft(&self, key: Key, frame: Arc<Frame>, built: Assembled) {
        let (chain, verifier, drafts) = (self.chain().clone(), self.parts.verifier.clone(), self.drafts.clone());
        self.speculations.begin(key, move || {
            let content = own_content(&chain, &frame, &verifier, &built).ok()?;
            let (executed, hints) = execute_marking(&chain, &frame, &built.block.header, content, SEGMENTS).ok()?;
            drafts.executed(key, hints, executed.took);
            Some(executed)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAS_MAX: u64 = 1_000_000;

    fn options() -> DraftOptions {
        DraftOptions { heavy: Duration::from_millis(200), full_percent: FULL_PERCENT }
    }

    fn expects(gas: u64, last_gas: u64, last_ms: u64) -> bool {
        let last = Pace { gas: last_gas, took: Duration::from_millis(last_ms) };
        options().expects(Fill::new(gas, GAS_MAX, 1000, 10), last)
    }

    #[test]
    fn block_is_judged_by_its_fill_and_by_how_long_the_last_one_took() {
        assert!(expects(750_000, 0, 0) && !expects(749_999, 0, 0), "full");
        assert!(expects(100_000, 100_000, 200) && !expects(100_000, 100_000, 199), "as heavy as the last");
        assert!(expects(50_000, 100_000, 400) && !expects(49_999, 100_000, 400), "half of it");
        assert!(expects(400_000, 100_000, 50) && !expects(400_004, 100_000, 50), "an estimate goes so far");
        assert!(!expects(100, 0, 1000) && !expects(0, 0, 1000), "what an empty block took says nothing");
    }

    #[test]
    fn block_is_as_full_as_what_it_is_fullest_of() {
        let percent = |gas, bytes, items| Fill::new(gas, GAS_MAX, bytes, items).percent;
        assert_eq!(percent(500_000, 0, 0), 50);
        assert_eq!(percent(0, PAYLOAD_BYTES_MAX, 0), 100);
        assert_eq!(percent(0, 0, PAYLOAD_ITEMS_MAX / 4), 25);
        assert_eq!(percent(u64::MAX, 1, 1), Fill::new(u64::MAX, GAS_MAX, 0, 0).percent, "no overflow");
    }
}
