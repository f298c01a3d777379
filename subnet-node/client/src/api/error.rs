//! What a node answers instead of a result: one code for each reaction a caller can have.

use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use serde::{Deserialize, Serialize};

/// Codes in the JSON-RPC error object.
pub mod code {
    /// A parameter is not what the method takes. JSON-RPC's own code.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The node failed. JSON-RPC's own code.
    pub const INTERNAL: i32 = -32603;
    /// What was asked for does not exist.
    pub const NOT_FOUND: i32 = -32004;
    /// The mempool refuses the message; `data` holds a [`super::RejectionReason`].
    pub const REJECTED: i32 = -32010;
    /// The node cannot answer yet (starting or catching up); ask again.
    pub const NOT_READY: i32 = -32011;
}

/// Why the mempool refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
    /// The signature does not verify, or is for another chain.
    Signature,
    /// The nonce was used.
    NonceTooLow,
    /// The nonce leaves too large a gap.
    NonceTooHigh,
    /// The sender holds less than value and fees.
    Balance,
    /// Less gas than the message needs, or more than a block has.
    GasLimit,
    /// The fee cap is below the base fee floor or the premium above the cap.
    Fee,
    /// Another message with this nonce is pending and pays as much.
    Replacement,
    /// The sender does not exist or cannot send.
    Sender,
    /// Too many bytes, or a malformed message.
    Form,
    /// The pool is full.
    PoolFull,
    /// The same message is in the pool or in a block.
    Duplicate,
}

/// An error as a method returns it and as a caller reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The caller's parameters are wrong.
    #[error("{0}")]
    InvalidParams(String),
    /// It does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The mempool refuses the message.
    #[error("{message}")]
    Rejected {
        /// The kind.
        reason: RejectionReason,
        /// What was compared.
        message: String,
    },
    /// Ask again later.
    #[error("{0}")]
    NotReady(String),
    /// The node failed.
    #[error("{0}")]
    Internal(String),
}

#[derive(Serialize, Deserialize)]
struct RejectionData {
    reason: RejectionReason,
}

impl From<ApiError> for ErrorObjectOwned {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::InvalidParams(message) => ErrorObject::owned(code::INVALID_PARAMS, message, None::<()>),
            ApiError::NotFound(message) => ErrorObject::owned(code::NOT_FOUND, message, None::<()>),
            ApiError::Rejected { reason, message } => {
                ErrorObject::owned(code::REJECTED, message, Some(RejectionData { reason }))
            }
            ApiError::NotReady(message) => ErrorObject::owned(code::NOT_READY, message, None::<()>),
            ApiError::Internal(message) => ErrorObject::owned(code::INTERNAL, message, None::<()>),
        }
    }
}

impl ApiError {
    /// Reads what a node answered; `None` for a code that is none of ours.
    pub fn from_object(object: &ErrorObjectOwned) -> Option<Self> {
        let message = object.message().to_owned();
        match object.code() {
            code::INVALID_PARAMS => Some(Self::InvalidParams(message)),
            code::NOT_FOUND => Some(Self::NotFound(message)),
            code::NOT_READY => Some(Self::NotReady(message)),
            code::INTERNAL => Some(Self::Internal(message)),
            code::REJECTED => {
                let data = object.data().and_then(|data| serde_json::from_str::<RejectionData>(data.get()).ok())?;
                Some(Self::Rejected { reason: data.reason, message })
            }
            _ => None,
        }
    }
}
