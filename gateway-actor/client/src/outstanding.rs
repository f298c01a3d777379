//! Which messages wait, and what for.

use std::fmt;
use std::marker::PhantomData;

use actor_runtime::{ActorError, ResultExt};
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Config, Hamt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subnet_types::Digest;

/// Ids that one [`Outstanding`] holds at most. An actor that reaches it has to wait for receipts before it sends more:
/// whoever can make it send must not be able to make its state grow for ever. The number is for all who make it send together:
/// an actor that sends for strangers counts for each of them too, or one of them takes all places with calls that nobody
/// answers.
pub const OUTSTANDING_MAX: u64 = 4096;

/// Narrow nodes: a write should touch few bytes.
fn config() -> Config {
    Config { bit_width: 5, ..Config::default() }
}

/// Ids of messages that wait for something, each with a tag of the actor's own: what it needs to know when that comes.
///
/// Two uses: messages that the actor has sent, by their ids, which wait for their receipts, and calls that it has deferred,
/// by their [`key`](crate::CrossCall::key)s, which wait for its answer. It lies in the actor's state as a root and a count; the entries are blocks of their own, so its size costs
/// nothing where it is not touched.
pub struct Outstanding<T> {
    map: Cid,
    count: u64,
    tag: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + PartialEq> Outstanding<T> {
    /// Nothing waits. For a constructor.
    ///
    /// # Errors
    /// Exit 20 when the store fails.
    pub fn new(store: &impl Blockstore) -> Result<Self, ActorError> {
        let map = Hamt::<_, T>::new_with_config(store, config()).flush().or_illegal_state("outstanding messages")?;
        Ok(Self { map, count: 0, tag: PhantomData })
    }

    /// How many wait.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Remembers `tag` for a message. The caller saves its state.
    ///
    /// # Errors
    /// Exit 20 when [`OUTSTANDING_MAX`] wait already, when this one does (ids are unique, so it would be a mistake of the
    /// actor's), or when the store fails.
    pub fn insert(&mut self, store: &impl Blockstore, id: &Digest, tag: T) -> Result<(), ActorError> {
        if self.count >= OUTSTANDING_MAX {
            return Err(ActorError::illegal_state(format!("{} messages are outstanding, no more may be", self.count)));
        }
        let mut map = self.load(store)?;
        if map.contains_key(&key(id)).or_illegal_state("outstanding messages")? {
            return Err(ActorError::illegal_state(format!("message {id} is outstanding already")));
        }
        map.set(key(id), tag).or_illegal_state("outstanding messages")?;
        self.map = map.flush().or_illegal_state("outstanding messages")?;
        self.count += 1;
        Ok(())
    }

    /// What was remembered for a message that waits.
    ///
    /// # Errors
    /// Exit 20 when the store fails.
    pub fn get(&self, store: &impl Blockstore, id: &Digest) -> Result<Option<T>, ActorError>
    where
        T: Clone,
    {
        Ok(self.load(store)?.get(&key(id)).or_illegal_state("outstanding messages")?.cloned())
    }

    /// Forgets a message and returns what was remembered for it. The caller saves its state.
    ///
    /// # Errors
    /// Exit 17 when it does not wait, exit 20 when the store fails.
    pub fn take(&mut self, store: &impl Blockstore, id: &Digest) -> Result<T, ActorError> {
        let mut map = self.load(store)?;
        let taken = map.delete(&key(id)).or_illegal_state("outstanding messages")?;
        let (_, tag) = taken.ok_or_else(|| ActorError::not_found(format!("message {id} is not outstanding")))?;
        self.map = map.flush().or_illegal_state("outstanding messages")?;
        self.count = self.count.checked_sub(1).ok_or_else(|| ActorError::illegal_state("more entries than counted"))?;
        Ok(tag)
    }

    fn load<'a, B: Blockstore>(&self, store: &'a B) -> Result<Hamt<&'a B, T>, ActorError> {
        Hamt::load_with_config(&self.map, store, config()).or_illegal_state("outstanding messages")
    }
}

fn key(id: &Digest) -> BytesKey {
    BytesKey(id.as_bytes().to_vec())
}

// By hand, because the tag's type is in the entries and not in the root: it needs no trait here.
impl<T> Serialize for Outstanding<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.map, self.count).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Outstanding<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (map, count) = Deserialize::deserialize(deserializer)?;
        Ok(Self { map, count, tag: PhantomData })
    }
}

impl<T> Clone for Outstanding<T> {
    fn clone(&self) -> Self {
        Self { map: self.map, count: self.count, tag: PhantomData }
    }
}

impl<T> PartialEq for Outstanding<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.map, self.count) == (other.map, other.count)
    }
}

impl<T> Eq for Outstanding<T> {}

impl<T> fmt::Debug for Outstanding<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outstanding").field("map", &self.map).field("count", &self.count).finish()
    }
}
