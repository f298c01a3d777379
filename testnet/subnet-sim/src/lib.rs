//! Whole hierarchies on one thread, from one seed.
//!
//! ```text
//!   seed ─▶ prng ─▶ scheduler ──▶ chain: nodes (the application of `subnet-node`, real actors, real execution)
//!                     │  ▲           │  decide ─ commit
//!          faults ────┤  └─ time ────┤
//!          workload ──┤              ▼
//!          submitters ┘           checks: value, order, settlement, from decoded state
//! ```
//!
//! Nothing that is observed depends on a clock, on a thread or on the order of a hash map, so a seed replays to the same
//! blocks: [`world::World::history`] says so. Execution itself runs on a thread of its own, because it needs a large stack;
//! the caller waits for it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chain;
pub mod checks;
pub mod creation;
pub mod faults;
pub mod keys;
mod members;
pub mod node;
pub mod parent;
pub mod placed;
pub mod pool;
pub mod prng;
pub mod replay;
pub mod run;
pub mod submitters;
pub mod workload;
pub mod world;
