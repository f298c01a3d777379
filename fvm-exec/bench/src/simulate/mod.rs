//! What more lanes would give.

mod conflicts;
mod schedule;
