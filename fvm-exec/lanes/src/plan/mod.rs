//! Which messages run where: the block cut into tasks that are expected to have nothing to do with each other.
//!
//! ```text
//! message ─► what it is expected to use ─► sets of messages that meet at something one of them changes ─► tasks
//! ```
//!
//! A transfer only needs its receiver to be there, so whoever is paid by many is no reason to wait. A chain of one
//! sender's messages is one task, as are the calls of one contract that change it.

mod union;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fvm_shared::address::{Address, Payload, Protocol};
use fvm_shared::message::Message;
use fvm_shared::state::ActorState;
use fvm_shared::{ActorID, METHOD_SEND};
use rustc_hash::FxHashMap;

use crate::predict::{Call, Predictor, Use};
use union::UnionFind;

/// Time of a transfer, which is too short for a lane of its own.
const SEND_TIME: Duration = Duration::from_micros(2);

/// Time of creating an account for a key: its constructor runs.
const ACCOUNT_TIME: Duration = Duration::from_micros(13);

/// The init actor and the Ethereum address manager create actors, one after another.
const CREATORS: [ActorID; 2] = [1, 10];

/// The state as the plan sees it: only to guess well.
pub(crate) trait View {
    fn resolve(&self, address: &Address) -> Option<ActorID>;
    fn actor(&self, id: ActorID) -> Option<ActorState>;
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Moves funds between actors that exist, or fails at once.
    Transfer,
    /// Runs an actor.
    Call(Call),
    /// Makes the receiver's account by sending to it.
    Account,
    /// Creates actors, on the canonical state only.
    Creator,
}

/// A message, looked at.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    pub(crate) sender: Option<ActorID>,
    pub(crate) receiver: Option<ActorID>,
    /// Whether its receiver is expected to get the next id.
    pub(crate) creates: bool,
    pub(crate) time: Duration,
    extras: Vec<(ActorID, Use)>,
    receiver_use: Use,
}

/// Messages that one lane runs, in the order of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) messages: Vec<u32>,
    pub(crate) time: Duration,
}

/// A block's plan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) messages: Vec<Planned>,
    /// Longest first; those as long as each other in the order of their first messages.
    pub(crate) tasks: Vec<Task>,
    /// Which messages are in tasks. The others run on the canonical state.
    pub(crate) in_task: Vec<bool>,
    /// Time of the messages that are in none.
    pub(crate) canonical: Duration,
    /// Whether there is nothing but transfers.
    pub(crate) only_transfers: bool,
}

/// Looks at one message.
fn look(message: &Message, view: &impl View, predictor: &Predictor) -> Planned {
    let (sender, receiver) = (view.resolve(&message.from), view.resolve(&message.to));
    let mut planned = Planned {
        kind: Kind::Transfer,
        sender,
        receiver,
        creates: false,
        time: SEND_TIME,
        extras: Vec::new(),
        receiver_use: Use::Deposit,
    };
    let Some(receiver) = receiver else {
        let is_key = matches!(message.to.protocol(), Protocol::Secp256k1 | Protocol::BLS);
        let is_placeholder = matches!(message.to.payload(), Payload::Delegated(address) if address.namespace() == 10);
        planned.creates = is_key || is_placeholder;
        planned.receiver_use = Use::Exclusive;
        if is_key {
            planned.kind = Kind::Account;
            planned.time = ACCOUNT_TIME;
        }
        return planned;
    };
    if message.method_num == METHOD_SEND || sender.is_none() {
        return planned;
    }
    let Some(actor) = view.actor(receiver) else { return planned };
    let call = Call { receiver, code: actor.code, method: message.method_num };
    let prediction = predictor.predict(&call);
    let is_creator = CREATORS.contains(&receiver)
        || prediction.extras.iter().any(|(id, usage)| CREATORS.contains(id) && *usage > Use::Shared);
    planned.kind = if is_creator { Kind::Creator } else { Kind::Call(call) };
    planned.time = prediction.time;
    planned.extras = prediction.extras;
    planned.receiver_use = prediction.receiver;
    planned
}

/// Something that messages can meet at.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Actor(ActorID),
    /// An address that nobody has yet.
    Address(Address),
}

/// What the block's messages do with a key.
#[derive(Default)]
struct Meeting {
    users: Vec<(u32, Use)>,
    most: Option<Use>,
}

