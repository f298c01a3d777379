//! Why a HAMT cannot be read or changed.

use cid::Cid;

/// Why a HAMT cannot be read or changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum HamtError {
    /// A node that the tree links to is not in the store.
    #[error("node {node} of the HAMT is not in the store")]
    Missing {
        /// Which.
        node: Cid,
    },
    /// A node does not have the form that nodes have.
    #[error("node {node} at depth {depth} of the HAMT is malformed: {problem}")]
    Malformed {
        /// Which.
        node: Cid,
        /// Zero for the root.
        depth: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Two keys have the same hash as far as a HAMT looks.
    #[error("keys {0:02x?} and {1:02x?} have the same hash")]
    Collision(Vec<u8>, Vec<u8>),
    /// The store failed.
    #[error("reading node {node} of the HAMT: {reason:#}")]
    Store {
        /// Which.
        node: Cid,
        /// What the store said.
        reason: anyhow::Error,
    },
}
