//! The state that a lane works on, and what it needs to know besides.

use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use cid::Cid;
use fvm::externs::Externs;
use fvm::kernel::Result;
use fvm::machine::limiter::DefaultMemoryLimiter;
use fvm::machine::{Machine, MachineContext, Manifest};
use fvm::state_tree::StateTree;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore as _;
use fvm_ipld_encoding::tuple::{Deserialize_tuple, Serialize_tuple};
use fvm_shared::version::NetworkVersion;
use fvm_shared::{ActorID, EMPTY_ARR_CID};

use crate::access::Recorder;
use crate::engine::Code;
use crate::native::Natives;

/// Network versions that `fvm` 4.8.4 runs.
const SUPPORTED: RangeInclusive<NetworkVersion> = NetworkVersion::V21..=NetworkVersion::V29;

const SYSTEM_ACTOR_ID: ActorID = 0;

/// CBOR of an empty array, the state that actors are born with.
const EMPTY_ARRAY: [u8; 1] = [0x80];

/// A machine that can run on our engine.
pub trait VmMachine: Machine<Limiter: Send> + Sized {
    /// The actors' code.
    fn code(&self) -> &Arc<Code<Self>>;

    /// The actors that are native.
    fn natives(&self) -> &Natives<Self>;

    /// The log of what messages touch.
    fn recorder(&self) -> &Recorder;
}

#[derive(Deserialize_tuple, Serialize_tuple)]
struct SystemState {
    builtin_actors: Cid,
}

/// A machine over one store, which sees every block as it is written: what a message has written and then taken back
/// is there too, but nothing reaches it from the state's root.
pub struct LaneMachine<S: Blockstore + 'static, E: Externs + 'static> {
    context: MachineContext,
    externs: E,
    tree: StateTree<S>,
    manifest: Manifest,
    id: String,
    code: Arc<Code<Self>>,
    natives: Natives<Self>,
    recorder: Recorder,
}

impl<S: Blockstore + 'static, E: Externs + 'static> LaneMachine<S, E> {
    /// A machine on the state that `context` names. `store` has that state and takes what is written.
    ///
    /// # Errors
    /// When the network version is unknown or not the engine's, or the state or its list of actors is not there.
    pub fn new(context: &MachineContext, store: S, externs: E, code: Arc<Code<Self>>) -> anyhow::Result<Self> {
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
        })
    }

    /// Compiles the actors of the manifest that are not compiled yet.
    ///
    /// # Errors
    /// When one is missing or not what the VM runs.
    pub fn preload(&self) -> anyhow::Result<()> {
        self.code.preload(self.tree.store(), self.manifest.builtin_actor_codes())
    }

    /// Lets these codes run natively.
    #[must_use]
    pub fn with_natives(mut self, natives: Natives<Self>) -> Self {
        self.natives = natives;
        self
    }
}

impl<S: Blockstore + 'static, E: Externs + 'static> VmMachine for LaneMachine<S, E> {
    fn code(&self) -> &Arc<Code<Self>> {
        &self.code
    }

    fn natives(&self) -> &Natives<Self> {
        &self.natives
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

impl<S: Blockstore + 'static, E: Externs + 'static> Machine for LaneMachine<S, E> {
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

    fn flush(&mut self) -> Result<Cid> {
        self.tree.flush()
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
