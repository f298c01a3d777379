//! An actor that no message can create, in the state before block 1 of every chain: it calls actors on other chains and
//! serves calls, well and badly.

use cross_caller::State;
use fvm::state_tree::{ActorState, StateTree};
use fvm_exec::Overlay;
use fvm_ipld_blockstore::{Blockstore, MemoryBlockstore};
use fvm_ipld_encoding::CborStore;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::Code::Blake2b256;
use subnet_node::app::genesis::{GenesisContent, genesis_commit};
use subnet_node::storage::GenesisCommit;
use subnet_types::actors::INIT_ID;

use anyhow::Context;

/// Its address, on every chain.
pub fn callee() -> Address {
    Address::new_actor(b"cross-caller")
}

/// What enters a database with the genesis of `content` and that actor. The chain's identity is that of the document
/// alone; the first header commits to the state with the actor.
///
/// # Errors
/// When genesis cannot be built.
pub fn genesis(content: &GenesisContent) -> anyhow::Result<GenesisCommit> {
    let mut commit = genesis_commit(content)?;
    let memory = MemoryBlockstore::new();
    for (cid, bytes) in &commit.blocks {
        memory.put_keyed(cid, bytes)?;
    }
    let store = Overlay::new(&memory);
    let state = State::new(&store).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let state = store.put_cbor(&state, Blake2b256)?;
    let mut tree = StateTree::new_from_root(store.clone(), &commit.results.state_root)?;
    let mut init_actor = tree.get_actor(INIT_ID)?.context("a chain has an init actor")?;
    let mut init: init::State = store.get_cbor(&init_actor.state)?.context("it has a state")?;
    let id = init.assign_id(&store, &callee(), None).map_err(|error| anyhow::anyhow!("{error}"))?;
    init_actor.state = store.put_cbor(&init, Blake2b256)?;
    tree.set_actor(INIT_ID, init_actor);
    let module = test_actors::CROSS_CALLER;
    let code = module.code();
    commit.blocks.push((code, module.wasm.into()));
    memory.put_keyed(&code, module.wasm)?;
    tree.set_actor(id, ActorState::new(code, state, TokenAmount::default(), 0, None));
    let root = tree.flush()?;
    commit.blocks.extend(store.take(&[root])?);
    commit.results.state_root = root;
    Ok(commit)
}
