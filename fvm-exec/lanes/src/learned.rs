//! What one block teaches for the next.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::gate::Gate;
use crate::predict::Predictor;

/// What executing blocks has taught about what messages touch and whether it pays to believe it. Changes how fast blocks
/// are, never what they do. Clones share it, so that it outlives the executors it is lent to.
#[derive(Clone, Default)]
pub struct Learned(Arc<Mutex<Memory>>);

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) predictor: Predictor,
    pub(crate) gate: Gate,
}

impl Learned {
    /// Held for moments only: another block may be in execution.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock()
    }
}
