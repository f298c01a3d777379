//! Brings what is due on the parent there by hand: from any node of the child to any node of the parent.
//!
//! Nothing is remembered between runs and nothing is trusted more than a submitter does: the parent's cursors say where
//! to go on, the parent's actor checks what comes, and of what its node answers only a nonce and prices get into a
//! message. So anybody can do it, beside the child's own nodes or in their place, and stop at any time.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use client::Client;
use client::api::MessageStage;
use client::keys::AccountKey;
use client::rpc::RpcError;
use client::sign_message;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::SubmitCheckpointParams;
use subnet_types::limits::BLOCK_GAS_MAX;
use subnet_types::{ChainIdentity, Digest, Height, Nonce, Sequence, SubnetId};
use tokio::time::Instant;

use super::plan::{Duty, Settlement, due};
use super::submission::{
    Call, ParentRoom, deliver, first_settling, gas_limit, message, replace, retry, submit, with_gas,
};
use super::submitter::settlement;
use crate::parent::api::ParentApi;

/// How often the parent is asked what became of a message.
const POLL: Duration = Duration::from_millis(250);

/// A certified checkpoint, as a node of the child tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// With certificate and messages.
    pub submission: SubmitCheckpointParams,
    /// What was signed.
    pub digest: Digest,
}

/// A node of the child.
#[async_trait]
pub trait ChildApi: Send + Sync {
    /// The certified checkpoint with this sequence; `None` before there is one.
    async fn certified(&self, sequence: Sequence) -> Result<Option<Certified>, RpcError>;
}

#[async_trait]
impl ChildApi for Client {
    async fn certified(&self, sequence: Sequence) -> Result<Option<Certified>, RpcError> {
        let record = self.checkpoint(sequence).await?;
        Ok(record.map(|record| Certified { digest: record.checkpoint.digest, submission: record.submission.0 }))
    }
}

/// Why something was not brought. What was brought before stays brought.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A node could not be asked, or refused.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The nodes are of different histories.
    #[error("the parent accepted checkpoint {sequence} with digest {accepted}, the child's node has {ours}")]
    Foreign {
        /// Which checkpoint.
        sequence: Sequence,
        /// Its digest on the parent.
        accepted: Digest,
        /// On the child's node.
        ours: Digest,
    },
    /// The child's node lacks what the parent waits for.
    #[error("the child's node has no certified checkpoint with message {nonce}; ask another one, or this one later")]
    Missing {
        /// The message.
        nonce: Nonce,
    },
    /// Too dear.
    #[error("the parent asks for up to {asked} FIL in gas fees, at most {max} are allowed")]
    Fee {
        /// Gas limit times fee cap.
        asked: TokenAmount,
        /// The limit.
        max: TokenAmount,
    },
    /// It was executed and failed.
    #[error("message {message} failed at height {height} of the parent with exit code {exit_code}")]
    Failed {
        /// The message to the parent.
        message: Cid,
        /// Of its block.
        height: Height,
        /// What the actor answered.
        exit_code: u32,
    },
    /// It is in no block yet.
    #[error("message {message} was not in a final block of the parent within {seconds} s; it may still come")]
    TooLate {
        /// The message to the parent.
        message: Cid,
        /// How long was waited.
        seconds: u64,
    },
}

/// Something that is due, and the call that does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// What for.
    pub duty: Duty,
    /// The checkpoint that it is, or is of.
    pub sequence: Sequence,
    /// Messages that go along.
    pub messages: usize,
    /// What to call.
    pub call: Call,
}

/// Something that was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// The message to the parent.
    pub message: Cid,
    /// Of its block.
    pub height: Height,
    /// What it used.
    pub gas_used: u64,
}

/// Between one node of the child and one of the parent.
pub struct Relay<'a> {
    /// Has the checkpoints.
    pub child: &'a dyn ChildApi,
    /// Takes them.
    pub parent: &'a dyn ParentApi,
    /// Name of the child.
    pub subnet: SubnetId,
    /// Robust address of its checkpoint actor.
    pub actor: Address,
    /// How long to wait for one message.
    pub timeout: Duration,
}

