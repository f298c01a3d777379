//! What messages will touch, from what messages like them have touched.

use std::time::Duration;

use cid::Cid;
use fvm_shared::{ActorID, MethodNum};
use rustc_hash::FxHashMap;
use vm::access::{Access, ActorAccess, Fields};

/// Methods of actors, or of codes, that are remembered. When there are more, all are forgotten.
const METHODS_MAX: usize = 16_384;

/// Actors that are remembered to be touched by one method of one actor.
const EXTRAS_MAX: usize = 16;

/// Runs after which counts are halved, so that the present counts more than the past.
const RUNS_MAX: u16 = 64;

/// Time that a call is taken to need before one like it was seen.
const CALL_DEFAULT: Duration = Duration::from_micros(60);

/// Actors that every message pays, or that are handled by themselves: burnt funds and the reward actor.
const PAID_BY_ALL: [ActorID; 2] = [2, 99];

/// How a message uses an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// It only pays it.
    Deposit,
    /// It reads its state.
    Shared,
    /// It changes it.
    Exclusive,
    /// Its exact balance matters: even who pays it is in the way.
    Exact,
}

impl Use {
    /// How a message has used an actor, if others can notice.
    pub(crate) fn of(access: &ActorAccess) -> Option<Self> {
        let (Some(before), Some(after)) = (&access.before, &access.after) else {
            return (access.before.is_some() || access.after.is_some()).then_some(Self::Exact);
        };
        if access.read.contains(Fields::BALANCE) {
            return Some(Self::Exact);
        }
        let is_changed = (before.code, before.state, before.sequence) != (after.code, after.state, after.sequence);
        if is_changed || after.balance < before.balance || access.balance_min.is_some() {
            return Some(Self::Exclusive);
        }
        if access.read.contains(Fields::HEAD) {
            return Some(Self::Shared);
        }
        (after.balance > before.balance).then_some(Self::Deposit)
    }
}

/// A call, as far as the block shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) receiver: ActorID,
    pub(crate) code: Cid,
    pub(crate) method: MethodNum,
}

/// What is known of a method.
#[derive(Clone, Debug)]
struct Known {
    runs: u16,
    receiver: Use,
    time: Duration,
    /// Other actors, how they were used, and in how many of the runs.
    extras: Vec<(ActorID, Use, u16)>,
}

/// What a call is expected to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prediction {
    pub(crate) receiver: Use,
    pub(crate) extras: Vec<(ActorID, Use)>,
    pub(crate) time: Duration,
}

/// Learns from one block for the next. What it says is a guess.
#[derive(Default)]
pub(crate) struct Predictor {
    by_actor: FxHashMap<(ActorID, MethodNum), Known>,
    by_code: FxHashMap<(Cid, MethodNum), Known>,
}

impl Predictor {
    /// What a call is expected to do: as its actor did, or as actors with the same code did, or the ordinary.
    pub(crate) fn predict(&self, call: &Call) -> Prediction {
        let of_actor = self.by_actor.get(&(call.receiver, call.method));
        match of_actor.or_else(|| self.by_code.get(&(call.code, call.method))) {
            None => Prediction { receiver: Use::Exclusive, extras: Vec::new(), time: CALL_DEFAULT },
            Some(known) => Prediction {
                receiver: known.receiver,
                extras: known
                    .extras
                    .iter()
                    .filter(|(_, _, hits)| u32::from(*hits) * 2 >= u32::from(known.runs))
                    .map(|(id, usage, _)| (*id, *usage))
                    .collect(),
                time: known.time,
            },
        }
    }

    /// A call has run, in this time, and touched this.
    pub(crate) fn learn(&mut self, call: &Call, sender: Option<ActorID>, access: &Access, time: Duration) {
        let used = |id: ActorID| access.actors.get(&id).and_then(Use::of);
        let receiver = used(call.receiver).unwrap_or(Use::Shared).max(Use::Shared);
        let others = access
            .actors
            .iter()
            .filter(|(id, _)| **id != call.receiver && Some(**id) != sender && !PAID_BY_ALL.contains(id));
        let extras: Vec<_> = others.filter_map(|(id, access)| Some((*id, Use::of(access)?))).take(EXTRAS_MAX).collect();
        note(&mut self.by_actor, (call.receiver, call.method), receiver, &extras, time);
        // Which others an actor calls is its own affair, not its code's.
        note(&mut self.by_code, (call.code, call.method), receiver, &[], time);
    }

    /// A call has run, in this time; what it has touched was not recorded.
    pub(crate) fn learn_time(&mut self, call: &Call, time: Duration) {
        if let Some(known) = self.by_actor.get_mut(&(call.receiver, call.method)) {
            known.time = average(known.time, time);
        }
        if let Some(known) = self.by_code.get_mut(&(call.code, call.method)) {
            known.time = average(known.time, time);
        } else {
            note(&mut self.by_code, (call.code, call.method), Use::Exclusive, &[], time);
        }
    }
}

/// A quarter of the new, three of the old.
fn average(old: Duration, new: Duration) -> Duration {
    (old * 3 + new) / 4
}

