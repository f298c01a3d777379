//! Work begun before it is known to be wanted: the execution of a proposed block, while the votes on it travel.
//!
//! ```text
//!   begin(key) ──▶ running ──▶ ready ──▶ take(key)     the decision is for this block on this state
//!            └──▶ waiting ──┘     └────▶ thrown away   it is for another one
//! ```
//!
//! Nothing here decides anything: what is taken is what the same work would give after the decision, and whoever gets
//! nothing does the work itself. Work that fails or panics therefore costs no more than itself.
//!
//! Everything is bounded: [`RUNNING_MAX`] threads, one piece of work that waits for a thread (a newer one takes its
//! place), [`READY_MAX`] results. Whoever takes clears all: what was begun before a decision is of no use after it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use parking_lot::{Condvar, Mutex};

use crate::metrics::SpeculationMetrics;

/// Pieces of work that run at a time. One: blocks of one height stand on the same state, of which the executor knows the
/// warm memory once, and a second execution would take its cores from the first.
const RUNNING_MAX: usize = 1;

/// Results that are kept for a decision: of the block of this round, and of one before, which may still be decided. Each
/// is at most what one block writes.
const READY_MAX: usize = 2;

/// Of which execution something is the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The block's id.
    pub(super) block: Cid,
    /// Root of the state before it.
    pub(super) state_root: Cid,
}

/// A result that was there, or on its way, when it was wanted.
#[derive(Debug)]
pub(super) struct Taken<T> {
    /// The result.
    pub(super) result: T,
    /// How long the work took.
    pub(super) took: Duration,
    /// How long the taker waited for it.
    pub(super) waited: Duration,
}

type Work<T> = Box<dyn FnOnce() -> Option<T> + Send>;

/// Work ahead of decisions. Dropping it waits for what runs.
pub(super) struct Speculations<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    ended: Condvar,
    metrics: SpeculationMetrics,
}

struct State<T> {
    running: Vec<Running>,
    waiting: Option<(Key, Work<T>)>,
    ready: VecDeque<Ready<T>>,
    is_closed: bool,
}

struct Running {
    key: Key,
    /// Whether no decision was made since it began.
    is_wanted: bool,
}

struct Ready<T> {
    key: Key,
    result: T,
    took: Duration,
}

impl<T: Send + 'static> Speculations<T> {
    pub(super) fn new(metrics: SpeculationMetrics) -> Self {
        let state = State { running: Vec::new(), waiting: None, ready: VecDeque::new(), is_closed: false };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new(), metrics }) }
    }

    /// Begins `work` on a thread of its own, or as soon as one is free; what waited for that is forgotten. `None` says
    /// that it failed. Work for a key that is known already is not begun again.
    pub(super) fn begin(&self, key: Key, work: impl FnOnce() -> Option<T> + Send + 'static) {
        let mut state = self.shared.state.lock();
        if state.is_closed || state.knows(&key) {
            return;
        }
        if state.running.len() >= RUNNING_MAX {
            state.waiting = Some((key, Box::new(work)));
            return;
        }
        let shared = self.shared.clone();
        let work: Work<T> = Box::new(work);
        let thread = std::thread::Builder::new().name("speculation".to_owned());
        match thread.spawn(move || shared.run(key, work)) {
            Ok(_) => state.running.push(Running { key, is_wanted: true }),
            Err(error) => tracing::debug!(%error, "no thread to execute a proposal on"),
        }
    }

    /// The result for `key`: waits for it when it is being made. `None` when it was not begun, has failed, or still
    /// waits for a thread. All else that was begun is thrown away.
    pub(super) fn take(&self, key: &Key) -> Option<Taken<T>> {
        let Shared { state, ended, metrics } = &*self.shared;
        let started = Instant::now();
        let mut state = state.lock();
        state.waiting = None;
        ended.wait_while(&mut state, |state| state.is_running(key));
        let found = state.ready.iter().position(|ready| ready.key == *key).and_then(|at| state.ready.remove(at));
        metrics.thrown_away(state.ready.len());
        state.ready.clear();
        state.running.iter_mut().for_each(|running| running.is_wanted = false);
        let Ready { result, took, .. } = found?;
        let waited = started.elapsed();
        metrics.taken(took.saturating_sub(waited));
        Some(Taken { result, took, waited })
    }

    /// Waits until nothing runs.
    #[cfg(test)]
    pub(super) fn idle(&self) {
        let Shared { state, ended, .. } = &*self.shared;
        ended.wait_while(&mut state.lock(), |state| !state.running.is_empty());
    }

    /// Begins nothing more, and waits for what runs.
    pub(super) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        state.waiting = None;
        self.shared.ended.wait_while(&mut state, |state| !state.running.is_empty());
    }
}