/// Who signs and pays on the parent.
pub struct Payer {
    /// The key.
    pub account: AccountKey,
    /// Of the parent; signatures are for it.
    pub identity: ChainIdentity,
    /// Gas fees of one message, at most.
    pub fee_max: TokenAmount,
}

impl Relay<'_> {
    /// What is due now, in the order in which to bring it. Each message that was set aside counts as tried, and so does
    /// not appear, when its nonce is in `tried`.
    ///
    /// # Errors
    /// When a node does not answer, or the child's has another history or lacks what is due.
    pub async fn due(&self, tried: &BTreeSet<Nonce>) -> Result<Vec<Load>, RelayError> {
        let settlement = settlement(&self.parent.child_status(&self.subnet).await?);
        self.check_history(&settlement).await?;
        let next = self.child.certified(settlement.last_sequence.next()).await?;
        let is_open = |duty: &Duty| !matches!(duty, Duty::Retry(nonce) if tried.contains(nonce));
        let duties: Vec<Duty> = due(&settlement, &|_| next.is_some()).into_iter().filter(is_open).collect();
        if duties.is_empty() {
            return Ok(Vec::new());
        }
        let block_gas_limit = self.parent.facts().await?.block_gas_limit.min(BLOCK_GAS_MAX);
        let Settlement { undelivered, last_sequence, .. } = settlement;
        let room = ParentRoom { block_gas_limit, undelivered, last_sequence };
        let mut loads = Vec::new();
        for duty in duties {
            loads.push(match (duty, next.clone()) {
                (Duty::Submit(sequence), Some(Certified { mut submission, .. })) => {
                    if undelivered > 0 {
                        submission.messages.clear();
                    }
                    let messages = submission.messages.len();
                    let call = submit(submission, &room);
                    // Messages came along only if there was room for all of them.
                    let messages = if call.gas_limit_min == 0 { 0 } else { messages };
                    Load { duty, sequence, messages, call }
                }
                (Duty::Submit(_), None) => continue,
                (Duty::Deliver(nonce), _) => {
                    let (sequence, batch, first) = self.batch_with(nonce, last_sequence).await?;
                    let call = deliver(sequence, &batch, first, &room).ok_or(RelayError::Missing { nonce })?;
                    Load { duty, sequence, messages: slice_of(&call), call }
                }
                (Duty::Retry(nonce), _) => {
                    let (sequence, batch, first) = self.batch_with(nonce, last_sequence).await?;
                    let message = batch.get(first).ok_or(RelayError::Missing { nonce })?;
                    Load { duty, sequence, messages: 1, call: retry(message) }
                }
            });
        }
        Ok(loads)
    }

    /// Sends a call and waits until it is in a final block.
    ///
    /// # Errors
    /// When the parent's node refuses it, or it fails or is not included in time.
    pub async fn bring(&self, load: &Load, payer: &Payer) -> Result<Brought, RelayError> {
        let from = payer.account.address();
        let (used, next) = (self.parent.state_nonce(&from).await?, self.parent.next_nonce(&from).await?);
        let waiting = if next > used { self.parent.pending(&from).await? } else { Vec::new() };
        let waiting = first_settling(&waiting, &self.actor, used..next);
        let nonce = waiting.as_ref().map_or(next, |waiting| waiting.nonce);
        let open = message(&load.call, from, self.actor, nonce);
        let estimated = self.parent.estimate(&open, &payer.fee_max).await?;
        let block_gas_limit = self.parent.facts().await?.block_gas_limit.min(BLOCK_GAS_MAX);
        let gas_limit = gas_limit(estimated.gas_limit, load.call.gas_limit_min, block_gas_limit);
        let priced = with_gas(open, &estimated, gas_limit);
        let message = match &waiting {
            Some(waiting) => replace(waiting, priced),
            None => priced,
        };
        let asked = &message.gas_fee_cap * message.gas_limit;
        if asked > payer.fee_max {
            return Err(RelayError::Fee { asked, max: payer.fee_max.clone() });
        }
        let cid = self.parent.push(&sign_message(&message, &payer.account, &payer.identity)).await?;
        self.outcome(cid).await
    }

    async fn outcome(&self, message: Cid) -> Result<Brought, RelayError> {
        let started = Instant::now();
        while started.elapsed() < self.timeout {
            let status = self.parent.message_status(&message).await?;
            if status.stage == MessageStage::Included {
                let (height, gas_used) =
                    (status.height.unwrap_or(Height::GENESIS), status.gas_used.unwrap_or_default());
                return match status.exit_code {
                    Some(0) => Ok(Brought { message, height, gas_used }),
                    exit_code => Err(RelayError::Failed { message, height, exit_code: exit_code.unwrap_or(u32::MAX) }),
                };
            }
            tokio::time::sleep(POLL).await;
        }
        Err(RelayError::TooLate { message, seconds: self.timeout.as_secs() })
    }

    async fn check_history(&self, settlement: &Settlement) -> Result<(), RelayError> {
        let (sequence, accepted) = (settlement.last_sequence, settlement.last_digest);
        if sequence == Sequence::ZERO {
            return Ok(());
        }
        match self.child.certified(sequence).await? {
            Some(Certified { digest: ours, .. }) if ours != accepted => {
                Err(RelayError::Foreign { sequence, accepted, ours })
            }
            _ => Ok(()),
        }
    }

    /// The batch with a message, of the checkpoints up to `last`; and the message's index in it.
    async fn batch_with(
        &self,
        nonce: Nonce,
        last: Sequence,
    ) -> Result<(Sequence, Vec<subnet_types::CrossMessage>, usize), RelayError> {
        let (mut low, mut high) = (0, last.get());
        while low < high {
            let middle = high - (high - low) / 2;
            let found = self.child.certified(Sequence::new(middle)).await?.ok_or(RelayError::Missing { nonce })?;
            if found.submission.checkpoint.messages.first_nonce <= nonce {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let found = self.child.certified(Sequence::new(low)).await?.ok_or(RelayError::Missing { nonce })?;
        let batch = found.submission.messages;
        let index = batch.iter().position(|message| message.nonce == nonce).ok_or(RelayError::Missing { nonce })?;
        Ok((Sequence::new(low), batch, index))
    }
}

/// How many messages a delivery brings.
fn slice_of(call: &Call) -> usize {
    fvm_ipld_encoding::from_slice::<subnet_types::actors::DeliverBatchParams>(&call.params)
        .map_or(0, |params| params.messages.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use subnet_types::actors::checkpoint;

    use super::*;
    use crate::app::tests::world::{Node, PARENT_IDENTITY, PERIOD, account, fil, releasing};
    use crate::parent::tests::fake::{FakeApi, World};

    #[async_trait]
    impl ChildApi for Node {
        async fn certified(&self, sequence: Sequence) -> Result<Option<Certified>, RpcError> {
            let Some(record) = self.chain().checkpoint(sequence).unwrap() else { return Ok(None) };
            let Some(certificate) = record.certificate.clone() else { return Ok(None) };
            let messages = self.chain().checkpoint_messages(&record).unwrap();
            let submission = SubmitCheckpointParams { checkpoint: record.checkpoint, certificate, messages };
            Ok(Some(Certified { submission, digest: record.digest }))
        }
    }

    /// A child with three certified checkpoints, the first of which has five messages.
    async fn child() -> Node {
        let node = releasing(5).await;
        while node.chain().tip().height.get() < 3 * PERIOD + 1 {
            node.step().await;
        }
        node
    }

    fn world(node: &Node) -> Arc<World> {
        let world = World::new(PARENT_IDENTITY);
        for sequence in (1..=3).map(Sequence::new) {
            let record = node.chain().checkpoint(sequence).unwrap().unwrap();
            world.digests.lock().insert(sequence, record.digest);
        }
        // Two transfers at once, and no more.
        world.block_gas_limit.store(732_000_000, Ordering::Relaxed);
        world
    }

    fn relay<'a>(node: &'a Node, parent: &'a FakeApi) -> Relay<'a> {
        Relay {
            child: node,
            parent,
            subnet: node.content.genesis.subnet.clone(),
            actor: node.content.genesis.subnet.checkpoint_actor().unwrap(),
            timeout: Duration::from_secs(5),
        }
    }

    fn payer() -> Payer {
        Payer { account: account(1), identity: PARENT_IDENTITY, fee_max: fil(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn everything_that_is_due_is_brought_by_several_runs_that_were_stopped() {
        let node = child().await;
        let world = world(&node);
        let mut brought = Vec::new();
        // Each run ends after one message, and the next goes on from where the parent stands.
        for _ in 0..20 {
            let api = FakeApi::new(&world);
            let relay = relay(&node, &api);
            let loads = relay.due(&BTreeSet::new()).await.unwrap();
            let Some(load) = loads.first() else { break };
            relay.bring(load, &payer()).await.unwrap();
            brought.push((load.duty, load.sequence.get(), load.messages));
        }
        let (submit, slice) = (|n| Duty::Submit(Sequence::new(n)), |n| Duty::Deliver(Nonce::new(n)));
        let expected = [
            (submit(1), 1, 0),
            (slice(0), 1, 2),
            (slice(2), 1, 2),
            (slice(4), 1, 1),
            (submit(2), 2, 0),
            (submit(3), 3, 0),
        ];
        assert_eq!(brought, expected);
        for signed in world.pushed.lock().iter() {
            mempool::verify(signed, &PARENT_IDENTITY, subnet_types::message::SignaturePolicy::Bound).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn message_that_was_set_aside_is_brought_with_its_body_once_for_each_run() {
        let node = child().await;
        let world = world(&node);
        *world.last_sequence.lock() = Sequence::new(3);
        *world.next_nonce.lock() = Nonce::new(5);
        *world.unclaimed.lock() = vec![Nonce::new(3)];
        let api = FakeApi::new(&world);
        let relay = relay(&node, &api);
        let loads = relay.due(&BTreeSet::new()).await.unwrap();
        let record = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap();
        let body = subnet_types::hash::encode(&node.chain().checkpoint_messages(&record).unwrap()[3]);
        assert_eq!((loads.len(), loads[0].sequence, &loads[0].call.params), (1, Sequence::new(1), &body));
        assert_eq!(loads[0].call.method, checkpoint::DELIVER_UNCLAIMED);
        assert!(relay.due(&BTreeSet::from([Nonce::new(3)])).await.unwrap().is_empty(), "it was tried");
        relay.bring(&loads[0], &payer()).await.unwrap();
        assert!(relay.due(&BTreeSet::new()).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn other_history_high_price_and_slow_parent_are_told() {
        let node = child().await;
        let world = world(&node);
        let api = FakeApi::new(&world);
        let relay = relay(&node, &api);
        let load = relay.due(&BTreeSet::new()).await.unwrap().remove(0);
        world.price.store(2_000_000_000_000, Ordering::Relaxed);
        assert!(matches!(relay.bring(&load, &payer()).await, Err(RelayError::Fee { .. })));
        assert!(world.pushed.lock().is_empty());
        world.price.store(100, Ordering::Relaxed);
        world.is_including.store(false, Ordering::Relaxed);
        assert!(matches!(relay.bring(&load, &payer()).await, Err(RelayError::TooLate { seconds: 5, .. })));
        // The next run takes the place of what waits.
        assert!(matches!(relay.bring(&load, &payer()).await, Err(RelayError::TooLate { .. })));
        let nonces: Vec<u64> = world.pushed.lock().iter().map(|signed| signed.message.sequence).collect();
        assert_eq!(nonces, [0, 0]);
        *world.last_sequence.lock() = Sequence::new(1);
        world.digests.lock().insert(Sequence::new(1), Digest([9; 32]));
        assert!(matches!(relay.due(&BTreeSet::new()).await, Err(RelayError::Foreign { .. })));
    }
}
