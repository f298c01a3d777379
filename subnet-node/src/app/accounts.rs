//! Accounts of a committed state, for the mempool and for the rules of blocks.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use fvm_exec::{ExecError, StateView};
use fvm_shared::address::Address;
use mempool::{AccountSource, AccountView, AccountsUnreadable};
use parking_lot::Mutex;

use super::ChainReader;
use crate::storage::Store;

/// Accounts that are remembered until the next block. Far more than send in one; further ones are read again.
const REMEMBERED_MAX: usize = 16 * 1024;

/// Accounts as the last committed state has them, whichever that is when asked.
///
/// Remembers what it read of that state: a message is looked at several times before it waits, and its sender seldom
/// sends one alone, while a read walks through two trees on disk.
#[derive(Clone)]
pub struct LatestAccounts {
    chain: ChainReader,
    remembered: Arc<Mutex<Remembered>>,
}

/// Accounts of one state.
#[derive(Default)]
struct Remembered {
    root: Option<Cid>,
    accounts: HashMap<Address, Option<AccountView>>,
}

impl Remembered {
    fn get(&self, root: &Cid, address: &Address) -> Option<Option<AccountView>> {
        if self.root.as_ref() != Some(root) {
            return None;
        }
        self.accounts.get(address).cloned()
    }

    /// A read that a commit overtook puts its older state here until the next read: it is never asked about again.
    fn put(&mut self, root: &Cid, address: &Address, account: Option<AccountView>) {
        if self.root.as_ref() != Some(root) {
            *self = Self { root: Some(*root), accounts: HashMap::new() };
        }
        if self.accounts.len() < REMEMBERED_MAX {
            self.accounts.insert(*address, account);
        }
    }
}

impl LatestAccounts {
    /// Accounts of `chain`.
    pub fn new(chain: ChainReader) -> Self {
        Self { chain, remembered: Arc::default() }
    }
}

impl AccountSource for LatestAccounts {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        let root = self.chain.tip().results.state_root;
        if let Some(known) = self.remembered.lock().get(&root, address) {
            return Ok(known);
        }
        let view = StateView::new(self.chain.store(), &root).map_err(|error| unreadable(address, &error))?;
        let account = account(&view, address)?;
        self.remembered.lock().put(&root, address, account.clone());
        Ok(account)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::world::{Node, account as key, fil, root};
    use subnet_types::hash::cid_of;

    #[tokio::test]
    async fn remembered_account_changes_with_the_block_that_changes_it() {
        let node = Node::new(root());
        let accounts = LatestAccounts::new(node.chain().clone());
        let (sender, receiver) = (key(1).address(), key(50).address());
        for _ in 0..2 {
            assert_eq!(accounts.account(&sender).unwrap().unwrap().nonce, 0);
            assert_eq!(accounts.account(&receiver).unwrap(), None);
        }
        node.push(&node.message(&key(1), receiver, fil(1), 0), &key(1));
        node.step().await;
        assert_eq!(accounts.account(&sender).unwrap().unwrap().nonce, 1);
        assert_eq!(accounts.account(&receiver).unwrap().unwrap().balance, fil(1));
    }

    #[test]
    fn memory_is_of_one_state_and_bounded() {
        let (old, new) = (cid_of(&1u8), cid_of(&2u8));
        let mut remembered = Remembered::default();
        for id in 0..REMEMBERED_MAX as u64 + 10 {
            remembered.put(&old, &Address::new_id(id), Some(AccountView::default()));
        }
        assert_eq!(remembered.accounts.len(), REMEMBERED_MAX);
        let address = Address::new_id(3);
        assert_eq!(remembered.get(&old, &address), Some(Some(AccountView::default())));
        assert_eq!(remembered.get(&new, &address), None);
        remembered.put(&new, &address, None);
        assert_eq!((remembered.get(&new, &address), remembered.get(&old, &address)), (Some(None), None));
        assert_eq!(remembered.accounts.len(), 1);
    }
}
