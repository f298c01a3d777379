//! What was paid after the end, and to whom.
//!
//! Two kinds of entries share one map. An account has one once it was paid, so it is paid once. A chain below has what
//! was paid out of it in all, which may not exceed what the chain above it held for it. Both are named by the way
//! there; an account has its id besides.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::hash::encode;

use super::members::{all, get, set};
use super::{State, StateError};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::proof::Proven;

/// The key of an account, or without an id of a whole chain.
pub fn claim_key(path: &[Address], id: Option<ActorID>) -> Vec<u8> {
    encode(&(path, id))
}

impl State {
    /// Takes note that the account `proven` is paid, and takes what it gets out of custody: its balance, as far as
    /// there is so much here that no refund needs, and in the custody of each chain on the way.
    ///
    /// # Errors
    /// When it was paid before, or nothing is left.
    pub fn claim(&mut self, store: &impl Blockstore, proven: &Proven) -> Result<TokenAmount, CheckpointError> {
        let custody = self.claimable()?;
        let exit = self.expect_exit()?;
        let Proven { path, id, balance, limits } = proven;
        if get::<TokenAmount>(store, &exit.claims, &claim_key(path, Some(*id)))?.is_some() {
            return Err(ExitError::Claimed { id: *id }.into());
        }
        let mut amount = balance.min(&custody).clone();
        let mut totals = Vec::with_capacity(limits.len());
        for (length, limit) in (1..).zip(limits) {
            let chain = &path[..length];
            let total: TokenAmount = get(store, &exit.claims, &claim_key(chain, None))?.unwrap_or_default();
            amount = amount.min(limit - &total);
            totals.push((chain, total));
        }
        if !amount.is_positive() {
            let [balance, custody] = [balance, &custody].map(|amount| amount.atto().to_string());
            return Err(ExitError::NothingToClaim { balance, custody }.into());
        }
        for (chain, total) in totals {
            set(store, &mut exit.claims, &claim_key(chain, None), Some(total + &amount))?;
        }
        set(store, &mut exit.claims, &claim_key(path, Some(*id)), Some(amount.clone()))?;
        exit.claimed_total += &amount;
        self.pay_claim(&amount);
        Ok(amount)
    }

    /// What was paid: to accounts in all, and out of the subnet's own children in all.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn paid_in_all(&self, store: &impl Blockstore) -> Result<TokenAmount, StateError> {
        let Some(exit) = &self.exit else { return Ok(TokenAmount::default()) };
        let mut sum = TokenAmount::default();
        for (key, amount) in all::<TokenAmount>(store, &exit.claims)? {
            let (_, id): (Vec<Address>, Option<ActorID>) =
                fvm_ipld_encoding::from_slice(&key).map_err(super::state_error)?;
            if id.is_some() {
                sum += amount;
            }
        }
        Ok(sum)
    }
}
