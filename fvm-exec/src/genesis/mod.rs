//! The state before the first block, as a pure function of the genesis document and the actor bundle.
//!
//! ```text
//!   0 system        holds a subnet's mint reserve; state names the bundle
//!   1 init          address map of the accounts below
//!   2 reward        collects tips
//!  10 eam           addresses of the f410 kind
//!  64 gateway       subnet, validators, parent
//!  65 courier       carries calls and receipts to actors; has nothing
//!  99 burnt funds   an account that no key owns
//! 100 …             accounts of the document, in its order
//! ```

mod bundle;
#[cfg(test)]
mod tests;

use cid::Cid;
use fvm::state_tree::{ActorState, StateTree, StateTreeVersion};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_hamt::{BytesKey, Hamt};
use fvm_shared::address::{Address, Payload};
use fvm_shared::econ::TokenAmount;
use fvm_shared::{ActorID, HAMT_BIT_WIDTH};
use gateway_actor::types::GatewayGenesis;
use multihash_codetable::Code::Blake2b256;
use num_traits::Zero;
use serde::Serialize;
use subnet_types::Genesis;
use subnet_types::actors::{
    BURNT_FUNDS_ID, COURIER_ID, EAM_ID, FIRST_USER_ID, GATEWAY_ID, INIT_ID, REWARD_ID, SYSTEM_ID, manifest_names,
};
use subnet_types::genesis::{GenesisBalance, mint_reserve};

use crate::error::ExecError;
use crate::overlay::{IpldBlock, Overlay};
pub use bundle::Bundle;

/// Where a genesis leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisOutput {
    /// Root of the state before block 1.
    pub state_root: Cid,
    /// Every IPLD block of that state, in ascending order of CID. The bundle's are not among them.
    pub new_blocks: Vec<IpldBlock>,
}

/// Builds the state before the first block of the chain that starts from `genesis`. `store` holds the blocks of the
/// actor bundle; nothing is written to it, and nothing of the bundle is compiled: that takes seconds, and a node may do
/// it while it already answers ([`crate::Engine::compile`]).
///
/// # Errors
/// When the document or the bundle is wrong, or the store fails.
pub fn build<B: Blockstore>(store: &B, genesis: &Genesis) -> Result<GenesisOutput, ExecError> {
    genesis.check()?;
    let bundle = Bundle::load(store, &genesis.chain.bundle)?;
    let overlay = Overlay::new(store);
    let mut builder = Builder::new(&overlay, bundle)?;
    builder.system_actors(genesis)?;
    builder.gateway(genesis)?;
    builder.accounts(genesis)?;
    let state_root = builder.tree.flush().map_err(|error| ExecError::vm("writing the genesis state", error))?;
    overlay.failure().map_or(Ok(()), Err)?;
    Ok(GenesisOutput { state_root, new_blocks: overlay.take(&[state_root])? })
}

struct Builder<'a, B: Blockstore> {
    store: &'a Overlay<&'a B>,
    tree: StateTree<Overlay<&'a B>>,
    bundle: Bundle,
    nothing: Cid,
}

impl<'a, B: Blockstore> Builder<'a, B> {
    fn new(store: &'a Overlay<&'a B>, bundle: Bundle) -> Result<Self, ExecError> {
        let tree = StateTree::new(store.clone(), StateTreeVersion::V5)
            .map_err(|error| ExecError::vm("starting the genesis state", error))?;
        let nothing = put(store, &[(); 0])?;
        Ok(Self { store, tree, bundle, nothing })
    }

