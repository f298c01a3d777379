//! The chain above: what a subnet's node reads there, and what it accepts of it in a block.
//!
//! ```text
//!   parent nodes, files ──▶ sources ──proofs──▶ follower ──candidate──▶ build ──▶ proposal
//!                                      rules ──────┴───────────────────────┴── validate
//! ```
//!
//! A proof needs nobody's word: [`rules`] judge it from this chain's own state, alike on every node. So it does not matter
//! where one comes from, and validators vote without a parent node of their own.

pub mod api;
pub mod candidate;
mod cursor;
pub mod endpoints;
pub mod files;
mod follower;
pub mod rules;
mod sources;
#[cfg(test)]
pub(crate) mod tests;

use cid::Cid;
use subnet_types::ParentUpdate;

pub use cursor::ParentCursor;
pub use endpoints::{Endpoints, ParentError};
pub use follower::{Follower, FollowerParts};

/// A node's view of the parent.
pub trait ParentSource: Send + Sync {
    /// The update to propose on top of the state that `cursor` describes, if there is a reason for one.
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate>;

    /// Whether this node's operator named the parent block `header` as known from elsewhere.
    fn is_adopted(&self, header: &Cid) -> bool;

    /// Takes note that `update`, in a block on top of the state that `cursor` describes, failed and changed nothing.
    fn failed(&self, cursor: &ParentCursor, update: &ParentUpdate);
}
