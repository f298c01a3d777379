//! The state that a lane works on, and what it needs to know besides.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use cid::Cid;
use fvm::externs::Externs;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm::machine::limiter::DefaultMemoryLimiter;
use fvm::machine::{Machine, MachineContext, Manifest};
use fvm::state_tree::StateTree;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore as _;
use fvm_ipld_encoding::tuple::{Deserialize_tuple, Serialize_tuple};
use fvm_shared::state::StateRoot;
use fvm_shared::version::NetworkVersion;
use fvm_shared::{ActorID, EMPTY_ARR_CID};
use hamt::Nodes;

use crate::access::Recorder;
use crate::engine::Code as ActorCode;
use crate::native::Natives;
use crate::state::{Flushed, LaneState, Snapshot};

/// Network versions that `fvm` 4.8.4 runs.
const SUPPORTED: RangeInclusive<NetworkVersion> = NetworkVersion::V21..=NetworkVersion::V29;

const SYSTEM_ACTOR_ID: ActorID = 0;

/// CBOR of an empty array, the state that actors are born with.
const EMPTY_ARRAY: [u8; 1] = [0x80];

/// A machine that can run on our engine.
pub trait VmMachine: Machine<Limiter: Send, Blockstore: Sync> + Sized {
    /// The actors' code.
    fn code(&self) -> &Arc<ActorCode<Self>>;

    /// The actors that are native.
    fn natives(&self) -> &Natives<Self>;

    /// The log of what messages touch.
    fn recorder(&self) -> &Recorder;

    /// The state that messages see and change. What [`Machine::state_tree`] has is the state as the block begins.
    fn state(&self) -> &LaneState<Self::Blockstore>;

    /// The same, to change it.
    fn state_mut(&mut self) -> &mut LaneState<Self::Blockstore>;
}

#[derive(Deserialize_tuple, Serialize_tuple)]
struct SystemState {
    builtin_actors: Cid,
}

/// Bytes of state tree nodes that a machine remembers when it is not given what others know.
const NODES_BYTES_MAX: usize = 64 << 20;

/// A machine over one store, which sees every block as it is written: what a message has written and then taken back
/// is there too, but nothing reaches it from the state's root.
///
/// In a box: with every message it goes to the call manager and comes back.
pub struct LaneMachine<S: Blockstore + Clone + Sync + 'static, E: Externs + 'static>(Box<Parts<S, E>>);

struct Parts<S: Blockstore + Clone + Sync + 'static, E: Externs + 'static> {
    context: MachineContext,
    externs: E,
    state: LaneState<S>,
    /// Nobody asks it; the reference's trait wants one.
    tree: StateTree<S>,
    manifest: Manifest,
    id: String,
    code: Arc<ActorCode<LaneMachine<S, E>>>,
    natives: Natives<LaneMachine<S, E>>,
    recorder: Recorder,
    flush_threads: NonZeroUsize,
}

impl<S: Blockstore + Clone + Sync + 'static, E: Externs + 'static> LaneMachine<S, E> {
    /// A machine on the state that `context` names. `store` has that state and takes what is written.
    ///
    /// # Errors
    /// When the network version is unknown or not the engine's, or the state or its list of actors is not there.
    pub fn new(context: &MachineContext, store: S, externs: E, code: Arc<ActorCode<Self>>) -> anyhow::Result<Self> {
        let root = &context.initial_state_root;
        let snapshot = Snapshot::open(store, root, Arc::new(Nodes::new(NODES_BYTES_MAX)))?;
        Self::on(context, LaneState::new(Arc::new(snapshot)), externs, code)
    }

    /// A machine on `state`, which is the one that `context` names, or what messages have made of it.
    ///
    /// # Errors
    /// When the network version is unknown or not the engine's, or the state's list of actors is not there.
    pub fn on(
        context: &MachineContext,
        state: LaneState<S>,
        externs: E,
        code: Arc<ActorCode<Self>>,
    ) -> anyhow::Result<Self> {
        ensure!(
            SUPPORTED.contains(&context.network_version),
            "network version {} is not known",
            context.network_version
        );
        ensure!(code.engine().suits(&context.network), "the engine was made for another network's prices or limits");
        let root = &context.initial_state_root;
        let snapshot = Arc::clone(state.base());
        let store = snapshot.store();
        store.put_keyed(&EMPTY_ARR_CID, &EMPTY_ARRAY)?;
        let tree = StateTree::new_from_root(store.clone(), root)?;
        let manifest = match context.builtin_actors_override {
            Some(manifest) => {
                let (version, list): (u32, Cid) =
                    store.get_cbor(&manifest)?.context("the store has no such manifest")?;
                Manifest::load(store, &list, version)?
            }
            None => {
                let Some(system) = snapshot.actor(SYSTEM_ACTOR_ID)? else { bail!("there is no system actor") };
                let state: SystemState = store.get_cbor(&system.state)?.context("the system actor has no state")?;
                Manifest::load(store, &state.builtin_actors, 1)?
            }
        };
        Ok(Self(Box::new(Parts {
            context: context.clone(),
            externs,
            state,
            tree,
            manifest,
            id: format!("{}-{root}", context.epoch),
            code,
            natives: Natives::default(),
            recorder: Recorder::default(),
            flush_threads: NonZeroUsize::MIN,
        })))
    }

