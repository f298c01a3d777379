//! Reads the blocks of both chains and adds up what the supply equation needs.
//!
//! Everything comes from signed messages and their receipts, from what blocks brought from the parent, and from raw
//! balances. No counter of an actor is asked for.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use cid::Cid;
use client::api::ReceiptJson;
use fvm_ipld_encoding::{RawBytes, from_slice};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{
    EnqueueReturn, FIRST_USER_ID, FundParams, GATEWAY_ID, SubmitCheckpointParams, SubmitCheckpointReturn, checkpoint,
    gateway,
};
use subnet_types::{Height, Nonce, Sequence, SubnetId};

use crate::remote::Remote;
use crate::supply::{ChildSide, ParentSide};

/// How many ids without an actor, one after another, end the search for balances. Ids are given out without gaps, but a
/// message that fails may use some up.
const MISSING_IDS_MAX: u64 = 50;

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
    /// What was funded, by nonce.
    pub funded: BTreeMap<Nonce, TokenAmount>,
    /// Bottom-up messages that accepted checkpoints carried, by nonce.
    pub carried: BTreeMap<Nonce, TokenAmount>,
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
            self.take_cursor(&executed.receipt)?;
        }
        Ok(())
    }

    fn take_checkpoint(&mut self, height: Height, executed: &Executed) -> anyhow::Result<()> {
        let params: SubmitCheckpointParams = decode(&executed.message.params, "SubmitCheckpoint")?;
        let expected = self.accepted.last().map_or(Sequence::new(1), |last| last.sequence.next());
        let sequence = params.checkpoint.sequence;
        ensure!(sequence == expected, "checkpoint {sequence} was accepted where {expected} had to follow");
        for carried in &params.messages {
            self.carried.insert(carried.nonce, carried.amount());
        }
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

    /// The parent's side of the equation, given the checkpoint actor's balance.
    pub fn side(&self, actor_balance: TokenAmount) -> ParentSide {
        ParentSide {
            actor_balance,
            staked: self.staked.clone(),
            funded: self.funded.values().sum(),
            delivered: self.carried.range(..self.next_delivery).map(|(_, amount)| amount).sum(),
            burned_reported: self.burned_reported.clone(),
        }
    }
}

/// Whether a message of the child released value, and how much.
pub fn released(executed: &Executed) -> Option<&TokenAmount> {
    let message = &executed.message;
    let is_release = message.to == Address::new_id(GATEWAY_ID) && message.method_num == gateway::RELEASE;
    (is_release && executed.receipt.exit_code == 0).then_some(&message.value)
}

fn decode<T: serde::de::DeserializeOwned>(params: &RawBytes, method: &'static str) -> anyhow::Result<T> {
    from_slice(params.bytes()).with_context(|| format!("parameters of a {method} that succeeded"))
}

/// Reads the parent's blocks up to `to`.
///
/// # Errors
/// When the node cannot be read or what it says contradicts itself.
pub async fn read_parent(
    remote: &Remote,
    to: Height,
    child: &SubnetId,
    actor: Address,
) -> anyhow::Result<(ParentLedger, ParentSide)> {
    let id = remote.lookup_id(&actor, to).await?;
    let names = [actor, Address::new_id(id)];
    let mut ledger = ParentLedger::default();
    for height in (1..=to.get()).map(Height::new) {
        let is_relevant = |message: &Message| names.contains(&message.to) || message.to == Address::new_id(GATEWAY_ID);
        for executed in remote.executed(height, is_relevant).await? {
            ledger.take(height, &executed, child, &names)?;
        }
    }
    let balance = remote.balance_at(id, to).await?.context("the checkpoint actor has vanished")?;
    let side = ledger.side(balance);
    Ok((ledger, side))
}

/// Reads the child's blocks and balances up to `to`. `funded` is what the parent queued, by nonce.
///
/// # Errors
/// When the node cannot be read, or the child applied what the parent never queued.
pub async fn read_child(
    remote: &Remote,
    to: Height,
    funded: &BTreeMap<Nonce, TokenAmount>,
) -> anyhow::Result<ChildSide> {
    let mut released_total = TokenAmount::default();
    let mut applied_count = 0;
    for height in (1..=to.get()).map(Height::new) {
        let block = remote.block(height).await?;
        applied_count += block.parent_update.map_or(0, |update| u64::from(update.messages));
        let is_to_gateway = |message: &Message| message.to == Address::new_id(GATEWAY_ID);
        for executed in remote.executed(height, is_to_gateway).await? {
            released_total += released(&executed).cloned().unwrap_or_default();
        }
    }
    let applied = funded.range(..Nonce::new(applied_count)).map(|(_, amount)| amount);
    if (applied.clone().count() as u64) < applied_count {
        bail!("the child applied {applied_count} messages, the parent queued {}", funded.len());
    }
    Ok(ChildSide { applied: applied.sum(), balances: balances(remote, to).await?, released: released_total })
}

async fn balances(remote: &Remote, at: Height) -> anyhow::Result<BTreeMap<ActorID, TokenAmount>> {
    let mut found = BTreeMap::new();
    let mut missing = 0;
    for id in 0.. {
        match remote.balance_at(id, at).await? {
            Some(balance) => {
                found.insert(id, balance);
                missing = 0;
            }
            None => missing += 1,
        }
        // The singletons below the first user id are sparse.
        if id >= FIRST_USER_ID && missing > MISSING_IDS_MAX {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::JsonBytes;
    use subnet_types::Digest;
    use subnet_types::actors::ReleaseParams;
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
        let ledger = taken(&[fund(0, 10, child()), fund(0, 99, other), failed, join, stranger]).expect("reads");
        let side = ledger.side(TokenAmount::from_atto(17));
        assert_eq!((side.funded, side.staked), (TokenAmount::from_atto(10), TokenAmount::from_atto(7)));
    }

    #[test]
    fn contradictions_are_named() {
        assert!(taken(&[fund(0, 10, child()), fund(0, 10, child())]).is_err(), "one nonce twice");
        let garbage = executed(Address::new_id(GATEWAY_ID), gateway::FUND, 1, vec![0xff], vec![]);
        assert!(taken(&[garbage]).expect_err("garbage").to_string().contains("Fund"));
    }

    #[test]
    fn only_delivered_messages_have_left_custody() {
        let carried =
            [(0, 5), (1, 6), (2, 7)].map(|(nonce, amount)| (Nonce::new(nonce), TokenAmount::from_atto(amount)));
        let ledger = ParentLedger { carried: carried.into(), next_delivery: Nonce::new(2), ..ParentLedger::default() };
        assert_eq!(ledger.side(TokenAmount::default()).delivered, TokenAmount::from_atto(11));
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
    }
}
