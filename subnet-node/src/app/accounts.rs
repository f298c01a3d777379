//! Accounts of a committed state, for the mempool and for the rules of blocks.

use std::sync::Arc;

use cid::Cid;
use fvm_exec::{Accounts, ExecError};
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
        let accounts = self.chain.accounts(&root).map_err(|error| unreadable(address, &error))?;
        AccountsAt(accounts).account(address)
    }
}

/// Accounts of one state.
pub(super) struct AccountsAt(pub(super) Arc<Accounts<Store>>);

impl AccountSource for AccountsAt {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        let found = self.0.actor_at(address).map_err(|error| unreadable(address, &error))?;
        Ok(found.map(|actor| AccountView { nonce: actor.sequence, balance: actor.balance }))
    }
}

fn unreadable(address: &Address, error: &ExecError) -> AccountsUnreadable {
    AccountsUnreadable { address: address.to_string(), reason: error.to_string() }
}

/// The accounts that were asked for last. Admission, building and judging ask about the same state between two blocks,
/// each several times for each message.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Option<Arc<Accounts<Store>>>>);

impl Remembered {
    /// The accounts of the state `root`, which `store` holds.
    ///
    /// # Errors
    /// When the store fails or holds no such state.
    pub(super) fn at(&self, store: &Store, root: &Cid) -> Result<Arc<Accounts<Store>>, ExecError> {
        let mut last = self.0.lock();
        let accounts = match last.as_ref() {
            Some(accounts) if accounts.root() == root => return Ok(Arc::clone(accounts)),
            Some(before) => before.moved_to(root)?,
            None => Accounts::open(store.clone(), root)?,
        };
        Ok(Arc::clone(last.insert(Arc::new(accounts))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::world::{Node, account as key, fil, root};

    #[tokio::test]
    async fn accounts_are_those_of_the_last_block_and_of_any_state_asked_for() {
        let node = Node::new(root());
        let accounts = LatestAccounts::new(node.chain().clone());
        let (sender, receiver) = (key(1).address(), key(50).address());
        let before = node.chain().tip().results.state_root;
        for _ in 0..2 {
            assert_eq!(accounts.account(&sender).unwrap().unwrap().nonce, 0);
            assert_eq!(accounts.account(&receiver).unwrap(), None);
        }
        node.push(&node.message(&key(1), receiver, fil(1), 0), &key(1));
        node.step().await;
        assert_eq!(accounts.account(&sender).unwrap().unwrap().nonce, 1);
        assert_eq!(accounts.account(&receiver).unwrap().unwrap().balance, fil(1));
        let earlier = AccountsAt(node.chain().accounts(&before).unwrap());
        assert_eq!(earlier.account(&sender).unwrap().unwrap().nonce, 0);
        assert_eq!(earlier.account(&receiver).unwrap(), None);
        assert_eq!(accounts.account(&sender).unwrap().unwrap().nonce, 1, "the last one again");
    }

    #[tokio::test]
    async fn state_that_is_not_there_is_an_error_that_is_not_remembered() {
        let node = Node::new(root());
        let root = node.chain().tip().results.state_root;
        let missing = subnet_types::hash::cid_of(&"no state");
        assert!(node.chain().accounts(&missing).is_err());
        assert_eq!(node.chain().accounts(&root).unwrap().root(), &root);
    }
}
