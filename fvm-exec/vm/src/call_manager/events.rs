//! Events of a message: those of reverted calls are dropped, the rest has a root.

use anyhow::{Context as _, anyhow};
use cid::Cid;
use fvm::kernel::{ClassifyResult as _, ExecutionError, Result};
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::event::StampedEvent;

/// Width of the tree whose root a receipt names (FIP-0049).
const BIT_WIDTH: u32 = 5;

/// Events in the order they came.
#[derive(Default)]
pub(super) struct Events {
    events: Vec<StampedEvent>,
    /// For each open transaction, how many events there were before it.
    layers: Vec<usize>,
}

impl Events {
    pub(super) fn push(&mut self, event: StampedEvent) {
        self.events.push(event);
    }

    pub(super) fn begin(&mut self) {
        self.layers.push(self.events.len());
    }

    /// # Errors
    /// Fatal when no transaction has begun.
    pub(super) fn end(&mut self, reverts: bool) -> Result<()> {
        let before = self.layers.pop().context("no transaction of events to end").or_fatal()?;
        if reverts {
            self.events.truncate(before);
        }
        Ok(())
    }

    /// The events and, if there are any, the root of their tree.
    ///
    /// # Errors
    /// Fatal when a transaction is still open.
    pub(super) fn finish(self) -> Result<(Vec<StampedEvent>, Option<Cid>)> {
        if !self.layers.is_empty() {
            return Err(ExecutionError::Fatal(anyhow!("{} transactions of events are open", self.layers.len())));
        }
        if self.events.is_empty() {
            return Ok((self.events, None));
        }
        let root = Amt::new_from_iter_with_bit_width(Nowhere, BIT_WIDTH, self.events.iter())
            .context("computing the root of the events")
            .or_fatal()?;
        Ok((self.events, Some(root)))
    }
}

/// Takes blocks and drops them: only the root is wanted.
struct Nowhere;

impl Blockstore for Nowhere {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Err(anyhow!("nothing is kept here, so not {cid} either"))
    }

    fn put_keyed(&self, _: &Cid, _: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }
}
