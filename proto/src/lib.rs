//! Wire messages between nodes, and checked conversions from and to the domain types.
//!
//! Schemas stand in `schemas/`; the build compiles them. A message is *decoded* (bytes to message, [`envelope`]) and
//! then *converted* (message to domain type, [`convert`] and [`block`]). Past conversion a value is well formed and no
//! one checks its form again. Bytes from outside give an error, never a panic, and never take much more memory than
//! they are long.
#![cfg_attr(test, allow(clippy::unwrap_used))]

/// Consensus messages: votes, proposals, parts of blocks. Documented in `schemas/consensus.proto`.
#[allow(missing_docs)]
pub mod consensus {
    include!(concat!(env!("OUT_DIR"), "/subnet.consensus.rs"));
}

/// Sync messages: decided blocks for nodes that fell behind. Documented in `schemas/sync.proto`.
#[allow(missing_docs)]
pub mod sync {
    include!(concat!(env!("OUT_DIR"), "/subnet.sync.rs"));
}

pub mod block;
pub mod convert;
pub mod envelope;
