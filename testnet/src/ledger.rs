//! What the blocks of both chains say of the value between them, message by message.
//!
//! Everything comes from signed messages and their receipts, and from what blocks brought from the parent. No counter of
//! an actor is asked for: the counters are what this is compared with. [`crate::read`] brings the blocks.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use cid::Cid;
use client::api::ReceiptJson;
use fvm_ipld_encoding::{RawBytes, from_slice};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{
    DeliverBatchParams, EnqueueReturn, FundParams, GATEWAY_ID, SYSTEM_ID, SubmitCheckpointParams,
    SubmitCheckpointReturn, checkpoint, gateway,
};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::{Digest, Height, Nonce, Sequence, SubnetId};

use crate::supply::{Counters, ParentSide};

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

/// A bottom-up message of an accepted checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Which.
    pub id: Digest,
    /// Its value and fee.
    pub amount: TokenAmount,
    /// Whether it brings back what the child refused.
    pub is_receipt: bool,
}

/// What the parent's blocks say of one child.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParentLedger {
    /// Stakes of those who joined.
    pub staked: TokenAmount,
    /// What was funded, by nonce.
    pub funded: BTreeMap<Nonce, TokenAmount>,
    /// The parent's queue for the child from its first message on: what was funded, and receipts for what the parent
    /// refused, in which value goes back.
    pub queued: BTreeMap<Nonce, TokenAmount>,
    /// Bottom-up messages of accepted checkpoints, as far as somebody brought them, by nonce.
    pub carried: BTreeMap<Nonce, Carried>,
    /// Accepted checkpoints, in order.
    pub accepted: Vec<Accepted>,
    /// The next bottom-up nonce to deliver.
    pub next_delivery: Nonce,
    /// Fees that accepted checkpoints reported as burned.
    pub burned_reported: TokenAmount,
}

