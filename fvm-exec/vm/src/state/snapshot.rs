//! A state that does not change, and what was read of it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, anyhow};
use cid::Cid;
use fvm::kernel::{ClassifyResult as _, ExecutionError, Result};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{CborStore as _, DAG_CBOR, from_slice, to_vec};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::state::{ActorState, StateRoot, StateTreeVersion};
use hamt::{Changes, Nodes, Written};
use multihash_codetable::{Code, MultihashDigest as _};

use super::INIT_ACTOR_ID;
use super::cache::Cache;
use super::init_map::InitMap;

/// Actors that a snapshot remembers: some 350 bytes and what a balance takes each, with the room that tables leave free
/// 100 MB at most.
const ACTORS_MAX: usize = 200_000;

/// Addresses that a snapshot remembers: 150 bytes each, 40 MB at most.
const ADDRESSES_MAX: usize = 200_000;

/// The state at a root, read by all lanes at once. What was read is remembered, within limits.
pub struct Snapshot<S> {
    store: S,
    /// Root of the actors' HAMT.
    actors_root: Cid,
    /// The state root's third part, which nobody reads.
    info: Cid,
    nodes: Arc<Nodes>,
    actors: Cache<ActorID, Option<ActorState>>,
    addresses: Cache<Address, ActorID>,
    init: OnceLock<(Cid, InitMap)>,
}

/// How often a cache had what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// It had it.
    pub hits: u64,
    /// It had to be read.
    pub misses: u64,
}

impl<S: Blockstore + Sync> Snapshot<S> {
    /// The state with this root. Its nodes are read through `nodes`, which may know some already.
    ///
    /// # Errors
    /// When `store` does not have it, or it is of a version other than 5.
    pub fn open(store: S, root: &Cid, nodes: Arc<Nodes>) -> Result<Self> {
        let root: StateRoot = store
            .get_cbor(root)
            .with_context(|| format!("reading the state {root}"))
            .or_fatal()?
            .with_context(|| format!("the store has no state {root}"))
            .or_fatal()?;
        if root.version != StateTreeVersion::V5 {
            return Err(ExecutionError::Fatal(anyhow!("the state is of version {:?}, expected 5", root.version)));
        }
        Ok(Self {
            store,
            actors_root: root.actors,
            info: root.info,
            nodes,
            actors: Cache::new(ACTORS_MAX),
            addresses: Cache::new(ADDRESSES_MAX),
            init: OnceLock::new(),
        })
    }

    /// Where the state is.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Root of the actors' HAMT.
    pub(crate) fn actors_root(&self) -> &Cid {
        &self.actors_root
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// An actor.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn actor(&self, id: ActorID) -> Result<Option<ActorState>> {
        if let Some(known) = self.actors.get(&id) {
            return Ok(known);
        }
        let key = Address::new_id(id).to_bytes();
        let actor: Option<ActorState> = self
            .nodes
            .get(&self.store, &self.actors_root, &key)
            .with_context(|| format!("reading actor {id}"))
            .or_fatal()?
            .map(|actor| from_slice(&actor))
            .transpose()
            .with_context(|| format!("actor {id} is not one"))
            .or_fatal()?;
        self.actors.put(id, actor.clone());
        Ok(actor)
    }

    /// The id behind an address.
    ///
    /// # Errors
    /// When the state cannot be read, or has no init actor.
    pub fn resolve(&self, address: &Address) -> Result<Option<ActorID>> {
        if let Ok(id) = address.id() {
            return Ok(Some(id));
        }
        if let Some(known) = self.addresses.get(address) {
            return Ok(Some(known));
        }
        let (_, init) = self.init()?;
        let found = init.get(&self.store, &self.nodes, address)?;
        if let Some(id) = found {
            self.addresses.put(*address, id);
        }
        Ok(found)
    }

    /// Whether the actor and the address would be found without reading.
    pub fn knows(&self, address: &Address) -> bool {
        match address.id() {
            Ok(id) => self.actors.contains(&id),
            Err(_) => self.addresses.peek(address).is_some_and(|id| self.actors.contains(&id)),
        }
    }

    /// The init actor's head and what it says.
    pub(super) fn init(&self) -> Result<&(Cid, InitMap)> {
        if let Some(init) = self.init.get() {
            return Ok(init);
        }
        let actor = self.actor(INIT_ACTOR_ID)?.context("there is no init actor").or_fatal()?;
        let map = InitMap::load(&self.store, &actor.state)?;
        Ok(self.init.get_or_init(|| (actor.state, map)))
    }

    /// The actors' HAMT with these actors changed.
    pub(super) fn write(
        &self,
        changes: &BTreeMap<ActorID, Option<ActorState>>,
        threads: NonZeroUsize,
    ) -> Result<Written> {
        let entry = |(id, actor): (&ActorID, &Option<ActorState>)| {
            let actor = actor.as_ref().map(to_vec).transpose().context("encoding an actor").or_fatal()?;
            Ok((Address::new_id(*id).to_bytes(), actor))
        };
        let changes = changes.iter().map(entry).collect::<Result<Changes>>()?;
        hamt::write(&self.store, &self.nodes, &self.actors_root, &changes, threads)
            .context("writing the state")
            .or_fatal()
    }

    /// Turns this into the snapshot of the state that [`Snapshot::write`] has made of it: what was read and not changed
    /// stays known.
    pub(super) fn advance(
        &mut self,
        actors_root: Cid,
        changes: BTreeMap<ActorID, Option<ActorState>>,
        registered: Vec<(Address, ActorID)>,
    ) {
        self.actors_root = actors_root;
        if changes.contains_key(&INIT_ACTOR_ID) {
            self.init = OnceLock::new();
        }
        for (id, actor) in changes {
            self.actors.put(id, actor);
        }
        for (address, id) in registered {
            self.addresses.put(address, id);
        }
    }

    /// The same state with nothing known.
    pub(super) fn forgetful(&self, actors_root: Cid) -> Self
    where
        S: Clone,
    {
        Self {
            store: self.store.clone(),
            actors_root,
            info: self.info,
            nodes: Arc::clone(&self.nodes),
            actors: Cache::new(ACTORS_MAX),
            addresses: Cache::new(ADDRESSES_MAX),
            init: OnceLock::new(),
        }
    }

    /// The root of the state with these actors.
    pub(super) fn root(&self, actors_root: Cid) -> Result<(Cid, Arc<[u8]>)> {
        let root = StateRoot { version: StateTreeVersion::V5, actors: actors_root, info: self.info };
        let block = to_vec(&root).context("encoding the root of the state").or_fatal()?;
        Ok((Cid::new_v1(DAG_CBOR, Code::Blake2b256.digest(&block)), block.into()))
    }

    /// How often actors and addresses were known.
    pub fn cache_use(&self) -> CacheUse {
        let (actors, addresses) = (self.actors.uses(), self.addresses.uses());
        CacheUse { hits: actors.0 + addresses.0, misses: actors.1 + addresses.1 }
    }
}
