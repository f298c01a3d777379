//! Checkpoints: derived from a cut, signed by this node, certified by a quorum, submitted to the parent.
//!
//! ```text
//!   height H    the gateway cuts          ─▶ `derive`: the same checkpoint on every node
//!   height H+1  every vote carries        ─▶ `sign`: guarded, durable before it leaves
//!               a signature over it       ─▶ `certificate`: assembled when H+1 commits
//!   afterwards                            ─▶ `submitter`: one node at a time, by rotation, or `relay`: by hand
//! ```

pub mod certificate;
pub mod derive;
pub mod plan;
pub mod relay;
pub mod rotation;
pub mod sign;
pub mod submission;
pub mod submitter;
#[cfg(test)]
mod tests;
