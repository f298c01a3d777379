//! What a consensus engine and the subnet node ask of each other.
//!
//! The node implements [`SubnetApp`] once; each engine package implements [`ConsensusEngine`]. Engines know no VM and
//! the node knows no votes. Rules that hold for every engine:
//!
//! - the value voted on is a block's id, the CID of its header;
//! - `validate` is pure: the same block gets the same `Accept` or `Reject` on every node and on replay, and only a
//!   live vote may be withheld (`NotYet`);
//! - *durable, then visible*: `put_undecided` and `commit` have synced to disk when they return.

mod app;
mod engine;

pub use app::{
    AppFailure, Block, BuildContext, BuiltBlock, ChainStatus, DecidedBlock, HeightRules, SignedExtension, Source,
    SubnetApp, UndecidedBlock, ValidateContext, Verdict,
};
pub use engine::{
    ConsensusEngine, EngineConfig, EngineError, EngineEvent, EngineKeys, EngineStatus, ExitReason, RunningEngine,
};
