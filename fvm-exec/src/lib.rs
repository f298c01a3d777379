//! One ordered block in, receipts and state root out.
//!
//! Nothing here knows a network, a clock or a task runtime. State comes from a blockstore, everything else from the
//! arguments, so the same block on the same state gives the same output on every node:
//!
//! ```text
//! BlockInput ──► Executor ──► BlockOutput { state root, receipts, events, new blocks }
//!                  │ reads                         │ one atomic write, by the caller
//!                  ▼                               ▼
//!              blockstore ◄────────────────────────┘
//! ```
//!
//! Inside, our own VM (the `vm` package) runs the messages in parallel lanes (the `lanes` package). The stock executor of
//! the `fvm` crate is its oracle in tests and runs nothing here.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod accounts;
pub mod base_fee;
mod block;
mod engine;
mod error;
mod executor;
mod externs;
pub mod genesis;
pub mod genesis_file;
mod hints;
mod implicit;
mod links;
mod overlay;
pub mod preflight;
mod receipts;
mod rules;
mod session;
mod state_view;
mod totals;
mod warm;
pub mod witness;

pub use accounts::Accounts;
pub use block::{BlockContext, BlockInput, BlockOutput, CallOutcome};
pub use engine::Engine;
pub use error::ExecError;
pub use executor::Executor;
pub use externs::BlockIds;
pub use genesis::GenesisOutput;
pub use genesis_file::GenesisFileError;
pub use overlay::{IpldBlock, Overlay};
pub use preflight::{MessageRejection, MessageRules};
pub use receipts::{load_events, load_receipts};
pub use rules::{ChainRules, NETWORK_VERSION};
pub use state_view::{StateView, Supply};
pub use totals::Totals;
