//! Where proofs come from: each parent endpoint, and the files that an operator puts down. None is believed, so it does
//! not matter how many lie as long as one does not.
//!
//! A source that gave something else than a proof is left out for a while and named once for each time; one that has
//! nothing to tell, or cannot be reached, is only asked again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use futures::future::join_all;
use parking_lot::Mutex;
use subnet_types::ParentUpdate;
use subnet_types::hash::cid_of;
use tokio::time::Instant;

use super::ParentCursor;
use super::api::ProofQuery;
use super::endpoints::{Endpoints, ParentError};
use super::files;
use super::rules::{self, ParentUpdateRejection, ProvenUpdate, TrustRule};
use crate::metrics::ParentMetrics;

/// How long an endpoint that gave a bad answer is not asked.
pub(super) const BAD_SOURCE_PAUSE: Duration = Duration::from_secs(60);

/// Files remembered as of no use, so that each is read and named once.
const FILES_SET_ASIDE_MAX: usize = 1024;

/// An update that the rules accept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) update: ParentUpdate,
    pub(super) proven: ProvenUpdate,
}

/// What all sources said.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) found: Vec<Found>,
    /// Endpoints that answered with an update, be it one that brings nothing new.
    pub(super) answers: usize,
    /// Why the last of those that did not answer did not.
    pub(super) failure: Option<ParentError>,
}

/// All sources of a node.
pub(super) struct Sources {
    endpoints: Arc<Endpoints>,
    folder: Option<PathBuf>,
    metrics: ParentMetrics,
    /// By endpoint, until when it is left out.
    paused: Mutex<Vec<Option<Instant>>>,
    /// Files of no use, each with the state on top of which it is.
    set_aside: Mutex<BTreeSet<Cid>>,
}

impl Sources {
    pub(super) fn new(endpoints: Arc<Endpoints>, folder: Option<PathBuf>, metrics: ParentMetrics) -> Self {
        let paused = Mutex::new(vec![None; endpoints.len()]);
        Self { endpoints, folder, metrics, paused, set_aside: Mutex::default() }
    }

    /// Asks all of them for what follows the cursor, at the parent header `at` or at their newest, and verifies what they
    /// answer.
    pub(super) async fn ask(&self, cursor: &ParentCursor, at: Option<Cid>, rule: TrustRule) -> Findings {
        let now = Instant::now();
        let asked: Vec<usize> = {
            let paused = self.paused.lock();
            (0..paused.len()).filter(|index| paused[*index].is_none_or(|until| until <= now)).collect()
        };
        let query = ProofQuery::of(cursor, at);
        let answers = join_all(asked.into_iter().map(|index| {
            let query = query.clone();
            async move {
                let call = self.endpoints.ask_one(index, "proof", move |api| {
                    let query = query.clone();
                    Box::pin(async move { api.proof(&query).await })
                });
                (index, call.await)
            }
        }))
        .await;
        let mut findings = Findings::default();
        for (index, answer) in answers {
            match answer {
                Ok(update) => {
                    findings.answers += 1;
                    match rules::check(cursor, &update, rule) {
                        Ok(proven) => findings.found.push(Found { update, proven }),
                        Err(ParentUpdateRejection::NotNewer { .. }) => {}
                        Err(rejection) => self.refuse(index, &rejection),
                    }
                }
                Err(ParentError::Call(error)) if error.is_garbage() => {
                    self.refuse(index, &error);
                    findings.failure = Some(error.into());
                }
                Err(error) => findings.failure = Some(error),
            }
        }
        self.read_files(cursor, rule, &mut findings);
        findings
    }

    fn refuse(&self, index: usize, reason: &dyn std::fmt::Display) {
        let endpoint = self.endpoints.url(index);
        tracing::warn!(
            endpoint,
            %reason,
            pause_s = BAD_SOURCE_PAUSE.as_secs(),
            "a parent endpoint gave a bad proof and is left out for a while"
        );
        self.metrics.read("refused");
        if let Some(until) = self.paused.lock().get_mut(index) {
            *until = Some(Instant::now() + BAD_SOURCE_PAUSE);
        }
    }

    fn read_files(&self, cursor: &ParentCursor, rule: TrustRule, findings: &mut Findings) {
        let Some(folder) = &self.folder else { return };
        let paths = match files::list(folder) {
            Ok(paths) => paths,
            Err(error) => {
                self.set_aside(file_key(cursor, folder), folder, Some(&error));
                return;
            }
        };
        for path in paths {
            let key = file_key(cursor, &path);
            if self.set_aside.lock().contains(&key) {
                continue;
            }
            match files::read(&path) {
                Ok(update) => match rules::check(cursor, &update, rule) {
                    Ok(proven) => findings.found.push(Found { update, proven }),
                    Err(ParentUpdateRejection::NotNewer { .. }) => self.set_aside(key, &path, None),
                    // It may be for a later state: files can be several steps.
                    Err(rejection) => self.set_aside(key, &path, Some(&rejection)),
                },
                Err(error) => self.set_aside(key, &path, Some(&error)),
            }
        }
    }

    /// Leaves a file out until it or the cursor changes, and names it where something is wrong with it.
    fn set_aside(&self, key: Cid, path: &Path, reason: Option<&dyn std::fmt::Display>) {
        let mut known = self.set_aside.lock();
        if known.len() >= FILES_SET_ASIDE_MAX {
            known.clear();
        }
        if let (true, Some(reason)) = (known.insert(key), reason) {
            tracing::warn!(file = %path.display(), %reason, "a file proves nothing of the parent on top of the last block");
        }
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
