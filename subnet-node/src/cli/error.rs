//! How a command fails: what happened, what to do about it, and the exit code that scripts see.

use std::path::Path;

use client::keystore::{KeystoreError, PasswordError};
use client::{RpcError, SendError, WaitError};
use serde::Serialize;

use crate::config::ConfigError;

/// Exit codes of the program. They are part of its interface: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that is none of the below; for `doctor`, a check failed.
    Failure = 1,
    /// The command line is wrong, or names something unusable.
    Usage = 2,
    /// What was asked for does not exist, or the chain refused or failed the message.
    Rejected = 3,
    /// No node could be spoken to.
    Unreachable = 4,
    /// What was waited for did not come in time. It may still come.
    TooLate = 5,
}

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    /// For scripts.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do, where that is known.
    pub hint: Option<String>,
    /// Whether the command's own result says it already, so that nothing more is printed.
    pub is_reported: bool,
}

/// The error as `--json` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorJson<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    exit_code: u8,
}

impl CliError {
    /// A failure without a more fitting kind.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failure, message: message.into(), hint: None, is_reported: false }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None, is_reported: false }
    }

    /// Something that does not exist or was refused.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self { exit: Exit::Rejected, message: message.into(), hint: None, is_reported: false }
    }

    /// A file that cannot be used.
    pub fn file(action: &str, path: &Path, error: impl std::fmt::Display) -> Self {
        Self::failure(format!("cannot {action} {}: {error}", path.display()))
    }

    /// A failure that the command's result describes.
    pub fn reported(message: impl Into<String>) -> Self {
        Self { is_reported: true, ..Self::failure(message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn json(&self) -> ErrorJson<'_> {
        ErrorJson { error: &self.message, hint: self.hint.as_deref(), exit_code: self.exit as u8 }
    }
}

impl From<clap::Error> for CliError {
    /// What is wrong comes first in clap's text; what to do follows after an empty line.
    fn from(error: clap::Error) -> Self {
        use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
        if matches!(error.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
            return Self::usage("the command line ends before its command does").hint("try --help");
        }
        let text = error.render().to_string();
        let text = text.trim();
        let text = text.strip_prefix("error: ").unwrap_or(text);
        match text.split_once("\n\n") {
            Some((message, hint)) => Self::usage(message).hint(hint),
            None => Self::usage(text),
        }
    }
}

impl From<RpcError> for CliError {
    fn from(error: RpcError) -> Self {
        let message = error.to_string();
        match error {
            RpcError::Url { .. } => Self::usage(message),
            RpcError::Unreachable { .. } => Self { exit: Exit::Unreachable, message, hint: None, is_reported: false }
                .hint("start the node with `subnet-node run`, or name another one with --rpc URL"),
            RpcError::Timeout { .. } => Self { exit: Exit::Unreachable, message, hint: None, is_reported: false },
            RpcError::Refused { .. } => Self::rejected(message),
            RpcError::Foreign { .. } | RpcError::Garbage { .. } => {
                Self::failure(message).hint("is this the address of a subnet node of the same version?")
            }
        }
    }
}

impl From<WaitError> for CliError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Rpc(error) => error.into(),
            WaitError::Deadline { .. } => Self {
                exit: Exit::TooLate,
                message: error.to_string(),
                hint: None,
                is_reported: false,
            }
            .hint("it may still come: ask again with `cross status` or `chain message`, or wait longer with --timeout"),
        }
    }
}

impl From<SendError> for CliError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Rpc(error) => error.into(),
            SendError::Wait(error) => error.into(),
            SendError::Chain { .. } => Self::usage(error.to_string()),
            SendError::Fee { .. } => Self::rejected(error.to_string()).hint("raise the limit with --fee-max"),
            SendError::Failed { .. } => Self::rejected(error.to_string()),
            SendError::Return { .. } => Self::failure(error.to_string()),
        }
    }
}

impl From<KeystoreError> for CliError {
    fn from(error: KeystoreError) -> Self {
        let message = error.to_string();
        match error {
            KeystoreError::Io { action: "read", .. } => {
                Self::failure(message).hint("`subnet-node keys list` shows the keys; `subnet-node keys new` makes them")
            }
            _ => Self::failure(message),
        }
    }
}

impl From<PasswordError> for CliError {
    fn from(error: PasswordError) -> Self {
        Self::failure(error.to_string())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::failure(error.to_string())
    }
}
