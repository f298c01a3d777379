//! The chain above: what a subnet's node reads there, and what it accepts of it in a block.
//!
//! ```text
//!   parent's RPC ──▶ follower ──candidate──▶ build ──▶ proposal
//!                       ▲                                 │
//!                       └────────── confirm ◀──────── validate (also `rules`, which needs nobody)
//! ```
//!
//! [`rules`] are the part of the judgement that every validator makes alike from its own state; the follower adds the
//! part that only its own view of the parent can confirm.

pub mod api;
pub mod candidate;
mod cursor;
pub mod endpoints;
mod follower;
mod retry;
pub mod rules;
#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use subnet_types::ParentUpdate;

pub use cursor::ParentCursor;
pub use endpoints::{Endpoints, ParentError};
pub use follower::{Follower, FollowerParts};

/// What a node's own view of the parent says of a proposed update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The same ranges stand there.
    Confirmed,
    /// The parent could not be read, or is not that far yet, with the reason.
    CannotRead(String),
    /// Other messages or changes stand there, or what is read there is not proved, with the first difference.
    Differs(String),
}

/// A node's view of the parent.
#[async_trait]
pub trait ParentSource: Send + Sync {
    /// The update to propose on top of the state that `cursor` describes, if there is a reason for one.
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate>;

    /// Compares a proposed update with this node's own view, in bounded time.
    async fn confirm(&self, cursor: &ParentCursor, update: &ParentUpdate) -> Confirmation;

    /// Takes note that `update`, in a block on top of the state that `cursor` describes, failed and changed nothing.
    fn failed(&self, cursor: &ParentCursor, update: &ParentUpdate);
}
