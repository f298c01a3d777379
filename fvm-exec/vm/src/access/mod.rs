//! What a message touches: the basis of running messages in parallel.
//!
//! Every read and write of an actor passes through the call manager or the executor, which report it to the
//! [`Recorder`] of the machine. What comes out is an [`Access`]: on any state that agrees with it in what was read,
//! the message has the same receipt and the same effects.
//!
//! Actors are told apart by field, because most messages need little of an actor: a transfer needs its receiver to be
//! there, whatever it holds, and its sender to hold enough, however much that is.

mod fields;
mod outcome;
mod recorder;

pub use fields::Fields;
pub use outcome::{Access, ActorAccess};
pub use recorder::Recorder;
