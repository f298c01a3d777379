//! Follows the parent: keeps the next candidate for a block ready, and confirms what others propose.
//!
//! Everything read is verified before it is kept, so a parent endpoint that lies costs this node its proposals of
//! parent news and nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use subnet_types::{Height, ParentUpdate};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::RangeStart;
use super::candidate::{difference, is_worth_proposing};
use super::endpoints::{Endpoints, ParentError};
use super::retry::{Failure, first_of};
use super::rules::{self, ParentUpdateRejection, TrustRule, parent_height};
use super::{Confirmation, ParentCursor, ParentSource};
use crate::app::{ChainError, ChainReader, Clock};
use crate::metrics::{ParentMetrics, gauge};

/// How long a validator's vote waits for its parent node to be as far as the proposer's. Far below the propose
/// timeout, in which it is spent.
const CONFIRM_TIME_MAX: Duration = Duration::from_millis(1200);
/// Pause between two looks while waiting.
const CONFIRM_PAUSE: Duration = Duration::from_millis(60);
/// Ranges remembered for confirmations: an update that is proposed again in a later round is not read again.
const READS_MAX: usize = 8;
/// Polls without an answer, after which what was read last is not proposed any more: others can confirm it only while
/// their parent nodes serve the same height.
const CANDIDATE_POLLS_MAX: u32 = 25;
/// Block intervals of the parent without a newer header, after which the next endpoint is asked.
const STANDSTILL_INTERVALS: u32 = 30;
/// Pauses after failures grow up to this.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The follower of a subnet's node. Clones share it.
#[derive(Clone)]
pub struct Follower {
    inner: Arc<Inner>,
}

struct Inner {
    chain: ChainReader,
    endpoints: Arc<Endpoints>,
    clock: Clock,
    metrics: ParentMetrics,
    poll: Duration,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest ranges from the cursor on, and when they were read.
    candidate: Option<(Read, Instant)>,
    /// Newest last.
    reads: Vec<Read>,
    /// The last update that failed.
    failure: Option<Failure>,
    /// Height of the newest header that a certificate proved, and since when it is the newest.
    newest: Option<(Height, Instant)>,
    /// The parent's block interval, once it was asked.
    interval: Option<Duration>,
}

/// Ranges that were read, and from where on.
#[derive(Clone)]
struct Read {
    from: RangeStart,
    update: ParentUpdate,
}

impl Read {
    fn is_of(&self, from: RangeStart, height: Height) -> bool {
        self.from == from && parent_height(&self.update) == Some(height)
    }
}

/// What a follower is made of.
pub struct FollowerParts {
    /// The committed chain.
    pub chain: ChainReader,
    /// The parent's nodes.
    pub endpoints: Arc<Endpoints>,
    /// The time.
    pub clock: Clock,
    /// Counts what is read.
    pub metrics: ParentMetrics,
    /// How often to ask.
    pub poll: Duration,
}

impl Follower {
    /// A follower that has read nothing.
    pub fn new(parts: FollowerParts) -> Self {
        let FollowerParts { chain, endpoints, clock, metrics, poll } = parts;
        Self { inner: Arc::new(Inner { chain, endpoints, clock, metrics, poll, memory: Mutex::default() }) }
    }

    /// Follows until `stop` is cancelled.
    ///
    /// # Errors
    /// When this node's own chain cannot be read; never because of the parent.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ChainError> {
        let mut tip = self.inner.chain.watch_tip();
        let mut failures = 0u32;
        loop {
            match self.inner.look().await? {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.inner.report(&error, failures);
                }
            }
            let pause =
                self.inner.poll.saturating_mul(1 << failures.min(5)).min(FAILURE_PAUSE_MAX.max(self.inner.poll));
            // A new block of ours may have moved the cursor, so its successor wants another candidate.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
                changed = tip.changed(), if failures == 0 => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Why a look at the parent brought no candidate.
enum LookError {
    Unreadable(ParentError),
    Unacceptable(ParentUpdateRejection),
}

impl Inner {
    /// Reads the ranges that follow the cursor.
    async fn look(&self) -> Result<Result<(), LookError>, ChainError> {
        let Some(cursor) = self.cursor().await? else { return Ok(Ok(())) };
        let update = match self.read(&cursor, None).await {
            Ok(update) => update,
            Err(error) => return Ok(Err(LookError::Unreadable(error))),
        };
        let verdict = rules::check(&cursor, &update, self.trust_rule());
        // Both have a header that is proved; the second says that the parent made no block since the last update.
        let is_proved = matches!(verdict, Ok(()) | Err(ParentUpdateRejection::NotNewer { .. }));
        self.leave_standing_endpoint(is_proved.then_some(update.header.height)).await;
        match verdict {
            Ok(()) => {}
            Err(ParentUpdateRejection::NotNewer { .. }) => return Ok(Ok(())),
            Err(rejection) => return Ok(Err(LookError::Unacceptable(rejection))),
        }
        if let Some(height) = parent_height(&update) {
            self.metrics.height.set(gauge(height.get()));
        }
        let read = Read { from: start(&cursor), update };
        // Others propose what they read some blocks ago; kept, it can be confirmed while no endpoint answers.
        self.remember(read.clone());
        self.memory.lock().candidate = Some((read, Instant::now()));
        Ok(Ok(()))
    }

