//! This machine's clock, by the blocks of chains whose nodes can be asked.
//!
//! Blocks carry their proposers' clocks. One from the future means that this clock is behind. One from the past says
//! nothing by itself, since the chain may stand; but one that came while somebody looked was made just now.

use std::time::{SystemTime, UNIX_EPOCH};

use subnet_types::limits::CLOCK_DRIFT_MS_MAX;

use super::Check;
use super::network::Sight;

const NAME: &str = "clock";
const SET_IT: &str = "set the clock (NTP): nodes refuse blocks from their future";
/// Block intervals that may pass between a proposer's look at its clock and the answer that shows its block.
const INTERVALS_FRESH: u64 = 3;

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the last block of a chain says of this clock.
pub(super) fn check(sight: &Sight, whose: &str) -> Check {
    let (time, now) = (sight.info.timestamp_ms.get(), sight.at_ms);
    let (ahead, age) = (time.saturating_sub(now), now.saturating_sub(time));
    if ahead > CLOCK_DRIFT_MS_MAX {
        let finding = format!("this clock is {} s behind the last block of {whose}", ahead / 1000);
        return Check::bad(NAME, finding, SET_IT);
    }
    let age_max = CLOCK_DRIFT_MS_MAX + INTERVALS_FRESH * sight.info.block_interval_ms;
    if age <= age_max {
        return Check::good(NAME, format!("the last block of {whose} is {age} ms old"));
    }
    let seconds = age / 1000;
    if !sight.is_moving {
        let finding =
            format!("the last block of {whose} is {seconds} s old and no other came: nothing to compare with");
        return Check::skipped(NAME, finding);
    }
    if sight.info.is_syncing {
        return Check::skipped(NAME, format!("the node on {whose} catches up: its blocks are {seconds} s old"));
    }
    Check::bad(NAME, format!("this clock is {seconds} s ahead of a block of {whose} that was made just now"), SET_IT)
}

/// Says so when nobody could be asked.
pub(super) fn conclude(checks: &mut Vec<Check>) {
    if !checks.iter().any(|check| check.name == NAME) {
        checks.push(Check::skipped(NAME, "no node of this chain or its parent answers with blocks to compare with"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;
    use crate::cli::doctor::network::tests::sight;

    #[test]
    fn clock_is_judged_in_both_directions_where_that_is_possible() {
        // Each row: seconds from the last block to now, whether the chain moves, whether it catches up, expected.
        for (seconds, is_moving, is_syncing, expected) in [
            (1, true, false, Verdict::Good),
            (-9, true, false, Verdict::Good),
            (-11, true, false, Verdict::Bad),
            (-11, false, false, Verdict::Bad),
            (13, true, false, Verdict::Good),
            (14, true, false, Verdict::Bad),
            (14, true, true, Verdict::Skipped),
            (3600, false, false, Verdict::Skipped),
        ] {
            let mut sight = sight(seconds, is_moving);
            sight.info.is_syncing = is_syncing;
            let check = check(&sight, "this chain");
            assert_eq!(check.verdict, expected, "{seconds} s: {check:?}");
        }
    }

    #[test]
    fn clock_always_has_an_entry() {
        let mut checks = Vec::new();
        conclude(&mut checks);
        assert!(matches!(checks[..], [ref check] if check.verdict == Verdict::Skipped));
        conclude(&mut checks);
        assert_eq!(checks.len(), 1);
    }
}
