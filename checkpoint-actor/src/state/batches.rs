//! The batches of accepted checkpoints, from acceptance until their last message is delivered.
//!
//! Only what still has to be delivered is kept. Nobody reads more: the last digest is in the state, earlier checkpoints
//! are in the messages that brought them. Were every checkpoint kept, each acceptance would cost more than the one
//! before, for ever; and in an array by sequence it would even if delivered ones were removed, because the array's
//! depth follows its highest index. Evidence against double signing will need digests of its window: that is a table
//! of its own when it comes.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Config, Hamt};
use subnet_types::cross::{CrossMessage, MessageBatch};
use subnet_types::quantity::Sequence;

use super::{State, StateError, state_error};
use crate::error::CheckpointError;
use crate::rejection::Rejection;

type Batches<'a, B> = Hamt<&'a B, MessageBatch>;

/// Narrow nodes: there is rarely more than one batch.
fn config() -> Config {
    Config { bit_width: 5, ..Config::default() }
}

fn key(sequence: Sequence) -> BytesKey {
    BytesKey(sequence.get().to_be_bytes().to_vec())
}

pub(super) fn empty<B: Blockstore>(store: &B) -> Result<Cid, StateError> {
    Batches::new_with_config(store, config()).flush().map_err(state_error)
}

impl State {
    fn load_batches<'a, B: Blockstore>(&self, store: &'a B) -> Result<Batches<'a, B>, StateError> {
        Batches::load_with_config(&self.undelivered_batches, store, config()).map_err(state_error)
    }

    /// Keeps the batch of an accepted checkpoint for delivery, if it has messages.
    pub(super) fn keep_batch(
        &mut self,
        store: &impl Blockstore,
        sequence: Sequence,
        batch: &MessageBatch,
    ) -> Result<(), StateError> {
        if batch.count == 0 {
            return Ok(());
        }
        let mut batches = self.load_batches(store)?;
        batches.set(key(sequence), batch.clone()).map_err(state_error)?;
        self.undelivered_batches = batches.flush().map_err(state_error)?;
        Ok(())
    }

    /// Forgets the batch of checkpoint `sequence` once the cursor is past its last message.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_if_delivered(
        &mut self,
        store: &impl Blockstore,
        sequence: Sequence,
        batch: &MessageBatch,
    ) -> Result<(), StateError> {
        if self.next_delivery_nonce.saturating_since(batch.first_nonce) < batch.count {
            return Ok(());
        }
        let mut batches = self.load_batches(store)?;
        batches.delete(&key(sequence)).map_err(state_error)?;
        self.undelivered_batches = batches.flush().map_err(state_error)?;
        Ok(())
    }

    /// All batches with messages to deliver, in ascending order of sequence.
    ///
    /// # Errors
    /// When the store fails.
    pub fn undelivered_batches(&self, store: &impl Blockstore) -> Result<Vec<(Sequence, MessageBatch)>, StateError> {
        let mut batches = Vec::new();
        let read = self.load_batches(store)?.for_each(|key, batch| {
            let sequence = key.0.as_slice().try_into().map(u64::from_be_bytes)?;
            batches.push((Sequence::new(sequence), batch.clone()));
            Ok(())
        });
        read.map_err(state_error)?;
        batches.sort_by_key(|(sequence, _)| *sequence);
        Ok(batches)
    }

    /// The batch of the accepted checkpoint `sequence`, if it is the one to deliver from.
    ///
    /// # Errors
    /// When there is no such checkpoint, nothing of it waits, or an earlier batch does.
    pub fn batch_in_turn(&self, store: &impl Blockstore, sequence: Sequence) -> Result<MessageBatch, CheckpointError> {
        let last = self.last_sequence;
        if sequence == Sequence::ZERO || sequence > last {
            return Err(Rejection::UnknownCheckpoint { sequence, last }.into());
        }
        let batches = self.load_batches(store)?;
        let batch = batches.get(&key(sequence)).map_err(state_error)?.ok_or(Rejection::NothingWaits { sequence })?;
        let (from, next) = (batch.first_nonce, self.next_delivery_nonce);
        if next < from {
            return Err(Rejection::NotInTurn { sequence, from, next }.into());
        }
        Ok(batch.clone())
    }
}

/// Checks that `messages` are exactly those of the batch: nothing moves before that.
///
/// # Errors
/// What differs.
pub fn check_messages(sequence: Sequence, batch: &MessageBatch, messages: &[CrossMessage]) -> Result<(), Rejection> {
    let altered = |problem| Err(Rejection::AlteredBatch { sequence, problem });
    if messages.len() as u64 != batch.count {
        return altered("another count");
    }
    for (index, message) in messages.iter().enumerate() {
        if batch.first_nonce.checked_add(index as u64) != Some(message.nonce) {
            return altered("nonces out of order");
        }
        if message.value.is_negative() || message.fee.is_negative() {
            return altered("a negative amount");
        }
    }
    if MessageBatch::of(batch.first_nonce, messages) != *batch {
        return altered("another root or value");
    }
    Ok(())
}
