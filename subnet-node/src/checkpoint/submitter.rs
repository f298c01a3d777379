//! Carries certified checkpoints to the parent. Runs on every node; [`super::rotation`] keeps the nodes apart.
//!
//! It remembers nothing that matters: what is due follows from the parent's status and the store, so a restart goes
//! on where the last run ended.

use std::sync::Arc;
use std::time::Duration;

use client::api::MessageStage;
use client::keys::AccountKey;
use client::sign_message;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::{ChainIdentity, Sequence, SignedMessage, SubnetId, VoteKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan::{Duty, Progress, Settlement, due};
use super::rotation::Turn;
use super::submission::{Call, call_for, message, raise_price};
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
    /// Time in which another node's submission shows; known once the parent was asked.
    step: Option<Duration>,
    failures: u32,
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
            step: None,
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
        self.check_history(&settlement)?;
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
        let (turn, step) = (self.turn(duty)?, self.step_time().await);
        if progress.is_due(turn, step, now) {
            self.attempt(duty).await?;
            self.progress = Some(progress.attempted());
        }
        Ok(true)
    }

    async fn attempt(&mut self, duty: Duty) -> Result<(), ChainError> {
        let chain = self.parts.chain.clone();
        let call = tokio::task::spawn_blocking(move || call_for(&chain, duty))
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

    /// Pushes a message for `call`, or pays more for the one that waits.
    async fn submit(&mut self, duty: Duty, call: &Call) -> Result<SignedMessage, Setback> {
        let message = match self.waiting_message(call).await? {
            Some(waiting) => raise_price(&waiting),
            None => {
                let nonce = self.next_nonce().await?;
                self.estimate(message(call, self.from, self.parts.actor, nonce), call.gas_limit_min).await?
            }
        };
        // Others may have been faster while this node made up its mind; another look is cheaper than a message.
        let settlement = self.settlement().await.map_err(Setback::of("unreadable"))?;
        if due(&settlement, self.last_certified().ok().flatten()) != Some(duty) {
            return Err(Setback { result: "overtaken", reason: "another node was faster".to_owned() });
        }
        let signed = sign_message(&message, &self.parts.account, &self.parts.parent);
        self.push(&signed).await?;
        Ok(signed)
    }

    /// The message of an earlier attempt at the same call, if the parent still has it waiting.
    async fn waiting_message(&mut self, call: &Call) -> Result<Option<Message>, Setback> {
        let Some(signed) = self.waiting.clone() else { return Ok(None) };
        let cid = signed.cid();
        let status = self
            .parts
            .endpoints
            .ask("message status", move |api| Box::pin(async move { api.message_status(&cid).await }))
            .await
            .map_err(Setback::of("unreadable"))?;
        match status.stage {
            MessageStage::Pending if signed.message.params.bytes() == call.params.as_slice() => {
                Ok(Some(signed.message))
            }
            // It is for something that is done; what comes next queues behind it.
            MessageStage::Pending => Ok(None),
            MessageStage::Included => {
                self.waiting = None;
                if let Some(exit_code) = status.exit_code.filter(|code| *code != 0) {
                    tracing::warn!(message = %cid, exit_code, height = ?status.height, "a submission failed on the parent");
                    self.parts.metrics.submitted("failed");
                }
                Ok(None)
            }
            MessageStage::Unknown => {
                self.waiting = None;
                Ok(None)
            }
        }
    }

    async fn next_nonce(&self) -> Result<u64, Setback> {
        let from = self.from;
        let asked = self.parts.endpoints.ask("nonce", move |api| Box::pin(async move { api.next_nonce(&from).await }));
        asked.await.map_err(Setback::of("unreadable"))
    }

    /// Runs the message on the parent's state. When another node was faster it fails here, at no cost.
    async fn estimate(&self, message: Message, gas_limit_min: u64) -> Result<Message, Setback> {
        let fee_max = TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL);
        let asked = self.parts.endpoints.ask("estimate", move |api| {
            let (message, fee_max) = (message.clone(), fee_max.clone());
            Box::pin(async move { api.estimate(&message, &fee_max).await })
        });
        let mut message = asked.await.map_err(Setback::of("refused_by_estimate"))?;
        message.gas_limit = message.gas_limit.max(gas_limit_min);
        let fee = &message.gas_fee_cap * message.gas_limit;
        if fee > TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL) {
            let reason = format!("the parent asks up to {fee} FIL, at most {SUBMISSION_FEE_MAX_FIL} are paid");
            return Err(Setback { result: "too_dear", reason });
        }
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

    async fn settlement(&self) -> Result<Settlement, ParentError> {
        let subnet: SubnetId = self.parts.chain.genesis().subnet.clone();
        let asked = self.parts.endpoints.ask("child status", move |api| {
            let subnet = subnet.clone();
            Box::pin(async move { api.child_status(&subnet).await })
        });
        let status = asked.await?;
        self.parts.metrics.accepted.set(gauge(status.last_sequence.get()));
        self.parts.metrics.undelivered.set(gauge(status.undelivered));
        Ok(Settlement {
            last_sequence: status.last_sequence,
            last_digest: status.last_digest,
            next_nonce: status.bottom_up_next_nonce,
            undelivered: status.undelivered,
        })
    }

    /// The parent accepted only what this chain's validators signed; if its last checkpoint is another than ours,
    /// this node follows a chain that the parent does not settle.
    fn check_history(&self, settlement: &Settlement) -> Result<(), ChainError> {
        let Some(record) = self.parts.chain.checkpoint(settlement.last_sequence)? else { return Ok(()) };
        if record.digest != settlement.last_digest {
            tracing::error!(
                sequence = %settlement.last_sequence,
                ours = %record.digest,
                accepted = %settlement.last_digest,
                "the parent says it accepted another checkpoint than this chain made"
            );
        }
        Ok(())
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

    /// Time in which another node's submission shows, by the parent's own pace.
    async fn step_time(&mut self) -> Duration {
        if let Some(step) = self.step {
            return step;
        }
        let Ok(facts) = self.parts.endpoints.facts().await else { return STEP_MIN };
        let step = Duration::from_millis(facts.block_interval_ms.saturating_mul(STEP_BLOCKS)).max(STEP_MIN);
        self.step = Some(step);
        step
    }
}
