//! How long a height takes on this node.
//!
//! Malachite moves on from a height once it is decided and a target time has passed since *this node* began it. Were the
//! target always the block interval, a node that begins one height late would begin every later one as late: it decides
//! from votes that already lie there, before its own are counted, and is missing from certificates for ever. So a late
//! node takes less time, by what the chain says it is late:
//!
//! ```text
//!   block h-1 ──── interval ────▶ h should begin ── late ──▶ h begins here ──── interval - late ────▶ h + 1
//! ```
//!
//! The block's time is its proposer's clock. Between nothing and one interval a wrong clock, theirs or ours, does no
//! more than give one height the least time it can be decided in, or the usual time. A node in step has the whole
//! interval but for the moments that lie between two heights, which would add up otherwise; the time after the
//! decision, in which late precommits are collected for the certificate, is what remains of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subnet_types::TimestampMs;

/// What a height that begins at `now` should take, when the block before it has the time `previous`.
pub(crate) fn target_time(interval: Duration, previous: TimestampMs, now: TimestampMs) -> Duration {
    let since = Duration::from_millis(now.saturating_since(previous));
    let late = since.saturating_sub(interval);
    interval.saturating_sub(late)
}

/// This node's clock.
pub(crate) fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn target_ms(interval: Duration, previous: u64, now: u64) -> u128 {
        target_time(interval, TimestampMs::new(previous), TimestampMs::new(now)).as_millis()
    }

    #[test]
    fn a_late_height_takes_as_much_less_as_it_is_late() {
        assert_eq!(target_ms(SECOND, 5_000, 6_000), 1_000, "in step");
        assert_eq!(target_ms(SECOND, 5_000, 6_010), 990, "the moments between two heights do not add up");
        assert_eq!(target_ms(SECOND, 5_000, 6_800), 200);
        assert_eq!(target_ms(Duration::from_millis(200), 5_000, 5_320), 80);
    }

    #[test]
    fn no_clock_makes_it_less_than_nothing_or_more_than_the_interval() {
        assert_eq!(target_ms(SECOND, 5_000, 7_000), 0, "late by an interval");
        assert_eq!(target_ms(SECOND, 0, u64::MAX), 0, "after a long stop, or with a clock far ahead");
        assert_eq!(target_ms(SECOND, 5_000, 5_300), 1_000, "after a block that took several rounds");
        assert_eq!(target_ms(SECOND, 9_000, 5_000), 1_000, "the proposer's clock is ahead");
        assert_eq!(target_ms(SECOND, u64::MAX, 0), 1_000);
    }

    /// Heights of a chain in which all are in step, with what lies between two of them, and of a node that begins one
    /// of them late.
    #[test]
    fn intervals_stay_at_the_target_and_a_late_node_is_in_step_again_after_one_height() {
        for (interval, between, late) in [(1000, 8, 900), (1000, 60, 300), (200, 8, 150), (200, 25, 199)] {
            let length = Duration::from_millis(interval);
            let (mut before, mut begins) = (10_000, 10_000 + interval);
            let mut intervals = Vec::new();
            let mut node = begins + late;
            for height in 0..20 {
                let next = begins + target_ms(length, before, begins) as u64 + between;
                let node_next = node + target_ms(length, before, node) as u64 + between;
                let apart = node_next.abs_diff(next);
                assert!(apart <= between, "{interval} ms, height {height}: {apart} ms apart");
                (before, begins, node) = (begins, next, node_next);
                intervals.push(begins - before);
            }
            intervals.sort_unstable();
            let median = intervals[intervals.len() / 2];
            assert!(median >= interval && median <= interval + between, "{interval} ms: {median} ms");
        }
    }
}
