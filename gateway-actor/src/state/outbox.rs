//! The messages that go up with the next checkpoints.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::{CrossMessage, MessageBatch};
use subnet_types::hash::encode;
use subnet_types::limits::{
    CROSS_MESSAGE_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_MAX,
    OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX,
};
use subnet_types::quantity::{Height, Nonce};

use super::{State, empty_amt, load, save, state_error};
use crate::types::{Draft, GatewayError, Outbox};

impl State {
    /// Puts a user's message into the outbox. Its value must have left circulation, or be about to.
    ///
    /// # Errors
    /// On a root, when the message is too large to cross, or when too much waits already.
    pub fn send_up(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        draft: Draft,
    ) -> Result<CrossMessage, GatewayError> {
        if self.outbox.is_full() {
            let (count, bytes) = (self.outbox.count, self.outbox.bytes);
            return Err(GatewayError::OutboxFull { count, bytes, next_cut: self.next_cut(height).get() });
        }
        self.queue_up(store, draft)
    }

    /// Puts a message that starts here into the outbox, past the limits for users if need be: the answer to a message
    /// that came down must not be lost because users filled it.
    ///
    /// # Errors
    /// On a root, and when the message is too large to cross.
    pub(crate) fn queue_up(&mut self, store: &impl Blockstore, draft: Draft) -> Result<CrossMessage, GatewayError> {
        let message = self.stamp(store, draft)?;
        self.pass_up(store, message)
    }

    /// Puts a message into the outbox, from wherever it comes, and returns it with its new nonce. Changes nothing when
    /// it fails.
    ///
    /// # Errors
    /// As [`Self::queue_up`].
    pub(crate) fn pass_up(
        &mut self,
        store: &impl Blockstore,
        message: CrossMessage,
    ) -> Result<CrossMessage, GatewayError> {
        if self.parent.is_none() {
            return Err(GatewayError::NoParent { subnet: self.subnet.clone() });
        }
        let message = CrossMessage { nonce: self.outbox.next_nonce(), ..message };
        let bytes = encode(&message).len();
        if bytes > CROSS_MESSAGE_BYTES_MAX {
            return Err(GatewayError::TooLarge { actual: bytes, max: CROSS_MESSAGE_BYTES_MAX });
        }
        self.reserve += message.amount();
        self.outbox.push(store, &message, bytes)?;
        Ok(message)
    }
}

impl Outbox {
    /// Whether as much waits as may, but for answers.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= OUTBOX_MESSAGES_MAX as u64 || self.bytes >= OUTBOX_BYTES_MAX as u64
    }

    pub(crate) fn empty(store: &impl Blockstore, first_nonce: Nonce) -> Result<Self, GatewayError> {
        let messages = empty_amt::<Cid>(store)?;
        let value = TokenAmount::default();
        Ok(Self { messages, base: first_nonce, first_nonce, count: 0, bytes: 0, value })
    }

    /// At most `max` of the messages that wait, from the nonce `from` on, in order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn waiting(&self, store: &impl Blockstore, from: Nonce, max: usize) -> Result<Vec<CrossMessage>, GatewayError> {
        if from >= self.next_nonce() {
            return Ok(Vec::new());
        }
        let messages = Amt::<Cid, _>::load(&self.messages, store).map_err(state_error)?;
        let from = from.saturating_since(self.base);
        links(&messages, Some(from), max as u64)?.iter().map(|link| load(store, link)).collect()
    }

    fn push(&mut self, store: &impl Blockstore, message: &CrossMessage, bytes: usize) -> Result<(), GatewayError> {
        let mut messages = Amt::<Cid, _>::load(&self.messages, store).map_err(state_error)?;
        messages.set(message.nonce.saturating_since(self.base), save(store, message)?).map_err(state_error)?;
        self.messages = messages.flush().map_err(state_error)?;
        self.count += 1;
        self.bytes += bytes as u64;
        self.value += message.amount();
        Ok(())
    }

    /// Takes out what one checkpoint may carry, from the first message on, and returns it with an AMT whose first
    /// messages it is. Costs by the batch alone, however much waits behind it: a cut that could become too dear would
    /// end the chain.
    pub(crate) fn take_batch(&mut self, store: &impl Blockstore) -> Result<(MessageBatch, Cid), GatewayError> {
        let (first, root) = (self.first_nonce, self.messages);
        let mut waiting = Amt::<Cid, _>::load(&root, store).map_err(state_error)?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for link in links(&waiting, None, CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64)? {
            let message: CrossMessage = load(store, &link)?;
            let size = encode(&message).len();
            if bytes + size > CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX {
                break;
            }
            bytes += size;
            batch.push(message);
        }
        let taken = MessageBatch::of(first, &batch);
        if taken.count == self.count {
            *self = Self::empty(store, self.next_nonce())?;
            return Ok((taken, root));
        }
        let index = first.saturating_since(self.base);
        waiting.batch_delete(index..index + taken.count, true).map_err(state_error)?;
        self.messages = waiting.flush().map_err(state_error)?;
        self.first_nonce = first.checked_add(taken.count).expect("nonces are counted up from zero");
        self.count -= taken.count;
        self.bytes -= bytes as u64;
        self.value -= &taken.value;
        Ok((taken, root))
    }
}

/// The first `count` messages of an outbox.
pub(crate) fn read(store: &impl Blockstore, root: &Cid, count: u64) -> Result<Vec<CrossMessage>, GatewayError> {
    let amt = Amt::<Cid, _>::load(root, store).map_err(state_error)?;
    links(&amt, None, count)?.iter().map(|link| load(store, link)).collect()
}

fn links<B: Blockstore>(messages: &Amt<Cid, B>, from: Option<u64>, count: u64) -> Result<Vec<Cid>, GatewayError> {
    let mut links = Vec::new();
    messages
        .for_each_ranged(from, Some(count), |_, link| {
            links.push(*link);
            Ok(())
        })
        .map_err(state_error)?;
    Ok(links)
}
