//! What a lane's messages have made of the snapshot.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, anyhow};
use cid::Cid;
use fvm::kernel::{ClassifyResult as _, ExecutionError, Result};
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::state::ActorState;
use rustc_hash::FxHashMap;

use super::INIT_ACTOR_ID;
use super::init_map::InitMap;
use super::snapshot::Snapshot;

/// Changes over a [`Snapshot`]. Calls nest in transactions, of which each can be undone.
///
/// Addresses of actors that the VM creates by itself are not written into the init actor's map one by one: nobody sees
/// that map but the init actor's code, so they wait until that runs, or until the state is written.
pub struct LaneState<S> {
    base: Arc<Snapshot<S>>,
    actors: FxHashMap<ActorID, Option<ActorState>>,
    /// The addresses registered, in that order.
    registered: Vec<(Address, ActorID)>,
    ids: HashMap<Address, ActorID>,
    /// How many of them are in the init actor's map.
    settled: usize,
    /// The init actor's map at its present head, unless that is the snapshot's.
    init: Option<(Cid, InitMap)>,
    /// The id to be given out next, where it is not what the state says.
    next_id: Option<ActorID>,
    undo: Vec<Undo>,
    /// How much there was to undo when each open transaction began.
    layers: Vec<usize>,
    /// Why the state could not be read, the first time that it could not.
    failure: OnceLock<String>,
}

/// How to take one change back.
#[expect(clippy::large_enum_variant, reason = "nearly all are actors, which a box would allocate one by one")]
enum Undo {
    Actor(ActorID, Option<Option<ActorState>>),
    Registered { next_id: Option<ActorID> },
    Settled(usize),
}

impl<S: Blockstore + Sync> LaneState<S> {
    /// No changes.
    pub fn new(base: Arc<Snapshot<S>>) -> Self {
        Self {
            base,
            actors: FxHashMap::default(),
            registered: Vec::new(),
            ids: HashMap::new(),
            settled: 0,
            init: None,
            next_id: None,
            undo: Vec::new(),
            layers: Vec::new(),
            failure: OnceLock::new(),
        }
    }

    /// The same state with the same changes, none of which can be undone.
    pub fn fork(&self) -> Self {
        Self {
            base: Arc::clone(&self.base),
            actors: self.actors.clone(),
            registered: self.registered.clone(),
            ids: self.ids.clone(),
            settled: self.settled,
            init: self.init.clone(),
            next_id: self.next_id,
            undo: Vec::new(),
            layers: Vec::new(),
            failure: OnceLock::new(),
        }
    }

    /// What it stands on.
    pub fn base(&self) -> &Arc<Snapshot<S>> {
        &self.base
    }

    /// Whether nothing was changed.
    pub fn is_unchanged(&self) -> bool {
        self.actors.is_empty() && self.registered.is_empty()
    }

