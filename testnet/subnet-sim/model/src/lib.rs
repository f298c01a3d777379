//! The cross-net protocol as a model that a checker goes through exhaustively.
//!
//! A [`World`] is a hierarchy of a few chains with what each holds, the edges between them and the packets on the wire.
//! A [`Step`] sends a message, cuts, brings a packet onto the wire, lets it arrive, loses or doubles it, or kills the node
//! that handles it. From the start of a [`Config`] the checker takes every step in every order, and looks at every world
//! it gets to with the eyes of [`properties`], which know the protocol's promises and none of its code.
//!
//! A model in which nothing can be found is worth nothing. So for each property some [`Mutation`] breaks a rule, and the
//! tests demand a counterexample. What is found is written as a [`Trace`], which the simulator replays on the real actors.

mod check;
mod config;
mod fair;
mod handlers;
mod message;
mod mutation;
pub mod properties;
mod shortest;
mod system;
mod trace;
mod traffic;
mod world;

pub use check::{Outcome, check, example};
pub use config::{ChainSpec, Config, Forgery, Hop, UNKNOWN};
pub use message::{
    Address, Amount, ChainId, Checkpoint, Code, Id, Kind, Message, POWER_MINORITY, POWER_QUORUM, POWER_TOTAL, Packet,
    Place, Send, Step, UPDATE_MESSAGES_MAX,
};
pub use mutation::Mutation;
pub use system::System;
pub use trace::{FORMAT, ReplayError, Trace, TraceChain};
pub use world::{Batch, Chain, Counted, Edge, Ledger, Pending, World};
