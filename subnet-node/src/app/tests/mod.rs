//! Stories of a whole application: real genesis, real VM, real database; no engine and no network.

mod blocks;
mod building;
mod checkpoints;
mod drafts;
mod parent_chain;
mod parent_updates;
mod restarts;
mod speculation;
pub(crate) mod world;
