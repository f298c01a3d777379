//! Whether lanes are worth it.

use std::time::Duration;

use crate::plan::Plan;
use crate::stats::Decision;

/// What starting and joining lanes takes.
const LANES_START: Duration = Duration::from_micros(150);

/// How much faster a block must be expected to be, in percent of its sequential time.
const GAIN_MIN_PERCENT: u32 = 110;

/// Recording, validating and applying an outcome adds this to a message in a lane, in percent.
const SPECULATION_PERCENT: u32 = 105;

/// Lanes that make up for what bulk costs: logging a transfer takes half as long as the transfer, and merging as much.
pub(crate) const BULK_LANES_MIN: usize = 4;

/// Transfers that are worth being run in bulk, for each lane.
const BULK_PER_LANE_MIN: usize = 250;

/// Outcomes after which conflicts are judged.
const JUDGED_MIN: usize = 16;

/// Blocks for which speculation is left alone at most, after blocks that it was bad for.
const PAUSE_MAX: u32 = 32;

/// Decides block by block, and remembers how well it went.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// In what is predicted here.
    predictions: Trust,
    /// In what others say belongs together.
    hints: Trust,
}

/// How well something went. After a failure it is left alone, longer from time to time.
#[derive(Debug, Default)]
struct Trust {
    /// Blocks for which it is still left alone.
    pause: u32,
    /// How long the next pause is.
    next_pause: u32,
}

impl Gate {
    /// How to execute a block.
    pub(crate) fn decide(&mut self, plan: &Plan, lanes: usize) -> Decision {
        if lanes < 2 {
            return Decision::OneLane;
        }
        if plan.only_transfers {
            let is_worth_it = lanes >= BULK_LANES_MIN
                && plan.messages.len() >= BULK_PER_LANE_MIN * lanes
                && !self.predictions.waits();
            return if is_worth_it { Decision::Bulk } else { Decision::Small };
        }
        let (in_lanes, canonical) = (plan.in_lanes(), plan.canonical);
        let sequential = in_lanes + canonical;
        let shared = (in_lanes * SPECULATION_PERCENT / 100 + canonical) / lanes as u32;
        let parallel = shared.max(plan.longest() * SPECULATION_PERCENT / 100).max(canonical) + LANES_START;
        if parallel * GAIN_MIN_PERCENT / 100 >= sequential {
            let is_chained = plan.longest() * 2 > sequential;
            return if is_chained { Decision::Chained } else { Decision::Small };
        }
        if self.predictions.waits() { Decision::Distrusted } else { Decision::Lanes }
    }

    /// Whether to follow what somebody says about a block.
    pub(crate) fn follows_hints(&mut self) -> bool {
        !self.hints.waits()
    }

    /// Whether so many conflicts are too many to go on.
    pub(crate) fn is_hopeless(conflicts: usize, outcomes: usize) -> bool {
        outcomes >= JUDGED_MIN && conflicts * 3 > outcomes
    }

    /// A block was run by speculation, along hints or predictions, and it was `good` or not.
    pub(crate) fn judge(&mut self, hinted: bool, good: bool) {
        let trust = if hinted { &mut self.hints } else { &mut self.predictions };
        trust.judge(good);
    }
}

impl Trust {
    fn waits(&mut self) -> bool {
        let waits = self.pause > 0;
        self.pause = self.pause.saturating_sub(1);
        waits
    }

    fn judge(&mut self, good: bool) {
        if good {
            self.next_pause = 0;
        } else {
            self.next_pause = (self.next_pause * 2).clamp(1, PAUSE_MAX);
            self.pause = self.next_pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut gate = Gate::default();
        let mut waited = Vec::new();
        for _ in 0..8 {
            gate.judge(true, false);
            waited.push((0..).take_while(|_| !gate.follows_hints()).count() as u32);
        }
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 32, 32]);
        gate.judge(true, true);
        assert!(gate.follows_hints());
        gate.judge(true, false);
        assert!(!gate.follows_hints() && gate.follows_hints());
        gate.judge(true, false);
        assert!(!gate.predictions.waits(), "others' mistakes are not ours");
    }

    #[test]
    fn few_conflicts_are_bearable() {
        assert!(!Gate::is_hopeless(10, 15));
        assert!(!Gate::is_hopeless(5, 16));
        assert!(Gate::is_hopeless(6, 16));
    }
}
