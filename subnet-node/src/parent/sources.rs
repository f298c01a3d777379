//! Where proofs come from: each parent endpoint, nodes of this chain, and the files that an operator puts down. None is
//! believed, so it does not matter how many lie as long as one does not.
//!
//! Each source has at most one request under way and is waited for by nobody else: what it answers is taken when it
//! comes. One that gave something else than a proof is left out for a while and named once for each time; one that has
//! nothing to tell, or cannot be reached, is only asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use futures::future::BoxFuture;
use subnet_types::ParentUpdate;
use subnet_types::hash::cid_of;
use tokio::sync::Mutex;
use tokio::task::{Id, JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::ParentCursor;
use super::api::{ProofApi, ProofQuery};
use super::candidate::is_further;
use super::endpoints::{Endpoints, ParentError};
use super::files;
use super::rules::{self, Adoption, ParentUpdateRejection, ProvenUpdate, TrustRule};
use crate::metrics::ParentMetrics;

/// How long an endpoint that gave a bad answer is not asked.
pub(super) const BAD_SOURCE_PAUSE: Duration = Duration::from_secs(60);

/// How long one look waits for answers. Those that come later count at the next look.
const ANSWERS_WAIT: Duration = Duration::from_millis(250);

/// How much longer it waits once somebody has answered.
const FURTHER_ANSWERS_WAIT: Duration = Duration::from_millis(50);

/// Files remembered as looked at, so that each is read, and named where it is of no use, once.
const FILES_SEEN_MAX: usize = 1024;

/// An update that the rules accept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) update: ParentUpdate,
    pub(super) proven: ProvenUpdate,
}

/// What the sources said since the last look.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) found: Vec<Found>,
    /// Sources that answered, be it that there is nothing new.
    pub(super) answers: usize,
    /// Whether one says that what was asked for does not exist, as where nothing leads from the tracked validators on.
    pub(super) is_lost: bool,
    /// Sources that have not answered yet.
    pub(super) under_way: usize,
    /// Why the last of those that did not answer did not.
    pub(super) failure: Option<ParentError>,
}

/// The sources that a node is configured with.
pub(super) struct SourceParts {
    /// The parent's nodes.
    pub(super) parents: Arc<Endpoints>,
    /// Nodes of this chain.
    pub(super) peers: Arc<Endpoints<dyn ProofApi>>,
    /// Folder of files.
    pub(super) folder: Option<PathBuf>,
    /// The header that the operator named.
    pub(super) trusted_header: Option<Cid>,
    pub(super) metrics: ParentMetrics,
}

/// All sources of a node.
pub(super) struct Sources {
    parts: SourceParts,
    state: Mutex<State>,
}

struct State {
    requests: JoinSet<Answer>,
    /// Sources with a request under way.
    under_way: BTreeMap<Id, usize>,
    /// By source, until when it is left out.
    paused: Vec<Option<Instant>>,
    files: Files,
}

/// What one source answered to one request.
struct Answer {
    source: usize,
    cursor: ParentCursor,
    outcome: Outcome,
}

enum Outcome {
    Found(Box<Found>),
    NothingNew,
    Bad(String),
    Failed(ParentError),
}

/// What was read in the folder on top of one state.
#[derive(Default)]
struct Files {
    /// Files as they were, each with the state on top of which it was looked at.
    seen: BTreeSet<Cid>,
    /// The state that those below are for.
    cursor: Option<ParentCursor>,
    /// The one that leads furthest without the operator's word, and the one with the header that the operator named.
    furthest: Option<Found>,
    named: Option<Found>,
}

impl Sources {
    pub(super) fn new(parts: SourceParts) -> Self {
        let paused = vec![None; parts.parents.len() + parts.peers.len()];
        let state = State { requests: JoinSet::new(), under_way: BTreeMap::new(), paused, files: Files::default() };
        Self { parts, state: Mutex::new(state) }
    }

