//! Carries certified checkpoints to the parent. Runs on every node; [`super::rotation`] keeps the nodes apart.
//!
//! It remembers nothing that matters: what is due follows from the parent's status and the store, and what it sent
//! before from the parent's mempool, so a restart goes on where the last run ended.

use std::sync::Arc;
use std::time::Duration;

use client::api::{ChildStatus, MessageStage};
use client::keys::AccountKey;
use client::sign_message;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::{ChainIdentity, Digest, Height, Sequence, SignedMessage, SubnetId, VoteKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan::{Duty, Progress, Settlement, due};
use super::rotation::Turn;
use super::submission::{Call, ParentRoom, call_for, first_settling, gas_limit, message, raise_price, replace};
use crate::app::{ChainError, ChainReader};
use crate::metrics::{CheckpointMetrics, gauge};
use crate::parent::{Endpoints, ParentError};

/// Gas fees of one submission, at most: a parent endpoint must not be able to name any price.
const SUBMISSION_FEE_MAX_FIL: u64 = 1;
/// Parent blocks in which a submission is visible when all goes well: one to be included, one to be seen.
const STEP_BLOCKS: u64 = 3;
/// Least time between the turns of two nodes.
const STEP_MIN: Duration = Duration::from_secs(2);
/// How often the parent is asked while something is due.
const POLL_DUE: Duration = Duration::from_millis(250);
/// How often when nothing is.
const POLL_IDLE: Duration = Duration::from_secs(5);

/// What a submitter is made of.
pub struct SubmitterParts {
    /// The committed chain.
    pub chain: ChainReader,
    /// The parent's nodes.
    pub endpoints: Arc<Endpoints>,
    /// Pays.
    pub account: AccountKey,
    /// This node among the validators.
    pub vote_key: VoteKey,
    /// Robust address of the checkpoint actor.
    pub actor: Address,
    /// Identity of the parent, which the message's signature covers.
    pub parent: ChainIdentity,
    /// Counts attempts.
    pub metrics: CheckpointMetrics,
}

/// Submits checkpoints.
pub struct Submitter {
    parts: SubmitterParts,
    from: Address,
    started: Instant,
    progress: Option<Progress>,
    /// The last message pushed, until the parent says what became of it.
    waiting: Option<SignedMessage>,
    /// When the parent last said that all of our checkpoints up to this one are settled.
    settled: Option<(Option<Sequence>, Instant)>,
    /// Known once the parent was asked.
    parent: Option<ParentPace>,
    /// Whether the parent's last checkpoint of this chain is another than ours.
    is_foreign: bool,
    /// Whether the parent has ended the subnet (otherwise only announced it), and since which height.
    end: Option<(bool, Height)>,
    failures: u32,
}

/// What the parent's parameters mean for submissions.
#[derive(Clone, Copy)]
struct ParentPace {
    /// Time in which another node's submission shows.
    step: Duration,
    /// Most gas of a message.
    block_gas_limit: u64,
}

/// Why an attempt brought nothing, as a word for metrics and a reason for the log.
struct Setback {
    result: &'static str,
    reason: String,
}

impl Setback {
    fn of(result: &'static str) -> impl Fn(ParentError) -> Self {
        move |error| Self { result, reason: error.to_string() }
    }
}

impl Submitter {
    /// A submitter that has done nothing.
    pub fn new(parts: SubmitterParts) -> Self {
        let from = parts.account.address();
        Self {
            parts,
            from,
            started: Instant::now(),
            progress: None,
            waiting: None,
            settled: None,
            parent: None,
            is_foreign: false,
            end: None,
            failures: 0,
        }
    }

    /// Works until `stop` is cancelled.
    ///
    /// # Errors
    /// When this node's own chain cannot be read; never because of the parent.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ChainError> {
        let mut tip = self.parts.chain.watch_tip();
        loop {
            let is_busy = self.step().await?;
            let pause = if is_busy { POLL_DUE } else { POLL_IDLE };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
                // A block of ours may have certified a checkpoint; the first in the rotation submits it at once.
                changed = tip.changed(), if self.failures == 0 => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Looks at the parent and does what is due. Whether there is something due.
    async fn step(&mut self) -> Result<bool, ChainError> {
        let certified = self.last_certified()?;
        if let Some(sequence) = certified {
            self.parts.metrics.certified.set(gauge(sequence.get()));
        }
        // Most blocks certify nothing; the parent is not asked after each of them.
        if self.settled.is_some_and(|(known, at)| known == certified && at.elapsed() < POLL_IDLE) {
            return Ok(false);
        }
        let settlement = match self.settlement().await {
            Ok(settlement) => settlement,
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures.is_power_of_two() {
                    tracing::warn!(reason = %error, failures = self.failures, "settlement cannot be read on the parent");
                }
                return Ok(false);
            }
        };
        self.failures = 0;
        if self.is_history_foreign(&settlement)? {
            return Ok(false);
        }
        let Some(duty) = due(&settlement, certified) else {
            self.progress = None;
            self.waiting = None;
            self.settled = Some((certified, Instant::now()));
            return Ok(false);
        };
        self.settled = None;
        let now = self.started.elapsed();
        let progress = Progress::with(self.progress, duty, now);
        self.progress = Some(progress);
        let step = self.pace().await.map_or(STEP_MIN, |pace| pace.step);
        let turn = self.turn(duty)?;
        if progress.is_due(turn, step, now) {
            self.attempt(duty, settlement.undelivered).await?;
            self.progress = Some(progress.attempted());
        }
        Ok(true)
    }

    async fn attempt(&mut self, duty: Duty, undelivered: u64) -> Result<(), ChainError> {
        let Some(ParentPace { block_gas_limit, .. }) = self.pace().await else {
            self.parts.metrics.submitted("unreadable");
            tracing::info!(?duty, "not submitted: the parent does not say how much gas its blocks take");
            return Ok(());
        };
        let (chain, room) = (self.parts.chain.clone(), ParentRoom { block_gas_limit, undelivered });
        let call = tokio::task::spawn_blocking(move || call_for(&chain, duty, &room))
            .await
            .map_err(|error| ChainError::Task(error.to_string()))??;
        let Some(call) = call else {
            tracing::debug!(?duty, "due on the parent, but this node does not have it yet");
            return Ok(());
        };
        match self.submit(duty, &call).await {
            Ok(signed) => {
                self.parts.metrics.submitted("pushed");
                let (cid, gas_limit) = (signed.cid(), signed.message.gas_limit);
                tracing::info!(?duty, message = %cid, nonce = signed.message.sequence, gas_limit, "submitted to the parent");
                self.waiting = Some(signed);
            }
            Err(setback) => {
                self.parts.metrics.submitted(setback.result);
                tracing::info!(?duty, result = setback.result, reason = setback.reason, "not submitted");
            }
        }
        Ok(())
    }

    /// Pushes a message for `call`, in the place of what this account has waiting on the parent.
    async fn submit(&mut self, duty: Duty, call: &Call) -> Result<SignedMessage, Setback> {
        self.note_outcome().await?;
        let message = match self.waiting_message().await? {
            Some(waiting) if waiting.method_num == call.method && waiting.params.bytes() == call.params.as_slice() => {
                raise_price(&waiting)
            }
            // It is for something that is done, or too cheap to be included; what came after it would wait as well.
            Some(waiting) => replace(&waiting, self.estimate(call, waiting.sequence).await?),
            None => {
                let nonce = self.next_nonce().await?;
                self.estimate(call, nonce).await?
            }
        };
        check_fee(&message)?;
        // Others may have been faster while this node made up its mind, be it by one message of a slice; another look is
        // cheaper than a message.
        let settlement = self.settlement().await.map_err(Setback::of("unreadable"))?;
        if due(&settlement, self.last_certified().ok().flatten()) != Some(duty) {
            return Err(Setback { result: "overtaken", reason: "another node was faster".to_owned() });
        }
        let signed = sign_message(&message, &self.parts.account, &self.parts.parent);
        self.push(&signed).await?;
        Ok(signed)
    }

    /// Says what became of the last message once it is in a block.
    async fn note_outcome(&mut self) -> Result<(), Setback> {
        let Some(cid) = self.waiting.as_ref().map(SignedMessage::cid) else { return Ok(()) };
        let asked = self
            .parts
            .endpoints
            .ask("message status", move |api| Box::pin(async move { api.message_status(&cid).await }));
        let status = asked.await.map_err(Setback::of("unreadable"))?;
        if status.stage == MessageStage::Pending {
            return Ok(());
        }
        self.waiting = None;
        if let Some(exit_code) = status.exit_code.filter(|code| *code != 0) {
            tracing::warn!(message = %cid, exit_code, height = ?status.height, "a submission failed on the parent");
            self.parts.metrics.submitted("failed");
        }
        Ok(())
    }

    /// The first message of this account that waits on the parent and settles this chain, whichever run sent it.
    async fn waiting_message(&self) -> Result<Option<Message>, Setback> {
        let from = self.from;
        let asked = self.parts.endpoints.ask("nonce", move |api| Box::pin(async move { api.state_nonce(&from).await }));
        let used = asked.await.map_err(Setback::of("unreadable"))?;
        // A look at everything that waits on the parent costs far more than the two nonces.
        if self.next_nonce().await? <= used {
            return Ok(None);
        }
        let asked = self.parts.endpoints.ask("pending", move |api| Box::pin(async move { api.pending(&from).await }));
        let waiting = asked.await.map_err(Setback::of("unreadable"))?;
        Ok(first_settling(&waiting, &self.parts.actor).cloned())
    }

    async fn next_nonce(&self) -> Result<u64, Setback> {
        let from = self.from;
        let asked = self.parts.endpoints.ask("nonce", move |api| Box::pin(async move { api.next_nonce(&from).await }));
        asked.await.map_err(Setback::of("unreadable"))
    }

    /// Runs `call` on the parent's state. When another node was faster it fails here, at no cost.
    async fn estimate(&mut self, call: &Call, nonce: u64) -> Result<Message, Setback> {
        let pace = self.pace().await.ok_or_else(|| {
            let reason = "the parent does not say how much gas its blocks take".to_owned();
            Setback { result: "unreadable", reason }
        })?;
        let open = message(call, self.from, self.parts.actor, nonce);
        let fee_max = TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL);
        let asked = self.parts.endpoints.ask("estimate", move |api| {
            let (message, fee_max) = (open.clone(), fee_max.clone());
            Box::pin(async move { api.estimate(&message, &fee_max).await })
        });
        let mut message = asked.await.map_err(Setback::of("refused_by_estimate"))?;
        message.gas_limit = gas_limit(message.gas_limit, call.gas_limit_min, pace.block_gas_limit);
        Ok(message)
    }

    async fn push(&self, signed: &SignedMessage) -> Result<(), Setback> {
        let signed = signed.clone();
        let asked = self.parts.endpoints.ask("push", move |api| {
            let signed = signed.clone();
            Box::pin(async move { api.push(&signed).await })
        });
        asked.await.map(|_| ()).map_err(Setback::of("refused_by_mempool"))
    }

    /// Says once in the log that notice was given, and once that the subnet has ended.
    fn tell_the_end(&mut self, status: &ChildStatus) {
        let end = match (status.notice_height, status.exit_height) {
            (_, Some(height)) => Some((true, height)),
            (Some(height), None) => Some((false, height)),
            (None, None) => None,
        };
        if end == self.end {
            return;
        }
        self.end = end;
        match end {
            Some((true, height)) => tracing::error!(
                %height, last_sequence = %status.last_sequence,
                "the parent has ended this subnet; nothing more is submitted, and balances are claimed there"
            ),
            Some((false, height)) => tracing::warn!(
                %height, exit_from = ?status.exit_from,
                "notice was given on the parent: this subnet ends, and who has value here should release it"
            ),
            None => {}
        }
    }

    async fn settlement(&mut self) -> Result<Settlement, ParentError> {
        let subnet: SubnetId = self.parts.chain.genesis().subnet.clone();
        let asked = self.parts.endpoints.ask("child status", move |api| {
            let subnet = subnet.clone();
            Box::pin(async move { api.child_status(&subnet).await })
        });
        let status = asked.await?;
        self.tell_the_end(&status);
        self.parts.metrics.accepted.set(gauge(status.last_sequence.get()));
        self.parts.metrics.undelivered.set(gauge(status.undelivered));
        Ok(Settlement {
            last_sequence: status.last_sequence,
            last_digest: status.last_digest,
            next_nonce: status.bottom_up_next_nonce,
            undelivered: status.undelivered,
            has_exited: status.exit_height.is_some(),
        })
    }

    /// Whether this node follows a chain that the parent does not settle: the parent accepted only what this chain's
    /// validators signed, so its last checkpoint must be ours. If it is another, submitting is in vain.
    fn is_history_foreign(&mut self, settlement: &Settlement) -> Result<bool, ChainError> {
        let record = self.parts.chain.checkpoint(settlement.last_sequence)?;
        let ours = record.map(|record| record.digest);
        let is_foreign = ours.is_some_and(|ours| ours != settlement.last_digest);
        self.parts.metrics.foreign_history.set(i64::from(is_foreign));
        let was_foreign = std::mem::replace(&mut self.is_foreign, is_foreign);
        if is_foreign && !was_foreign {
            tracing::error!(
                sequence = %settlement.last_sequence,
                ours = %ours.unwrap_or(Digest::ZERO),
                accepted = %settlement.last_digest,
                "the parent says it accepted another checkpoint than this chain made; nothing more is submitted"
            );
        }
        if was_foreign && !is_foreign {
            tracing::info!(sequence = %settlement.last_sequence, "the parent's last checkpoint is this chain's again");
        }
        Ok(is_foreign)
    }

    /// The last checkpoint with a certificate: the last one cut, or the one before while its votes are under way.
    fn last_certified(&self) -> Result<Option<Sequence>, ChainError> {
        let mut record = self.parts.chain.last_checkpoint()?;
        while let Some(found) = record {
            if found.certificate.is_some() {
                return Ok(Some(found.checkpoint.sequence));
            }
            record = match found.checkpoint.sequence.previous() {
                Some(previous) => self.parts.chain.checkpoint(previous)?,
                None => None,
            };
        }
        Ok(None)
    }

    fn turn(&self, duty: Duty) -> Result<Turn, ChainError> {
        let next = self.parts.chain.tip().height.next();
        let validators = self.parts.chain.validators(next)?;
        Ok(Turn::of(&validators, &self.parts.vote_key, duty.turn_key()))
    }

    /// What the parent says of itself; `None` until it can be asked.
    async fn pace(&mut self) -> Option<ParentPace> {
        if self.parent.is_none() {
            let facts = self.parts.endpoints.facts().await.ok()?;
            let step = Duration::from_millis(facts.block_interval_ms.saturating_mul(STEP_BLOCKS)).max(STEP_MIN);
            self.parent = Some(ParentPace { step, block_gas_limit: facts.block_gas_limit });
        }
        self.parent
    }
}

/// No message costs more than it may, however often its price was raised: one that waits then goes on waiting.
fn check_fee(message: &Message) -> Result<(), Setback> {
    let fee = &message.gas_fee_cap * message.gas_limit;
    if fee <= TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL) {
        return Ok(());
    }
    let reason = format!("the parent asks up to {fee} FIL, at most {SUBMISSION_FEE_MAX_FIL} are paid");
    Err(Setback { result: "too_dear", reason })
}
