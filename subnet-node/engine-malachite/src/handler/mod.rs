//! The loop that answers Malachite's questions with the application's answers.
//!
//! Malachite asks one question at a time and waits, so each answer is short; what takes long and is not waited for
//! (executing and committing a decided block, reading blocks for peers, publishing parts) runs in tasks. The first
//! failure of any of them ends the loop, and with it the engine.
//!
//! | Malachite | here | application |
//! |---|---|---|
//! | `ConsensusReady`, `Finalized` | `decide` | `status`, `rules`, `upgrade_certificate` |
//! | `StartedRound`, `ReceivedProposalPart`, `ProcessSyncedValue` | `judge` | `undecided`, `validate`, `put_undecided` |
//! | `GetValue`, `RestreamProposal` | `propose` | `build`, `put_undecided` |
//! | `ExtendVote`, `VerifyVoteExtensions` | `extend` | `extend_vote`, `verify_extension` |
//! | `Decided` | `decide` | `commit`, `prepare` |
//! | `GetDecidedValues`, `GetHistoryMinHeight` | `serve` | `decided`, `status` |

mod decide;
mod extend;
mod judge;
mod propose;
mod serve;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::{AppMsg, NetworkMsg};
use engine_api::{AppFailure, EngineEvent, SubnetApp};
use subnet_types::{ChainIdentity, Height};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::certified::Certified;
use crate::context::{Chain, Members};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::proposals::Proposals;
use crate::running::StatusCell;
use crate::signing::ChainSigner;
use crate::streaming::Streams;

/// What the loop works with.
pub(crate) struct Handler {
    pub app: Arc<dyn SubnetApp>,
    pub identity: ChainIdentity,
    pub signer: ChainSigner,
    pub propose_timeout: Duration,
    pub certified: Certified,
    pub network: mpsc::Sender<NetworkMsg<Chain>>,
    pub events: broadcast::Sender<EngineEvent>,
    pub status: Arc<StatusCell>,
    /// Names our streams; random, so that a restarted node does not reuse names.
    pub stream_prefix: u64,
}

/// The height being decided.
struct Current {
    height: Height,
    round: u32,
    members: Members,
}

/// What the loop remembers between questions.
struct State {
    current: Option<Current>,
    proposals: Proposals,
    streams: Streams,
    faults: Faults,
    streams_sent: u64,
    /// Last height committed by this run, with the number of signatures in its stored certificate.
    committed: watch::Sender<Option<(Height, usize)>>,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Handler {
    /// Answers until Malachite stops asking (`Ok`) or something fails.
    pub(crate) async fn run(self, mut questions: mpsc::Receiver<AppMsg<Chain>>) -> Result<(), Failure> {
        let mut state = State {
            current: None,
            proposals: Proposals::default(),
            streams: Streams::default(),
            faults: Faults::default(),
            streams_sent: 0,
            committed: watch::Sender::new(None),
            tasks: JoinSet::new(),
        };
        let result = self.answer_all(&mut state, &mut questions).await;
        // What was begun is finished: a commit must not be cut in half by a shutdown, and the application's store is
        // closed after us.
        drop(questions);
        let rest = finish(state).await;
        result.and(rest)
    }

    async fn answer_all(
        &self,
        state: &mut State,
        questions: &mut mpsc::Receiver<AppMsg<Chain>>,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => self.answer(state, question).await?,
                    None => return Ok(()),
                },
                Some(ended) = state.tasks.join_next() => settle(ended)?,
            }
        }
    }

    async fn answer(&self, state: &mut State, question: AppMsg<Chain>) -> Result<(), Failure> {
        // A reply fails only when Malachite no longer waits for it; the loop learns of that by itself.
        match question {
            AppMsg::ConsensusReady { reply } => {
                reply.send(self.start_height().await?).ok();
            }
            AppMsg::StartedRound { height, round, proposer, role: _, reply_value } => {
                reply_value.send(self.started_round(state, height, round, proposer).await?).ok();
            }
            AppMsg::GetValue { height, round, timeout, reply } => {
                if let Some(value) = self.value(state, height, round, timeout).await? {
                    reply.send(value).ok();
                }
            }
            AppMsg::ReceivedProposalPart { from, published_by, part, reply } => {
                reply.send(self.part(state, from, published_by, part).await?).ok();
            }
            AppMsg::RestreamProposal { value_id, .. } => self.restream(state, &value_id),
            AppMsg::ExtendVote { height, value_id, reply, .. } => {
                reply.send(Some(self.extend(height, &value_id).await?)).ok();
            }
            AppMsg::VerifyVoteExtensions { height, value_id, extensions, reply, .. } => {
                reply.send(self.verify_extensions(height, &value_id, extensions).await).ok();
            }
            AppMsg::Decided { certificate, extensions, reply } => {
                self.decided(state, certificate, extensions, reply).await?;
            }
            AppMsg::Finalized { certificate, extensions, evidence, reply } => {
                self.finalized(state, certificate, extensions, &evidence, reply);
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                reply.send(self.history_min().await?).ok();
            }
            AppMsg::GetDecidedValues { range, reply } => self.decided_values(state, range, reply),
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                reply.send(self.synced(state, height, round, proposer, value_bytes).await?).ok();
            }
        }
        Ok(())
    }
}

/// Waits for the tasks that still run.
async fn finish(mut state: State) -> Result<(), Failure> {
    // Tasks that wait for a commit that failed would wait for ever.
    drop(state.committed);
    let mut result = Ok(());
    while let Some(ended) = state.tasks.join_next().await {
        result = result.and(settle(ended));
    }
    result
}

fn settle(ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended.unwrap_or_else(|error| Err(Failure::liveness(AppFailure::new("a task of the consensus engine", error))))
}