    /// Asks all that are free for what follows the cursor, at the parent header `at` or at their newest. Answers with
    /// what has come, verified, from them and from earlier requests.
    pub(super) async fn ask(&self, cursor: &ParentCursor, at: Option<Cid>, rule: TrustRule) -> Findings {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        for source in self.free(state) {
            let handle = state.requests.spawn(self.request(source, cursor.clone(), at, rule));
            state.under_way.insert(handle.id(), source);
        }
        let mut findings = Findings::default();
        let mut deadline = Instant::now() + ANSWERS_WAIT;
        while let Ok(Some(ended)) = timeout_at(deadline, state.requests.join_next_with_id()).await {
            match ended {
                Ok((id, answer)) => {
                    state.under_way.remove(&id);
                    self.take(&mut state.paused, cursor, answer, &mut findings);
                }
                Err(error) => {
                    state.under_way.remove(&error.id());
                    tracing::error!(reason = %error, "a request for a parent proof ended by a panic");
                }
            }
            deadline = deadline.min(Instant::now() + FURTHER_ANSWERS_WAIT);
        }
        findings.under_way = state.under_way.len();
        self.read_files(&mut state.files, cursor, rule, &mut findings).await;
        findings
    }

    /// Sources to ask now: without a request under way, not left out, and not at rest while others are not.
    fn free(&self, state: &State) -> Vec<usize> {
        let now = Instant::now();
        let busy: BTreeSet<usize> = state.under_way.values().copied().collect();
        let mut free: Vec<usize> = (0..state.paused.len())
            .filter(|source| state.paused[*source].is_none_or(|until| until <= now) && !busy.contains(source))
            .collect();
        if !busy.is_empty() || free.iter().any(|source| !self.rests(*source)) {
            free.retain(|source| !self.rests(*source));
        }
        free
    }

    fn rests(&self, source: usize) -> bool {
        match source.checked_sub(self.parts.parents.len()) {
            None => self.parts.parents.rests(source),
            Some(peer) => self.parts.peers.rests(peer),
        }
    }

    fn url(&self, source: usize) -> &str {
        match source.checked_sub(self.parts.parents.len()) {
            None => self.parts.parents.url(source),
            Some(peer) => self.parts.peers.url(peer),
        }
    }

    /// One request, with the verification of what comes.
    fn request(
        &self,
        source: usize,
        cursor: ParentCursor,
        at: Option<Cid>,
        rule: TrustRule,
    ) -> BoxFuture<'static, Answer> {
        let (parents, peers) = (self.parts.parents.clone(), self.parts.peers.clone());
        let query = ProofQuery::of(&cursor, at);
        Box::pin(async move {
            let answer = match source.checked_sub(parents.len()) {
                None => {
                    let call = parents.ask_one(source, "proof", move |api| {
                        let query = query.clone();
                        Box::pin(async move { api.proof(&query).await })
                    });
                    call.await
                }
                Some(peer) => {
                    let call = peers.ask_one(peer, "proof", move |api| {
                        let query = query.clone();
                        Box::pin(async move { api.proof(&query).await })
                    });
                    call.await
                }
            };
            let outcome = match answer {
                Ok(Some(update)) => {
                    let cursor = cursor.clone();
                    // Certificates and witnesses take long to verify.
                    spawn_blocking(move || judge(&cursor, update, at, rule))
                        .await
                        .unwrap_or_else(|error| Outcome::Bad(format!("verifying it ended by a panic: {error}")))
                }
                Ok(None) => Outcome::NothingNew,
                Err(ParentError::Call(error)) if error.is_garbage() => Outcome::Bad(error.to_string()),
                Err(error) => Outcome::Failed(error),
            };
            Answer { source, cursor, outcome }
        })
    }

    fn take(&self, paused: &mut [Option<Instant>], cursor: &ParentCursor, answer: Answer, findings: &mut Findings) {
        match answer.outcome {
            Outcome::Bad(reason) => self.refuse(paused, answer.source, &reason),
            // Blocks went on meanwhile; it is asked anew.
            _ if answer.cursor != *cursor => {}
            Outcome::Found(found) => {
                findings.answers += 1;
                findings.found.push(*found);
            }
            Outcome::NothingNew => findings.answers += 1,
            Outcome::Failed(error) => {
                findings.is_lost |= error.is_not_found();
                findings.failure = Some(error);
            }
        }
    }

    fn refuse(&self, paused: &mut [Option<Instant>], source: usize, reason: &str) {
        tracing::warn!(
            endpoint = self.url(source),
            reason,
            pause_s = BAD_SOURCE_PAUSE.as_secs(),
            "an endpoint gave a bad parent proof and is left out for a while"
        );
        self.parts.metrics.read("refused");
        if let Some(until) = paused.get_mut(source) {
            *until = Some(Instant::now() + BAD_SOURCE_PAUSE);
        }
    }

    async fn read_files(&self, known: &mut Files, cursor: &ParentCursor, rule: TrustRule, findings: &mut Findings) {
        let Some(folder) = self.parts.folder.clone() else { return };
        let (mut files, at, named) = (std::mem::take(known), cursor.clone(), self.parts.trusted_header);
        let read = spawn_blocking(move || {
            let useless = files.read(&folder, at, named, rule);
            (files, useless)
        });
        // What was read before a panic is read again.
        let (files, useless) = read.await.unwrap_or_default();
        *known = files;
        for (path, reason) in useless {
            tracing::warn!(file = %path.display(), reason, "a file proves nothing of the parent on top of the last block");
        }
        for found in known.furthest.iter().chain(&known.named) {
            let mut found = found.clone();
            if !is_unlinked(&found.proven) {
                // Time has passed since the file was read.
                found.proven.adoption = rule.expired(cursor);
            }
            findings.found.push(found);
        }
    }
}

