//! Keys, signing, and the JSON-RPC interface as its callers see it.
//!
//! Whoever talks to a node does so through this package: the command line, the testnet, and one node talking to its
//! parent's. `api` is the interface itself; `keys`, `keystore` and `sign` make what it accepts.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod amount;
pub mod api;
pub mod keys;
mod sign;

pub use sign::sign_message;
