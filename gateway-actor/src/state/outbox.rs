//! The messages that go up with the next checkpoint.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::CrossMessage;
use subnet_types::quantity::Nonce;

use super::{empty_amt, state_error};
use crate::types::{GatewayError, Outbox};

impl Outbox {
    pub(crate) fn empty(store: &impl Blockstore, first_nonce: Nonce) -> Result<Self, GatewayError> {
        let messages = empty_amt::<CrossMessage>(store)?;
        Ok(Self { messages, first_nonce, count: 0, bytes: 0, value: TokenAmount::default() })
    }
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
