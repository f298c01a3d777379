//! A small chain in memory for tests: genesis, blocks, state.
//!
//! Each test file uses its own part of this, so the rest is unused there.
#![allow(dead_code, clippy::unwrap_used)]

pub mod accounts;
pub mod chain;

pub mod fees;
pub mod genesis;
pub mod parent;
pub mod placed;
pub mod store;
