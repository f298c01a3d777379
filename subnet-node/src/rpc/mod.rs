//! JSON-RPC 2.0 over HTTP and WebSocket on one port: `Filecoin.*` with the names and shapes of FRC-0104, and
//! `Subnet.*` for what is ours.
//!
//! ```text
//!  caller ─▶ jsonrpsee (sizes, batches, connections) ─▶ explain ─▶ methods ─▶ gate ─▶ blocking thread ─▶ store, VM
//! ```
//!
//! Nothing that a caller sends may panic, block consensus or take unbounded memory or time. Reading the state and
//! running the VM happen on blocking threads, a few at one time (`gate`); what the callers wait for is bounded.
//!
//! # How a block looks as a Filecoin tipset
//!
//! Every height has exactly one block, so a tipset is one block and a tipset key one block id. There are no null rounds.
//! State calls at a tipset see the state **after** that block (it was executed when it was committed), and the receipt
//! of a message belongs to the block that holds it; on Filecoin both come one tipset later.
//!
//! | Filecoin `BlockHeader` | here |
//! |---|---|
//! | `Miner` | owner address of the proposer; `f00` at genesis |
//! | `Ticket`, `ElectionProof` | `null`: proposers take turns |
//! | `BeaconEntries`, `WinPoStProof` | empty list |
//! | `Parents` | id of the block before; at height 1 and at genesis the CID of the genesis document |
//! | `ParentWeight` | the height: a chain without forks has no other weight |
//! | `Height` | height |
//! | `ParentStateRoot` | `state_root`: state after the block before |
//! | `ParentMessageReceipts` | `receipts_root`: receipts of the block before |
//! | `Messages` | `payload_root` |
//! | `BLSAggregate` | `null`: each BLS message keeps its own signature |
//! | `Timestamp` | `timestamp` in whole seconds |
//! | `BlockSig` | `null`: `Subnet.Header` has the finality certificate |
//! | `ForkSignaling` | 0 |
//! | `ParentBaseFee` | `base_fee`: what this block's messages burn for each unit of gas |
//!
//! The tipset of height 0 is made from the genesis document, whose CID is its key; it has no messages.

mod chain;
mod checkpoints;
mod children;
mod context;
mod convert;
mod cross;
mod dag_json;
mod eth_address;
mod explain;
mod filecoin;
mod gas;
mod gate;
mod kept_proofs;
pub mod limits;
mod proofs;
mod server;
mod state;
mod status;
mod subnet;
mod wait;

pub use context::{NodeFacts, NodeStatus, RpcContext};
pub use kept_proofs::Proofs;
pub use server::{RpcError, RpcHandle, serve};
