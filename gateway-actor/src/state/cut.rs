//! The end of a period: what happened in it becomes the content of a checkpoint.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::CheckpointCut;
use subnet_types::checkpoint::{ConfigurationApplied, TopDownApplied};
use subnet_types::cross::MessageBatch;
use subnet_types::quantity::Height;

use super::{State, outbox};
use crate::types::{GatewayError, Outbox};

impl State {
    /// The next height at which a period ends, if `height` has not been cut yet.
    pub fn next_cut(&self, height: Height) -> Height {
        let period = self.checkpoint_period_blocks.max(1);
        Height::new(height.get().div_ceil(period) * period)
    }

    /// Ends the period at `height`: fixes its batch, its burned fees and the configuration that votes next.
    /// `burnt_now` is the balance of the burnt-funds actor.
    ///
    /// # Errors
    /// On a root, at a height that is not the period's end, or when less was burned than was released.
    pub fn cut(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        burnt_now: &TokenAmount,
    ) -> Result<CheckpointCut, GatewayError> {
        let Some(parent) = &self.parent else {
            return Err(GatewayError::NoParent { subnet: self.subnet.clone() });
        };
        let expected = self.next_sequence.get().saturating_mul(self.checkpoint_period_blocks);
        if height.get() != expected {
            return Err(GatewayError::CutHeight { height: height.get(), expected });
        }
        let top_down_applied = TopDownApplied { nonce: parent.next_nonce, parent_height: parent.height };
        let grown = burnt_now - &self.burnt_at_cut;
        if grown < self.released_in_period {
            let (grown, released) = (grown.atto().to_string(), self.released_in_period.atto().to_string());
            return Err(GatewayError::BurnMismatch { grown, released });
        }
        let burned = grown - &self.released_in_period;
        let (messages, messages_amt, rest) = self.split_outbox(store)?;
        let pending = self.pending(store)?;
        let configuration = ConfigurationApplied { number: pending.number(), validators_hash: pending.hash() };
        let cut = CheckpointCut {
            sequence: self.next_sequence,
            height,
            messages,
            messages_amt,
            burned,
            top_down_applied,
            configuration,
        };
        self.outbox = rest;
        self.released_in_period = TokenAmount::default();
        self.burnt_at_cut = burnt_now.clone();
        self.validators = self.pending;
        self.next_sequence = self.next_sequence.next();
        self.last_cut = Some(cut.clone());
        Ok(cut)
    }

    /// The batch, the AMT that holds it, and the outbox of what did not fit.
    fn split_outbox(&self, store: &impl Blockstore) -> Result<(MessageBatch, cid::Cid, Outbox), GatewayError> {
        let all = outbox::read(store, &self.outbox.messages, self.outbox.count)?;
        let first = self.outbox.first_nonce;
        if !self.outbox.is_over_full() {
            let rest = Outbox::empty(store, self.outbox.next_nonce())?;
            return Ok((MessageBatch::of(first, &all), self.outbox.messages, rest));
        }
        let (batch, rest) = all.split_at(outbox::fitting(&all));
        let rest_nonce = first.checked_add(batch.len() as u64).expect("nonces are counted up from zero");
        let fitting = Outbox::of(store, first, batch)?;
        Ok((MessageBatch::of(first, batch), fitting.messages, Outbox::of(store, rest_nonce, rest)?))
    }
}