impl ParentLedger {
    /// Takes in one message of the block at `height`. `actor` are the addresses of the child's checkpoint actor.
    ///
    /// # Errors
    /// When a message that succeeded does not have the form it must have.
    pub fn take(
        &mut self,
        height: Height,
        executed: &Executed,
        child: &SubnetId,
        actor: &[Address],
    ) -> anyhow::Result<()> {
        if executed.receipt.exit_code != 0 {
            return Ok(());
        }
        let message = &executed.message;
        let is_actor = actor.contains(&message.to);
        if is_actor && message.method_num == checkpoint::JOIN {
            self.staked += &message.value;
        } else if message.to == Address::new_id(GATEWAY_ID) && message.method_num == gateway::FUND {
            let params: FundParams = decode(&message.params, "Fund")?;
            if params.subnet == *child {
                let queued: EnqueueReturn = from_slice(&executed.receipt.r#return.0).context("return of Fund")?;
                ensure!(
                    self.funded.insert(queued.nonce, message.value.clone()).is_none(),
                    "two Fund messages got nonce {}",
                    queued.nonce
                );
            }
        } else if is_actor && message.method_num == checkpoint::SUBMIT_CHECKPOINT {
            self.take_checkpoint(height, executed)?;
        } else if is_actor && message.method_num == checkpoint::DELIVER_BATCH {
            let params: DeliverBatchParams = decode(&executed.message.params, "DeliverBatch")?;
            self.carry(&params.messages);
            self.take_cursor(&executed.receipt)?;
        }
        Ok(())
    }

    /// Takes in the next message of the parent's queue for the child. The blocks that funded it or refused what it
    /// answers were taken in before.
    ///
    /// # Errors
    /// When nothing in those blocks explains it.
    pub fn take_queued(&mut self, message: &CrossMessage) -> anyhow::Result<()> {
        let (nonce, amount) = (message.nonce, message.amount());
        let next = Nonce::new(self.queued.len() as u64);
        ensure!(nonce == next, "message {nonce} was queued for the child where {next} had to follow");
        let expected = match &message.kind {
            CrossKind::Receipt { of, .. } => {
                self.carried.values().find(|carried| carried.id == *of).map(|carried| &carried.amount)
            }
            _ => self.funded.get(&nonce),
        };
        ensure!(
            expected == Some(&amount),
            "message {nonce} was queued for the child with {} attoFIL, the parent's blocks say {:?}",
            amount.atto(),
            expected.map(|amount| amount.atto().to_string())
        );
        self.queued.insert(nonce, amount);
        Ok(())
    }

    // Slices may overlap, and who submits may bring what another delivers, so a message may come twice; the actor
    // compared both with the root.
    fn carry(&mut self, messages: &[CrossMessage]) {
        for message in messages {
            let is_receipt = matches!(message.kind, CrossKind::Receipt { .. });
            let carried = Carried { id: message.id, amount: message.amount(), is_receipt };
            self.carried.insert(message.nonce, carried);
        }
    }

    fn take_checkpoint(&mut self, height: Height, executed: &Executed) -> anyhow::Result<()> {
        let params: SubmitCheckpointParams = decode(&executed.message.params, "SubmitCheckpoint")?;
        let expected = self.accepted.last().map_or(Sequence::new(1), |last| last.sequence.next());
        let sequence = params.checkpoint.sequence;
        ensure!(sequence == expected, "checkpoint {sequence} was accepted where {expected} had to follow");
        self.carry(&params.messages);
        self.burned_reported += &params.checkpoint.burned;
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

    /// Receipts among the bottom-up messages: what the child refused, and sent back up.
    pub fn receipts_up(&self) -> TokenAmount {
        self.carried.values().filter(|carried| carried.is_receipt).map(|carried| &carried.amount).sum()
    }

    /// The parent's side of the equation, given what the checkpoint actor says and holds.
    ///
    /// # Errors
    /// When something was funded that is not in the queue.
    pub fn side(&self, counters: Counters, actor_balance: TokenAmount) -> anyhow::Result<ParentSide> {
        if let Some(lost) = self.funded.keys().find(|nonce| !self.queued.contains_key(nonce)) {
            anyhow::bail!("message {lost} was funded and is not in the parent's queue for the child");
        }
        Ok(ParentSide {
            counters,
            actor_balance,
            staked: self.staked.clone(),
            queued: self.queued.values().sum(),
            delivered: self.carried.range(..self.next_delivery).map(|(_, carried)| &carried.amount).sum(),
            burned_reported: self.burned_reported.clone(),
        })
    }
}

/// Whether a message of the child released value, and how much.
pub fn released(executed: &Executed) -> Option<&TokenAmount> {
    let message = &executed.message;
    let is_release = message.to == Address::new_id(GATEWAY_ID) && message.method_num == gateway::RELEASE;
    (is_release && executed.receipt.exit_code == 0).then_some(&message.value)
}

/// Whether a message of the child gave value to its system actor, and how much. The actor holds the mint reserve;
/// anybody may give it something, which then nobody can spend.
pub fn given_to_system(executed: &Executed) -> Option<&TokenAmount> {
    let is_gift = executed.message.to == Address::new_id(SYSTEM_ID) && executed.receipt.exit_code == 0;
    is_gift.then_some(&executed.message.value)
}

fn decode<T: serde::de::DeserializeOwned>(params: &RawBytes, method: &'static str) -> anyhow::Result<T> {
    from_slice(params.bytes()).with_context(|| format!("parameters of a {method} that succeeded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::JsonBytes;
    use fvm_shared::error::ExitCode;
    use subnet_types::actors::ReleaseParams;
    use subnet_types::cross::CrossAddress;
    use subnet_types::hash::encode;

    fn child() -> SubnetId {
        SubnetId::root(1).child(actor()).expect("one level")
    }

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

    fn fund(nonce: u64, value: u64, subnet: SubnetId) -> Executed {
        let params = FundParams { subnet, to: Address::new_actor(b"to") };
        let returned = EnqueueReturn { id: Digest::ZERO, nonce: Nonce::new(nonce) };
        executed(Address::new_id(GATEWAY_ID), gateway::FUND, value, encode(&params), encode(&returned))
    }

    fn crossing(nonce: u64, value: u64, kind: CrossKind) -> CrossMessage {
        let at = || CrossAddress { subnet: child(), address: actor() };
        CrossMessage {
            id: Digest([nonce as u8; 32]),
            origin: at(),
            origin_sequence: nonce,
            destination: at(),
            value: TokenAmount::from_atto(value),
            kind,
            nonce: Nonce::new(nonce),
            gas_limit: 0,
            fee: TokenAmount::default(),
            expires: None,
            wants_receipt: false,
        }
    }

    fn side(ledger: &ParentLedger) -> anyhow::Result<ParentSide> {
        ledger.side(Counters::default(), TokenAmount::default())
    }

    fn taken(messages: &[Executed]) -> anyhow::Result<ParentLedger> {
        let mut ledger = ParentLedger::default();
        for message in messages {
            ledger.take(Height::new(3), message, &child(), &[actor(), Address::new_id(1000)])?;
        }
        Ok(ledger)
    }

    #[test]
    fn funds_and_stakes_of_this_child_count_and_others_do_not() {
        let other = SubnetId::root(1).child(Address::new_actor(b"other")).expect("one level");
        let mut failed = fund(1, 50, child());
        failed.receipt.exit_code = 16;
        let join = executed(Address::new_id(1000), checkpoint::JOIN, 7, vec![], vec![]);
        let stranger = executed(Address::new_id(1001), checkpoint::JOIN, 9, vec![], vec![]);
        let mut ledger = taken(&[fund(0, 10, child()), fund(0, 99, other), failed, join, stranger]).expect("reads");
        let lost = side(&ledger).expect_err("it is not queued").to_string();
        assert!(lost.contains("message 0"), "{lost}");
        ledger.take_queued(&crossing(0, 10, CrossKind::Transfer)).expect("was funded");
        let side = side(&ledger).expect("adds up");
        assert_eq!((side.queued, side.staked), (TokenAmount::from_atto(10), TokenAmount::from_atto(7)));
    }

    #[test]
    fn what_is_queued_must_be_funded_or_answer_a_message_that_came_up() {
        let mut ledger = taken(&[fund(0, 10, child()), fund(1, 20, child())]).expect("reads");
        assert!(ledger.take_queued(&crossing(1, 20, CrossKind::Transfer)).is_err(), "the first one is left out");
        assert!(ledger.take_queued(&crossing(0, 11, CrossKind::Transfer)).is_err(), "more than was funded");
        ledger.take_queued(&crossing(0, 10, CrossKind::Transfer)).expect("was funded");
        ledger.take_queued(&crossing(1, 20, CrossKind::Transfer)).expect("was funded");
        let receipt = || CrossKind::Receipt {
            of: crossing(7, 5, CrossKind::Transfer).id,
            of_sequence: 7,
            exit_code: ExitCode::new(107),
            return_data: RawBytes::default(),
        };
        assert!(ledger.take_queued(&crossing(2, 5, receipt())).is_err(), "nothing came up");
        ledger.carry(&[crossing(7, 5, CrossKind::Transfer)]);
        assert!(ledger.take_queued(&crossing(2, 6, receipt())).is_err(), "more than came up");
        ledger.take_queued(&crossing(2, 5, receipt())).expect("came up");
        assert_eq!(side(&ledger).expect("adds up").queued, TokenAmount::from_atto(35));
    }

    #[test]
    fn messages_that_only_a_later_delivery_brings_count_when_they_are_delivered() {
        let messages = vec![crossing(0, 5, CrossKind::Transfer), crossing(1, 6, CrossKind::Transfer)];
        let deliver = |next: u64| {
            let params =
                DeliverBatchParams { sequence: Sequence::new(1), messages: messages.clone(), proof: Vec::new() };
            let returned = SubmitCheckpointReturn { next_nonce: Nonce::new(next), undelivered: 2 - next };
            executed(Address::new_id(1000), checkpoint::DELIVER_BATCH, 0, encode(&params), encode(&returned))
        };
        let ledger = taken(&[deliver(1)]).expect("reads");
        assert_eq!(side(&ledger).expect("adds up").delivered, TokenAmount::from_atto(5));
        let ledger = taken(&[deliver(1), deliver(2)]).expect("reads");
        assert_eq!(side(&ledger).expect("adds up").delivered, TokenAmount::from_atto(11));
        assert!(taken(&[deliver(2), deliver(1)]).is_err(), "a cursor does not go back");
    }

    #[test]
    fn slices_that_overlap_count_each_message_once() {
        let slice = |nonces: std::ops::Range<u64>| {
            let messages = nonces.clone().map(|nonce| crossing(nonce, nonce + 1, CrossKind::Transfer)).collect();
            let params = DeliverBatchParams { sequence: Sequence::new(1), messages, proof: vec![Digest::ZERO] };
            let returned = SubmitCheckpointReturn { next_nonce: Nonce::new(nonces.end), undelivered: 5 - nonces.end };
            executed(Address::new_id(1000), checkpoint::DELIVER_BATCH, 0, encode(&params), encode(&returned))
        };
        let mut late = slice(0..2);
        late.receipt.exit_code = 183;
        let ledger = taken(&[slice(0..2), late, slice(1..4), slice(4..5)]).expect("reads");
        assert_eq!(side(&ledger).expect("adds up").delivered, TokenAmount::from_atto(1 + 2 + 3 + 4 + 5));
    }

    #[test]
    fn contradictions_are_named() {
        assert!(taken(&[fund(0, 10, child()), fund(0, 10, child())]).is_err(), "one nonce twice");
        let garbage = executed(Address::new_id(GATEWAY_ID), gateway::FUND, 1, vec![0xff], vec![]);
        assert!(taken(&[garbage]).expect_err("garbage").to_string().contains("Fund"));
    }

    #[test]
    fn only_delivered_messages_have_left_custody() {
        let mut ledger = ParentLedger { next_delivery: Nonce::new(2), ..ParentLedger::default() };
        ledger.carry(&[(0, 5), (1, 6), (2, 7)].map(|(nonce, value)| crossing(nonce, value, CrossKind::Transfer)));
        assert_eq!(side(&ledger).expect("adds up").delivered, TokenAmount::from_atto(11));
        assert_eq!(ledger.receipts_up(), TokenAmount::default());
    }

    #[test]
    fn a_release_counts_when_it_succeeded() {
        let params = encode(&ReleaseParams { to: actor() });
        let mut release = executed(Address::new_id(GATEWAY_ID), gateway::RELEASE, 8, params, vec![]);
        assert_eq!(released(&release), Some(&TokenAmount::from_atto(8)));
        release.receipt.exit_code = 1;
        assert_eq!(released(&release), None);
        release.receipt.exit_code = 0;
        release.message.method_num = gateway::FUND;
        assert_eq!(released(&release), None);
        assert_eq!(given_to_system(&release), None);
        release.message.to = Address::new_id(SYSTEM_ID);
        assert_eq!(given_to_system(&release), Some(&TokenAmount::from_atto(8)));
    }
}
