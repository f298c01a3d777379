//! The system actor.
