//! The checkpoint actor's rules, over the VM in memory and with real keys. The invariants are checked after every call.
#![allow(clippy::unwrap_used)]

mod accepting;
mod claims;
mod crowded;
mod delivering;
mod ending;
mod endings;
mod federated;
mod flat;
mod joining;
mod keys;
mod leaving;
mod odd_keys;
mod registering;
mod rejecting;
mod sequences;
mod slices;
mod unclaimed;
mod world;