impl<T: Send + 'static> Drop for Speculations<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> State<T> {
    fn is_running(&self, key: &Key) -> bool {
        self.running.iter().any(|running| running.key == *key && running.is_wanted)
    }

    fn knows(&self, key: &Key) -> bool {
        self.is_running(key)
            || self.waiting.as_ref().is_some_and(|(waiting, _)| waiting == key)
            || self.ready.iter().any(|ready| ready.key == *key)
    }
}

impl<T> Shared<T> {
    /// Does one piece of work after another while there is one.
    fn run(&self, mut key: Key, mut work: Work<T>) {
        loop {
            self.metrics.begun();
            let started = Instant::now();
            // Nothing of it is seen by anyone when it panics.
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                tracing::error!(block = %key.block, "executing a proposal ended in a panic");
                None
            });
            let took = started.elapsed();
            let mut state = self.state.lock();
            self.ended(&mut state, key, result, took);
            let next = state.waiting.take();
            if let Some((key, _)) = &next {
                state.running.push(Running { key: *key, is_wanted: true });
            }
            self.ended.notify_all();
            drop(state);
            match next {
                Some(next) => (key, work) = next,
                None => return,
            }
        }
    }

    fn ended(&self, state: &mut State<T>, key: Key, result: Option<T>, took: Duration) {
        let at = state.running.iter().position(|running| running.key == key).expect("it was noted when it began");
        let is_wanted = state.running.swap_remove(at).is_wanted;
        let Some(result) = result.filter(|_| is_wanted) else { return self.metrics.thrown_away(1) };
        if state.ready.len() >= READY_MAX {
            state.ready.pop_front();
            self.metrics.thrown_away(1);
        }
        state.ready.push_back(Ready { key, result, took });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use subnet_types::hash::cid_of;

    fn key(block: u8, state: u8) -> Key {
        Key { block: cid_of(&block), state_root: cid_of(&state) }
    }

    struct World {
        speculations: Arc<Speculations<u32>>,
        metrics: SpeculationMetrics,
    }

    /// Work that the test lets end.
    struct Gate {
        begun: Receiver<()>,
        end: Sender<Option<u32>>,
    }

    impl Gate {
        fn wait(&self) {
            self.begun.recv().expect("it begins");
        }

        fn end(&self, result: Option<u32>) {
            self.end.send(result).expect("it waits for this");
        }
    }

    impl World {
        fn new() -> Self {
            let metrics = SpeculationMetrics::default();
            Self { speculations: Arc::new(Speculations::new(metrics.clone())), metrics }
        }

        fn begin(&self, key: Key) -> Gate {
            let ((began, begun), (end, ending)) = (channel(), channel());
            self.speculations.begin(key, move || {
                began.send(()).ok();
                ending.recv().ok().flatten()
            });
            Gate { begun, end }
        }

        fn take(&self, key: Key) -> Option<u32> {
            self.speculations.take(&key).map(|taken| taken.result)
        }

        fn idle(&self) {
            self.speculations.idle();
        }

        /// Begun, taken, thrown away.
        fn counts(&self) -> (u64, u64, u64) {
            self.metrics.counts()
        }
    }

    #[test]
    fn result_is_taken_once_for_the_same_block_on_the_same_state() {
        let world = World::new();
        for other in [key(2, 1), key(1, 2)] {
            let gate = world.begin(key(1, 1));
            gate.end(Some(7));
            world.idle();
            assert_eq!(world.take(other), None, "another block, or another state");
            assert_eq!(world.take(key(1, 1)), None, "thrown away by that decision");
        }
        let gate = world.begin(key(1, 1));
        gate.end(Some(8));
        world.idle();
        assert_eq!(world.take(key(1, 1)), Some(8));
        assert_eq!(world.take(key(1, 1)), None);
        assert_eq!(world.counts(), (3, 1, 2));
    }

    #[test]
    fn taker_waits_for_what_runs_and_for_nothing_else() {
        let world = World::new();
        let running = world.begin(key(1, 1));
        running.wait();
        // The other block is decided: nobody waits for this one.
        assert_eq!(world.take(key(2, 1)), None);
        let next = world.begin(key(3, 2));
        assert_eq!(world.take(key(3, 2)), None, "it still waits for the thread");
        running.end(Some(1));
        world.idle();
        assert!(next.end.send(None).is_err(), "it never began");
        assert_eq!(world.counts(), (1, 0, 1));

        let running = world.begin(key(4, 2));
        running.wait();
        let speculations = world.speculations.clone();
        let taker = std::thread::spawn(move || speculations.take(&key(4, 2)).map(|taken| taken.result));
        running.end(Some(4));
        assert_eq!(taker.join().unwrap(), Some(4));
        assert_eq!(world.counts(), (2, 1, 1));
    }

    #[test]
    fn one_runs_one_waits_and_a_later_round_takes_the_place_of_what_waits() {
        let world = World::new();
        let first = world.begin(key(1, 1));
        first.wait();
        let second = world.begin(key(2, 1));
        let third = world.begin(key(3, 1));
        assert!(second.begun.recv().is_err(), "it was replaced");
        assert!(third.begun.try_recv().is_err(), "one runs at a time");
        first.end(Some(1));
        third.wait();
        third.end(Some(3));
        world.idle();
        assert_eq!(world.take(key(1, 1)), Some(1), "a block of an earlier round may still be decided");
        assert_eq!(world.counts(), (2, 1, 1));
    }

    #[test]
    fn what_is_known_is_not_begun_again_and_results_are_few() {
        let world = World::new();
        let running = world.begin(key(1, 1));
        running.wait();
        let again = world.begin(key(1, 1));
        running.end(Some(1));
        world.idle();
        let ready = world.begin(key(1, 1));
        assert!(again.begun.recv().is_err() && ready.begun.recv().is_err());
        for block in 2..=READY_MAX as u8 + 1 {
            world.begin(key(block, 1)).end(Some(block.into()));
            world.idle();
        }
        assert_eq!(world.speculations.shared.state.lock().ready.len(), READY_MAX);
        assert_eq!(world.take(key(1, 1)), None, "the oldest made room");
    }

    #[test]
    fn failure_and_panic_cost_the_speculation_alone() {
        let world = World::new();
        world.begin(key(1, 1)).end(None);
        world.idle();
        assert_eq!(world.take(key(1, 1)), None);
        world.speculations.begin(key(2, 1), || panic!("on purpose"));
        world.idle();
        assert_eq!(world.take(key(2, 1)), None);
        world.begin(key(3, 1)).end(Some(3));
        world.idle();
        assert_eq!(world.take(key(3, 1)), Some(3));
        assert_eq!(world.counts(), (3, 1, 2));
    }

    #[test]
    fn closing_waits_for_what_runs_and_begins_nothing_more() {
        let world = World::new();
        let running = world.begin(key(1, 1));
        running.wait();
        let waiting = world.begin(key(2, 1));
        let speculations = world.speculations.clone();
        let closer = std::thread::spawn(move || speculations.close());
        // It forgets what waits before it waits itself.
        assert!(waiting.begun.recv().is_err());
        assert!(!closer.is_finished(), "the first still runs");
        running.end(Some(1));
        closer.join().unwrap();
        assert!(world.begin(key(3, 1)).begun.recv().is_err());
    }
}
