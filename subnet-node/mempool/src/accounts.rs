//! What the pool needs to know of an account, and where it asks.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;

/// An account as the last committed state has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountView {
    /// Nonce of the next message.
    pub nonce: u64,
    /// What it can spend.
    pub balance: TokenAmount,
}

/// The state cannot be read: this node's disk or store failed, whatever the message was. The node must stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read account {address}: {reason}")]
pub struct AccountsUnreadable {
    /// Whose account was asked for.
    pub address: String,
    /// What the store said.
    pub reason: String,
}

/// Accounts after one committed block.
pub trait AccountSource: Send + Sync {
    /// The account behind a key address; `None` where there is none yet.
    ///
    /// # Errors
    /// When the state cannot be read. An account that does not exist is no error.
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable>;
}

impl<T: AccountSource + ?Sized> AccountSource for std::sync::Arc<T> {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        (**self).account(address)
    }
}
