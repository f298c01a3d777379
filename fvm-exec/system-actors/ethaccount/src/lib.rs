//! The ethaccount actor.