    /// Goes on to the next endpoint when the current one answers but its chain stands. `height` is that of a proved
    /// header it just served.
    async fn leave_standing_endpoint(&self, height: Option<Height>) {
        let now = Instant::now();
        let since = {
            let mut memory = self.memory.lock();
            let known = memory.newest.unwrap_or((Height::GENESIS, now));
            let newest = height.filter(|height| *height > known.0).map_or(known, |height| (height, now));
            memory.newest = Some(newest);
            newest.1
        };
        let Some(interval) = self.parent_interval().await else { return };
        let patience = interval.saturating_mul(STANDSTILL_INTERVALS);
        if now.saturating_duration_since(since) < patience {
            return;
        }
        let endpoint = self.endpoints.current_url().to_owned();
        if self.endpoints.rotate() {
            tracing::warn!(endpoint, ?patience, "no newer header from this parent endpoint; asking the next");
        }
        // The next one gets as much time.
        if let Some((_, since)) = &mut self.memory.lock().newest {
            *since = now;
        }
    }

    async fn parent_interval(&self) -> Option<Duration> {
        let known = self.memory.lock().interval;
        if known.is_some() {
            return known;
        }
        let facts = self.endpoints.facts().await.ok()?;
        let interval = Duration::from_millis(facts.block_interval_ms);
        self.memory.lock().interval = Some(interval);
        Some(interval)
    }

    async fn cursor(&self) -> Result<Option<ParentCursor>, ChainError> {
        let chain = self.chain.clone();
        tokio::task::spawn_blocking(move || {
            let gateway = chain.latest_state()?.gateway()?;
            ParentCursor::of(&gateway, chain.store()).map_err(ChainError::Gateway)
        })
        .await
        .map_err(|error| ChainError::Task(error.to_string()))?
    }

    async fn read(&self, cursor: &ParentCursor, at: Option<Height>) -> Result<ParentUpdate, ParentError> {
        let (subnet, from) = (cursor.subnet.clone(), start(cursor));
        self.endpoints
            .ask("parent update", move |api| {
                let subnet = subnet.clone();
                Box::pin(async move { api.parent_update(&subnet, from, at).await })
            })
            .await
    }

    fn trust_rule(&self) -> TrustRule {
        TrustRule { block_timestamp: (self.clock)(), trusting_period_ms: self.chain.genesis().chain.trusting_period_ms }
    }

    fn report(&self, error: &LookError, failures: u32) {
        // The endpoints report their own outages; what is left is said at the first time and then now and then.
        let is_due = failures.is_power_of_two();
        match error {
            LookError::Unacceptable(rejection) if is_due => {
                tracing::error!(reason = %rejection, failures, "the parent's news are not acceptable");
            }
            LookError::Unreadable(error) if is_due => {
                tracing::warn!(reason = %error, failures, "the parent cannot be read");
            }
            LookError::Unacceptable(_) | LookError::Unreadable(_) => {}
        }
    }

    /// Ranges read before, from the same start after the same height.
    fn remembered(&self, from: RangeStart, height: Height) -> Option<ParentUpdate> {
        let memory = self.memory.lock();
        memory.reads.iter().find(|read| read.is_of(from, height)).map(|read| read.update.clone())
    }

    /// Keeps ranges that were verified.
    fn remember(&self, read: Read) {
        let mut memory = self.memory.lock();
        let height = parent_height(&read.update);
        memory.reads.retain(|known| height.is_none_or(|height| !known.is_of(read.from, height)));
        if memory.reads.len() >= READS_MAX {
            memory.reads.remove(0);
        }
        memory.reads.push(read);
    }

    /// Drops ranges that somebody contradicts.
    fn forget(&self, from: RangeStart, height: Height) {
        let mut memory = self.memory.lock();
        memory.reads.retain(|read| !read.is_of(from, height));
        memory.candidate.take_if(|(read, _)| read.is_of(from, height));
    }

