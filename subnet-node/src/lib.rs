//! The process a validator runs, and its command line.
//!
//! ```text
//!   engine (consensus) ⇄ app ─▶ storage        rpc, metrics: read and push
//!                         │ ▲
//!                 mempool ┘ └ parent (follow), checkpoint (sign, submit)
//! ```
//!
//! [`node`] starts and stops all of it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod home;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod parent;
mod regular;
pub mod rpc;
pub mod storage;
