//! Follows the parent: keeps the next candidate for a block ready.
//!
//! Everything read is verified before it is kept. Of several proofs the one that leads furthest counts, so a parent
//! endpoint that lies, lags or leaves something out costs nothing as long as another one does not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use client::api::ParentProof;
use parking_lot::Mutex;
use subnet_types::ParentUpdate;
use tokio_util::sync::CancellationToken;

use super::api::{ProofApi, ProofQuery};
use super::candidate::{Failure, is_further, is_worth_proposing};
use super::endpoints::{Endpoints, ParentError};
use super::rules::{self, Adoption, TrustRule};
use super::sources::{Findings, Found, SourceParts, Sources};
use super::{ParentCursor, ParentSource};
use crate::app::{ChainError, ChainReader, Clock};
use crate::metrics::{ParentMetrics, gauge};

/// Pauses after failures grow up to this.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The follower of a subnet's node. Clones share it.
#[derive(Clone)]
pub struct Follower {
    inner: Arc<Inner>,
}

struct Inner {
    chain: ChainReader,
    sources: Sources,
    clock: Clock,
    metrics: ParentMetrics,
    poll: Duration,
    trusted_header: Option<Cid>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The update that leads furthest, and on top of what it was verified.
    candidate: Option<(ParentCursor, Found)>,
    /// The last update that failed.
    failure: Option<Failure>,
    /// The state from which, as sources say, no handover leads on. The next look asks with the header that the operator
    /// named.
    lost: Option<ParentCursor>,
}

/// What a follower is made of.
pub struct FollowerParts {
    /// The committed chain.
    pub chain: ChainReader,
    /// The parent's nodes.
    pub endpoints: Arc<Endpoints>,
    /// Nodes of this chain, which hand on what they have proved.
    pub peers: Arc<Endpoints<dyn ProofApi>>,
    /// Folder of proofs that an operator puts down.
    pub proofs: Option<PathBuf>,
    /// The parent block that this node's operator knows from elsewhere.
    pub trusted_header: Option<Cid>,
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
        let FollowerParts { chain, endpoints, peers, proofs, trusted_header, clock, metrics, poll } = parts;
        let sources =
            SourceParts { parents: endpoints, peers, folder: proofs, trusted_header, metrics: metrics.clone() };
        let sources = Sources::new(sources);
        let memory = Mutex::default();
        Self { inner: Arc::new(Inner { chain, sources, clock, metrics, poll, trusted_header, memory }) }
    }

    /// What this node has proved for whoever asks from the state that this one is in. `None` where it knows of nothing
    /// new, or stands elsewhere.
    pub fn proved(&self, query: &ProofQuery) -> Option<ParentProof> {
        let memory = self.inner.memory.lock();
        let (cursor, found) = memory.candidate.as_ref()?;
        let header = found.update.header.id();
        if ProofQuery::of(cursor, query.header) != *query || query.header.is_some_and(|asked| asked != header) {
            return None;
        }
        // What only an operator's word links is for those who ask for it.
        if matches!(found.proven.adoption, Some(Adoption::Unlinked { .. })) && query.header.is_none() {
            return None;
        }
        let params = &found.proven.params;
        Some(ParentProof::new(found.update.clone(), params.messages.len(), params.changes.len()))
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
                    report(&error, failures);
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
    /// No source answered.
    Unreadable(ParentError),
    /// The operator has to say that a header is the parent's.
    NotAdopted(Adoption, Cid),
    /// The operator named a header, and no source proves anything with it.
    Unproved(Adoption, Cid),
}