    /// Compares an update with the ranges after `height` as this node reads them. Where they differ, this node's
    /// endpoint may be the one that is wrong: what it said is forgotten, and another one is asked, once.
    async fn compare(&self, cursor: &ParentCursor, update: &ParentUpdate, height: Height) -> Confirmation {
        let deadline = Instant::now() + CONFIRM_TIME_MAX;
        let first = self.compare_once(cursor, update, height, deadline).await;
        let Confirmation::Differs(reason) = &first else { return first };
        self.forget(start(cursor), height);
        if !self.endpoints.rotate() {
            return first;
        }
        tracing::debug!(%height, reason, "a proposed update differs; asking another parent endpoint");
        let second = self.compare_once(cursor, update, height, deadline).await;
        if matches!(second, Confirmation::Differs(_)) {
            self.forget(start(cursor), height);
        }
        second
    }

    async fn compare_once(
        &self,
        cursor: &ParentCursor,
        update: &ParentUpdate,
        height: Height,
        deadline: Instant,
    ) -> Confirmation {
        let read = match self.read_at(cursor, height, deadline).await {
            Ok(read) => read,
            Err(confirmation) => return confirmation,
        };
        // After a failure less than everything is offered, and everything is what must not be waited for.
        let is_part = self.memory.lock().failure.is_some_and(|failure| failure.is_about(cursor));
        let read = if is_part { first_of(read, update.messages.len(), update.changes.len()) } else { read };
        difference(update, &read).map_or(Confirmation::Confirmed, Confirmation::Differs)
    }

    /// The ranges after `height`, waiting for a parent node that is not that far yet. Only what is verified is
    /// remembered, or a wrong answer would be believed in later rounds as well.
    async fn read_at(
        &self,
        cursor: &ParentCursor,
        height: Height,
        deadline: Instant,
    ) -> Result<ParentUpdate, Confirmation> {
        let cannot_read = |reason: String| Err(Confirmation::CannotRead(reason));
        let from = start(cursor);
        if let Some(update) = self.remembered(from, height) {
            return Ok(update);
        }
        loop {
            let reason = match tokio::time::timeout_at(deadline, self.read(cursor, Some(height))).await {
                Ok(Ok(update)) => {
                    match rules::check(cursor, &update, self.trust_rule()) {
                        Ok(()) if parent_height(&update) == Some(height) => {
                            self.remember(Read { from, update: update.clone() });
                            return Ok(update);
                        }
                        // Proved as well: where the proposal brings something, nothing stands.
                        Ok(()) | Err(ParentUpdateRejection::NotNewer { .. }) => return Ok(update),
                        Err(rejection) => return Err(Confirmation::Differs(format!("read was: {rejection}"))),
                    }
                }
                Ok(Err(error)) if error.is_absent() => error.to_string(),
                Ok(Err(error)) => return cannot_read(error.to_string()),
                Err(_) => return cannot_read(format!("no answer within {CONFIRM_TIME_MAX:?}")),
            };
            if Instant::now() + CONFIRM_PAUSE > deadline {
                return cannot_read(reason);
            }
            tokio::time::sleep(CONFIRM_PAUSE).await;
        }
    }
}

/// Where the ranges on top of `cursor` begin.
pub(super) fn start(cursor: &ParentCursor) -> RangeStart {
    RangeStart { nonce: cursor.next_nonce, configuration: cursor.next_configuration }
}

#[async_trait]
impl ParentSource for Follower {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        let inner = &self.inner;
        let memory = inner.memory.lock();
        let age_max = inner.poll.saturating_mul(CANDIDATE_POLLS_MAX).max(FAILURE_PAUSE_MAX);
        // What was read from another start was read for another block.
        let is_current = |read: &Read, at: &Instant| read.from == start(cursor) && at.elapsed() <= age_max;
        let (read, _) = memory.candidate.as_ref().filter(|(read, at)| is_current(read, at))?;
        let update = match memory.failure.filter(|failure| failure.is_about(cursor)) {
            Some(failure) => failure.part(read.update.clone())?,
            None => read.update.clone(),
        };
        let trusting_period_ms = inner.chain.genesis().chain.trusting_period_ms;
        is_worth_proposing(cursor, &update, (inner.clock)(), trusting_period_ms).then_some(update)
    }

    async fn confirm(&self, cursor: &ParentCursor, update: &ParentUpdate) -> Confirmation {
        let confirmation = match parent_height(update) {
            None => Confirmation::Differs("its header is that of genesis, which proves nothing".to_owned()),
            Some(height) => self.inner.compare(cursor, update, height).await,
        };
        self.inner.metrics.confirmed(match &confirmation {
            Confirmation::Confirmed => "confirmed",
            Confirmation::CannotRead(_) => "cannot_read",
            Confirmation::Differs(_) => "differs",
        });
        confirmation
    }

    fn failed(&self, cursor: &ParentCursor, update: &ParentUpdate) {
        let mut memory = self.inner.memory.lock();
        memory.failure = Some(Failure::of(cursor, update).after(memory.failure));
    }
}
