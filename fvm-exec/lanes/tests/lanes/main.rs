//! Blocks in lanes against the stock executor of the `fvm` crate, message after message.
//!
//! One binary, so that the two engines, which reserve terabytes of address space each, exist once.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/common/mod.rs"]
mod common;
#[path = "../../../vm/tests/vm/support/mod.rs"]
#[allow(dead_code)]
mod support;

mod bulk;
mod bytes;
mod creation;
mod delays;
mod learning;
mod random;
mod town;
mod waypoints;
