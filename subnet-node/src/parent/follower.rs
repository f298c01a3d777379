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
    /// The newest ranges from the cursor on.
    candidate: Option<Read>,
    /// Newest last.
    reads: Vec<Read>,
}

/// Ranges that were read, and from where on.
#[derive(Clone)]
struct Read {
    from: RangeStart,
    update: ParentUpdate,
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
        match rules::check(&cursor, &update, self.trust_rule()) {
            Ok(()) => {}
            // The parent has made no block since the last update.
            Err(ParentUpdateRejection::NotNewer { .. }) => return Ok(Ok(())),
            Err(rejection) => return Ok(Err(LookError::Unacceptable(rejection))),
        }
        if let Some(height) = parent_height(&update) {
            self.metrics.height.set(gauge(height.get()));
        }
        self.memory.lock().candidate = Some(Read { from: start(&cursor), update });
        Ok(Ok(()))
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
        memory
            .candidate
            .iter()
            .chain(&memory.reads)
            .find(|read| read.from == from && parent_height(&read.update) == Some(height))
            .map(|read| read.update.clone())
    }

    fn remember(&self, read: Read) {
        let mut memory = self.memory.lock();
        if memory.reads.len() >= READS_MAX {
            memory.reads.remove(0);
        }
        memory.reads.push(read);
    }

    /// The ranges after `height`, waiting for a parent node that is not that far yet.
    async fn read_at(&self, cursor: &ParentCursor, height: Height) -> Result<ParentUpdate, String> {
        let from = start(cursor);
        if let Some(update) = self.remembered(from, height) {
            return Ok(update);
        }
        let deadline = Instant::now() + CONFIRM_TIME_MAX;
        loop {
            let reason = match tokio::time::timeout_at(deadline, self.read(cursor, Some(height))).await {
                Ok(Ok(update)) => {
                    self.remember(Read { from, update: update.clone() });
                    return Ok(update);
                }
                Ok(Err(error)) if error.is_absent() => error.to_string(),
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err(format!("no answer within {CONFIRM_TIME_MAX:?}")),
            };
            if Instant::now() + CONFIRM_PAUSE > deadline {
                return Err(reason);
            }
            tokio::time::sleep(CONFIRM_PAUSE).await;
        }
    }
}

fn start(cursor: &ParentCursor) -> RangeStart {
    RangeStart { nonce: cursor.next_nonce, configuration: cursor.next_configuration }
}

#[async_trait]
impl ParentSource for Follower {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        let inner = &self.inner;
        let memory = inner.memory.lock();
        // What was read from another start was read for another block.
        let read = memory.candidate.as_ref().filter(|read| read.from == start(cursor))?;
        let trusting_period_ms = inner.chain.genesis().chain.trusting_period_ms;
        is_worth_proposing(cursor, &read.update, (inner.clock)(), trusting_period_ms).then(|| read.update.clone())
    }

    async fn confirm(&self, cursor: &ParentCursor, update: &ParentUpdate) -> Confirmation {
        let confirmation = match parent_height(update) {
            None => Confirmation::Differs("its header is that of genesis, which proves nothing".to_owned()),
            Some(height) => match self.inner.read_at(cursor, height).await {
                Err(reason) => Confirmation::CannotRead(reason),
                Ok(read) => difference(update, &read).map_or(Confirmation::Confirmed, Confirmation::Differs),
            },
        };
        self.inner.metrics.confirmed(match &confirmation {
            Confirmation::Confirmed => "confirmed",
            Confirmation::CannotRead(_) => "cannot_read",
            Confirmation::Differs(_) => "differs",
        });
        confirmation
    }
}
