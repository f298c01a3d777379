//! The ledger of what came back and could not be credited.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Hamt};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;

use super::{Page, State, narrow_nodes, state_error};
use crate::types::GatewayError;

type Ledger<B> = Hamt<B, TokenAmount>;

pub(crate) fn empty<B: Blockstore>(store: &B) -> Result<Cid, GatewayError> {
    Ledger::new_with_config(store, narrow_nodes()).flush().map_err(state_error)
}

impl State {
    /// Keeps `amount` for `address`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_unclaimed(
        &mut self,
        store: &impl Blockstore,
        address: &Address,
        amount: &TokenAmount,
    ) -> Result<(), GatewayError> {
        let mut ledger = Ledger::load_with_config(&self.unclaimed, store, narrow_nodes()).map_err(state_error)?;
        let key = BytesKey(address.to_bytes());
        let held = ledger.get(&key).map_err(state_error)?.cloned().unwrap_or_default();
        ledger.set(key, held + amount).map_err(state_error)?;
        self.unclaimed = ledger.flush().map_err(state_error)?;
        self.unclaimed_total += amount;
        Ok(())
    }

    /// Takes out all that is kept for `address`.
    ///
    /// # Errors
    /// When nothing is.
    pub fn take_unclaimed(&mut self, store: &impl Blockstore, address: &Address) -> Result<TokenAmount, GatewayError> {
        let mut ledger = Ledger::load_with_config(&self.unclaimed, store, narrow_nodes()).map_err(state_error)?;
        let (_, amount) = ledger
            .delete(&BytesKey(address.to_bytes()))
            .map_err(state_error)?
            .ok_or_else(|| GatewayError::NothingUnclaimed { address: address.to_string() })?;
        self.unclaimed = ledger.flush().map_err(state_error)?;
        self.unclaimed_total -= &amount;
        Ok(amount)
    }

    /// Entries from the address `from` on, which must have one; at most `max`. With the address of the one after them.
    ///
    /// # Errors
    /// When `from` has none, or the store fails.
    pub fn unclaimed_page(
        &self,
        store: &impl Blockstore,
        from: Option<&Address>,
        max: usize,
    ) -> Result<Page<Address, TokenAmount>, GatewayError> {
        let ledger = Ledger::load_with_config(&self.unclaimed, store, narrow_nodes()).map_err(state_error)?;
        let mut found = Vec::new();
        let from = from.map(|address| BytesKey(address.to_bytes()));
        let (_, next) = ledger
            .for_each_ranged(from.as_ref(), Some(max), |key, amount| {
                found.push((Address::from_bytes(&key.0)?, amount.clone()));
                Ok(())
            })
            .map_err(state_error)?;
        let next = next.map(|key| Address::from_bytes(&key.0).map_err(state_error)).transpose()?;
        Ok((found, next))
    }

    /// The whole ledger.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unclaimed(&self, store: &impl Blockstore) -> Result<Vec<(Address, TokenAmount)>, GatewayError> {
        let ledger = Ledger::load_with_config(&self.unclaimed, store, narrow_nodes()).map_err(state_error)?;
        let mut entries = Vec::new();
        ledger
            .for_each(|key, amount| {
                entries.push((Address::from_bytes(&key.0)?, amount.clone()));
                Ok(())
            })
            .map_err(state_error)?;
        Ok(entries)
    }
}
