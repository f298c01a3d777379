//! Launches whole hierarchies of real processes, plays a story on them and reports figures.
//!
//! Every validator is a `subnet-node` process of its own, and everything is done as a person would do it: with the
//! node's command line and its RPC. What the launcher knows of a chain, it was told over RPC.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod binary;
pub mod folder;
pub mod ports;
pub mod process;
pub mod progress;
pub mod report;
pub mod supply;
pub mod topology;