    /// Why the state could not be read or extended, if that has happened. It is this node's failure and no message's: what
    /// was executed since must not count, whatever the VM has made of the error.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn noting<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            self.failure.get_or_init(|| match error {
                ExecutionError::Fatal(error) => format!("{error:#}"),
                other => other.to_string(),
            });
        })
    }

    /// The actors that were set or deleted, in no order; some may be as they were.
    pub fn changes(&self) -> impl Iterator<Item = (ActorID, Option<&ActorState>)> {
        self.actors.iter().map(|(id, actor)| (*id, actor.as_ref()))
    }

    /// An actor.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn actor(&self, id: ActorID) -> Result<Option<ActorState>> {
        match self.actors.get(&id) {
            Some(actor) => Ok(actor.clone()),
            None => self.noting(self.base.actor(id)),
        }
    }

    /// Sets an actor, or deletes it.
    pub fn set_actor(&mut self, id: ActorID, actor: Option<ActorState>) {
        let before = self.actors.insert(id, actor);
        self.note(Undo::Actor(id, before));
    }

    fn note(&mut self, undo: Undo) {
        if !self.layers.is_empty() {
            self.undo.push(undo);
        }
    }

    /// The id behind an address.
    ///
    /// # Errors
    /// When the state cannot be read, or has no init actor.
    pub fn resolve(&self, address: &Address) -> Result<Option<ActorID>> {
        if let Ok(id) = address.id() {
            return Ok(Some(id));
        }
        if let Some(id) = self.ids.get(address) {
            return Ok(Some(*id));
        }
        self.noting(self.look_up(address))
    }

    /// The id behind an address that was not registered here.
    fn look_up(&self, address: &Address) -> Result<Option<ActorID>> {
        let Some(Some(init)) = self.actors.get(&INIT_ACTOR_ID) else { return self.base.resolve(address) };
        if init.state == self.base.init()?.0 {
            return self.base.resolve(address);
        }
        self.init_at(&init.state)?.get(self.base.store(), self.base.nodes(), address)
    }

    fn init_at(&self, head: &Cid) -> Result<InitMap> {
        match &self.init {
            Some((known, map)) if known == head => Ok(map.clone()),
            _ => InitMap::load(self.base.store(), head),
        }
    }

    /// The init actor, its map, and how many of the registered addresses it lacks.
    fn init(&self) -> Result<(ActorState, InitMap)> {
        let actor = self.actor(INIT_ACTOR_ID)?.context("there is no init actor").or_fatal()?;
        let (base, map) = self.base.init()?;
        let map = if actor.state == *base { map.clone() } else { self.init_at(&actor.state)? };
        Ok((actor, map))
    }

    /// The id that the next new actor gets.
    ///
    /// # Errors
    /// When the state cannot be read, has no init actor, or has given out all ids.
    pub fn next_id(&self) -> Result<ActorID> {
        if let Some(id) = self.next_id {
            return Ok(id);
        }
        let waiting = (self.registered.len() - self.settled) as u64;
        let (_, map) = self.noting(self.init())?;
        map.next_id.checked_add(waiting).context("there are no more actor ids").or_fatal()
    }

    /// From now on ids are given out from `id` on, for messages that run ahead of those before them.
    pub fn expect_next_id(&mut self, id: ActorID) {
        self.next_id = Some(id);
    }

    /// Gives an address the next id.
    ///
    /// # Errors
    /// As [`LaneState::next_id`].
    pub fn register(&mut self, address: &Address) -> Result<ActorID> {
        let id = self.next_id()?;
        self.note(Undo::Registered { next_id: self.next_id });
        if self.next_id.is_some() {
            let next = id.checked_add(1).context("there are no more actor ids").or_fatal()?;
            self.next_id = Some(next);
        }
        self.registered.push((*address, id));
        self.ids.insert(*address, id);
        Ok(id)
    }

    /// Writes the addresses that wait into the init actor's map, for its code is about to read it. Whether there were
    /// any.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn settle_addresses(&mut self) -> Result<bool> {
        let waiting = self.registered.get(self.settled..).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(false);
        }
        let (actor, map) = self.noting(self.init())?;
        let next_id = self.next_id()?;
        let (map, head) = self.noting(map.extend(self.base.store(), self.base.nodes(), waiting, next_id))?;
        self.note(Undo::Settled(self.settled));
        self.settled = self.registered.len();
        self.init = Some((head, map));
        self.set_actor(INIT_ACTOR_ID, Some(ActorState { state: head, ..actor }));
        Ok(true)
    }

    /// A transaction begins. They nest.
    pub fn begin(&mut self) {
        self.layers.push(self.undo.len());
    }

    /// The transaction that began last ends, and is taken back if it `reverts`.
    ///
    /// # Errors
    /// When none is open.
    pub fn end(&mut self, reverts: bool) -> Result<()> {
        let Some(height) = self.layers.pop() else {
            return Err(ExecutionError::Fatal(anyhow!("a transaction ends that never began")));
        };
        if reverts {
            while self.undo.len() > height {
                match self.undo.pop() {
                    Some(undo) => self.take_back(undo),
                    None => break,
                }
            }
        }
        if self.layers.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Actor(id, Some(before)) => {
                self.actors.insert(id, before);
            }
            Undo::Actor(id, None) => {
                self.actors.remove(&id);
            }
            Undo::Registered { next_id } => {
                if let Some((address, _)) = self.registered.pop() {
                    self.ids.remove(&address);
                }
                self.next_id = next_id;
            }
            Undo::Settled(before) => self.settled = before,
        }
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        *self = Self::new(Arc::clone(&self.base));
    }
}

/// A state that was written: what is new in it, and not in the store yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Its root.
    pub root: Cid,
    /// The root's block and the new nodes of the actors' HAMT, each once.
    pub blocks: Vec<(Cid, Arc<[u8]>)>,
    /// Heads of the actors that were set. All that is new besides is reached from them, and in the store.
    pub heads: Vec<Cid>,
}

impl<S: Blockstore + Clone + Sync> LaneState<S> {
    /// Puts the state together on up to `threads` threads and goes on from there. Its blocks must be in the store before
    /// anything else is done.
    ///
    /// # Errors
    /// When a transaction is open, or the state cannot be read.
    pub fn flush(&mut self, threads: NonZeroUsize) -> Result<Flushed> {
        if !self.layers.is_empty() {
            return Err(ExecutionError::Fatal(anyhow!("the state cannot be written in the middle of a message")));
        }
        self.settle_addresses()?;
        let changes: BTreeMap<_, _> = std::mem::take(&mut self.actors).into_iter().collect();
        let heads = changes.values().flatten().map(|actor| actor.state).collect();
        let hamt::Written { root: actors_root, mut blocks } = self.base.write(&changes, threads)?;
        let registered = std::mem::take(&mut self.registered);
        match Arc::get_mut(&mut self.base) {
            Some(base) => base.advance(actors_root, changes, registered),
            // Somebody still reads the state before.
            None => self.base = Arc::new(self.base.forgetful(actors_root)),
        }
        let (root, block) = self.base.root(actors_root)?;
        blocks.push((root, block));
        self.clear();
        Ok(Flushed { root, blocks, heads })
    }
}
