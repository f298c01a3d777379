//! The gateway's rules, over the VM in memory. The invariants are checked after every call.

#![allow(clippy::unwrap_used)]

mod calls;
mod children;
mod cut;
mod deliver;
mod ending;
mod fees;
mod forward;
mod parent;
mod receipts;
mod send;
mod sequences;
mod world;