    fn system_actors(&mut self, genesis: &Genesis) -> Result<(), ExecError> {
        let reserve = if genesis.subnet.is_root() { TokenAmount::zero() } else { mint_reserve() };
        let system = put(self.store, &system::State { builtin_actors: self.bundle.list() })?;
        self.set(SYSTEM_ID, "system", system, reserve)?;
        let reward = put(self.store, &reward::State::default())?;
        self.set(REWARD_ID, "reward", reward, TokenAmount::zero())?;
        self.set(EAM_ID, "eam", self.nothing, TokenAmount::zero())?;
        let courier = put(self.store, &courier::STATE)?;
        self.set(COURIER_ID, manifest_names::COURIER, courier, TokenAmount::zero())?;
        // Its own id is no key, so no signature is ever valid for it.
        let burnt_funds = put(self.store, &account::State { address: Address::new_id(BURNT_FUNDS_ID) })?;
        self.set(BURNT_FUNDS_ID, "account", burnt_funds, TokenAmount::zero())
    }

    fn gateway(&mut self, genesis: &Genesis) -> Result<(), ExecError> {
        let gateway = gateway_actor::State::genesis(
            self.store,
            GatewayGenesis {
                subnet: genesis.subnet.clone(),
                identity: genesis.identity(),
                validators: genesis.validators.clone(),
                parent: genesis.parent.clone(),
                checkpoint_period_blocks: genesis.chain.checkpoint_period_blocks,
                checkpoint_code: self.bundle.code(manifest_names::CHECKPOINT)?,
                cross_gas_price: genesis.chain.cross_gas_price.clone(),
            },
        )
        .map_err(|error| ExecError::vm("building the gateway's state", error))?;
        let state = put(self.store, &gateway)?;
        self.set(GATEWAY_ID, manifest_names::GATEWAY, state, TokenAmount::zero())
    }

    /// The accounts of the document and, since it lists their addresses, init.
    fn accounts(&mut self, genesis: &Genesis) -> Result<(), ExecError> {
        let mut map = Hamt::<_, ActorID>::new_with_bit_width(self.store, HAMT_BIT_WIDTH);
        let mut next_id = FIRST_USER_ID;
        for entry in &genesis.balances {
            self.account(next_id, entry)?;
            map.set(BytesKey(entry.address.to_bytes()), next_id).map_err(write_error)?;
            next_id += 1;
        }
        let address_map = map.flush().map_err(write_error)?;
        let network_name = genesis.subnet.to_string();
        let init = put(self.store, &init::State { address_map, next_id, network_name })?;
        self.set(INIT_ID, "init", init, TokenAmount::zero())
    }

    /// An f1 or f3 becomes an account. An f410 becomes a placeholder, as a transfer to it would make, because
    /// whether a key or a contract will own it is not known yet.
    fn account(&mut self, id: ActorID, entry: &GenesisBalance) -> Result<(), ExecError> {
        let GenesisBalance { address, balance } = entry;
        let wrong = |problem| ExecError::GenesisBalance { address: address.to_string(), problem };
        match address.payload() {
            Payload::Secp256k1(_) | Payload::BLS(_) if !address.is_bls_zero_address() => {
                let state = put(self.store, &account::State { address: *address })?;
                self.set(id, "account", state, balance.clone())
            }
            Payload::Delegated(delegated) if delegated.namespace() == EAM_ID => {
                let code = self.bundle.code("placeholder")?;
                let actor = ActorState::new(code, self.nothing, balance.clone(), 0, Some(*address));
                self.tree.set_actor(id, actor);
                Ok(())
            }
            Payload::Delegated(_) => Err(wrong("is an f4 address outside the Ethereum address manager's namespace")),
            _ => Err(wrong("is not the address of an account")),
        }
    }

    fn set(&mut self, id: ActorID, name: &str, state: Cid, balance: TokenAmount) -> Result<(), ExecError> {
        let actor = ActorState::new(self.bundle.code(name)?, state, balance, 0, None);
        self.tree.set_actor(id, actor);
        Ok(())
    }
}

fn put<B: Blockstore>(store: &B, value: &impl Serialize) -> Result<Cid, ExecError> {
    store.put_cbor(value, Blake2b256).map_err(write_error)
}

fn write_error(error: impl std::fmt::Display) -> ExecError {
    ExecError::vm("writing the genesis state", error)
}
