//! Accounts of a committed state, for the mempool and for the rules of blocks.

use cid::Cid;
use fvm_exec::{ExecError, StateView};
use fvm_shared::address::Address;
use mempool::{AccountSource, AccountView, AccountsUnreadable};
use parking_lot::Mutex;

use super::ChainReader;
use crate::storage::Store;

/// Accounts as the last committed state has them, whichever that is when asked.
#[derive(Clone)]
pub struct LatestAccounts {
    chain: ChainReader,
}

impl LatestAccounts {
    /// Accounts of `chain`.
    pub const fn new(chain: ChainReader) -> Self {
        Self { chain }
    }
}

impl AccountSource for LatestAccounts {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        let root = self.chain.tip().results.state_root;
        let view = StateView::new(self.chain.store(), &root).map_err(|error| unreadable(address, &error))?;
        account(&view, address)
    }
}

/// Accounts of one state. Keeps what it read, so that a block's messages cost one walk through the tree's upper nodes.
pub(super) struct AccountsAt<'a> {
    view: Mutex<StateView<'a, Store>>,
}

impl<'a> AccountsAt<'a> {
    pub(super) fn new(store: &'a Store, root: &Cid) -> Result<Self, ExecError> {
        Ok(Self { view: Mutex::new(StateView::new(store, root)?) })
    }
}

impl AccountSource for AccountsAt<'_> {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        account(&self.view.lock(), address)
    }
}

fn account(view: &StateView<'_, Store>, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
    let found = view.actor_at(address).map_err(|error| unreadable(address, &error))?;
    Ok(found.map(|(_, actor)| AccountView { nonce: actor.sequence, balance: actor.balance }))
}

fn unreadable(address: &Address, error: &ExecError) -> AccountsUnreadable {
    AccountsUnreadable { address: address.to_string(), reason: error.to_string() }
}
