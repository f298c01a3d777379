//! Courier and called actors as wasm in the VM: who may have something carried, what comes of it, and that code from
//! elsewhere can neither keep what it was not given nor use more gas than it was allowed.
#![allow(clippy::unwrap_used)]

mod carrying;
#[path = "../common/mod.rs"]
mod common;
mod containment;
mod doors;
mod wire;
