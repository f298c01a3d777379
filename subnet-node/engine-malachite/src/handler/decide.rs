//! From a decision to the next height.

use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next};
use arc_malachitebft_app_channel::app::types::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, Validator as _, VoteExtensionPolicy, VoteExtensions,
};
use engine_api::{AppFailure, BuildContext, DecidedBlock, EngineEvent, HeightRules, SubnetApp};
use std::sync::Arc;
use std::time::Duration;
use subnet_types::{Height, VoteKey};

use super::propose::BUILD_SHARE;
use super::{Handler, State};
use crate::certificate;
use crate::config::timeouts;
use crate::context::{At, Chain, Members};
use crate::failure::Failure;
use crate::pace;

impl Handler {
    /// The height to begin with, and its rules.
    pub(super) async fn start_height(&self) -> Result<(At, HeightParams<Chain>), Failure> {
        let status = self.app.status().await.map_err(Failure::liveness)?;
        let height = status.committed.next();
        tracing::info!(%height, "consensus begins");
        Ok((At::from(height), parameters(&self.app, height, self.propose_timeout).await?))
    }

    /// Commits a decided block in a task, and acknowledges it when it is durable. A node that proposes next uses what
    /// remains of the interval to prepare for it.
    pub(super) async fn decided(
        &self,
        state: &mut State,
        decision: CommitCertificate<Chain>,
        extensions: VoteExtensions<Chain>,
        reply: Reply<()>,
    ) -> Result<(), Failure> {
        let height = decision.height.height();
        let signatures = decision.commit_signatures.len();
        let Some(proposed) = state.proposals.get(&decision.value_id.0) else {
            return self.decided_before(state, &decision, reply).await;
        };
        let decided = DecidedBlock {
            block: proposed.block.clone(),
            extensions: certificate::extensions(&decision, &extensions),
            certificate: certificate::certificate(&decision),
        };
        let (app, events, committed) = (self.app.clone(), self.events.clone(), state.committed.clone());
        let (key, propose_timeout) = (self.signer.vote_key(), self.propose_timeout);
        state.tasks.spawn(async move {
            let block = decided.certificate.block;
            app.commit(decided).await.map_err(Failure::safety)?;
            committed.send_replace(Some((height, signatures)));
            events.send(EngineEvent::Committed { height, block }).ok();
            reply.send(()).ok();
            prepare(&app, height.next(), key, propose_timeout).await
        });
        Ok(())
    }

    /// A decision about a block that is not among the proposals: after a crash between commit and acknowledgement
    /// it may be committed already.
    async fn decided_before(
        &self,
        state: &State,
        decision: &CommitCertificate<Chain>,
        reply: Reply<()>,
    ) -> Result<(), Failure> {
        let (height, id) = (decision.height.height(), decision.value_id.0);
        match self.app.decided(height).await.map_err(Failure::liveness)? {
            Some(stored) if stored.block.id() == id => {
                state.committed.send_replace(Some((height, stored.certificate.signatures.len())));
                reply.send(()).ok();
                Ok(())
            }
            Some(stored) => {
                let stored = stored.block.id();
                Err(Failure::safety(format!("block {id} is decided at height {height}, but {stored} is committed")))
            }
            None => {
                let reason = format!("block {id} of height {height} is not stored here");
                Err(Failure::liveness(AppFailure::new("committing a decided block", reason)))
            }
        }
    }

    /// Keeps the signatures that came after the decision and starts the next height, once the block is committed.
    pub(super) fn finalized(
        &self,
        state: &mut State,
        decision: CommitCertificate<Chain>,
        extensions: VoteExtensions<Chain>,
        evidence: &MisbehaviorEvidence<Chain>,
        reply: Reply<Next<Chain>>,
    ) {
        let height = decision.height.height();
        self.report(height, evidence);
        let (app, propose_timeout) = (self.app.clone(), self.propose_timeout);
        let mut committed = state.committed.subscribe();
        state.tasks.spawn(async move {
            let is_this = |last: &Option<(Height, usize)>| last.is_some_and(|(last, _)| last >= height);
            let signatures = match committed.wait_for(is_this).await {
                Ok(last) => last.map_or(0, |(_, signatures)| signatures),
                // The commit failed, or the engine is stopping: there is no next height.
                Err(_) => return Ok(()),
            };
            if decision.commit_signatures.len() > signatures {
                let extensions = certificate::extensions(&decision, &extensions);
                app.upgrade_certificate(certificate::certificate(&decision), extensions)
                    .await
                    .map_err(Failure::liveness)?;
            }
            let next = height.next();
            let parameters = parameters(&app, next, propose_timeout).await?;
            reply.send(Next::Start(At::from(next), parameters)).ok();
            Ok(())
        });
    }

    fn report(&self, height: Height, evidence: &MisbehaviorEvidence<Chain>) {
        let proposers = evidence.proposals.iter().map(|(address, _)| (address, "two proposals"));
        let voters = evidence.votes.iter().map(|(address, _)| (address, "two votes"));
        for (address, what) in proposers.chain(voters) {
            let validator = address.0;
            tracing::warn!(%validator, %height, "a validator signed {what} in one round");
            self.events.send(EngineEvent::Equivocation { validator, height }).ok();
        }
    }
}

/// Lets the application prepare for `height` if it is the turn of this node's `key` in its first round.
async fn prepare(
    app: &Arc<dyn SubnetApp>,
    height: Height,
    key: VoteKey,
    propose_timeout: Duration,
) -> Result<(), Failure> {
    let rules = app.rules(height).await.map_err(Failure::liveness)?;
    let round = 0;
    if members(&rules)?.proposer(height, round).address().0 != key {
        return Ok(());
    }
    let context = BuildContext { height, round, proposer: key, time_budget: propose_timeout / BUILD_SHARE };
    app.prepare(context).await.map_err(Failure::liveness)
}

/// The rules of a height in Malachite's form.
async fn parameters(
    app: &Arc<dyn SubnetApp>,
    height: Height,
    propose_timeout: Duration,
) -> Result<HeightParams<Chain>, Failure> {
    let rules = app.rules(height).await.map_err(Failure::liveness)?;
    let members = members(&rules)?;
    let policy = if rules.extensions_required { VoteExtensionPolicy::Required } else { VoteExtensionPolicy::Disabled };
    let target_time = pace::target_time(rules.block_interval, rules.previous_timestamp, pace::now());
    Ok(HeightParams::new(members, timeouts(propose_timeout), Some(target_time)).with_vote_extension_policy(policy))
}

/// The validators of a height. That there are none, or too powerful ones, no restart changes.
pub(super) fn members(rules: &HeightRules) -> Result<Members, Failure> {
    Members::new(&rules.validators)
        .map_err(|error| Failure::safety(format!("validators of height {}: {error}", rules.height)))
}
