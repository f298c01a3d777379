//! The session that ran the last block, for the next one.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;

use crate::session::Session;

/// At most one session, with the state it stands at.
pub(crate) struct Warm<B: Blockstore + Send + Sync + 'static>(Mutex<Option<(Cid, Session<B>)>>);

impl<B: Blockstore + Send + Sync + 'static> Default for Warm<B> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<B: Blockstore + Send + Sync + 'static> Warm<B> {
    /// The session that stands at this state. Whoever takes it keeps it, or what becomes of it, when the block is done;
    /// another block on the same state meanwhile has to begin anew.
    pub(crate) fn take(&self, state_root: &Cid) -> Option<Session<B>> {
        self.0.lock().take_if(|(known, _)| known == state_root).map(|(_, session)| session)
    }

    /// Keeps a session that now stands at this state, in place of the one before.
    pub(crate) fn keep(&self, state_root: Cid, session: Session<B>) {
        *self.0.lock() = session.is_good().then_some((state_root, session));
    }
}
