//! Gateway and checkpoint actor as wasm in the VM, with real keys and signatures: the whole way of value down and up,
//! and what settling costs.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod containment;
mod doors;
mod drain;
mod ending;
mod gas;
mod hostile;
#[path = "../../../checkpoint-actor/tests/checkpoint/keys.rs"]
mod keys;
mod rules;
mod slices;
mod story;
mod subnet;
mod weight;
