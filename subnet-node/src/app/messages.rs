//! Where a proposer's messages come from.

use std::sync::Arc;

use fvm_shared::econ::TokenAmount;
use mempool::{AccountSource, AccountsUnreadable, Choice, Commit, Mempool, PendingMessage, SelectLimits};

/// The mempool, as far as blocks are concerned.
pub trait MessageSource: Send + Sync {
    /// Messages for a block on top of the state that `accounts` shows. `choose` has the last word on each; what it
    /// discards leaves the mempool.
    ///
    /// # Errors
    /// When that state cannot be read.
    fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Vec<Arc<PendingMessage>>, AccountsUnreadable>;

    /// Takes note of a committed block.
    ///
    /// # Errors
    /// When the state after it cannot be read.
    fn on_commit(&self, commit: Commit<'_>) -> Result<(), AccountsUnreadable>;
}

impl MessageSource for Mempool {
    fn select(
        &self,
        limits: SelectLimits,
        base_fee: &TokenAmount,
        accounts: &dyn AccountSource,
        choose: &mut dyn FnMut(&PendingMessage) -> Choice,
    ) -> Result<Vec<Arc<PendingMessage>>, AccountsUnreadable> {
        Self::select(self, limits, base_fee, accounts, choose)
    }

    fn on_commit(&self, commit: Commit<'_>) -> Result<(), AccountsUnreadable> {
        Self::on_commit(self, commit)
    }
}