    /// Compiles the actors of the manifest that are not compiled yet.
    ///
    /// # Errors
    /// When one is missing or not what the VM runs.
    pub fn preload(&self) -> anyhow::Result<()> {
        self.0.code.preload(self.0.state.base().store(), self.0.manifest.builtin_actor_codes())
    }

    /// Goes on with the next block. Its state must be the one that was flushed last; everything read so far stays known.
    ///
    /// # Errors
    /// When messages were executed since, or `context` is of other rules or another state.
    pub fn resume(&mut self, context: &MachineContext) -> anyhow::Result<()> {
        ensure!(self.0.state.is_unchanged(), "the state was not flushed");
        let (known, next) = (self.0.context.network_version, context.network_version);
        ensure!(next == known, "the block is of network version {next}, the machine of {known}");
        let root = &context.initial_state_root;
        let snapshot = self.0.state.base();
        let state: StateRoot = snapshot.store().get_cbor(root)?.context("the store does not have the block's state")?;
        ensure!(state.actors == *snapshot.actors_root(), "{root} is not the state that was flushed");
        self.0.tree = StateTree::new_from_root(snapshot.store().clone(), root)?;
        self.0.id = format!("{}-{root}", context.epoch);
        self.0.context = context.clone();
        Ok(())
    }

    /// Puts the state together as [`Machine::flush`] does, and leaves it to the caller to store what is new in it.
    ///
    /// # Errors
    /// As there.
    pub fn flush_apart(&mut self) -> Result<Flushed> {
        self.0.state.flush(self.0.flush_threads)
    }

    /// Lets the state be written on this many threads.
    #[must_use]
    pub fn with_flush_threads(mut self, threads: NonZeroUsize) -> Self {
        self.0.flush_threads = threads;
        self
    }

    /// Lets these codes run natively.
    #[must_use]
    pub fn with_natives(mut self, natives: Natives<Self>) -> Self {
        self.0.natives = natives;
        self
    }
}

impl<S: Blockstore + Clone + Sync + 'static, E: Externs + 'static> VmMachine for LaneMachine<S, E> {
    fn code(&self) -> &Arc<ActorCode<Self>> {
        &self.0.code
    }

    fn natives(&self) -> &Natives<Self> {
        &self.0.natives
    }

    fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    fn state(&self) -> &LaneState<S> {
        &self.0.state
    }

    fn state_mut(&mut self) -> &mut LaneState<S> {
        &mut self.0.state
    }
}

impl<S: Blockstore + Clone + Sync + 'static, E: Externs + 'static> Machine for LaneMachine<S, E> {
    type Blockstore = S;
    type Externs = E;
    type Limiter = DefaultMemoryLimiter;

    fn blockstore(&self) -> &S {
        self.0.state.base().store()
    }

    fn context(&self) -> &MachineContext {
        &self.0.context
    }

    fn externs(&self) -> &E {
        &self.0.externs
    }

    fn builtin_actors(&self) -> &Manifest {
        &self.0.manifest
    }

    fn state_tree(&self) -> &StateTree<S> {
        &self.0.tree
    }

    fn state_tree_mut(&mut self) -> &mut StateTree<S> {
        &mut self.0.tree
    }

    /// Writes what has changed since the last time.
    fn flush(&mut self) -> Result<Cid> {
        let Flushed { root, blocks, .. } = self.flush_apart()?;
        self.blockstore().put_many_keyed(blocks).or_fatal()?;
        Ok(root)
    }

    fn into_store(self) -> S {
        self.0.tree.into_store()
    }

    fn machine_id(&self) -> &str {
        &self.0.id
    }

    fn new_limiter(&self) -> DefaultMemoryLimiter {
        DefaultMemoryLimiter::for_network(&self.0.context.network)
    }
}
