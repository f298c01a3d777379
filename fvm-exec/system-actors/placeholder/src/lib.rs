//! The placeholder actor.
