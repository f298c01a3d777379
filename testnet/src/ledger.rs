//! What a parent's blocks say of one child: who joined with how much, and which checkpoints were accepted.
//!
//! Everything comes from signed messages and their receipts. No counter of an actor is asked for: the counters are what
//! this is compared with. [`crate::read`] brings the blocks.

use anyhow::{Context, ensure};
use cid::Cid;
use client::api::ReceiptJson;
use fvm_ipld_encoding::{RawBytes, from_slice};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{SubmitCheckpointParams, SubmitCheckpointReturn, checkpoint};
use subnet_types::{Height, Nonce, Sequence};

/// A message in a block and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The message.
    pub message: Message,
    /// Bytes of its signed form.
    pub signed_bytes: usize,
    /// Its outcome.
    pub receipt: ReceiptJson,
}

/// A checkpoint that the parent accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Which.
    pub sequence: Sequence,
    /// The child's height it reports.
    pub child_height: Height,
    /// The state root it reports for that height.
    pub state_root: Cid,
    /// The parent's height that accepted it.
    pub parent_height: Height,
    /// Gas of the message.
    pub gas_used: u64,
    /// Bytes of the signed message.
    pub signed_bytes: usize,
}

/// What the parent's blocks say of one child.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParentLedger {
    /// Stakes of those who joined.
    pub staked: TokenAmount,
    /// Accepted checkpoints, in order.
    pub accepted: Vec<Accepted>,
    /// The next bottom-up nonce to deliver.
    pub next_delivery: Nonce,
}

impl ParentLedger {
    /// Takes in one message of the block at `height`. `actor` are the addresses of the child's checkpoint actor.
    ///
    /// # Errors
    /// When a message that succeeded does not have the form it must have, or contradicts those before.
    pub fn take(&mut self, height: Height, executed: &Executed, actor: &[Address]) -> anyhow::Result<()> {
        let message = &executed.message;
        if executed.receipt.exit_code != 0 || !actor.contains(&message.to) {
            return Ok(());
        }
        match message.method_num {
            checkpoint::JOIN => self.staked += &message.value,
            checkpoint::SUBMIT_CHECKPOINT => self.take_checkpoint(height, executed)?,
            checkpoint::DELIVER_BATCH => self.take_cursor(&executed.receipt)?,
            _ => {}
        }
        Ok(())
    }

    fn take_checkpoint(&mut self, height: Height, executed: &Executed) -> anyhow::Result<()> {
        let params: SubmitCheckpointParams = decode(&executed.message.params, "SubmitCheckpoint")?;
        let expected = self.accepted.last().map_or(Sequence::new(1), |last| last.sequence.next());
        let sequence = params.checkpoint.sequence;
        ensure!(sequence == expected, "checkpoint {sequence} was accepted where {expected} had to follow");
        self.accepted.push(Accepted {
            sequence,
            child_height: params.checkpoint.height,
            state_root: params.checkpoint.state_root,
            parent_height: height,
            gas_used: executed.receipt.gas_used,
            signed_bytes: executed.signed_bytes,
        });
        self.take_cursor(&executed.receipt)
    }

    fn take_cursor(&mut self, receipt: &ReceiptJson) -> anyhow::Result<()> {
        let cursor: SubmitCheckpointReturn = from_slice(&receipt.r#return.0).context("return of a delivery")?;
        ensure!(cursor.next_nonce >= self.next_delivery, "the delivery cursor went back");
        self.next_delivery = cursor.next_nonce;
        Ok(())
    }
}

fn decode<T: serde::de::DeserializeOwned>(params: &RawBytes, method: &'static str) -> anyhow::Result<T> {
    from_slice(params.bytes()).with_context(|| format!("parameters of a {method} that succeeded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::JsonBytes;
    use subnet_types::hash::encode;

    fn actor() -> Address {
        Address::new_actor(b"checkpoint")
    }

    fn executed(to: Address, method: u64, value: u64, params: Vec<u8>, returned: Vec<u8>) -> Executed {
        let message = Message {
            version: 0,
            from: Address::new_id(100),
            to,
            sequence: 0,
            value: TokenAmount::from_atto(value),
            method_num: method,
            params: RawBytes::new(params),
            gas_limit: 1,
            gas_fee_cap: TokenAmount::default(),
            gas_premium: TokenAmount::default(),
        };
        let receipt = ReceiptJson { exit_code: 0, r#return: JsonBytes(returned), gas_used: 5, events_root: None };
        Executed { message, signed_bytes: 100, receipt }
    }

    fn taken(messages: &[Executed]) -> anyhow::Result<ParentLedger> {
        let mut ledger = ParentLedger::default();
        for message in messages {
            ledger.take(Height::new(3), message, &[actor(), Address::new_id(1000)])?;
        }
        Ok(ledger)
    }

    #[test]
    fn stakes_of_this_child_count_when_the_message_succeeded() {
        let join = |to: u64, value| executed(Address::new_id(to), checkpoint::JOIN, value, vec![], vec![]);
        let mut failed = join(1000, 50);
        failed.receipt.exit_code = 16;
        let ledger = taken(&[join(1000, 7), join(1001, 9), failed]).expect("reads");
        assert_eq!(ledger.staked, TokenAmount::from_atto(7));
    }

    #[test]
    fn delivery_goes_forward_only() {
        let deliver = |next: u64| {
            let returned = SubmitCheckpointReturn { next_nonce: Nonce::new(next), undelivered: 2 - next };
            executed(Address::new_id(1000), checkpoint::DELIVER_BATCH, 0, vec![], encode(&returned))
        };
        let ledger = taken(&[deliver(1), deliver(1), deliver(2)]).expect("reads");
        assert_eq!(ledger.next_delivery, Nonce::new(2));
        assert!(taken(&[deliver(2), deliver(1)]).is_err(), "a cursor does not go back");
    }

    #[test]
    fn what_succeeded_and_makes_no_sense_is_named() {
        let garbage = executed(actor(), checkpoint::SUBMIT_CHECKPOINT, 0, vec![0xff], vec![]);
        let error = taken(&[garbage]).expect_err("garbage").to_string();
        assert!(error.contains("SubmitCheckpoint"), "{error}");
    }
}
