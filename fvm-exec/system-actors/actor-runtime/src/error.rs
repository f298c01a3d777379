//! How an actor's method ends when it does not succeed.

use std::fmt::Display;

use fvm_shared::MethodNum;
use fvm_shared::error::ExitCode;

/// Aborts the message: nothing it did remains, its value goes back, and its receipt carries the exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exit {exit_code}: {message}")]
pub struct ActorError {
    /// What the receipt says.
    pub exit_code: ExitCode,
    /// Why, for logs and for a caller that traces the message. Not part of the chain's state.
    pub message: String,
}

impl ActorError {
    /// An abort with this code.
    pub fn new(exit_code: ExitCode, message: impl Into<String>) -> Self {
        Self { exit_code, message: message.into() }
    }

    /// The parameters are well formed but cannot be accepted.
    pub fn illegal_argument(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_ILLEGAL_ARGUMENT, message)
    }

    /// What the parameters name does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_NOT_FOUND, message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_FORBIDDEN, message)
    }

    /// There is less money than the method has to move.
    pub fn insufficient_funds(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_INSUFFICIENT_FUNDS, message)
    }

    /// The actor's state does not allow this now, or cannot be read.
    pub fn illegal_state(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_ILLEGAL_STATE, message)
    }

    /// Bytes are not what they should encode.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_SERIALIZATION, message)
    }

    /// The actor has no such method.
    pub fn unhandled(method: MethodNum) -> Self {
        Self::new(ExitCode::USR_UNHANDLED_MESSAGE, format!("this actor has no method {method}"))
    }

    /// Something that cannot happen happened.
    pub fn assertion_failed(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_ASSERTION_FAILED, message)
    }

    /// The call is read-only and the method writes.
    pub fn read_only(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_READ_ONLY, message)
    }

    /// The method takes no value.
    pub fn not_payable(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USR_NOT_PAYABLE, message)
    }
}

/// Turns another error into an abort, at the place that knows whose fault it is.
pub trait ResultExt<T> {
    /// The sender's parameters are at fault.
    ///
    /// # Errors
    /// Exit 16 with `doing` and the cause.
    fn or_illegal_argument(self, doing: &str) -> Result<T, ActorError>;
    /// The actor's state is at fault.
    ///
    /// # Errors
    /// Exit 20 with `doing` and the cause.
    fn or_illegal_state(self, doing: &str) -> Result<T, ActorError>;
    /// Bytes could not be encoded or decoded.
    ///
    /// # Errors
    /// Exit 21 with `doing` and the cause.
    fn or_serialization(self, doing: &str) -> Result<T, ActorError>;
}

impl<T, E: Display> ResultExt<T> for Result<T, E> {
    fn or_illegal_argument(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(|error| ActorError::illegal_argument(format!("{doing}: {error}")))
    }

    fn or_illegal_state(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(|error| ActorError::illegal_state(format!("{doing}: {error}")))
    }

    fn or_serialization(self, doing: &str) -> Result<T, ActorError> {
        self.map_err(|error| ActorError::serialization(format!("{doing}: {error}")))
    }
}
