//! Places for instances, handed out so that a message never fails for want of one.
//!
//! A full call stack needs as many places as the VM allows calls to nest. While that many are free, anyone may take
//! one. The first message that goes below has the rest to itself until it gives enough back, so it can always finish;
//! the others wait.

use parking_lot::{Condvar, Mutex};

/// The places of one engine.
pub(crate) struct Slots {
    state: Mutex<State>,
    changed: Condvar,
    reserve: u32,
}

struct State {
    free: u32,
    /// The message that may go on while fewer places than a full call stack are free.
    owner: Option<u64>,
}

/// A place, given back when dropped.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    /// `total` places for messages that need at most `reserve` each.
    pub(crate) fn new(total: u32, reserve: u32) -> Self {
        Self { state: Mutex::new(State { free: total, owner: None }), changed: Condvar::new(), reserve }
    }

    /// A place for `message`; waits for others when it must.
    ///
    /// # Panics
    /// When a message holds more places than calls may nest, which the call manager prevents.
    pub(crate) fn take(&self, message: u64) -> Slot<'_> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.owner.is_some_and(|owner| owner != message));
        assert!(state.free > 0, "a message has more instances than calls may nest");
        state.free -= 1;
        if state.free < self.reserve {
            state.owner = Some(message);
        }
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.free += 1;
        if state.free >= self.0.reserve && state.owner.take().is_some() {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn message_below_the_reserve_has_the_rest_to_itself() {
        let slots = Slots::new(4, 3);
        let first = slots.take(1);
        let second = slots.take(2);
        let done = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _waits = slots.take(1);
                done.fetch_add(1, Ordering::SeqCst);
            });
            let third = slots.take(2);
            let fourth = slots.take(2);
            assert_eq!(done.load(Ordering::SeqCst), 0);
            drop((second, third, fourth));
        });
        assert_eq!(done.load(Ordering::SeqCst), 1);
        drop(first);
        assert_eq!(slots.state.lock().free, 4);
    }

    #[test]
    fn many_messages_share_few_places() {
        let slots = Slots::new(5, 4);
        std::thread::scope(|scope| {
            for message in 0..8 {
                let slots = &slots;
                scope.spawn(move || {
                    for depth in 1..=4 {
                        let _stack: Vec<_> = (0..depth).map(|_| slots.take(message)).collect();
                    }
                });
            }
        });
        assert_eq!(slots.state.lock().free, 5);
    }
}