/// What an answer to a request with the header `at` is.
fn judge(cursor: &ParentCursor, update: ParentUpdate, at: Option<Cid>, rule: TrustRule) -> Outcome {
    match rules::check(cursor, &update, rule) {
        // Anybody can make one of these. Nobody gives one to whoever did not name its header.
        Ok(proven) if is_unlinked(&proven) && at != Some(update.header.id()) => Outcome::Bad(
            "no handover leads from the tracked validators to its header, which was not asked for".to_owned(),
        ),
        Ok(proven) => Outcome::Found(Box::new(Found { update, proven })),
        Err(ParentUpdateRejection::NotNewer { .. }) => Outcome::NothingNew,
        Err(rejection) => Outcome::Bad(rejection.to_string()),
    }
}

fn is_unlinked(proven: &ProvenUpdate) -> bool {
    matches!(proven.adoption, Some(Adoption::Unlinked { .. }))
}

impl Files {
    /// Reads what is new in the folder, or was not looked at on top of this state. Answers with what is of no use, and
    /// why.
    fn read(
        &mut self,
        folder: &Path,
        cursor: ParentCursor,
        named: Option<Cid>,
        rule: TrustRule,
    ) -> Vec<(PathBuf, String)> {
        let mut useless = Vec::new();
        if self.cursor.as_ref() != Some(&cursor) {
            (self.furthest, self.named) = (None, None);
        }
        match files::list(folder) {
            Ok(paths) => {
                for path in paths {
                    if self.is_new(&cursor, &path)
                        && let Err(reason) = self.look_at(&path, &cursor, named, rule)
                    {
                        useless.push((path, reason));
                    }
                }
            }
            Err(error) => {
                if self.is_new(&cursor, folder) {
                    useless.push((folder.to_owned(), error.to_string()));
                }
            }
        }
        self.cursor = Some(cursor);
        useless
    }

    fn look_at(
        &mut self,
        path: &Path,
        cursor: &ParentCursor,
        named: Option<Cid>,
        rule: TrustRule,
    ) -> Result<(), String> {
        let update = files::read(path).map_err(|error| error.to_string())?;
        let is_named = named == Some(update.header.id());
        match rules::check(cursor, &update, rule) {
            Ok(proven) if is_unlinked(&proven) && !is_named => {
                return Err(
                    "no handover leads from the tracked validators to its header, and no operator named it".into()
                );
            }
            Ok(proven) => {
                let kept = if is_named { &mut self.named } else { &mut self.furthest };
                if kept.as_ref().is_none_or(|known| is_further(&update, &known.update)) {
                    *kept = Some(Found { update, proven });
                }
            }
            Err(ParentUpdateRejection::NotNewer { .. }) => {}
            // It may be for a later state: files can be several steps.
            Err(rejection) => return Err(rejection.to_string()),
        }
        Ok(())
    }

    /// Whether the file is looked at for the first time since it or the state changed.
    fn is_new(&mut self, cursor: &ParentCursor, path: &Path) -> bool {
        if self.seen.len() >= FILES_SEEN_MAX {
            self.seen.clear();
        }
        self.seen.insert(file_key(cursor, path))
    }
}

/// A file as it is now, on top of the state that `cursor` describes.
fn file_key(cursor: &ParentCursor, path: &Path) -> Cid {
    let written = std::fs::metadata(path).ok().and_then(|metadata| {
        let time = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some((metadata.len(), time.as_secs(), time.subsec_nanos()))
    });
    cid_of(&(path.to_string_lossy(), written, cursor.block, cursor.next_nonce, cursor.next_configuration))
}
