//! The mempool of a chain without its gossip: all nodes share one.

use std::sync::Arc;

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use mempool::{
    AccountSource, AccountView, AccountsUnreadable, Choice, Commit, MessageRules, PendingMessage, Pool, PoolLimits,
    SelectLimits,
};
use parking_lot::Mutex;
use subnet_node::app::MessageSource;
use subnet_types::SignedMessage;

/// A chain's waiting messages.
pub struct SharedPool(Mutex<Pool>);

impl SharedPool {
    /// An empty pool that goes by `rules`.
    pub fn new(rules: MessageRules) -> Self {
        Self(Mutex::new(Pool::new(rules, PoolLimits::default())))
    }

    /// Lets a message wait for a block. Whether it was admitted.
    pub fn push(&self, signed: SignedMessage, account: &AccountView) -> bool {
        self.0.lock().add(signed, account).is_ok()
    }

    /// The first nonce that `address` has free.
    pub fn next_nonce(&self, address: &Address, account: &AccountView) -> u64 {
        self.0.lock().next_nonce(address, account.nonce)
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().stats().messages
    }

    /// Takes a committed block in.
    ///
    /// # Errors
    /// When an account cannot be read.
    pub fn committed(
        &self,
        messages: &[SignedMessage],
        accounts: &dyn AccountSource,
    ) -> Result<(), AccountsUnreadable> {
        self.0.lock().on_commit(messages, accounts).map(|_| ())
    }
}

impl MessageSource for SharedPool {
    fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Vec<Arc<PendingMessage>>, AccountsUnreadable> {
        let mut pool = self.0.lock();
        let selection = pool.select(limits, base_fee, accounts, choose)?;
        pool.discard(&selection.discarded);
        Ok(selection.messages)
    }

    // The first node that commits tells the pool, which belongs to all of them.
    fn on_commit(&self, _: Commit<'_>) -> Result<(), AccountsUnreadable> {
        Ok(())
    }
}
