//! The door between a chain, its parent and its children.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod state;
pub mod types;

pub use state::State;
