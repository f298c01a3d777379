//! What an executor is told once.

use std::num::NonZeroUsize;

/// Lanes that an executor has at most.
pub const LANES_MAX: usize = 64;

/// How blocks are executed. Changes how fast they are, never what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that run messages, [`LANES_MAX`] at most. With one, everything is sequential.
    pub lanes: NonZeroUsize,
    /// Cores that there are for them. More lanes than that are taken for that many when it is judged what is worth it.
    pub cores: NonZeroUsize,
    /// Whether each lane stays on a core of its own.
    pub pins: bool,
}

impl Options {
    /// Lanes on this machine. They stay on their cores when they take all that this process may use; fewer would meet those
    /// of other processes on the same few.
    pub fn new(lanes: NonZeroUsize) -> Self {
        let lanes = lanes.min(NonZeroUsize::new(LANES_MAX).unwrap_or(NonZeroUsize::MIN));
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { lanes, cores, pins: lanes >= cores }
    }

    /// Lanes that can run at the same time.
    pub(crate) fn lanes_at_once(&self) -> usize {
        self.lanes.min(self.cores).get()
    }
}
