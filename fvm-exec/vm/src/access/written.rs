//! Which actors were written, whether or not accesses are recorded.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fvm_shared::ActorID;

/// The actors that messages have written since the state was flushed. Some may be as they were: what is reverted stays
/// noted.
#[derive(Default)]
pub struct Written(RefCell<BTreeSet<ActorID>>);

impl Written {
    /// Notes that an actor is about to be set or deleted.
    pub(crate) fn note(&self, id: ActorID) {
        self.0.borrow_mut().insert(id);
    }

    /// Whether nothing is noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes out the actors noted so far.
    pub(crate) fn take(&self) -> BTreeSet<ActorID> {
        self.0.take()
    }
}