impl Plan {
    /// Plans a block. `components` says which messages belong together, if somebody claims to know.
    pub(crate) fn new<'m>(
        messages: impl Iterator<Item = &'m Message>,
        view: &impl View,
        predictor: &Predictor,
        components: Option<&[u32]>,
    ) -> Self {
        let (mut addresses, mut made) = (Vec::new(), HashSet::new());
        let looked: Vec<_> = messages
            .map(|message| {
                addresses.push(message.to);
                let mut planned = look(message, view, predictor);
                // The second time it is there.
                planned.creates = planned.creates && made.insert(message.to);
                planned
            })
            .collect();
        let sets = match components {
            Some(components) => claimed(components, looked.len()),
            None => predicted(&looked, &addresses),
        };
        Self::from_sets(looked, sets)
    }

    fn from_sets(messages: Vec<Planned>, mut sets: UnionFind) -> Self {
        let mut tasks: FxHashMap<u32, (Task, bool, bool)> = FxHashMap::default();
        for (index, planned) in (0u32..).zip(&messages) {
            let (task, is_heavy, is_serial) = tasks
                .entry(sets.find(index))
                .or_insert_with(|| (Task { messages: Vec::new(), time: Duration::ZERO }, false, false));
            task.messages.push(index);
            task.time += planned.time;
            *is_heavy |= matches!(planned.kind, Kind::Call(_) | Kind::Account);
            *is_serial |= planned.kind == Kind::Creator;
        }
        let mut canonical = Duration::ZERO;
        let mut in_task = vec![false; messages.len()];
        let mut kept = Vec::new();
        for (task, is_heavy, is_serial) in tasks.into_values() {
            if is_heavy && !is_serial {
                task.messages.iter().for_each(|index| in_task[*index as usize] = true);
                kept.push(task);
            } else {
                canonical += task.time;
            }
        }
        kept.sort_unstable_by(|one, other| other.time.cmp(&one.time).then(one.messages[0].cmp(&other.messages[0])));
        let only_transfers =
            messages.iter().all(|planned| planned.kind == Kind::Transfer && planned.receiver.is_some());
        Self { messages, tasks: kept, in_task, canonical, only_transfers }
    }

    /// The number of actors that are expected to be created before each message.
    pub(crate) fn created_before(&self) -> Vec<u64> {
        let mut created = 0;
        self.messages
            .iter()
            .map(|planned| {
                let before = created;
                created += u64::from(planned.creates);
                before
            })
            .collect()
    }

    /// The time of the longest task.
    pub(crate) fn longest(&self) -> Duration {
        self.tasks.first().map_or(Duration::ZERO, |task| task.time)
    }

    /// The time of all tasks.
    pub(crate) fn in_lanes(&self) -> Duration {
        self.tasks.iter().map(|task| task.time).sum()
    }
}

/// Sets as somebody claims them. What is missing stands alone.
fn claimed(components: &[u32], messages: usize) -> UnionFind {
    let mut sets = UnionFind::new(messages as u32);
    let mut first = FxHashMap::default();
    for (index, component) in (0u32..).zip(components).take(messages) {
        sets.union(*first.entry(*component).or_insert(index), index);
    }
    sets
}

/// Sets by what messages are expected to use.
fn predicted(messages: &[Planned], addresses: &[Address]) -> UnionFind {
    let mut sets = UnionFind::new(messages.len() as u32);
    let mut meetings: HashMap<Key, Meeting> = HashMap::new();
    for ((index, planned), to) in (0u32..).zip(messages).zip(addresses) {
        let mut meet = |key: Key, usage: Use| {
            let meeting = meetings.entry(key).or_default();
            meeting.users.push((index, usage));
            meeting.most = meeting.most.max(Some(usage));
        };
        if let Some(sender) = planned.sender {
            meet(Key::Actor(sender), Use::Exclusive);
        }
        match planned.receiver {
            Some(receiver) => meet(Key::Actor(receiver), planned.receiver_use),
            None => meet(Key::Address(*to), Use::Exclusive),
        }
        for (id, usage) in &planned.extras {
            meet(Key::Actor(*id), *usage);
        }
    }
    for meeting in meetings.values() {
        let least = match meeting.most {
            Some(Use::Exact) => Use::Deposit,
            Some(Use::Exclusive) => Use::Shared,
            _ => continue,
        };
        let mut users = meeting.users.iter().filter(|(_, usage)| *usage >= least);
        let Some((first, _)) = users.next() else { continue };
        users.for_each(|(index, _)| sets.union(*first, *index));
    }
    sets
}

#[cfg(test)]
mod tests;
