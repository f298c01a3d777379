//! Which actors and addresses a message has paid to read or write, so that it pays once.
//!
//! A reverted call takes back what was paid within it: the message pays again.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::Context as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Protocol};

use crate::prices::is_preloaded;

/// How much of an actor has been paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Paid {
    /// Looking at it.
    Read,
    /// Looking at it and changing it.
    Write,
}

/// What has been paid for.
#[derive(Default)]
pub(super) struct Charged {
    actors: RefCell<Undoable<ActorID, Paid>>,
    addresses: RefCell<Undoable<Address, ()>>,
    layers: Vec<(usize, usize)>,
}

impl Charged {
    /// What has been paid for an actor.
    pub(super) fn actor(&self, id: ActorID) -> Option<Paid> {
        if is_preloaded(id) { Some(Paid::Write) } else { self.actors.borrow().get(&id) }
    }

    /// The actor has been read.
    pub(super) fn read(&self, id: ActorID) {
        if self.actor(id).is_none() {
            self.actors.borrow_mut().insert(id, Paid::Read);
        }
    }

    /// The actor has been written.
    pub(super) fn write(&self, id: ActorID) {
        if self.actor(id) < Some(Paid::Write) {
            self.actors.borrow_mut().insert(id, Paid::Write);
        }
    }

    /// Whether looking up this address has been paid for. Ids need none.
    pub(super) fn is_resolved(&self, address: &Address) -> bool {
        address.protocol() == Protocol::ID || self.addresses.borrow().get(address).is_some()
    }

    /// The address has been looked up.
    pub(super) fn resolve(&self, address: &Address) {
        if !self.is_resolved(address) {
            self.addresses.borrow_mut().insert(*address, ());
        }
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self) {
        self.layers.push((self.actors.get_mut().undo.len(), self.addresses.get_mut().undo.len()));
    }

    /// The transaction that began last ends.
    ///
    /// # Errors
    /// Fatal when there is none.
    pub(super) fn end(&mut self, reverts: bool) -> Result<()> {
        let (actors, addresses) = self.layers.pop().context("no transaction of charges to end").or_fatal()?;
        if reverts {
            self.actors.get_mut().revert(actors);
            self.addresses.get_mut().revert(addresses);
        }
        Ok(())
    }
}

/// A map that remembers what it was.
struct Undoable<K, V> {
    map: BTreeMap<K, V>,
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Undoable<K, V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Copy, V: Copy> Undoable<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.map.get(key).copied()
    }

    fn insert(&mut self, key: K, value: V) {
        let before = self.map.insert(key, value);
        self.undo.push((key, before));
    }

    fn revert(&mut self, length: usize) {
        while self.undo.len() > length {
            match self.undo.pop() {
                Some((key, Some(value))) => drop(self.map.insert(key, value)),
                Some((key, None)) => drop(self.map.remove(&key)),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_then_writing_pays_twice_and_only_up() {
        let charged = Charged::default();
        assert_eq!(charged.actor(101), None);
        charged.read(101);
        assert_eq!(charged.actor(101), Some(Paid::Read));
        charged.write(101);
        charged.read(101);
        assert_eq!(charged.actor(101), Some(Paid::Write));
        assert_eq!(charged.actor(99), Some(Paid::Write));
    }

    #[test]
    fn reverted_call_is_paid_again() {
        let mut charged = Charged::default();
        let address = Address::new_actor(b"x");
        charged.begin();
        charged.read(101);
        charged.begin();
        charged.write(101);
        charged.read(102);
        charged.resolve(&address);
        charged.end(true).unwrap();
        assert_eq!(charged.actor(101), Some(Paid::Read));
        assert_eq!(charged.actor(102), None);
        assert!(!charged.is_resolved(&address));
        charged.begin();
        charged.resolve(&address);
        charged.end(false).unwrap();
        charged.end(false).unwrap();
        assert!(charged.is_resolved(&address));
        assert!(charged.end(false).is_err());
    }

    #[test]
    fn ids_are_resolved_by_themselves() {
        assert!(Charged::default().is_resolved(&Address::new_id(7)));
    }
}
