//! Stories of a node and its parent's nodes.

pub(crate) mod fake;
mod following;
