//! What was sent and is not answered yet, what was answered, and what this chain still owes an answer.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Hamt};
use fvm_shared::error::ExitCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::Digest;
use subnet_types::actors::refusal;
use subnet_types::cross::{CrossKind, CrossMessage, message_id};
use subnet_types::quantity::Height;

use super::route::is_on_the_way;
use super::{Page, State, load, narrow_nodes, save, state_error};
use crate::types::{GatewayError, OwedAnswer, PendingMessage};

/// Origin sequences in one word of `settled`.
const WORD_BITS: u64 = u64::BITS as u64;

/// A table of entries by digest. It holds links: an entry, which may have whatever size somebody gave it, is a block of its
/// own, so that nobody else's writes pay for it.
type Entries<'a, B> = Hamt<&'a B, Cid>;

pub(crate) fn empty<B: Blockstore>(store: &B) -> Result<Cid, GatewayError> {
    Entries::new_with_config(store, narrow_nodes()).flush().map_err(state_error)
}

fn entries<'a, B: Blockstore>(store: &'a B, root: &Cid) -> Result<Entries<'a, B>, GatewayError> {
    Entries::load_with_config(root, store, narrow_nodes()).map_err(state_error)
}

fn get<T: DeserializeOwned>(store: &impl Blockstore, root: &Cid, key: &Digest) -> Result<Option<T>, GatewayError> {
    let entries = entries(store, root)?;
    let link = entries.get(&BytesKey(key.as_bytes().to_vec())).map_err(state_error)?;
    link.map(|link| load(store, link)).transpose()
}

fn put(store: &impl Blockstore, root: &Cid, key: &Digest, entry: &impl Serialize) -> Result<Cid, GatewayError> {
    let mut entries = entries(store, root)?;
    entries.set(BytesKey(key.as_bytes().to_vec()), save(store, entry)?).map_err(state_error)?;
    entries.flush().map_err(state_error)
}

fn delete(store: &impl Blockstore, root: &Cid, key: &Digest) -> Result<Cid, GatewayError> {
    let mut entries = entries(store, root)?;
    entries.delete(&BytesKey(key.as_bytes().to_vec())).map_err(state_error)?;
    entries.flush().map_err(state_error)
}

fn all<T: DeserializeOwned>(store: &impl Blockstore, root: &Cid) -> Result<Vec<(Digest, T)>, GatewayError> {
    let mut all = Vec::new();
    entries(store, root)?
        .for_each(|key, link| {
            all.push((Digest::try_from(key.0.as_slice())?, load(store, link)?));
            Ok(())
        })
        .map_err(state_error)?;
    Ok(all)
}

/// Entries from the key `from` on, at most `max`, and the key of the one after them.
fn page<T: DeserializeOwned>(
    store: &impl Blockstore,
    root: &Cid,
    from: Option<&Digest>,
    max: usize,
) -> Result<Page<Digest, T>, GatewayError> {
    let mut found = Vec::new();
    let from = from.map(|key| BytesKey(key.as_bytes().to_vec()));
    let (_, next) = entries(store, root)?
        .for_each_ranged(from.as_ref(), Some(max), |key, link| {
            found.push((Digest::try_from(key.0.as_slice())?, load(store, link)?));
            Ok(())
        })
        .map_err(state_error)?;
    let next = next.map(|key| Digest::try_from(key.0.as_slice()).map_err(state_error)).transpose()?;
    Ok((found, next))
}

