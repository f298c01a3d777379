//! The state that a lane works on, and what it needs to know besides.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use cid::Cid;
use fvm::externs::Externs;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::machine::limiter::DefaultMemoryLimiter;
use fvm::machine::{Machine, MachineContext, Manifest};
use fvm::state_tree::StateTree;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::tuple::{Deserialize_tuple, Serialize_tuple};
use fvm_ipld_encoding::{CborStore as _, to_vec};
use fvm_shared::address::Address;
use fvm_shared::state::StateRoot;
use fvm_shared::version::NetworkVersion;
use fvm_shared::{ActorID, EMPTY_ARR_CID};
use hamt::Nodes;
use multihash_codetable::Code;

use crate::access::{Recorder, Written};
use crate::engine::Code as ActorCode;
use crate::native::Natives;

/// Network versions that `fvm` 4.8.4 runs.
const SUPPORTED: RangeInclusive<NetworkVersion> = NetworkVersion::V21..=NetworkVersion::V29;

const SYSTEM_ACTOR_ID: ActorID = 0;

/// Bytes of the state tree's nodes that stay in memory.
const NODES_BYTES_MAX: usize = 32 << 20;

/// CBOR of an empty array, the state that actors are born with.
const EMPTY_ARRAY: [u8; 1] = [0x80];

/// A machine that can run on our engine.
pub trait VmMachine: Machine<Limiter: Send> + Sized {
    /// The actors' code.
    fn code(&self) -> &Arc<ActorCode<Self>>;

    /// The actors that are native.
    fn natives(&self) -> &Natives<Self>;

    /// The log of what messages touch.
    fn recorder(&self) -> &Recorder;

    /// The actors that were written.
    fn written(&self) -> &Written;
}

#[derive(Deserialize_tuple, Serialize_tuple)]
struct SystemState {
    builtin_actors: Cid,
}

/// A machine over one store, which sees every block as it is written: what a message has written and then taken back
/// is there too, but nothing reaches it from the state's root.
pub struct LaneMachine<S: Blockstore + Sync + 'static, E: Externs + 'static> {
    context: MachineContext,
    externs: E,
    tree: StateTree<S>,
    manifest: Manifest,
    id: String,
    code: Arc<ActorCode<Self>>,
    natives: Natives<Self>,
    recorder: Recorder,
    written: Written,
    /// What the state was when it was last flushed.
    flushed: StateRoot,
    flush_threads: NonZeroUsize,
    /// Of the state tree.
    nodes: Arc<Nodes>,
}

impl<S: Blockstore + Sync + 'static, E: Externs + 'static> LaneMachine<S, E> {
    /// A machine on the state that `context` names. `store` has that state and takes what is written.
    ///
    /// # Errors
    /// When the network version is unknown or not the engine's, or the state or its list of actors is not there.
    pub fn new(context: &MachineContext, store: S, externs: E, code: Arc<ActorCode<Self>>) -> anyhow::Result<Self> {
        ensure!(
            SUPPORTED.contains(&context.network_version),
            "network version {} is not known",
            context.network_version
        );
        ensure!(code.engine().suits(&context.network), "the engine was made for another network's prices or limits");
        let root = &context.initial_state_root;
        ensure!(store.has(root).context("looking for the state")?, "the store has no state {root}");
        store.put_keyed(&EMPTY_ARR_CID, &EMPTY_ARRAY)?;

        let tree = StateTree::new_from_root(store, root)?;
        let flushed = tree.store().get_cbor(root)?.context("the store has lost the state")?;
        let manifest = match context.builtin_actors_override {
            Some(manifest) => {
                let (version, list): (u32, Cid) =
                    tree.store().get_cbor(&manifest)?.context("the store has no such manifest")?;
                Manifest::load(tree.store(), &list, version)?
            }
            None => {
                let Some(system) = tree.get_actor(SYSTEM_ACTOR_ID)? else { bail!("there is no system actor") };
                let state: SystemState =
                    tree.store().get_cbor(&system.state)?.context("the system actor has no state")?;
                Manifest::load(tree.store(), &state.builtin_actors, 1)?
            }
        };
        Ok(Self {
            context: context.clone(),
            externs,
            tree,
            manifest,
            id: format!("{}-{root}", context.epoch),
            code,
            natives: Natives::default(),
            recorder: Recorder::default(),
            written: Written::default(),
            flushed,
            flush_threads: NonZeroUsize::MIN,
            nodes: Arc::new(Nodes::new(NODES_BYTES_MAX)),
        })
    }

