//! Actors, addresses and balances after a committed block.

use client::api::{ActorStateJson, ApiError, ReadState};
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use subnet_types::Height;
use subnet_types::subnet_id::display_address;

use super::chain::internal;
use super::context::RpcContext;
use super::dag_json;

fn no_actor(address: &Address, height: Height) -> ApiError {
    let address = display_address(address);
    ApiError::NotFound(format!("there is no actor {address} after block {height}; sending it value creates an account"))
}

impl RpcContext {
    /// The actor at `address`; `None` where there is none.
    pub(super) fn actor(&self, address: &Address, height: Height) -> Result<Option<ActorStateJson>, ApiError> {
        let found = self.state_after(height)?.actor_at(address).map_err(internal)?;
        Ok(found.map(|(_, actor)| ActorStateJson {
            code: actor.code.into(),
            head: actor.state.into(),
            nonce: actor.sequence,
            balance: actor.balance.into(),
            delegated_address: actor.delegated_address.map(Into::into),
        }))
    }

    /// The id of an actor that exists.
    pub(super) fn actor_id(&self, address: &Address, height: Height) -> Result<ActorID, ApiError> {
        let found = self.state_after(height)?.actor_at(address).map_err(internal)?;
        found.map(|(id, _)| id).ok_or_else(|| no_actor(address, height))
    }

    /// The key that signs for an account.
    pub(super) fn account_key(&self, address: &Address, height: Height) -> Result<Address, ApiError> {
        if matches!(address.protocol(), Protocol::Secp256k1 | Protocol::BLS) {
            return Ok(*address);
        }
        let id = self.actor_id(address, height)?;
        let key = self.state_after(height)?.account_key(id).map_err(internal)?;
        key.ok_or_else(|| {
            let address = display_address(address);
            ApiError::InvalidParams(format!("{address} is an actor but no account, so no key signs for it"))
        })
    }

    /// What `address` holds; zero where there is no actor.
    pub(super) fn balance(&self, address: &Address, height: Height) -> Result<TokenAmount, ApiError> {
        let found = self.state_after(height)?.actor_at(address).map_err(internal)?;
        Ok(found.map(|(_, actor)| actor.balance).unwrap_or_default())
    }

    /// An actor with its state as JSON.
    pub(super) fn read_state(&self, address: &Address, height: Height) -> Result<ReadState, ApiError> {
        let found = self.state_after(height)?.actor_at(address).map_err(internal)?;
        let (_, actor) = found.ok_or_else(|| no_actor(address, height))?;
        let block = self.store().get(&actor.state).map_err(internal)?;
        let block = block.ok_or_else(|| internal(format!("state {} is missing", actor.state)))?;
        let state = dag_json::from_dag_cbor(&block).map_err(|reason| {
            ApiError::InvalidParams(format!("the state of {} cannot be shown: {reason}", display_address(address)))
        })?;
        Ok(ReadState { balance: actor.balance.into(), code: actor.code.into(), state })
    }
}
