//! What an executor is told once.

use std::num::NonZeroUsize;

/// Lanes that an executor has at most.
pub const LANES_MAX: usize = 64;

/// How blocks are executed. Changes how fast they are, never what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that run messages, [`LANES_MAX`] at most. With one, everything is sequential.
    pub lanes: NonZeroUsize,
    /// Whether each lane stays on a core of its own.
    pub pins: bool,
}

impl Options {
    /// Lanes that stay on their cores.
    pub fn new(lanes: NonZeroUsize) -> Self {
        let lanes = lanes.min(NonZeroUsize::new(LANES_MAX).unwrap_or(NonZeroUsize::MIN));
        Self { lanes, pins: true }
    }
}
