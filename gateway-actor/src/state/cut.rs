//! The end of a period: what happened in it becomes the content of a checkpoint.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::CheckpointCut;
use subnet_types::checkpoint::{ConfigurationApplied, TopDownApplied};
use subnet_types::quantity::Height;

use super::State;
use crate::types::GatewayError;

impl State {
    /// The next height at which a period ends, if `height` has not been cut yet.
    pub fn next_cut(&self, height: Height) -> Height {
        let period = self.checkpoint_period_blocks.max(1);
        Height::new(height.get().div_ceil(period) * period)
    }

    /// Ends the period at `height`: fixes its batch, its burned fees and the configuration that votes next.
    /// `burnt_now` and `reserve_now` are the balances of the burnt-funds and the system actor.
    ///
    /// What anybody sends to the system actor is as lost as what is burned, and counts as that.
    ///
    /// # Errors
    /// On a root, at a height that is not the period's end, or when one of the two balances fell.
    pub fn cut(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        burnt_now: &TokenAmount,
        reserve_now: &TokenAmount,
    ) -> Result<CheckpointCut, GatewayError> {
        let Some(parent) = &self.parent else {
            return Err(GatewayError::NoParent { subnet: self.subnet.clone() });
        };
        let expected = self.next_sequence.get().saturating_mul(self.checkpoint_period_blocks);
        if height.get() != expected {
            return Err(GatewayError::CutHeight { height: height.get(), expected });
        }
        let top_down_applied = TopDownApplied { nonce: parent.next_nonce, parent_height: parent.whole_height };
        let burned = grown("burnt funds", &self.burnt_at_cut, burnt_now)?
            + grown("the mint reserve", &self.reserve, reserve_now)?;
        let (messages, messages_amt) = self.outbox.take_batch(store)?;
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
        self.burnt_at_cut = burnt_now.clone();
        self.reserve = reserve_now.clone();
        self.validators = self.pending;
        self.next_sequence = self.next_sequence.next();
        self.last_cut = Some(cut.clone());
        Ok(cut)
    }
}

/// By how much a balance that nobody can take from grew.
fn grown(holder: &'static str, expected: &TokenAmount, actual: &TokenAmount) -> Result<TokenAmount, GatewayError> {
    let grown = actual - expected;
    if !grown.is_negative() {
        return Ok(grown);
    }
    let (expected, actual) = (expected.atto().to_string(), actual.atto().to_string());
    Err(GatewayError::BalanceFell { holder, expected, actual })
}
