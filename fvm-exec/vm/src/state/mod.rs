//! The state as messages see it.
//!
//! ```text
//! LaneState      what the messages of one lane have changed, undone call by call      one per lane
//!   └─ Snapshot  the state at the block's start, and what was read of it              shared by all lanes
//!        └─ hamt::Nodes ── blockstore
//! ```
//!
//! The reference keeps one tree per executor, with caches of its own. Here everything that is read is read once for all
//! lanes, and stays known for the next block; a lane holds changes only, and so begins and ends at no cost.

mod cache;
mod init_map;
mod lane;
mod snapshot;

pub use lane::{Flushed, LaneState};
pub use snapshot::{CacheUse, Snapshot};

use fvm_shared::ActorID;

pub(crate) const INIT_ACTOR_ID: ActorID = 1;