    /// Compiles the actors of the manifest that are not compiled yet.
    ///
    /// # Errors
    /// When one is missing or not what the VM runs.
    pub fn preload(&self) -> anyhow::Result<()> {
        self.code.preload(self.tree.store(), self.manifest.builtin_actor_codes())
    }

    /// Goes on with the next block. Its state must be the one that was flushed last; everything read so far stays known.
    ///
    /// # Errors
    /// When messages were executed since, or `context` is of other rules or another state.
    pub fn resume(&mut self, context: &MachineContext) -> anyhow::Result<()> {
        ensure!(!self.tree.in_transaction() && self.written.is_empty(), "the state was not flushed");
        let (known, next) = (self.context.network_version, context.network_version);
        ensure!(next == known, "the block is of network version {next}, the machine of {known}");
        let root = &context.initial_state_root;
        let state: StateRoot =
            self.tree.store().get_cbor(root)?.context("the store does not have the block's state")?;
        ensure!(state.actors == self.flushed.actors, "{root} is not the state that was flushed");
        self.id = format!("{}-{root}", context.epoch);
        self.context = context.clone();
        Ok(())
    }

    /// Lets the state be written on this many threads.
    #[must_use]
    pub fn with_flush_threads(mut self, threads: NonZeroUsize) -> Self {
        self.flush_threads = threads;
        self
    }

    /// Lets these codes run natively.
    #[must_use]
    pub fn with_natives(mut self, natives: Natives<Self>) -> Self {
        self.natives = natives;
        self
    }
}

impl<S: Blockstore + Sync + 'static, E: Externs + 'static> VmMachine for LaneMachine<S, E> {
    fn code(&self) -> &Arc<ActorCode<Self>> {
        &self.code
    }

    fn natives(&self) -> &Natives<Self> {
        &self.natives
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn written(&self) -> &Written {
        &self.written
    }
}

impl<S: Blockstore + Sync + 'static, E: Externs + 'static> Machine for LaneMachine<S, E> {
    type Blockstore = S;
    type Externs = E;
    type Limiter = DefaultMemoryLimiter;

    fn blockstore(&self) -> &S {
        self.tree.store()
    }

    fn context(&self) -> &MachineContext {
        &self.context
    }

    fn externs(&self) -> &E {
        &self.externs
    }

    fn builtin_actors(&self) -> &Manifest {
        &self.manifest
    }

    fn state_tree(&self) -> &StateTree<S> {
        &self.tree
    }

    fn state_tree_mut(&mut self) -> &mut StateTree<S> {
        &mut self.tree
    }

    /// Writes what has changed since the last time. The tree is never asked to: it would do so on one thread, an actor
    /// at a time.
    fn flush(&mut self) -> Result<Cid> {
        if self.tree.in_transaction() {
            return Err(anyhow!("the state cannot be flushed in the middle of a message")).or_fatal();
        }
        let mut changes = hamt::Changes::new();
        for id in self.written.take() {
            let actor = self.tree.get_actor(id)?;
            let actor = actor.map(|actor| to_vec(&actor)).transpose().context("encoding an actor").or_fatal()?;
            changes.insert(Address::new_id(id).to_bytes(), actor);
        }
        let store = self.tree.store();
        let actors = hamt::write(store, &self.nodes, &self.flushed.actors, &changes, self.flush_threads).or_fatal()?;
        store.put_many_keyed(actors.blocks).or_fatal()?;
        self.flushed.actors = actors.root;
        store.put_cbor(&self.flushed, Code::Blake2b256).or_fatal()
    }

    fn into_store(self) -> S {
        self.tree.into_store()
    }

    fn machine_id(&self) -> &str {
        &self.id
    }

    fn new_limiter(&self) -> DefaultMemoryLimiter {
        DefaultMemoryLimiter::for_network(&self.context.network)
    }
}
