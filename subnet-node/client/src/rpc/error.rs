//! What can go wrong between a caller and a node, by what the caller can do about it.

use jsonrpsee::core::client::Error as TransportError;
use jsonrpsee::core::http_helpers::HttpError;
use jsonrpsee::http_client::transport::Error as HttpTransportError;

use super::ClientOptions;
use crate::api::{ApiError, RejectionReason};

/// A call that brought no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RpcError {
    /// The address is unusable.
    #[error("{url:?} is no address of a node: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("cannot reach the node at {url} ({method}): {reason}")]
    Unreachable {
        /// The node.
        url: String,
        /// What was asked.
        method: &'static str,
        /// What the system said.
        reason: String,
    },
    /// No answer in time.
    #[error("the node at {url} did not answer {method} within {seconds} s")]
    Timeout {
        /// The node.
        url: String,
        /// What was asked.
        method: &'static str,
        /// How long the call waited.
        seconds: f64,
    },
    /// An answer, but not one this program understands.
    #[error("the node at {url} answered {method} with something that cannot be used: {reason}")]
    Garbage {
        /// The node.
        url: String,
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node refuses or fails, and says why.
    #[error("{method} at {url}: {error}")]
    Refused {
        /// The node.
        url: String,
        /// What was asked.
        method: &'static str,
        /// What it said.
        error: ApiError,
    },
    /// An error with a code that is none of ours, such as an unknown method.
    #[error("{method} at {url}: {message} (code {code})")]
    Foreign {
        /// The node.
        url: String,
        /// What was asked.
        method: &'static str,
        /// JSON-RPC error code.
        code: i32,
        /// What it said.
        message: String,
    },
}

impl RpcError {
    pub(super) fn classify(url: &str, method: &'static str, options: ClientOptions, error: TransportError) -> Self {
        let url = url.to_owned();
        let garbage = |url, reason: String| Self::Garbage { url, method, reason: shortened(reason) };
        match error {
            TransportError::Call(object) => match ApiError::from_object(&object) {
                Some(error) => Self::Refused { url, method, error },
                None => {
                    Self::Foreign { url, method, code: object.code(), message: shortened(object.message().to_owned()) }
                }
            },
            TransportError::RequestTimeout => Self::Timeout { url, method, seconds: options.timeout.as_secs_f64() },
            TransportError::Transport(inner) => match inner.downcast_ref::<HttpTransportError>() {
                Some(HttpTransportError::Http(HttpError::TooLarge)) => {
                    garbage(url, format!("more than {} bytes", options.response_bytes_max))
                }
                Some(HttpTransportError::Http(HttpError::Malformed)) => garbage(url, "malformed HTTP".to_owned()),
                Some(HttpTransportError::Rejected { status_code }) => {
                    garbage(url, format!("HTTP status {status_code}"))
                }
                _ => Self::Unreachable { url, method, reason: shortened(chain(inner.as_ref())) },
            },
            TransportError::ParseError(error) => garbage(url, error.to_string()),
            other => garbage(url, other.to_string()),
        }
    }

    /// Whether the same call may succeed later without any change: the node was away, late or not ready.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Refused { error: ApiError::NotReady(_), .. }
        )
    }

    /// Whether no node could be spoken to.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Url { .. } | Self::Unreachable { .. } | Self::Timeout { .. })
    }

    /// Whether the node answered with something that cannot be used.
    pub fn is_garbage(&self) -> bool {
        matches!(self, Self::Garbage { .. })
    }

    /// Whether the node says that what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { error: ApiError::NotFound(_), .. })
    }

    /// Why the mempool refused the message, when it did.
    pub fn rejection(&self) -> Option<RejectionReason> {
        match self {
            Self::Refused { error: ApiError::Rejected { reason, .. }, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// An error with its causes, as connection errors hide theirs.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

/// A server may answer with a book; one line of it is enough for an error.
fn shortened(text: String) -> String {
    const CHARS_MAX: usize = 400;
    if text.chars().count() <= CHARS_MAX { text } else { text.chars().take(CHARS_MAX).chain("…".chars()).collect() }
}
