//! Executes the messages of a block in parallel lanes, with the result that they have one after another.
//!
//! ```text
//! messages ─► plan ──► gate ─┬─ sequential: on the canonical state, nothing recorded
//!             │ predict      ├─ bulk: transfers, each lane's effects merged at once
//!             │ partition    └─ lanes: tasks on threads ──► outcomes ──► ordered commit
//!             └─ learns from what messages really touched ◄─────────────────────┘
//! ```
//!
//! Nothing here is trusted but the commit: a message's outcome from a lane counts only if everything that it has read
//! stands in the canonical state, at its turn, as the lane has seen it. Otherwise the message runs again there, at once.
//! So predictions, partitions, hints and threads decide how fast a block is, and never what it does.
//!
//! **Claim.** After message *i* is committed, the canonical state is the one that sequential execution gives, and so is
//! the message's receipt. *Why*: a message is a function of the block's context and of what it reads. If an outcome is
//! valid, all it has read is equal, or holds in the same way (a balance that was enough is enough), so the run would be
//! the same one, and its effects are added: exact values where it has set them, differences where it has moved funds.
//! If it is invalid, it is run sequentially, by definition.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod block;
mod bulk;
pub mod commit;
mod gate;
mod lane;
mod learned;
mod options;
mod plan;
mod predict;
mod stats;
mod waypoints;

pub use block::{BlockExecutor, BlockMessage};
pub use learned::Learned;
pub use options::{LANES_MAX, Options};
pub use stats::{BlockStats, Decision};
pub use waypoints::{WAYPOINTS_MAX, Waypoint, Waypoints};
