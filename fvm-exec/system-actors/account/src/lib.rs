//! The account actor.
