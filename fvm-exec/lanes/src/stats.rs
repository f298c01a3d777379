//! What executing a block took.

use std::time::Duration;

/// How a block was executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// There is one lane.
    #[default]
    OneLane,
    /// It was not worth starting lanes.
    Small,
    /// Its messages depend on each other.
    Chained,
    /// Predictions were too bad lately.
    Distrusted,
    /// Transfers, in bulk.
    Bulk,
    /// Tasks in lanes.
    Lanes,
    /// Segments between the proposer's waypoints.
    Waypoints,
}

impl Decision {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneLane => "one_lane",
            Self::Small => "small",
            Self::Chained => "chained",
            Self::Distrusted => "distrusted",
            Self::Bulk => "bulk",
            Self::Lanes => "lanes",
            Self::Waypoints => "waypoints",
        }
    }
}

/// Figures of one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockStats {
    /// How it was executed.
    pub decision: Decision,
    /// Its messages.
    pub messages: usize,
    /// Groups of messages that lanes ran.
    pub tasks: usize,
    /// Messages whose outcome from a lane was committed.
    pub committed: usize,
    /// Outcomes from lanes that were not valid any more.
    pub conflicts: usize,
    /// Messages that were executed twice.
    pub reexecutions: usize,
    /// Whether speculation was stopped for too many conflicts, or a transfer in bulk was none.
    pub stopped: bool,
    /// Whether there were waypoints, and they were wrong.
    pub misled: bool,
    /// Predicting and partitioning.
    pub plan: Duration,
    /// Everything together, without writing the state.
    pub execute: Duration,
    /// Time that each lane was running messages.
    pub lanes_busy: Vec<Duration>,
}

impl BlockStats {
    /// The figures of both, as those of one block.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.decision = other.decision;
        self.messages += other.messages;
        self.tasks += other.tasks;
        self.committed += other.committed;
        self.conflicts += other.conflicts;
        self.reexecutions += other.reexecutions;
        self.stopped |= other.stopped;
        self.misled |= other.misled;
        self.plan += other.plan;
        self.execute += other.execute;
        self.lanes_busy.resize(self.lanes_busy.len().max(other.lanes_busy.len()), Duration::ZERO);
        self.lanes_busy.iter_mut().zip(&other.lanes_busy).for_each(|(sum, busy)| *sum += *busy);
        self
    }
}
