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
use fvm_shared::econ::TokenAmount;
use subnet_types::Digest;
use subnet_types::cross::{CrossMessage, MessageBatch};
use subnet_types::hash::merkle_range_root;
use subnet_types::quantity::{Nonce, Sequence};

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

    /// Checks that `messages` are a slice of the batch of checkpoint `sequence`, as `proof` shows, that begins at or
    /// before the cursor and reaches beyond it, and returns those of them that wait. Nothing moves before that, and
    /// nothing is hashed before a slice is known to be of use.
    ///
    /// # Errors
    /// When others are in turn, all of them were delivered before, or something differs.
    pub fn check_slice<'a>(
        &self,
        sequence: Sequence,
        batch: &MessageBatch,
        messages: &'a [CrossMessage],
        proof: &[Digest],
    ) -> Result<&'a [CrossMessage], Rejection> {
        let (from, end) = check_nonces(sequence, batch, messages)?;
        let next = self.next_delivery_nonce;
        if end <= next {
            return Err(Rejection::Delivered { sequence, end, next });
        }
        if from > next {
            return Err(Rejection::NotInTurn { sequence, from, next });
        }
        check_amounts(sequence, messages)?;
        check_root(sequence, batch, messages, from.saturating_since(batch.first_nonce), proof)?;
        let delivered = messages.iter().take_while(|message| message.nonce < next).count();
        let (_, waiting) = messages.split_at(delivered);
        let before = if next == batch.first_nonce { TokenAmount::default() } else { self.batch_delivered.clone() };
        let total = before + waiting.iter().map(CrossMessage::amount).sum::<TokenAmount>();
        let is_last = batch.first_nonce.checked_add(batch.count) == Some(end);
        if total > batch.value || (is_last && total != batch.value) {
            return altered(sequence, "another value");
        }
        Ok(waiting)
    }
}

/// Checks that `messages` are exactly those of the batch: nothing moves before that.
///
/// # Errors
/// What differs.
pub fn check_whole(sequence: Sequence, batch: &MessageBatch, messages: &[CrossMessage]) -> Result<(), Rejection> {
    if messages.len() as u64 != batch.count {
        return altered(sequence, "another count");
    }
    check_nonces(sequence, batch, messages)?;
    check_amounts(sequence, messages)?;
    check_root(sequence, batch, messages, 0, &[])?;
    if messages.iter().map(CrossMessage::amount).sum::<TokenAmount>() != batch.value {
        return altered(sequence, "another value");
    }
    Ok(())
}

fn altered<T>(sequence: Sequence, problem: &'static str) -> Result<T, Rejection> {
    Err(Rejection::AlteredBatch { sequence, problem })
}

/// The nonces that `messages` are from and up to, if these follow each other within the batch.
fn check_nonces(
    sequence: Sequence,
    batch: &MessageBatch,
    messages: &[CrossMessage],
) -> Result<(Nonce, Nonce), Rejection> {
    let Some(from) = messages.first().map(|message| message.nonce) else {
        return altered(sequence, "no messages");
    };
    let batch_end = batch.first_nonce.checked_add(batch.count);
    let end = from.checked_add(messages.len() as u64);
    let (Some(end), Some(batch_end)) = (end, batch_end) else {
        return altered(sequence, "nonces overflow");
    };
    if from < batch.first_nonce || end > batch_end {
        return altered(sequence, "nonces outside of it");
    }
    let is_next = |(index, message): (usize, &CrossMessage)| from.checked_add(index as u64) == Some(message.nonce);
    if !messages.iter().enumerate().all(is_next) {
        return altered(sequence, "nonces out of order");
    }
    Ok((from, end))
}

fn check_amounts(sequence: Sequence, messages: &[CrossMessage]) -> Result<(), Rejection> {
    if messages.iter().any(|message| message.value.is_negative() || message.fee.is_negative()) {
        return altered(sequence, "a negative amount");
    }
    Ok(())
}

/// Checks `messages`, which stand at `position` of the batch, against its root.
fn check_root(
    sequence: Sequence,
    batch: &MessageBatch,
    messages: &[CrossMessage],
    position: u64,
    proof: &[Digest],
) -> Result<(), Rejection> {
    let leaves = messages.iter().map(CrossMessage::leaf);
    if merkle_range_root(batch.count, position, leaves, proof) != Some(batch.root) {
        return altered(sequence, "another root");
    }
    Ok(())
}
