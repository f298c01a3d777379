//! Proofs of what a state holds for a child: made from the state, verified from blocks alone, and refused when anything
//! about the blocks is otherwise than the state says.
#![allow(clippy::unwrap_used)]

mod chain;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
#[allow(dead_code)]
#[path = "../../../checkpoint-actor/tests/checkpoint/keys.rs"]
mod keys;
mod made;
mod random;
mod rules;
#[allow(dead_code)]
#[path = "../settlement/subnet.rs"]
mod subnet;
mod tamper;