impl State {
    /// Takes note of a message sent from here whose answer must come, at `height`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn expect_answer(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        message: &CrossMessage,
    ) -> Result<(), GatewayError> {
        let entry = PendingMessage {
            origin: message.origin.address,
            origin_sequence: message.origin_sequence,
            destination: message.destination.clone(),
            value: message.value.clone(),
            fee: message.fee.clone(),
            sent_at: height,
        };
        self.pending_messages = put(store, &self.pending_messages, &message.id, &entry)?;
        // From now on the entry alone lets a receipt count: anybody can make an id of this number and another address.
        self.mark_settled(store, message.origin_sequence)
    }

    /// The message sent from here under this id, while it waits for its answer. Plain transfers are not recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub fn pending_message(
        &self,
        store: &impl Blockstore,
        id: &Digest,
    ) -> Result<Option<PendingMessage>, GatewayError> {
        get(store, &self.pending_messages, id)
    }

    /// All messages that wait for their answers, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_pending_messages(&self, store: &impl Blockstore) -> Result<Vec<(Digest, PendingMessage)>, GatewayError> {
        all(store, &self.pending_messages)
    }

    /// Messages that wait for their answers, from the id `from` on, which must be one of them; at most `max`.
    ///
    /// # Errors
    /// When `from` is none of them, or the store fails.
    pub fn pending_page(
        &self,
        store: &impl Blockstore,
        from: Option<&Digest>,
        max: usize,
    ) -> Result<Page<Digest, PendingMessage>, GatewayError> {
        page(store, &self.pending_messages, from, max)
    }

    /// Whether the message sent from here with this origin sequence has been answered, or can be answered only by what
    /// matches its entry among the pending ones.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_settled(&self, store: &impl Blockstore, origin_sequence: u64) -> Result<bool, GatewayError> {
        let words = Amt::<u64, _>::load(&self.settled, store).map_err(state_error)?;
        let word = words.get(origin_sequence / WORD_BITS).map_err(state_error)?.copied().unwrap_or_default();
        Ok(word >> (origin_sequence % WORD_BITS) & 1 == 1)
    }

    /// From now on no receipt for the message of this origin sequence counts, unless it matches a pending entry.
    pub(super) fn mark_settled(&mut self, store: &impl Blockstore, origin_sequence: u64) -> Result<(), GatewayError> {
        let mut words = Amt::<u64, _>::load(&self.settled, store).map_err(state_error)?;
        let index = origin_sequence / WORD_BITS;
        let word = words.get(index).map_err(state_error)?.copied().unwrap_or_default();
        words.set(index, word | 1 << (origin_sequence % WORD_BITS)).map_err(state_error)?;
        self.settled = words.flush().map_err(state_error)?;
        Ok(())
    }

    /// Matches a receipt for this chain with what was sent. When it counts, that message is settled and what was
    /// recorded of it (nothing, of a plain transfer) comes back; otherwise nothing changes and the code says why.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn settle_receipt(
        &mut self,
        store: &impl Blockstore,
        receipt: &CrossMessage,
    ) -> Result<Result<Option<PendingMessage>, ExitCode>, GatewayError> {
        let CrossKind::Receipt { of, of_sequence, exit_code, .. } = &receipt.kind else {
            return Ok(Err(refusal::RECEIPT_UNKNOWN));
        };
        // The id holds this chain's identity and the address that gets the receipt's value: nobody's refund can be
        // sent to somebody else.
        let is_known = *of_sequence < self.next_origin_sequence
            && *of == message_id(&self.identity, &receipt.destination.address, *of_sequence);
        if !is_known {
            return Ok(Err(refusal::RECEIPT_UNKNOWN));
        }
        let pending = self.pending_message(store, of)?;
        match &pending {
            Some(sent) => {
                let (from, to) = (&receipt.origin, &sent.destination);
                let is_from_there = from.subnet == to.subnet
                    || (!exit_code.is_success() && is_on_the_way(&self.subnet, &to.subnet, &from.subnet));
                if from.address != to.address || !is_from_there {
                    return Ok(Err(refusal::RECEIPT_SENDER));
                }
                if receipt.amount() > &sent.value + &sent.fee {
                    return Ok(Err(refusal::RECEIPT_VALUE));
                }
                self.pending_messages = delete(store, &self.pending_messages, of)?;
            }
            None if self.is_settled(store, *of_sequence)? => return Ok(Err(refusal::RECEIPT_REPEATED)),
            // A plain transfer is answered when it is refused, and only then.
            None if exit_code.is_success() => return Ok(Err(refusal::RECEIPT_UNKNOWN)),
            None => self.mark_settled(store, *of_sequence)?,
        }
        Ok(Ok(pending))
    }

    /// Takes note of a call whose answer comes later. Its fee stays here until then.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn owe(&mut self, store: &impl Blockstore, answer: OwedAnswer) -> Result<(), GatewayError> {
        self.owed_total += &answer.fee;
        self.owed = put(store, &self.owed, &answer.key(), &answer)?;
        Ok(())
    }

    /// The answer owed to the call with this key ([`OwedAnswer::key`]); `None` when none is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn owed(&self, store: &impl Blockstore, key: &Digest) -> Result<Option<OwedAnswer>, GatewayError> {
        get(store, &self.owed, key)
    }

    /// All answers owed, by the calls' keys.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all_owed(&self, store: &impl Blockstore) -> Result<Vec<(Digest, OwedAnswer)>, GatewayError> {
        all(store, &self.owed)
    }

    /// Answers owed, by the calls' keys, from the key `from` on, which must be one of them; at most `max`.
    ///
    /// # Errors
    /// When `from` is none of them, or the store fails.
    pub fn owed_page(
        &self,
        store: &impl Blockstore,
        from: Option<&Digest>,
        max: usize,
    ) -> Result<Page<Digest, OwedAnswer>, GatewayError> {
        page(store, &self.owed, from, max)
    }

    /// Takes out the answer owed to the call with this key.
    ///
    /// # Errors
    /// When none is.
    pub(crate) fn take_owed(&mut self, store: &impl Blockstore, key: &Digest) -> Result<OwedAnswer, GatewayError> {
        let answer = self.owed(store, key)?.ok_or(GatewayError::NothingOwed { key: *key })?;
        self.owed = delete(store, &self.owed, key)?;
        self.owed_total -= &answer.fee;
        Ok(answer)
    }

    /// Every word of `settled` with its index.
    pub(crate) fn settled_words(&self, store: &impl Blockstore) -> Result<Vec<(u64, u64)>, GatewayError> {
        let mut all = Vec::new();
        let words = Amt::<u64, _>::load(&self.settled, store).map_err(state_error)?;
        words
            .for_each(|index, word| {
                all.push((index, *word));
                Ok(())
            })
            .map_err(state_error)?;
        Ok(all)
    }
}
