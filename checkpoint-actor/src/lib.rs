//! What a parent chain knows of one child subnet: membership, stake, custody, checkpoints.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod state;
pub mod types;

pub use state::State;
