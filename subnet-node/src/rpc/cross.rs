//! What happened to a cross message on this chain, what waits on its edges, and what they cost.

use client::api::{
    ApiError, ChildEdge, CrossEvent, CrossMessageInfo, CrossPending, CrossStepInfo, CrossTraceInfo, EdgePrice,
    OutboxInfo, ParentCursorInfo,
};
use fvm_exec::StateView;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use gateway_actor::types::Child;
use subnet_types::{CrossMessage, Digest, Height, Nonce, SubnetId};

use super::chain::internal;
use super::children::checkpoint_state;
use super::context::RpcContext;
use super::limits::{CHILDREN_PER_ANSWER_MAX, CROSS_MESSAGES_PER_ANSWER_MAX};
use super::status::no_child;
use crate::storage::{CrossStep, CrossTrace, Store};

impl RpcContext {
    pub(super) fn cross_trace(&self, id: Digest) -> Result<CrossTraceInfo, ApiError> {
        let state = self.state_after(self.head())?;
        let traces = self.chain.cross_traces(&id).map_err(internal)?;
        let mut steps = Vec::new();
        for trace in traces {
            steps.extend(self.cross_step(&state, trace)?);
        }
        Ok(CrossTraceInfo { id, subnet: self.genesis().subnet.clone(), steps })
    }

    fn cross_step(&self, state: &StateView<'_, Store>, trace: CrossTrace) -> Result<Option<CrossStepInfo>, ApiError> {
        let next = trace.height.next();
        let committed_ms = if next <= self.head() { Some(self.timestamp(next)?) } else { None };
        let (height, timestamp_ms) = (trace.height, self.timestamp(trace.height)?);
        let step = |event| CrossStepInfo {
            event,
            height,
            timestamp_ms,
            committed_ms,
            child: None,
            nonce: None,
            checkpoint: None,
            exit_code: None,
            receipt: None,
        };
        let gateway = state.gateway().map_err(internal)?;
        let child_of = |actor| {
            let child = gateway.child(self.store(), actor).map_err(internal)?;
            Ok::<_, ApiError>(child.map(|child| child.subnet))
        };
        Ok(Some(match trace.step {
            CrossStep::QueuedDown { child, nonce } => {
                CrossStepInfo { child: child_of(child)?, nonce: Some(nonce), ..step(CrossEvent::QueuedDown) }
            }
            CrossStep::QueuedUp { nonce } => CrossStepInfo { nonce: Some(nonce), ..step(CrossEvent::QueuedUp) },
            CrossStep::Cut { sequence } => {
                CrossStepInfo { checkpoint: Some(sequence), ..step(CrossEvent::Checkpointed) }
            }
            // Any actor can emit such an event; only a child's checkpoint actor is believed.
            CrossStep::Accepted { actor, sequence } => match child_of(actor)? {
                None => return Ok(None),
                child => CrossStepInfo { child, checkpoint: Some(sequence), ..step(CrossEvent::Accepted) },
            },
            CrossStep::Settled { exit_code } => {
                CrossStepInfo { exit_code: Some(exit_code.value()), ..step(CrossEvent::Applied) }
            }
            CrossStep::Unclaimed => step(CrossEvent::Unclaimed),
            CrossStep::Answered { receipt, exit_code } => CrossStepInfo {
                exit_code: Some(exit_code.value()),
                receipt: Some(receipt),
                ..step(CrossEvent::Answered)
            },
        }))
    }

    pub(super) fn cross_pending(&self, height: Option<Height>) -> Result<CrossPending, ApiError> {
        let height = self.committed_height(height)?;
        let state = self.state_after(height)?;
        let gateway = state.gateway().map_err(internal)?;
        let children = gateway.children(self.store()).map_err(internal)?.into_iter().take(CHILDREN_PER_ANSWER_MAX);
        let children = children.map(|(id, child)| child_edge(&state, id, child)).collect::<Result<_, ApiError>>()?;
        let outbox = gateway.parent.is_some().then(|| OutboxInfo {
            messages: gateway.outbox.count,
            first_nonce: gateway.outbox.first_nonce,
            value: gateway.outbox.value.clone().into(),
        });
        Ok(CrossPending {
            subnet: self.genesis().subnet.clone(),
            height,
            parent: gateway.parent.map(|view| ParentCursorInfo { height: view.height, next_nonce: view.next_nonce }),
            outbox,
            children,
            unclaimed: gateway.unclaimed_total.into(),
        })
    }

    pub(super) fn cross_queue(
        &self,
        child: Option<&SubnetId>,
        from: Nonce,
        height: Option<Height>,
    ) -> Result<Vec<CrossMessageInfo>, ApiError> {
        let state = self.state_after(self.committed_height(height)?)?;
        let gateway = state.gateway().map_err(internal)?;
        let messages = match child {
            None => outbox(self.store(), &gateway.outbox, from)?,
            Some(subnet) => {
                let found = gateway.child_by_subnet(self.store(), subnet).map_err(internal)?;
                let (id, known) = found.ok_or_else(|| no_child(subnet, &self.genesis().subnet))?;
                if from >= known.next_nonce {
                    return Ok(Vec::new());
                }
                gateway.top_down(self.store(), id, from, CROSS_MESSAGES_PER_ANSWER_MAX).map_err(internal)?
            }
        };
        Ok(messages.into_iter().map(CrossMessageInfo::from).collect())
    }

    pub(super) fn cross_price(&self, to: &SubnetId) -> Result<EdgePrice, ApiError> {
        let here = &self.genesis().subnet;
        let no_edge = || ApiError::InvalidParams(format!("no edge of {here} leads to {to}"));
        let edge = client::cross::first_edge(here, to).ok_or_else(no_edge)?;
        if edge == *here {
            let price = self.genesis().chain.cross_gas_price.clone();
            return Ok(EdgePrice { edge, price: price.into() });
        }
        let state = self.state_after(self.head())?;
        let gateway = state.gateway().map_err(internal)?;
        let found = gateway.child_by_subnet(self.store(), &edge).map_err(internal)?;
        let (id, _) = found.ok_or_else(|| no_child(&edge, here))?;
        let price = checkpoint_state(&state, id)?.parameters.chain.cross_gas_price;
        Ok(EdgePrice { edge, price: price.into() })
    }
}

fn child_edge(state: &StateView<'_, Store>, id: ActorID, child: Child) -> Result<ChildEdge, ApiError> {
    let settled = checkpoint_state(state, id)?;
    Ok(ChildEdge {
        subnet: child.subnet,
        actor: Address::new_id(id).into(),
        actor_balance: state.balance(id).map_err(internal)?.into(),
        last_sequence: settled.last_sequence,
        next_delivery_nonce: settled.next_delivery_nonce,
        undelivered: settled.undelivered(),
        custody: settled.custody.into(),
        reserved: settled.batch_reserved.into(),
        unclaimed: settled.unclaimed.into(),
        // Of those who have left as well, until they withdraw it.
        stake: (settled.stake_total + settled.unbonding_total).into(),
        applied_below: child.unapplied_from,
        next_nonce: child.next_nonce,
    })
}

/// Messages of the outbox from a nonce on, as many as one answer holds.
fn outbox(store: &Store, outbox: &gateway_actor::types::Outbox, from: Nonce) -> Result<Vec<CrossMessage>, ApiError> {
    outbox.waiting(store, from, CROSS_MESSAGES_PER_ANSWER_MAX).map_err(internal)
}
