//! Tokens and a swap pool in the real VM: what moves, what is refused, what it costs.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod hints;
mod market;
mod pool;
mod token;
