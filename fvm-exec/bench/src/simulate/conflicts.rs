//! Which messages of a block depend on each other, by what each has touched.
//!
//! Two messages belong together when one writes a field of an actor that the other reads or writes. Balances that are
//! only added to and taken from do not count, unless somebody reads the sum: additions commute. Ids of accounts that are
//! made by paying them are predicted; only the init actor's own code is in the way of all who need one.

use std::collections::BTreeMap;

use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::state::ActorState;
use vm::access::{Access, ActorAccess, Fields};

const INIT_ACTOR_ID: ActorID = 1;

/// Something that messages can meet at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Field(ActorID, usize),
    Address(Address),
    NextId,
}

/// The messages that touch a place.
#[derive(Default)]
struct Visits {
    readers: Vec<usize>,
    writers: Vec<usize>,
}

const FIELDS: [Fields; 5] = [Fields::PRESENT, Fields::CODE, Fields::HEAD, Fields::SEQUENCE, Fields::BALANCE];

fn is_balance(field: usize) -> bool {
    FIELDS[field] == Fields::BALANCE
}

/// The group of each message: the position of the first message that it depends on or that depends on it, directly or
/// through others.
pub fn groups(accesses: &[Access]) -> Vec<usize> {
    let mut places: BTreeMap<Place, Visits> = BTreeMap::new();
    for (index, access) in accesses.iter().enumerate() {
        let mut visit = |place, reads: bool, writes: bool| {
            if reads || writes {
                let visits = places.entry(place).or_default();
                if reads {
                    visits.readers.push(index)
                }
                if writes {
                    visits.writers.push(index)
                }
            }
        };
        for (id, actor) in &access.actors {
            // Addresses and ids are places of their own unless init's code has run.
            if *id == INIT_ACTOR_ID && !access.runs_init && !access.created.is_empty() {
                continue;
            }
            for (field, read) in FIELDS.iter().enumerate() {
                visit(Place::Field(*id, field), actor.read.contains(*read), writes(actor, field));
            }
        }
        for address in access.resolved.keys() {
            visit(Place::Address(*address), true, false);
        }
        for (address, _) in &access.created {
            visit(Place::Address(*address), false, true);
        }
        visit(Place::NextId, access.next_id.is_some() || access.runs_init, access.runs_init);
    }

    let mut union = Union::new(accesses.len());
    for (place, Visits { readers, writers }) in &places {
        let Some(first) = writers.first() else { continue };
        let commutes = matches!(place, Place::Field(_, field) if is_balance(*field)) && readers.is_empty();
        if !commutes {
            readers.iter().chain(writers).for_each(|other| union.join(*first, *other));
        }
    }
    (0..accesses.len()).map(|index| union.first(index)).collect()
}

fn writes(actor: &ActorAccess, field: usize) -> bool {
    let (before, after) = (actor.before.as_ref(), actor.after.as_ref());
    let (Some(before), Some(after)) = (before, after) else {
        // Made or deleted: everything but the balance, which others may have paid for.
        return before.is_some() != after.is_some() && !is_balance(field);
    };
    let differs: [fn(&ActorState, &ActorState) -> bool; FIELDS.len()] = [
        |_, _| false,
        |before, after| before.code != after.code || before.delegated_address != after.delegated_address,
        |before, after| before.state != after.state,
        |before, after| before.sequence != after.sequence,
        |before, after| before.balance != after.balance,
    ];
    differs[field](before, after)
}

/// Groups that grow together; each is named after its first member.
struct Union(Vec<usize>);

impl Union {
    fn new(members: usize) -> Self {
        Self((0..members).collect())
    }

    fn first(&mut self, member: usize) -> usize {
        let mut first = member;
        while self.0[first] != first {
            self.0[first] = self.0[self.0[first]];
            first = self.0[first];
        }
        first
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::econ::TokenAmount;
    use subnet_types::hash::cid_of;

    fn actor(balance: u64, sequence: u64) -> ActorState {
        ActorState::new(cid_of(&"code"), cid_of(&"state"), TokenAmount::from_atto(balance), sequence, None)
    }

    /// A transfer from `from`, whose nonce it takes, to `to`.
    fn transfer(from: ActorID, to: ActorID) -> Access {
        let sender = ActorAccess {
            read: Fields::PRESENT | Fields::CODE | Fields::SEQUENCE,
            balance_min: Some(TokenAmount::from_atto(5)),
            before: Some(actor(10, 0)),
            after: Some(actor(5, 1)),
        };
        let receiver = ActorAccess {
            read: Fields::PRESENT,
            balance_min: None,
            before: Some(actor(10, 0)),
            after: Some(actor(15, 0)),
        };
        Access { actors: BTreeMap::from([(from, sender), (to, receiver)]), ..Access::default() }
    }

    #[test]
    fn payments_to_one_receiver_are_apart_until_its_balance_is_read() {
        let mut block = vec![transfer(100, 1_000), transfer(101, 1_000), transfer(102, 1_001)];
        assert_eq!(groups(&block), [0, 1, 2]);
        let receiver = block[1].actors.get_mut(&1_000).unwrap();
        receiver.read |= Fields::BALANCE;
        assert_eq!(groups(&block), [0, 0, 2]);
    }

    #[test]
    fn one_senders_messages_are_together_and_so_is_all_that_they_join() {
        let block = vec![transfer(100, 1_000), transfer(101, 1_001), transfer(100, 1_002)];
        assert_eq!(groups(&block), [0, 1, 0]);
    }

    #[test]
    fn state_that_is_read_and_written_joins_and_state_that_is_read_does_not() {
        let call = |from, writes: bool| {
            let mut access = transfer(from, 2_000);
            let called = access.actors.get_mut(&2_000).unwrap();
            called.read |= Fields::HEAD | Fields::CODE;
            if writes {
                called.after.as_mut().unwrap().state = cid_of(&"other state");
            }
            access
        };
        assert_eq!(groups(&[call(100, false), call(101, false)]), [0, 1]);
        assert_eq!(groups(&[call(100, false), call(101, true), transfer(102, 1)]), [0, 0, 2]);
    }

    #[test]
    fn new_accounts_are_apart_until_the_init_actor_runs() {
        let create = |from, new: u64| {
            let mut access = transfer(from, new);
            access.actors.get_mut(&new).unwrap().before = None;
            access.created = vec![(Address::new_actor(&new.to_be_bytes()), new)];
            access.next_id = Some(new);
            access
        };
        let mut block = vec![create(100, 500), transfer(101, 102), create(103, 501)];
        assert_eq!(groups(&block), [0, 1, 2]);
        block[2].created[0].0 = block[0].created[0].0;
        assert_eq!(groups(&block), [0, 1, 0], "the same address");
        block[2] = create(103, 501);
        block.push(Access { runs_init: true, ..transfer(104, 105) });
        assert_eq!(groups(&block), [0, 1, 0, 0]);
    }
}
