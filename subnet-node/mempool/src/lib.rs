//! Messages that wait for a block, and how nodes share them.
//!
//! ```text
//!   RPC ── push ──▶ ┌──────────┐ ◀── gossip ── worker ◀── swarm (libp2p)
//!                   │   Pool   │                  └─ verdict ─▶ forward | ignore | score the peer
//!   commit ───────▶ │  (pure)  │ ── select ──▶ block proposal
//!                   └──────────┘
//! ```
//!
//! [`pool::Pool`] is pure: accounts, limits and rules come in as values. [`gossip`] owns the sockets and knows no
//! message. [`service`] joins them. A message is forwarded only after this node admitted it, so garbage travels one
//! hop, and costs the peer that sent it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod accounts;
mod admission;
mod gate;
pub mod gossip;
pub mod limits;
mod network;
pub mod pool;
mod publications;
mod pull;
mod queue;
mod redial;
pub mod rejection;
pub mod rules;
mod score;
mod select;
pub mod service;
pub mod signature;
mod swarm;
mod unjudged;
mod verifier;
mod worker;

pub use accounts::{AccountSource, AccountView, AccountsUnreadable};
pub use gossip::{Gossip, GossipConfig, GossipCounters, GossipError, GossipHandle, GossipStatus};
pub use limits::PoolLimits;
pub use pool::{Admission, Checked, Choice, Departures, PendingMessage, Pool, PoolStats, SelectLimits, Selection};
pub use rejection::{Price, Rejection};
pub use rules::{FormCheck, IntrinsicGas, MessageRules};
pub use service::{Commit, Mempool, MempoolConfig, MempoolError, MempoolMetrics, MempoolStatus, PushError};
pub use signature::{BatchError, SignatureError, Verifier, verify, verify_all};

#[cfg(test)]
mod tests;
