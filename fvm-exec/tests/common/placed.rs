//! Actors that no message can create: init makes only those of the bundle.

use fvm::state_tree::{ActorState, StateTree};
use fvm_ipld_blockstore::{Block, Blockstore};
use fvm_ipld_encoding::{CborStore, IPLD_RAW};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::Code::Blake2b256;
use serde::Serialize;
use subnet_types::Height;
use subnet_types::actors::INIT_ID;

use super::chain::Chain;

impl Chain {
    /// Puts an actor into the state before block 1 as init would: with the f2 address of `name`, the next id, and code
    /// and state in the store. Returns the id. The VM compiles the code when it is first called, since it looks up by
    /// CID whatever is not compiled yet; the bundle's manifest decides only what init creates and what the VM takes
    /// for an account.
    pub fn place(&mut self, name: &str, wasm: &[u8], state: &impl Serialize) -> ActorID {
        assert_eq!(self.height, Height::new(1), "actors are placed before the first block");
        let store = self.store.clone();
        let code = store.put(Blake2b256, &Block::new(IPLD_RAW, wasm)).unwrap();
        let state = store.put_cbor(state, Blake2b256).unwrap();

        let mut tree = StateTree::new_from_root(store.clone(), &self.state_root).unwrap();
        let mut init_actor = tree.get_actor(INIT_ID).unwrap().unwrap();
        let mut init: init::State = store.get_cbor(&init_actor.state).unwrap().unwrap();
        let id = init.assign_id(&store, &Address::new_actor(name.as_bytes()), None).unwrap();
        init_actor.state = store.put_cbor(&init, Blake2b256).unwrap();
        tree.set_actor(INIT_ID, init_actor);
        tree.set_actor(id, ActorState::new(code, state, TokenAmount::default(), 0, None));
        self.state_root = tree.flush().unwrap();
        id
    }
}
