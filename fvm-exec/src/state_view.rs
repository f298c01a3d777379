//! Reads one state without the VM: what queries, the pool, block validation and the checkpoint service need.

use cid::Cid;
use fvm::state_tree::{ActorState, StateTree};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use serde::de::DeserializeOwned;
use subnet_types::actors::{BURNT_FUNDS_ID, GATEWAY_ID, SYSTEM_ID};
use subnet_types::genesis::mint_reserve;

use crate::error::ExecError;

/// The state under one root.
pub struct StateView<'a, B> {
    store: &'a B,
    tree: StateTree<&'a B>,
}

/// Where a chain's native value is, in attoFIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// What a subnet can still mint; zero on a root.
    pub reserve_left: TokenAmount,
    /// What left circulation: burned as fees, and on a subnet also released to the parent.
    pub burnt: TokenAmount,
    /// What accounts and actors hold.
    pub circulating: TokenAmount,
}

impl<'a, B: Blockstore> StateView<'a, B> {
    /// Opens the state under `root`.
    ///
    /// # Errors
    /// When the store fails or holds no state under that root.
    pub fn new(store: &'a B, root: &Cid) -> Result<Self, ExecError> {
        let tree = StateTree::new_from_root(store, root).map_err(|error| failed("the state tree", error))?;
        Ok(Self { store, tree })
    }

    /// The actor with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn actor(&self, id: ActorID) -> Result<Option<ActorState>, ExecError> {
        self.tree.get_actor(id).map_err(|error| failed("an actor", error))
    }

    /// The id of an address of any kind. An id address is its own answer, whether or not an actor is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn lookup_id(&self, address: &Address) -> Result<Option<ActorID>, ExecError> {
        self.tree.lookup_id(address).map_err(|error| failed("the address map", error))
    }

    /// The actor behind an address of any kind.
    ///
    /// # Errors
    /// When the store fails.
    pub fn actor_at(&self, address: &Address) -> Result<Option<(ActorID, ActorState)>, ExecError> {
        let Some(id) = self.lookup_id(address)? else { return Ok(None) };
        Ok(self.actor(id)?.map(|actor| (id, actor)))
    }

    /// What the actor holds; zero where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn balance(&self, id: ActorID) -> Result<TokenAmount, ExecError> {
        Ok(self.actor(id)?.map(|actor| actor.balance).unwrap_or_default())
    }

    /// The robust address that signs for an account: f1 or f3 from its state, or the f4 it was created with. `None`
    /// for everything that is no account.
    ///
    /// # Errors
    /// When the store fails.
    pub fn account_key(&self, id: ActorID) -> Result<Option<Address>, ExecError> {
        let Some(actor) = self.actor(id)? else { return Ok(None) };
        if actor.delegated_address.is_some() {
            return Ok(actor.delegated_address);
        }
        // Other actors' states can have the same shape, so the code decides first.
        if actor.code != self.account_code()? {
            return Ok(None);
        }
        let state: account::State = self.load("an account", &actor.state)?;
        let is_key = matches!(state.address.protocol(), Protocol::Secp256k1 | Protocol::BLS);
        Ok(is_key.then_some(state.address))
    }

    /// The gateway's state.
    ///
    /// # Errors
    /// When the store fails or the state is another one.
    pub fn gateway(&self) -> Result<gateway_actor::State, ExecError> {
        let actor = self.actor(GATEWAY_ID)?.ok_or_else(|| missing("the gateway"))?;
        self.load("the gateway", &actor.state)
    }

    /// The state of the checkpoint actor `id`; `None` when no checkpoint actor is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn checkpoint(&self, id: ActorID) -> Result<Option<checkpoint_actor::State>, ExecError> {
        let Some(actor) = self.actor(id)? else { return Ok(None) };
        if actor.code != self.gateway()?.checkpoint_code {
            return Ok(None);
        }
        self.load("a checkpoint actor", &actor.state).map(Some)
    }

    /// Where the chain's value is. On a root this adds up every actor's balance, since nothing on chain holds the
    /// sum; a caller that knows it uses [`Self::supply_of`].
    ///
    /// # Errors
    /// When the store fails.
    pub fn supply(&self) -> Result<Supply, ExecError> {
        let issued = if self.gateway()?.subnet.is_root() { self.total()? } else { mint_reserve() };
        self.supply_of(&issued)
    }

    /// Where the chain's value is, given all that was ever issued: [`crate::ChainRules::issued`].
    ///
    /// # Errors
    /// When the store fails.
    pub fn supply_of(&self, issued: &TokenAmount) -> Result<Supply, ExecError> {
        let reserve_left = self.balance(SYSTEM_ID)?;
        let burnt = self.balance(BURNT_FUNDS_ID)?;
        let circulating = issued - &reserve_left - &burnt;
        Ok(Supply { reserve_left, burnt, circulating })
    }

    /// Sum of all actors' balances. Reads the whole state tree.
    ///
    /// # Errors
    /// When the store fails.
    pub fn total(&self) -> Result<TokenAmount, ExecError> {
        let mut total = TokenAmount::default();
        self.each_actor(|_, actor| total += &actor.balance)?;
        Ok(total)
    }

    /// Shows every actor to `visit`, in the tree's order. Reads the whole state tree.
    ///
    /// # Errors
    /// When the store fails.
    pub fn each_actor(&self, mut visit: impl FnMut(ActorID, &ActorState)) -> Result<(), ExecError> {
        self.tree
            .for_each_cacheless(|address, actor| {
                visit(address.id()?, actor);
                Ok(())
            })
            .map_err(|error| ExecError::State { what: "all actors", reason: format!("{error:#}") })
    }

    /// The store below, for reading on from a state's links.
    pub fn store(&self) -> &'a B {
        self.store
    }

    // Burnt funds is made as an account at genesis, so its code is the account code for as long as the chain lives.
    fn account_code(&self) -> Result<Cid, ExecError> {
        Ok(self.actor(BURNT_FUNDS_ID)?.ok_or_else(|| missing("burnt funds"))?.code)
    }

    fn load<T: DeserializeOwned>(&self, what: &'static str, cid: &Cid) -> Result<T, ExecError> {
        let found = self.store.get_cbor(cid).map_err(|error| failed(what, format!("{error:#}")))?;
        found.ok_or(ExecError::MissingBlock { cid: *cid })
    }
}

fn failed(what: &'static str, error: impl std::fmt::Display) -> ExecError {
    ExecError::State { what, reason: error.to_string() }
}

fn missing(what: &'static str) -> ExecError {
    failed(what, "no such actor, so this is not a state that a genesis of this project started")
}
