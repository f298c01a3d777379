//! Where a cross message is, as this chain sees it.
//!
//! What blocks did to it is recorded by id when they are committed; the last step says where it is now.

use client::api::{ApiError, CrossEdge, CrossStage, CrossStatus};
use fvm_shared::ActorID;
use subnet_types::{Digest, Nonce};

use super::chain::internal;
use super::context::RpcContext;
use crate::storage::{CrossStep, CrossTrace};

impl RpcContext {
    pub(super) fn cross_status(&self, id: Digest) -> Result<CrossStatus, ApiError> {
        let traces = self.chain.cross_traces(&id).map_err(internal)?;
        let Some(last) = last_step(&traces) else { return Ok(CrossStatus::unknown(id)) };
        let reached = CrossStatus { height: Some(last.height), ..CrossStatus::unknown(id) };
        let up = CrossStatus { edge: Some(CrossEdge::BottomUp), nonce: nonce_up(&traces), ..reached.clone() };
        Ok(match last.step {
            CrossStep::QueuedDown { child, nonce } => self.queued_down(reached, child, nonce)?,
            CrossStep::QueuedUp { .. } => CrossStatus { stage: CrossStage::Queued, ..up },
            CrossStep::Cut { sequence } => CrossStatus { stage: CrossStage::Sealed, checkpoint: Some(sequence), ..up },
            CrossStep::Settled { exit_code } => CrossStatus {
                stage: if exit_code.is_success() { CrossStage::Delivered } else { CrossStage::Returned },
                edge: self.arrival_edge(),
                exit_code: Some(exit_code.value()),
                ..reached
            },
            CrossStep::Unclaimed => CrossStatus { stage: CrossStage::Returned, edge: self.arrival_edge(), ..reached },
            CrossStep::Answered { exit_code, .. } => CrossStatus {
                stage: if exit_code.is_success() { CrossStage::Delivered } else { CrossStage::Returned },
                exit_code: Some(exit_code.value()),
                ..reached
            },
            // Never the last step of a message.
            CrossStep::Accepted { .. } => CrossStatus::unknown(id),
        })
    }

    /// Waits for the child, or was reported as applied by a checkpoint that this chain accepted.
    fn queued_down(&self, reached: CrossStatus, actor: ActorID, nonce: Nonce) -> Result<CrossStatus, ApiError> {
        let gateway = self.state_after(self.head())?.gateway().map_err(internal)?;
        let child = gateway.child(self.store(), actor).map_err(internal)?;
        let child = child.ok_or_else(|| internal(format!("a message is queued for {actor}, which is no child")))?;
        let queued = gateway.top_down(self.store(), actor, nonce, 1).map_err(internal)?;
        let is_applied = nonce < child.unapplied_from;
        Ok(CrossStatus {
            stage: if is_applied { CrossStage::Confirmed } else { CrossStage::Queued },
            edge: Some(CrossEdge::TopDown),
            child: Some(child.subnet),
            nonce: Some(nonce),
            // Gone once the child has applied it.
            value: queued.into_iter().next().map(|message| message.value.into()),
            ..reached
        })
    }

    /// By which edge an arrived message came, where there is only one.
    fn arrival_edge(&self) -> Option<CrossEdge> {
        self.genesis().subnet.is_root().then_some(CrossEdge::BottomUp)
    }
}

/// The step that says where the message is. One that went on from here was taken without a refusal as well.
fn last_step(traces: &[CrossTrace]) -> Option<&CrossTrace> {
    let is_queued = |step: &CrossStep| matches!(step, CrossStep::QueuedDown { .. } | CrossStep::QueuedUp { .. });
    let went_on = traces.iter().any(|trace| is_queued(&trace.step));
    let is_passage =
        |step: &CrossStep| matches!(step, CrossStep::Settled { exit_code } if exit_code.is_success() && went_on);
    // Any actor can tell that it accepted a checkpoint whose digest is this message's id: that is no step of a message.
    let is_message = |step: &CrossStep| !matches!(step, CrossStep::Accepted { .. });
    traces.iter().rev().find(|trace| is_message(&trace.step) && !is_passage(&trace.step))
}

fn nonce_up(traces: &[CrossTrace]) -> Option<Nonce> {
    traces.iter().rev().find_map(|trace| match trace.step {
        CrossStep::QueuedUp { nonce } => Some(nonce),
        _ => None,
    })
}
