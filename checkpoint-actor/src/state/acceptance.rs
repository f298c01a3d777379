//! What makes a checkpoint the next one (`architecture.md` §6), and what its acceptance changes.
//!
//! Nothing here looks at a clock: whether a checkpoint is acceptable does not depend on when somebody submits it, so a
//! subnet that could not reach its parent for a while does not find its signed checkpoints worthless afterwards.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::Digest;
use subnet_types::checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointDomain, TopDownApplied};
use subnet_types::cross::MessageBatch;
use subnet_types::limits::CROSS_MESSAGES_PER_CHECKPOINT_MAX;
use subnet_types::quantity::Height;

use super::State;
use crate::error::CheckpointError;
use crate::rejection::Rejection;

impl State {
    /// Checks everything but the certificate, the firewall and the messages. Returns the digest that must be signed.
    /// `height` is this chain's.
    ///
    /// # Errors
    /// The first rule that is broken, cheap ones first.
    pub fn check_checkpoint(
        &self,
        store: &impl Blockstore,
        checkpoint: &Checkpoint,
        height: Height,
    ) -> Result<Digest, CheckpointError> {
        self.expect_alive()?;
        let (Some(parent), Some(actor), Some(chain)) = (self.parent, self.actor, self.chain) else {
            let (voting, needed) = (self.voting_members, self.parameters.validators_min);
            return Err(CheckpointError::NotActive { voting, needed });
        };
        if checkpoint.version != CHECKPOINT_VERSION {
            let (expected, actual) = (CHECKPOINT_VERSION, checkpoint.version);
            return Err(Rejection::Version { expected, actual }.into());
        }
        if checkpoint.chain != chain {
            return Err(Rejection::WrongChain { expected: chain, actual: checkpoint.chain }.into());
        }
        self.check_position(checkpoint)?;
        if checkpoint.upgrade != Digest::ZERO {
            return Err(Rejection::UnknownUpgrade { actual: checkpoint.upgrade }.into());
        }
        self.check_batch(&checkpoint.messages, &checkpoint.burned)?;
        self.check_applied(&checkpoint.top_down_applied, height)?;
        self.check_configuration(store, checkpoint)?;
        checkpoint.digest(&CheckpointDomain { parent, actor }).ok_or_else(|| Rejection::NoDigest.into())
    }

    fn check_position(&self, checkpoint: &Checkpoint) -> Result<(), Rejection> {
        let (last, expected, actual) = (self.last_sequence, self.last_sequence.next(), checkpoint.sequence);
        if actual <= last {
            return Err(Rejection::Duplicate { last, actual });
        }
        if actual != expected {
            return Err(Rejection::Gap { expected, actual });
        }
        if checkpoint.previous != self.last_digest {
            return Err(Rejection::Previous { expected: self.last_digest, actual: checkpoint.previous });
        }
        let period = self.parameters.chain.checkpoint_period_blocks;
        let expected = Height::new(actual.get().saturating_mul(period));
        if checkpoint.height != expected {
            return Err(Rejection::OffPeriod { sequence: actual, expected, actual: checkpoint.height });
        }
        Ok(())
    }

    fn check_batch(&self, batch: &MessageBatch, burned: &TokenAmount) -> Result<(), Rejection> {
        for (field, amount) in [("value of the batch", &batch.value), ("burned", burned)] {
            if amount.is_negative() {
                return Err(Rejection::NegativeAmount { field, actual: amount.atto().to_string() });
            }
        }
        if batch.first_nonce != self.next_batch_nonce {
            let (expected, actual) = (self.next_batch_nonce, batch.first_nonce);
            return Err(Rejection::BatchNonce { expected, actual });
        }
        let shape = |problem| Err(Rejection::BatchShape { count: batch.count, problem });
        if batch.count > CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64 {
            return shape("too many to deliver");
        }
        if batch.first_nonce.checked_add(batch.count).is_none() {
            return shape("its nonces overflow");
        }
        if batch.count == 0 && (batch.root != Digest::ZERO || !batch.value.is_zero()) {
            return shape("empty, but with a root or value");
        }
        Ok(())
    }

    fn check_applied(&self, applied: &TopDownApplied, height: Height) -> Result<(), Rejection> {
        let last = &self.top_down_applied;
        let fields = [
            ("top-down nonce", last.nonce.get(), applied.nonce.get()),
            ("parent height", last.parent_height.get(), applied.parent_height.get()),
        ];
        for (field, last, actual) in fields {
            if actual < last {
                return Err(Rejection::AppliedGoesBack { field, last, actual });
            }
        }
        if applied.parent_height > height {
            return Err(Rejection::FutureParent { height, actual: applied.parent_height });
        }
        Ok(())
    }

    fn check_configuration(&self, store: &impl Blockstore, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let (confirmed, last) = (self.configuration_confirmed, self.configuration_last);
        let applied = &checkpoint.configuration;
        let actual = applied.number;
        let known = if (confirmed..=last).contains(&actual) { self.configuration(store, actual)? } else { None };
        let known = known.ok_or(Rejection::ConfigurationApplied { confirmed, last, actual })?;
        if known.validators_hash != applied.validators_hash {
            return Err(Rejection::ValidatorsHash {
                number: actual,
                expected: known.validators_hash,
                actual: applied.validators_hash,
            }
            .into());
        }
        Ok(())
    }

    /// Checks that the subnet did not ignore something of this chain for too long, judged by how far it says it has
    /// followed: all that was queued more than the allowed number of blocks before that height must be applied.
    ///
    /// # Errors
    /// When `oldest_unapplied` waits longer.
    pub fn check_lag(&self, applied: &TopDownApplied, oldest_unapplied: Option<Height>) -> Result<(), Rejection> {
        let max = self.parameters.parent_lag_blocks_max;
        match oldest_unapplied {
            Some(queued_at) if applied.parent_height.saturating_since(queued_at) > max => {
                Err(Rejection::ParentLag { followed: applied.parent_height, queued_at, max })
            }
            _ => Ok(()),
        }
    }

    /// Takes a checked checkpoint over at `height` of this chain. What it burned has left the counters afterwards; the caller sends it off.
    ///
    /// # Errors
    /// When the custody does not cover it.
    pub fn accept(
        &mut self,
        store: &impl Blockstore,
        checkpoint: &Checkpoint,
        digest: Digest,
        height: Height,
    ) -> Result<(), CheckpointError> {
        let batch = &checkpoint.messages;
        self.take_out(&batch.value, &checkpoint.burned)?;
        self.keep_batch(store, checkpoint.sequence, batch)?;
        self.last_sequence = checkpoint.sequence;
        self.last_digest = digest;
        self.last_height = checkpoint.height;
        self.last_state_root = Some(checkpoint.state_root);
        self.top_down_applied = checkpoint.top_down_applied;
        self.last_accepted_at = height;
        self.confirm(store, checkpoint.configuration.number, height)?;
        let end = batch.first_nonce.checked_add(batch.count);
        self.next_batch_nonce = end.expect("checked with the batch's shape");
        Ok(())
    }
}
