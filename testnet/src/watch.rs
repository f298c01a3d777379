//! Watches a running chain: how long after its proposal each block is served as final, and which heights were seen.
//!
//! The clock that stamps a block is the proposer's, which is this machine's as well, so the difference is real.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subnet_types::{Height, TimestampMs};
use tokio::task::JoinHandle;

use crate::remote::Remote;
use crate::report::p50;

/// How often the head is looked at: the resolution of what is measured.
const POLL: Duration = Duration::from_millis(25);

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Each height that was found as the head, and when.
    heads: Vec<(Height, TimestampMs)>,
    finality_ms: Vec<u64>,
}

/// A watcher at work; stops when dropped.
#[derive(Debug)]
pub struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Seen {
    /// Takes in that the head is `height`, stamped `timestamp`, at `now`.
    fn head_is(&mut self, height: Height, timestamp: TimestampMs, now: TimestampMs) {
        let last = self.heads.last().map(|(height, _)| *height);
        if last.is_some_and(|last| height <= last) {
            return;
        }
        // The first look finds a block of unknown age.
        if last.is_some() {
            self.finality_ms.push(now.saturating_since(timestamp));
        }
        self.heads.push((height, now));
    }

    /// When a block was first seen as final. A block that was overtaken between two looks was seen with the next one.
    fn seen_at(&self, height: Height) -> Option<TimestampMs> {
        let index = self.heads.partition_point(|(seen, _)| *seen < height);
        self.heads.get(index).map(|(_, at)| *at)
    }

    /// The head at a moment.
    fn height_at(&self, moment: TimestampMs) -> Option<Height> {
        let after = self.heads.partition_point(|(_, at)| *at <= moment);
        self.heads.get(after.checked_sub(1)?).map(|(height, _)| *height)
    }
}

impl Watcher {
    /// Watches the chain through `remote`.
    pub fn start(remote: Remote) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(watch(remote, seen.clone()));
        Self { seen, task }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("the watcher does not panic")
    }

    /// Median time from a block's timestamp until it was served as final.
    pub fn finality_ms_p50(&self) -> Option<u64> {
        p50(self.seen().finality_ms.clone())
    }

    /// When a block was first served as final.
    pub fn seen_at(&self, height: Height) -> Option<TimestampMs> {
        self.seen().seen_at(height)
    }

    /// The last final height at a moment.
    pub fn height_at(&self, moment: TimestampMs) -> Option<Height> {
        self.seen().height_at(moment)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(remote: Remote, seen: Arc<Mutex<Seen>>) {
    loop {
        // A node that is just starting or being killed answers nothing; the next look will.
        if let Ok(info) = remote.info().await {
            let mut seen = seen.lock().expect("the watcher does not panic");
            seen.head_is(info.height, info.timestamp_ms, now());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Wall-clock time.
pub fn now() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Median time between consecutive timestamps.
pub fn interval_ms_p50(timestamps: &[TimestampMs]) -> Option<u64> {
    p50(timestamps.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(looks: &[(u64, u64, u64)]) -> Seen {
        let mut seen = Seen::default();
        for (height, stamped, at) in looks {
            seen.head_is(Height::new(*height), TimestampMs::new(*stamped), TimestampMs::new(*at));
        }
        seen
    }

    #[test]
    fn each_height_counts_once_and_the_first_not_at_all() {
        let looks = [(3, 1000, 9000), (3, 1000, 9025), (4, 9100, 9400), (4, 9100, 9425), (5, 10_000, 9_990)];
        assert_eq!(seen(&looks).finality_ms, [300, 0], "a clock that runs back counts as no time");
    }

    #[test]
    fn heights_and_moments_are_found_both_ways() {
        let seen = seen(&[(3, 0, 1000), (4, 0, 2000), (6, 0, 3000)]);
        assert_eq!(seen.seen_at(Height::new(4)), Some(TimestampMs::new(2000)));
        assert_eq!(seen.seen_at(Height::new(5)), Some(TimestampMs::new(3000)), "overtaken between two looks");
        assert_eq!(seen.seen_at(Height::new(7)), None);
        assert_eq!(seen.height_at(TimestampMs::new(2500)), Some(Height::new(4)));
        assert_eq!(seen.height_at(TimestampMs::new(3000)), Some(Height::new(6)));
        assert_eq!(seen.height_at(TimestampMs::new(999)), None);
    }

    #[test]
    fn interval_is_the_median_of_the_differences() {
        let stamps: Vec<_> = [0, 1000, 2000, 7000].map(TimestampMs::new).into();
        assert_eq!(interval_ms_p50(&stamps), Some(1000));
        assert_eq!(interval_ms_p50(&stamps[..1]), None);
    }
}
