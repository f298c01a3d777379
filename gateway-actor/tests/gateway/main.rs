//! The gateway's rules, over the VM in memory. The invariants are checked after every call.

#![allow(clippy::unwrap_used)]

mod children;
mod cut;
mod deliver;
mod fund;
mod parent;
mod release;
mod sequences;
mod world;
