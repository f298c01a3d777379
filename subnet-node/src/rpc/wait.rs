//! Waiting for a message to be executed.

use std::time::Duration;

use cid::Cid;
use client::api::{ApiError, MessageLookup};
use tokio::time::{Instant, timeout_at};

use super::chain::internal;
use super::context::RpcContext;
use super::convert::receipt_json;
use super::gate::Gate;
use crate::app::IncludedMessage;

impl RpcContext {
    /// Where `message` was executed; `None` when it is in no block.
    pub(super) fn lookup(&self, message: Cid) -> Result<Option<MessageLookup>, ApiError> {
        let Some(included) = self.chain.message(&message).map_err(internal)? else { return Ok(None) };
        let IncludedMessage { position, receipt, .. } = included;
        Ok(Some(MessageLookup {
            message: message.into(),
            receipt: receipt_json(&receipt),
            return_dec: serde_json::Value::Null,
            tip_set: vec![self.block_id(position.height)?.into()],
            height: position.height.get(),
        }))
    }
}

/// Looks after every block whether it holds `message`, for `patience` at most.
pub(super) async fn wait(
    context: &RpcContext,
    gate: &Gate,
    message: Cid,
    patience: Duration,
) -> Result<MessageLookup, ApiError> {
    let _waiter = gate.enter_wait()?;
    let deadline = Instant::now() + patience;
    let mut tip = context.chain.watch_tip();
    loop {
        // Marked first: a block that is committed during the look is then seen as a change.
        tip.borrow_and_update();
        let look = context.clone();
        if let Some(found) = gate.run(move || look.lookup(message)).await? {
            return Ok(found);
        }
        match timeout_at(deadline, tip.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(ApiError::NotReady("the node is stopping".to_owned())),
            Err(_) => {
                let seconds = patience.as_secs();
                return Err(ApiError::NotReady(format!(
                    "message {message} was in no block for {seconds} s; ask again, or look with Subnet.MessageStatus"
                )));
            }
        }
    }
}
