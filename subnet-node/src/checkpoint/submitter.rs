//! Carries certified checkpoints to the parent. Runs on every node; [`super::rotation`] keeps the nodes apart.
//!
//! It remembers nothing that matters: what is due follows from the parent's status and the store, and what it sent
//! before from the parent's mempool, so a restart goes on where the last run ended.
//!
//! No parent node is believed. All are asked what is due, and what any of them names is tried; each attempt goes by the
//! word of one of them, a failed one by that of the next; a message is handed to all. Of what a node answers, nothing but
//! a nonce and prices of gas gets into a message, and no message costs more than [`SUBMISSION_FEE_MAX_FIL`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use client::api::{ChildStatus, MessageStage};
use client::keys::AccountKey;
use client::sign_message;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::limits::BLOCK_GAS_MAX;
use subnet_types::{ChainIdentity, Digest, Height, Sequence, SignedMessage, SubnetId, VoteKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan::{Claim, Duty, Progress, Settlement, View, claims, due};
use super::rotation::Turn;
use super::submission::{Call, ParentRoom, Waiting, call_for, first_settling, gas_limit, message, replace, with_gas};
use crate::app::{ChainError, ChainReader};
use crate::metrics::{CheckpointMetrics, gauge};
use crate::parent::api::ParentFacts;
use crate::parent::{Endpoints, ParentCursor, ParentError};

/// Gas fees of one submission, at most: a parent endpoint must not be able to name any price.
const SUBMISSION_FEE_MAX_FIL: u64 = 1;
/// Parent blocks in which a submission is visible when all goes well: one to be included, one to be seen.
const STEP_BLOCKS: u64 = 3;
/// Least time between the turns of two nodes.
const STEP_MIN: Duration = Duration::from_secs(2);
/// Most. An endpoint must not be able to put this node's turn off for ever.
const STEP_MAX: Duration = Duration::from_secs(300);
/// How often the parent is asked while something is due.
const POLL_DUE: Duration = Duration::from_millis(250);
/// How often when nothing is.
const POLL_IDLE: Duration = Duration::from_secs(5);
/// Least time between two attempts at duties that at most half of the endpoints name. An endpoint that makes up duties,
/// while others tell the truth, costs one fee in this time at most.
const DOUBTED_PAUSE: Duration = Duration::from_secs(600);
/// Checkpoints before the last cut among which the last certified one is looked for, for the gauge.
const CERTIFIED_LOOK_BACK: usize = 8;

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
    /// By duty that somebody names.
    progress: BTreeMap<Duty, Progress>,
    /// The last attempt, and when it was made.
    last: Option<(Duty, Duration)>,
    /// Whose word the next attempt goes by: moved on by each one that led nowhere.
    first_endpoint: usize,
    /// When the next attempt at a doubted duty may be made.
    doubted_from: Duration,
    /// The last message pushed, until the parent says what became of it.
    waiting: Option<Cid>,
    /// When the parent last said that all of our checkpoints up to this one are settled.
    settled: Option<(Option<Sequence>, Instant)>,
    /// By endpoint, time in which another node's submission shows. Known once it was asked.
    steps: BTreeMap<usize, Duration>,
    /// Endpoints that name another last checkpoint of this chain than ours.
    foreign: BTreeSet<usize>,
    /// By endpoint, whether it says that the parent has ended the subnet (otherwise only announced it), and since when.
    ends: BTreeMap<usize, (bool, Height)>,
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
            progress: BTreeMap::new(),
            last: None,
            first_endpoint: 0,
            doubted_from: Duration::ZERO,
            waiting: None,
            settled: None,
            steps: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ends: BTreeMap::new(),
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
        let Some(views) = self.views().await else { return Ok(false) };
        let views = self.of_our_history(views)?;
        let claims = self.claims(&views)?;
        let now = self.started.elapsed();
        let progress =
            |claim: &Claim| (claim.duty, self.progress.get(&claim.duty).copied().unwrap_or(Progress::new(now)));
        self.progress = claims.iter().map(progress).collect();
        let open: Vec<Claim> =
            claims.into_iter().filter(|claim| !self.progress[&claim.duty].is_exhausted(claim.duty)).collect();
        if open.is_empty() {
            self.waiting = None;
        }
        // What was set aside waits long between attempts.
        let is_busy = open.iter().any(|claim| !matches!(claim.duty, Duty::Retry(_)));
        self.settled = (!is_busy).then(|| (certified, Instant::now()));
        if let Some(claim) = self.next(&open, now).await? {
            self.attempt(&claim, &views, now).await?;
        }
        Ok(is_busy)
    }

    /// The duty that this node tries now, if it is its turn for any.
    async fn next(&mut self, claims: &[Claim], now: Duration) -> Result<Option<Claim>, ChainError> {
        if claims.is_empty() {
            return Ok(None);
        }
        let step = self.pace(claims).await;
        // What was just sent has to show before anything else takes its place on the parent.
        let is_under_way = |(duty, at): (Duty, Duration)| {
            now.saturating_sub(at) < step && claims.iter().any(|claim| claim.duty == duty)
        };
        if self.last.is_some_and(is_under_way) {
            return Ok(None);
        }
        let validators = self.parts.chain.validators(self.parts.chain.tip().height.next())?;
        let ready = claims.iter().filter(|claim| {
            let turn = Turn::of(&validators, &self.parts.vote_key, claim.duty.turn_key());
            self.progress[&claim.duty].is_due(claim, turn, step, now) && (!claim.is_doubted || now >= self.doubted_from)
        });
        // Kinds of duty alternate, so that none of them starves.
        let is_repeated = |claim: &Claim| self.last.is_some_and(|(duty, _)| duty.is_like(claim.duty));
        let order = |claim: &&Claim| (claim.is_doubted, self.progress[&claim.duty].attempts, is_repeated(claim));
        Ok(ready.min_by_key(order).cloned())
    }

    /// Tries a duty by the word of one endpoint after the other, until a message is on its way.
    async fn attempt(&mut self, claim: &Claim, views: &[View], now: Duration) -> Result<(), ChainError> {
        let duty = claim.duty;
        let progress = self.progress[&duty];
        if progress.attempts > 0 {
            self.first_endpoint = self.first_endpoint.wrapping_add(1);
        }
        self.progress.insert(duty, progress.attempted());
        self.last = Some((duty, now));
        if claim.is_doubted {
            self.doubted_from = now.saturating_add(DOUBTED_PAUSE);
        }
        self.note_outcome().await;
        let count = claim.endpoints.len();
        for offset in 0..count {
            let endpoint = claim.endpoints[self.first_endpoint.wrapping_add(offset) % count];
            let Some(view) = views.iter().find(|view| view.endpoint == endpoint) else { continue };
            let url = self.parts.endpoints.url(endpoint).to_owned();
            match self.submit(duty, view).await? {
                Ok(Some(signed)) => {
                    self.parts.metrics.submitted("pushed");
                    let (cid, nonce, gas_limit) = (signed.cid(), signed.message.sequence, signed.message.gas_limit);
                    tracing::info!(?duty, message = %cid, nonce, gas_limit, endpoint = url, "submitted to the parent");
                    self.waiting = Some(cid);
                    return Ok(());
                }
                Ok(None) => {
                    tracing::debug!(?duty, "due on the parent, but this node does not have it yet");
                    return Ok(());
                }
                Err(Setback { result, reason }) => {
                    self.parts.metrics.submitted(result);
                    tracing::info!(?duty, result, reason, endpoint = url, "not submitted");
                }
            }
        }
        Ok(())
    }

    /// Pushes a message for `duty`, in the place of what this account has waiting on the parent, all by the word of one
    /// endpoint. `None` while this node does not have what it takes.
    async fn submit(&self, duty: Duty, view: &View) -> Result<Result<Option<SignedMessage>, Setback>, ChainError> {
        let endpoint = view.endpoint;
        let facts = match self.facts(endpoint).await {
            Ok(facts) => facts,
            Err(setback) => return Ok(Err(setback)),
        };
        let followed = self.followed().await?;
        if facts.height < followed {
            let reason = format!("it is at height {}, this chain follows the parent to {followed}", facts.height);
            return Ok(Err(Setback { result: "stale", reason }));
        }
        let block_gas_limit = facts.block_gas_limit.min(BLOCK_GAS_MAX);
        let Settlement { undelivered, last_sequence, .. } = view.settlement;
        let (chain, room) = (self.parts.chain.clone(), ParentRoom { block_gas_limit, undelivered, last_sequence });
        let call = tokio::task::spawn_blocking(move || call_for(&chain, duty, &room))
            .await
            .map_err(|error| ChainError::Task(error.to_string()))??;
        let Some(call) = call else { return Ok(Ok(None)) };
        let message = match self.message(endpoint, &call, block_gas_limit).await {
            Ok(message) => message,
            Err(setback) => return Ok(Err(setback)),
        };
        // Others may have been faster while this node made up its mind, be it by one message of a slice; another look is
        // cheaper than a message.
        let settlement = match self.settlement_by(endpoint).await {
            Ok(settlement) => settlement,
            Err(error) => return Ok(Err(Setback::of("unreadable")(error))),
        };
        if !due(&settlement, &|_| true).contains(&duty) {
            return Ok(Err(Setback { result: "overtaken", reason: "another node was faster".to_owned() }));
        }
        let signed = sign_message(&message, &self.parts.account, &self.parts.parent);
        Ok(self.push(&signed).await.map(|()| Some(signed)))
    }

    /// The message for `call`, ready to be signed.
    async fn message(&self, endpoint: usize, call: &Call, block_gas_limit: u64) -> Result<Message, Setback> {
        let (waiting, nonce) = self.waiting_message(endpoint).await?;
        let nonce = waiting.as_ref().map_or(nonce, |waiting| waiting.nonce);
        let open = message(call, self.from, self.parts.actor, nonce);
        let estimated = self.estimate(endpoint, open.clone()).await?;
        let gas_limit = gas_limit(estimated.gas_limit, call.gas_limit_min, block_gas_limit);
        let priced = with_gas(open, &estimated, gas_limit);
        // What waits is for something that is done, or too cheap to be included; what came after it would wait as well.
        let message = waiting.map_or(priced.clone(), |waiting| replace(&waiting, priced));
        check_fee(&message)?;
        Ok(message)
    }

    /// Says what became of the last message once it is in a block.
    async fn note_outcome(&mut self) {
        let Some(cid) = self.waiting else { return };
        let asked = self
            .parts
            .endpoints
            .ask_all("message status", move |api| Box::pin(async move { api.message_status(&cid).await }));
        let answers = asked.await.into_iter().filter_map(|(_, answer)| answer.ok());
        let Some(status) = answers.into_iter().find(|status| status.stage == MessageStage::Included) else { return };
        self.waiting = None;
        if let Some(exit_code) = status.exit_code.filter(|code| *code != 0) {
            tracing::warn!(message = %cid, exit_code, height = ?status.height, "a submission failed on the parent");
            self.parts.metrics.submitted("failed");
        }
    }

    /// The first message of this account that waits on the parent and settles this chain, whichever run sent it; and the
    /// account's next nonce.
    async fn waiting_message(&self, endpoint: usize) -> Result<(Option<Waiting>, u64), Setback> {
        let (from, endpoints) = (self.from, &self.parts.endpoints);
        let unreadable = Setback::of("unreadable");
        let asked =
            endpoints.ask_one(endpoint, "nonce", move |api| Box::pin(async move { api.state_nonce(&from).await }));
        let used = asked.await.map_err(&unreadable)?;
        let asked =
            endpoints.ask_one(endpoint, "nonce", move |api| Box::pin(async move { api.next_nonce(&from).await }));
        let next = asked.await.map_err(&unreadable)?;
        // A look at everything that waits on the parent costs far more than the two nonces.
        if next <= used {
            return Ok((None, next));
        }
        let asked =
            endpoints.ask_one(endpoint, "pending", move |api| Box::pin(async move { api.pending(&from).await }));
        let waiting = asked.await.map_err(&unreadable)?;
        Ok((first_settling(&waiting, &self.parts.actor, used..next), next))
    }

    /// Runs `open` on the parent's state. When another node was faster it fails here, at no cost.
    async fn estimate(&self, endpoint: usize, open: Message) -> Result<Message, Setback> {
        let fee_max = TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL);
        let asked = self.parts.endpoints.ask_one(endpoint, "estimate", move |api| {
            let (message, fee_max) = (open.clone(), fee_max.clone());
            Box::pin(async move { api.estimate(&message, &fee_max).await })
        });
        asked.await.map_err(Setback::of("refused_by_estimate"))
    }

    /// Hands a message to all parent nodes: whichever of them is honest passes it on.
    async fn push(&self, signed: &SignedMessage) -> Result<(), Setback> {
        let asked = self.parts.endpoints.ask_all("push", move |api| {
            let signed = signed.clone();
            Box::pin(async move { api.push(&signed).await })
        });
        let answers = asked.await;
        if answers.iter().any(|(_, answer)| answer.is_ok()) {
            return Ok(());
        }
        let failure = answers.into_iter().find_map(|(_, answer)| answer.err()).unwrap_or(ParentError::None);
        Err(Setback::of("refused_by_mempool")(failure))
    }

    /// Says once for each parent node that it tells of a notice, and once that it tells of the subnet's end.
    fn tell_the_end(&mut self, endpoint: usize, status: &ChildStatus) {
        let end = match (status.notice_height, status.exit_height) {
            (_, Some(height)) => Some((true, height)),
            (Some(height), None) => Some((false, height)),
            (None, None) => None,
        };
        if end == self.ends.get(&endpoint).copied() {
            return;
        }
        match end {
            Some(end) => self.ends.insert(endpoint, end),
            None => self.ends.remove(&endpoint),
        };
        let endpoint = self.parts.endpoints.url(endpoint);
        match end {
            Some((true, height)) => tracing::error!(
                endpoint, %height, last_sequence = %status.last_sequence,
                "the parent has ended this subnet; nothing more is submitted, and balances are claimed there"
            ),
            Some((false, height)) => tracing::warn!(
                endpoint, %height, exit_from = ?status.exit_from,
                "notice was given on the parent: this subnet ends, and who has value here should release it"
            ),
            None => {}
        }
    }

    /// What all parent nodes say that answer; `None` when none does.
    async fn views(&mut self) -> Option<Vec<View>> {
        let subnet: SubnetId = self.parts.chain.genesis().subnet.clone();
        let asked = self.parts.endpoints.ask_all("child status", move |api| {
            let subnet = subnet.clone();
            Box::pin(async move { api.child_status(&subnet).await })
        });
        let (mut views, mut failure) = (Vec::new(), ParentError::None);
        for (endpoint, answer) in asked.await {
            match answer {
                Ok(status) => {
                    self.tell_the_end(endpoint, &status);
                    views.push(View { endpoint, settlement: settlement(&status) });
                }
                Err(error) => failure = error,
            }
        }
        if !views.is_empty() {
            self.failures = 0;
            return Some(views);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() {
            tracing::warn!(reason = %failure, failures = self.failures, "settlement cannot be read on the parent");
        }
        None
    }

    async fn settlement_by(&self, endpoint: usize) -> Result<Settlement, ParentError> {
        let subnet: SubnetId = self.parts.chain.genesis().subnet.clone();
        let asked = self.parts.endpoints.ask_one(endpoint, "child status", move |api| {
            let subnet = subnet.clone();
            Box::pin(async move { api.child_status(&subnet).await })
        });
        Ok(settlement(&asked.await?))
    }

    /// Those that name a checkpoint of this chain as the last accepted one. The parent accepted only what this chain's
    /// validators signed, so whoever names another one lies; or this node follows a chain that the parent does not settle,
    /// and all of them do. One that is ahead of this node says nothing of what this node could do.
    fn of_our_history(&mut self, views: Vec<View>) -> Result<Vec<View>, ChainError> {
        let count = views.len();
        let last_cut = self.parts.chain.cut_before(self.parts.chain.tip().height).unwrap_or(Sequence::ZERO);
        let (mut ours, mut foreign) = (Vec::new(), BTreeSet::new());
        for view in views {
            let accepted = (view.settlement.last_sequence, view.settlement.last_digest);
            let own = self.parts.chain.checkpoint(accepted.0)?.map(|record| record.digest);
            if own.is_some_and(|own| own != accepted.1) {
                foreign.insert(view.endpoint);
                if !self.foreign.contains(&view.endpoint) {
                    tracing::error!(
                        endpoint = self.parts.endpoints.url(view.endpoint),
                        sequence = %accepted.0,
                        ours = %own.unwrap_or(Digest::ZERO),
                        accepted = %accepted.1,
                        "a parent node says that the parent accepted another checkpoint than this chain made; it is left out"
                    );
                }
            } else if accepted.0 <= last_cut {
                ours.push(view);
            }
        }
        for endpoint in self.foreign.difference(&foreign) {
            let endpoint = self.parts.endpoints.url(*endpoint);
            tracing::info!(endpoint, "the last checkpoint that a parent node names is this chain's again");
        }
        self.parts.metrics.foreign_history.set(i64::from(count > 0 && foreign.len() == count));
        self.foreign = foreign;
        if let Some(last) = ours.iter().map(|view| &view.settlement).max_by_key(|settlement| settlement.last_sequence) {
            self.parts.metrics.accepted.set(gauge(last.last_sequence.get()));
            self.parts.metrics.undelivered.set(gauge(last.undelivered));
        }
        Ok(ours)
    }

    /// What anybody says is due, as far as this node has it.
    fn claims(&self, views: &[View]) -> Result<Vec<Claim>, ChainError> {
        let mut certified = BTreeSet::new();
        for next in views.iter().map(|view| view.settlement.last_sequence.next()) {
            if self.parts.chain.checkpoint(next)?.is_some_and(|record| record.certificate.is_some()) {
                certified.insert(next);
            }
        }
        Ok(claims(views, &|sequence| certified.contains(&sequence)))
    }

    /// The last checkpoint with a certificate, of the last few: the last one cut, or the one before while its votes are
    /// under way. A node that synced without votes may have none for any of a long history.
    fn last_certified(&self) -> Result<Option<Sequence>, ChainError> {
        let mut record = self.parts.chain.last_checkpoint()?;
        for _ in 0..CERTIFIED_LOOK_BACK {
            let Some(found) = record else { break };
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

    /// The parent height that this chain has followed, by proof.
    async fn followed(&self) -> Result<Height, ChainError> {
        let chain = self.parts.chain.clone();
        let read = tokio::task::spawn_blocking(move || {
            let gateway = chain.latest_state()?.gateway()?;
            let cursor = ParentCursor::of(&gateway, chain.store()).map_err(ChainError::Gateway)?;
            Ok(cursor.map_or(Height::GENESIS, |cursor| cursor.height))
        });
        read.await.map_err(|error| ChainError::Task(error.to_string()))?
    }

    /// Time in which an attempt of another node shows: the least that any endpoint of these claims tells.
    async fn pace(&mut self, claims: &[Claim]) -> Duration {
        let endpoints: BTreeSet<usize> = claims.iter().flat_map(|claim| claim.endpoints.iter().copied()).collect();
        for endpoint in endpoints {
            if self.steps.contains_key(&endpoint) {
                continue;
            }
            if let Ok(facts) = self.facts(endpoint).await {
                let step = Duration::from_millis(facts.block_interval_ms.saturating_mul(STEP_BLOCKS));
                self.steps.insert(endpoint, step.clamp(STEP_MIN, STEP_MAX));
            }
        }
        self.steps.values().min().copied().unwrap_or(STEP_MIN)
    }

    async fn facts(&self, endpoint: usize) -> Result<ParentFacts, Setback> {
        let asked = self.parts.endpoints.ask_one(endpoint, "facts", |api| Box::pin(api.facts()));
        asked.await.map_err(Setback::of("unreadable"))
    }
}

/// What a parent node says of this chain's settlement.
pub fn settlement(status: &client::api::ChildStatus) -> Settlement {
    Settlement {
        last_sequence: status.last_sequence,
        last_digest: status.last_digest,
        next_nonce: status.bottom_up_next_nonce,
        undelivered: status.undelivered,
        unclaimed: status.unclaimed.iter().copied().take(UNCLAIMED_MAX).collect(),
        has_exited: status.exit_height.is_some(),
    }
}

/// Messages that were set aside of which one look takes notice.
const UNCLAIMED_MAX: usize = 16;

/// No message costs more than it may, however often its price was raised: one that waits then goes on waiting.
fn check_fee(message: &Message) -> Result<(), Setback> {
    let fee = &message.gas_fee_cap * message.gas_limit;
    if fee <= TokenAmount::from_whole(SUBMISSION_FEE_MAX_FIL) {
        return Ok(());
    }
    let reason = format!("the parent asks up to {fee} FIL, at most {SUBMISSION_FEE_MAX_FIL} are paid");
    Err(Setback { result: "too_dear", reason })
}
