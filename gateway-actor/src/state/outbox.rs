//! The messages that go up with the next checkpoint.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::CrossMessage;
use subnet_types::hash::encode;
use subnet_types::limits::{
    CROSS_MESSAGE_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_MAX,
};
use subnet_types::quantity::{Height, Nonce};

use super::{State, empty_amt, state_error};
use crate::types::{Draft, GatewayError, Outbox};

impl State {
    /// Puts a user's message into the period's batch. Its value must have been burned here, or be about to.
    ///
    /// # Errors
    /// On a root, when the message is too large to cross, or when the batch is full.
    pub fn release(
        &mut self,
        store: &impl Blockstore,
        height: Height,
        draft: Draft,
    ) -> Result<CrossMessage, GatewayError> {
        let next_cut = self.next_cut(height);
        let message = self.queue_up(store, draft)?;
        if self.outbox.is_over_full() {
            let (count, bytes) = (self.outbox.count - 1, self.outbox.bytes - encode(&message).len() as u64);
            return Err(GatewayError::OutboxFull { count, bytes, next_cut: next_cut.get() });
        }
        Ok(message)
    }

    /// Puts a message into the outbox, past the batch's limits if need be: the answer to a message that came down must
    /// not be lost because users filled the batch. The cut leaves what is over for the next period.
    ///
    /// # Errors
    /// On a root, and when the message is too large to cross.
    pub(crate) fn queue_up(&mut self, store: &impl Blockstore, draft: Draft) -> Result<CrossMessage, GatewayError> {
        if self.parent.is_none() {
            return Err(GatewayError::NoParent { subnet: self.subnet.clone() });
        }
        let message = self.stamp(draft, self.outbox.next_nonce());
        let bytes = encode(&message).len();
        if bytes > CROSS_MESSAGE_BYTES_MAX {
            return Err(GatewayError::TooLarge { actual: bytes, max: CROSS_MESSAGE_BYTES_MAX });
        }
        self.released_in_period += message.amount();
        self.outbox.push(store, &message)?;
        Ok(message)
    }
}

impl Outbox {
    pub(crate) fn empty(store: &impl Blockstore, first_nonce: Nonce) -> Result<Self, GatewayError> {
        let messages = empty_amt::<CrossMessage>(store)?;
        Ok(Self { messages, first_nonce, count: 0, bytes: 0, value: TokenAmount::default() })
    }

    /// An outbox of these messages, which are in nonce order from `first_nonce` on.
    pub(crate) fn of(
        store: &impl Blockstore,
        first_nonce: Nonce,
        messages: &[CrossMessage],
    ) -> Result<Self, GatewayError> {
        Ok(Self {
            messages: Amt::<&CrossMessage, _>::new_from_iter(store, messages).map_err(state_error)?,
            first_nonce,
            count: messages.len() as u64,
            bytes: messages.iter().map(|message| encode(message).len() as u64).sum(),
            value: messages.iter().map(CrossMessage::amount).sum(),
        })
    }

    fn push(&mut self, store: &impl Blockstore, message: &CrossMessage) -> Result<(), GatewayError> {
        let mut messages = Amt::<CrossMessage, _>::load(&self.messages, store).map_err(state_error)?;
        messages.set(self.count, message.clone()).map_err(state_error)?;
        self.messages = messages.flush().map_err(state_error)?;
        self.count += 1;
        self.bytes += encode(message).len() as u64;
        self.value += message.amount();
        Ok(())
    }

    /// Whether it holds more than one checkpoint may carry.
    pub(crate) fn is_over_full(&self) -> bool {
        self.count > CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64
            || self.bytes > CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX as u64
    }
}

/// How many of `messages`, from the first on, one checkpoint may carry.
pub(crate) fn fitting(messages: &[CrossMessage]) -> usize {
    let mut bytes = 0;
    let fits = messages.iter().take(CROSS_MESSAGES_PER_CHECKPOINT_MAX).take_while(|message| {
        bytes += encode(message).len();
        bytes <= CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX
    });
    fits.count()
}

/// The first `count` messages of an outbox.
pub(crate) fn read(store: &impl Blockstore, root: &Cid, count: u64) -> Result<Vec<CrossMessage>, GatewayError> {
    let amt = Amt::<CrossMessage, _>::load(root, store).map_err(state_error)?;
    let mut messages = Vec::new();
    amt.for_each_ranged(None, Some(count), |_, message| {
        messages.push(message.clone());
        Ok(())
    })
    .map_err(state_error)?;
    Ok(messages)
}
