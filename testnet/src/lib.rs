//! Launches whole hierarchies of real processes, plays a story on them and reports figures.
//!
//! Every validator is a `subnet-node` process of its own, and everything is done as a person would do it: with the
//! node's command line and its RPC. What the launcher knows of a chain, it was told over RPC.
//!
//! ```text
//! main ─▶ commands ─▶ story ─▶ network ─▶ cli (subnet-node …)       what users do
//!             │         deep ───┤
//!             │         bench ──┘
//!             │         │         └─────▶ fleet ─▶ process          what runs
//!             │         ├─▶ load, remote, watch                     over RPC
//!             │         └─▶ read, ledger ─▶ supply; agreement       what must hold
//!             └─▶ folder, progress, report
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod actors;
pub mod agreement;
pub mod bench;
pub mod binary;
pub mod cli;
pub mod commands;
pub mod deep;
pub mod fleet;
pub mod folder;
pub mod ledger;
pub mod load;
pub mod network;
pub mod ports;
pub mod process;
pub mod progress;
pub mod read;
pub mod record;
pub mod remote;
pub mod report;
pub mod story;
pub mod supply;
pub mod topology;
pub mod watch;