impl Inner {
    /// Reads the ranges that follow the cursor.
    async fn look(&self) -> Result<Result<(), LookError>, ChainError> {
        let Some(cursor) = self.cursor().await? else { return Ok(Ok(())) };
        let rule = self.trust_rule();
        let expired = rule.expired(&cursor);
        // Too late for anything but the header that was named.
        let at = self.trusted_header.filter(|_| expired.is_some());
        // Nor does it help to ask again without it where nothing leads on.
        let is_lost = self.memory.lock().lost.take().is_some_and(|lost| lost == cursor);
        let asked = at.or(self.trusted_header.filter(|_| is_lost));
        let Findings { found, answers, is_lost, under_way, failure } = self.sources.ask(&cursor, asked, rule).await;
        let nothing_came = answers == 0 && found.is_empty();
        if nothing_came && is_lost && asked.is_none() && self.trusted_header != cursor.block {
            self.memory.lock().lost = Some(cursor.clone());
        }
        if let (true, 0, Some(failure)) = (nothing_came, under_way, failure) {
            return Ok(Err(LookError::Unreadable(failure)));
        }
        let refused = found.iter().find_map(|found| Some((found.proven.adoption?, found.update.header.id())));
        let furthest = found
            .into_iter()
            .filter(|found| self.may_propose(found))
            .reduce(|best, next| if is_further(&next.update, &best.update) { next } else { best });
        let Some(furthest) = furthest else {
            return Ok(match (refused, expired.zip(at)) {
                (_, Some((adoption, named))) => Err(LookError::Unproved(adoption, named)),
                (Some((adoption, header)), None) => Err(LookError::NotAdopted(adoption, header)),
                (None, None) => Ok(()),
            });
        };
        self.metrics.height.set(gauge(furthest.proven.params.parent_height.get()));
        let mut memory = self.memory.lock();
        let known = memory.candidate.as_ref().filter(|(at, _)| *at == cursor);
        if known.is_none_or(|(_, known)| is_further(&furthest.update, &known.update)) {
            memory.candidate = Some((cursor, furthest));
        }
        Ok(Ok(()))
    }

    fn may_propose(&self, found: &Found) -> bool {
        found.proven.adoption.is_none() || self.is_adopted(&found.update.header.id())
    }

    fn is_adopted(&self, header: &Cid) -> bool {
        self.trusted_header.as_ref() == Some(header)
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

    fn trust_rule(&self) -> TrustRule {
        TrustRule { block_timestamp: (self.clock)(), trusting_period_ms: self.chain.genesis().chain.trusting_period_ms }
    }
}

fn report(error: &LookError, failures: u32) {
    // The endpoints report their own outages; what is left is said at the first time and then now and then.
    if !failures.is_power_of_two() {
        return;
    }
    match error {
        LookError::Unreadable(error) => tracing::warn!(reason = %error, failures, "the parent cannot be read"),
        LookError::NotAdopted(adoption, header) => {
            let advice = rules::adoption_advice(*adoption, header);
            tracing::error!(reason = advice, failures, "the parent's news are not accepted any more");
        }
        LookError::Unproved(adoption, header) => {
            tracing::error!(
                reason = %adoption,
                trusted_header = %header,
                failures,
                "no source proves anything with the trusted parent header"
            );
        }
    }
}

impl ParentSource for Follower {
    fn candidate(&self, cursor: &ParentCursor) -> Option<ParentUpdate> {
        let inner = &self.inner;
        let memory = inner.memory.lock();
        // What was verified on top of another state is for another block.
        let (_, found) = memory.candidate.as_ref().filter(|(at, _)| at == cursor)?;
        let update = &found.update;
        if memory.failure.as_ref().is_some_and(|failure| failure.holds_back(cursor, update)) {
            return None;
        }
        let trusting_period_ms = inner.chain.genesis().chain.trusting_period_ms;
        is_worth_proposing(cursor, &found.proven, (inner.clock)(), trusting_period_ms).then(|| update.clone())
    }

    fn is_adopted(&self, header: &Cid) -> bool {
        self.inner.is_adopted(header)
    }

    fn failed(&self, cursor: &ParentCursor, update: &ParentUpdate) {
        self.inner.memory.lock().failure = Some(Failure::of(cursor, update));
    }
}
