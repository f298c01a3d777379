//! What more lanes would give than the machine has cores, computed from what one and two threads take.
//!
//! ```text
//! samples    each message of a block on one thread, with its accesses logged: median of repetitions
//! conflicts  which of them belong together: as if all predictions were right
//! schedule   groups to lanes, the longest first; results committed in the order of the block
//! commit     what a commit costs: checking what was read, and setting what was written, on a state tree
//! ```
//!
//! Threads on cores of their own still share memory: how much slower two are than one is measured and can be put on all
//! times, as the contention. It is not known to be the same for more threads, so figures are given with and without.
//! A block that lanes would not make faster is taken to run sequentially.

mod commit;
mod conflicts;
mod samples;
mod schedule;

use std::time::Duration;

use crate::contender::Engines;
use crate::workload::Workload;

pub(crate) use schedule::Job;
use schedule::makespan;

/// Numbers of lanes to simulate.
pub const LANES: [usize; 3] = [4, 8, 16];

/// Writing the state splits at its root's children, of which there are so many.
const FLUSH_PARTS: usize = 32;

/// What the lanes of a block would cost.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) jobs: Vec<Job>,
    /// The block on one lane, nothing logged, measured as the jobs are.
    pub(crate) plain_seconds: f64,
    pub(crate) commit_seconds: f64,
    pub(crate) flush: FlushCost,
    /// Time of a message while another thread runs messages too, divided by that while none does.
    pub contention: f64,
}

/// Writing the state: a part that one thread does, and one that threads share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FlushCost {
    fixed_seconds: f64,
    shared_seconds: f64,
}

impl FlushCost {
    /// From the times of one thread and of two.
    pub(crate) fn of(one: f64, two: f64) -> Self {
        let shared_seconds = (2.0 * (one - two)).clamp(0.0, one);
        Self { fixed_seconds: one - shared_seconds, shared_seconds }
    }

    fn seconds(&self, lanes: usize) -> f64 {
        self.fixed_seconds + self.shared_seconds / lanes.clamp(1, FLUSH_PARTS) as f64
    }
}

impl Model {
    /// Measures what it takes for the second block of `workload`, which is at its beginning.
    ///
    /// # Errors
    /// When a message cannot be executed.
    pub fn measure(engines: &Engines, workload: &mut Workload, time_max: Duration) -> anyhow::Result<Self> {
        let before = workload.next_block();
        let block = workload.next_block();
        let more = [(); 3].map(|()| workload.next_block());
        let world = &workload.world;
        let samples = samples::record(engines, world, &before, &block, time_max)?;
        let groups = conflicts::groups(&samples.accesses);
        let jobs = samples.seconds.iter().zip(groups).map(|(seconds, group)| Job { seconds: *seconds, group });
        Ok(Self {
            jobs: jobs.collect(),
            plain_seconds: samples.plain_seconds.iter().sum(),
            commit_seconds: commit::seconds_per_message(engines, world, [&before, &block], &samples.accesses)?,
            flush: FlushCost::of(
                samples::flush_seconds(engines, world, &before, &block, 1)?,
                samples::flush_seconds(engines, world, &before, &block, 2)?,
            ),
            contention: samples::contention(engines, world, [&before, &block, &more[0], &more[1], &more[2]])?,
        })
    }

    /// Seconds that so many lanes take to execute the block, if a message takes `contention` times as long on them.
    pub fn exec_seconds(&self, lanes: usize, contention: f64) -> f64 {
        let slower = |job: &Job| Job { seconds: job.seconds * contention, ..*job };
        makespan(&self.jobs.iter().map(slower).collect::<Vec<_>>(), lanes, self.commit_seconds)
    }

    /// How many times as fast as one lane so many lanes execute the block, and 1 where the gate keeps it on one lane.
    ///
    /// Both sides are sums of the same kind of times: a block's time on the clock has in it whatever else the machine
    /// did, the medians of its messages have not, so the two must not be divided by each other.
    pub fn speed_up(&self, lanes: usize, contention: f64) -> f64 {
        let parallel = self.exec_seconds(lanes, contention);
        if parallel > 0.0 { (self.plain_seconds / parallel).max(1.0) } else { 1.0 }
    }

    /// The part of one thread's time for writing the state that so many take.
    pub fn flush_share(&self, lanes: usize) -> f64 {
        let one = self.flush.seconds(1);
        if one > 0.0 { self.flush.seconds(lanes) / one } else { 1.0 }
    }

    /// Microseconds that committing a message takes.
    pub fn commit_us(&self) -> f64 {
        self.commit_seconds * 1e6
    }

    /// Groups of messages that depend on each other.
    pub fn groups(&self) -> usize {
        let mut groups: Vec<_> = self.jobs.iter().map(|job| job.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_shares_what_two_threads_have_shown_to_share() {
        let flush = FlushCost::of(10.0, 6.0);
        assert_eq!(flush, FlushCost { fixed_seconds: 2.0, shared_seconds: 8.0 });
        assert_eq!([1, 2, 4, 64].map(|lanes| flush.seconds(lanes)), [10.0, 6.0, 4.0, 2.25]);
        // Noise may make two threads slower than one, or more than twice as fast.
        assert_eq!(FlushCost::of(10.0, 11.0).seconds(16), 10.0);
        assert_eq!(FlushCost::of(10.0, 1.0).fixed_seconds, 0.0);
    }

    #[test]
    fn contention_slows_messages_and_not_commits() {
        let jobs = vec![Job { seconds: 1.0, group: 0 }, Job { seconds: 1.0, group: 1 }];
        let flush = FlushCost::of(0.0, 0.0);
        let model = Model { jobs, plain_seconds: 1.8, commit_seconds: 0.25, flush, contention: 1.5 };
        assert_eq!(model.exec_seconds(2, 1.0), 1.5);
        assert_eq!(model.exec_seconds(2, model.contention), 2.0);
        assert_eq!(model.speed_up(2, 1.0), 1.2);
        assert_eq!(model.speed_up(2, model.contention), 1.0, "the gate keeps it on one lane");
        assert_eq!(model.groups(), 2);
    }
}
