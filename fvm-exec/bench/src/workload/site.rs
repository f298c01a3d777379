//! Where a workload's own actors are built.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::ActorState;
use multihash_codetable::Code::Blake2b256;
use serde::Serialize;
use subnet_types::hash::cid_of_bytes;

use super::store::{Base, Layer};
use super::world::{NewActor, World};

/// A world and the actors that come into it.
pub(crate) struct Site<'w> {
    pub world: &'w World,
    /// Takes the blocks of the new actors' states.
    pub blocks: Layer,
    actors: Vec<NewActor>,
}

impl<'w> Site<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, blocks: Layer::new(Base::default()), actors: Vec::new() }
    }

    /// Id of the actor that is placed next.
    pub fn next_id(&self) -> ActorID {
        self.world.next_id() + self.actors.len() as u64
    }

    /// Puts wasm into the store.
    pub fn code(&self, wasm: &[u8]) -> anyhow::Result<Cid> {
        let code = Cid::new_v1(fvm_ipld_encoding::IPLD_RAW, *cid_of_bytes(wasm).hash());
        self.blocks.put_keyed(&code, wasm)?;
        Ok(code)
    }

    /// Puts an actor with this code and state into the world.
    pub fn place(&mut self, code: Cid, state: &impl Serialize) -> anyhow::Result<ActorID> {
        let state = self.blocks.put_cbor(state, Blake2b256)?;
        Ok(self.place_actor(None, ActorState::new(code, state, TokenAmount::default(), 0, None)))
    }

    /// Puts this actor into the world, reached by `address` too.
    pub fn place_actor(&mut self, address: Option<Address>, actor: ActorState) -> ActorID {
        let id = self.next_id();
        self.actors.push(NewActor { address, actor });
        id
    }

    /// The world with all of them.
    pub fn finish(self) -> anyhow::Result<World> {
        self.world.with(&self.blocks, self.actors)
    }
}
