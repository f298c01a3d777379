//! Our executor against the stock one, and what it says of the messages it runs.
//!
//! One binary, so that the two engines, which reserve terabytes of address space each, exist once.
#![allow(clippy::unwrap_used)]

#[path = "../../../tests/common/mod.rs"]
mod common;

mod access;
mod cache;
mod differential;
mod failures;
mod lanes;
mod memo;
mod mix;
mod native;
mod support;
mod sweep;
