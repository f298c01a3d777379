//! Keys, signing, and the JSON-RPC interface as its callers see it.
//!
//! Whoever talks to a node does so through this package: the command line, the testnet, and one node talking to its
//! parent's. `api` is the interface itself; `keys`, `keystore` and `sign_message` make what it accepts; `rpc` calls
//! it; `sender`, `subnet` and `cross` are what users do with it; `supply` adds up whole hierarchies.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod amount;
pub mod api;
pub mod cross;
pub mod keys;
pub mod keystore;
pub mod rpc;
pub mod sender;
mod sign;
pub mod subnet;
pub mod supply;

pub use rpc::{Client, ClientOptions, RpcError, WaitError, WaitOptions, Waiting};
pub use sender::{Done, Draft, SendError, Sender, Sent};
pub use sign::sign_message;
