//! The init actor.