fn note<K: std::hash::Hash + Eq>(
    all: &mut FxHashMap<K, Known>,
    key: K,
    receiver: Use,
    extras: &[(ActorID, Use)],
    time: Duration,
) {
    if all.len() >= METHODS_MAX && !all.contains_key(&key) {
        all.clear();
    }
    let known = all.entry(key).or_insert_with(|| Known { runs: 0, receiver, time, extras: Vec::new() });
    if known.runs >= RUNS_MAX {
        known.runs /= 2;
        known.extras.iter_mut().for_each(|(_, _, hits)| *hits /= 2);
        known.extras.retain(|(_, _, hits)| *hits > 0);
        known.receiver = receiver;
    }
    known.runs += 1;
    known.receiver = known.receiver.max(receiver);
    known.time = average(known.time, time);
    for (id, usage) in extras {
        match known.extras.iter_mut().find(|(known, _, _)| known == id) {
            Some((_, known, hits)) => {
                *known = (*known).max(*usage);
                *hits += 1;
            }
            None => {
                if known.extras.len() == EXTRAS_MAX {
                    let least = known.extras.iter().enumerate().min_by_key(|(_, (_, _, hits))| *hits);
                    if let Some((at, _)) = least {
                        known.extras.swap_remove(at);
                    }
                }
                known.extras.push((*id, *usage, 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::EMPTY_ARR_CID;
    use fvm_shared::econ::TokenAmount;
    use fvm_shared::state::ActorState;

    fn call(receiver: ActorID) -> Call {
        Call { receiver, code: EMPTY_ARR_CID, method: 7 }
    }

    fn actor(sequence: u64, balance: u64) -> ActorState {
        ActorState {
            code: EMPTY_ARR_CID,
            state: EMPTY_ARR_CID,
            sequence,
            balance: TokenAmount::from_atto(balance),
            delegated_address: None,
        }
    }

    fn used(read: Fields, before: ActorState, after: ActorState) -> ActorAccess {
        ActorAccess { read, balance_min: None, before: Some(before), after: Some(after) }
    }

    fn access(actors: impl IntoIterator<Item = (ActorID, ActorAccess)>) -> Access {
        Access { actors: actors.into_iter().collect(), ..Access::default() }
    }

    fn reads(read: Fields) -> ActorAccess {
        used(read, actor(0, 5), actor(0, 5))
    }

    #[test]
    fn use_is_what_others_can_notice() {
        assert_eq!(Use::of(&reads(Fields::PRESENT | Fields::CODE)), None);
        assert_eq!(Use::of(&reads(Fields::HEAD)), Some(Use::Shared));
        assert_eq!(Use::of(&reads(Fields::BALANCE)), Some(Use::Exact));
        assert_eq!(Use::of(&used(Fields::PRESENT, actor(0, 5), actor(0, 6))), Some(Use::Deposit));
        assert_eq!(Use::of(&used(Fields::PRESENT, actor(0, 5), actor(0, 4))), Some(Use::Exclusive));
        assert_eq!(Use::of(&used(Fields::HEAD, actor(0, 5), actor(1, 5))), Some(Use::Exclusive));
    }

    #[test]
    fn unknown_call_has_its_receiver_for_itself() {
        let prediction = Predictor::default().predict(&call(100));
        assert_eq!(prediction, Prediction { receiver: Use::Exclusive, extras: vec![], time: CALL_DEFAULT });
    }

    #[test]
    fn what_is_touched_half_of_the_time_is_expected() {
        let mut predictor = Predictor::default();
        let time = Duration::from_micros(20);
        for run in 0..40u64 {
            let touched = access([
                (100, reads(Fields::HEAD)),
                (200, used(Fields::HEAD, actor(0, 5), actor(1, 5))),
                (300 + run, reads(Fields::BALANCE)),
                (99, used(Fields::PRESENT, actor(0, 5), actor(0, 6))),
                (77, used(Fields::SEQUENCE, actor(0, 5), actor(1, 4))),
            ]);
            predictor.learn(&call(100), Some(77), &touched, time);
        }
        let expected = Prediction { receiver: Use::Shared, extras: vec![(200, Use::Exclusive)], time };
        assert_eq!(predictor.predict(&call(100)), expected);
        // Another actor with the same code is known by its receiver's use only.
        assert_eq!(predictor.predict(&call(101)), Prediction { extras: vec![], ..expected });
    }

    #[test]
    fn memory_is_bounded() {
        let mut predictor = Predictor::default();
        for id in 0..3 * METHODS_MAX as u64 {
            predictor.learn(&call(id), None, &access([(id + 1, reads(Fields::BALANCE))]), CALL_DEFAULT);
        }
        assert!(predictor.by_actor.len() <= METHODS_MAX);
        for id in 0..100 {
            predictor.learn(&call(1), None, &access([(1_000 + id, reads(Fields::BALANCE))]), CALL_DEFAULT);
        }
        assert!(predictor.by_actor.values().all(|known| known.extras.len() <= EXTRAS_MAX));
    }
}
