//! Why the engine must stop.

use engine_api::{AppFailure, ExitReason};

/// A failure after which going on would be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(ExitReason);

impl Failure {
    /// Nothing signed is in doubt; a restart may help.
    pub(crate) fn liveness(failure: AppFailure) -> Self {
        Self(ExitReason::Liveness(failure.to_string()))
    }

    /// Going on could contradict what was signed or decided.
    pub(crate) fn safety(failure: impl std::fmt::Display) -> Self {
        Self(ExitReason::Safety(failure.to_string()))
    }

    pub(crate) fn into_reason(self) -> ExitReason {
        self.0
    }
}
