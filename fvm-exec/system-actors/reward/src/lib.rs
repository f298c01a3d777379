//! The reward actor.
