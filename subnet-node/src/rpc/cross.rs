//! What happened to a cross message on this chain, what waits on its edges, and what they cost.

use client::api::{
    ApiError, AwaitedAnswer, ChildEdge, CrossEvent, CrossMessageInfo, CrossPending, CrossPosition, CrossStepInfo,
    CrossTraceInfo, EdgePrice, JsonAddress, OutboxInfo, OwedAnswer, Page, ParentCursorInfo, UnclaimedValue,
};
use fvm_exec::StateView;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use gateway_actor::State;
use gateway_actor::types::Child;
use subnet_types::{CrossMessage, Digest, Height, Nonce, SubnetId};

use super::chain::internal;
use super::children::checkpoint_state;
use super::context::RpcContext;
use super::limits::{CHILDREN_PER_ANSWER_MAX, CROSS_LEDGER_PER_ANSWER_MAX, CROSS_MESSAGES_PER_ANSWER_MAX};
use super::status::no_child;
use crate::storage::{CrossOrigin, CrossStep, CrossTrace, Store};

impl RpcContext {
    pub(super) fn cross_trace(&self, id: Digest) -> Result<CrossTraceInfo, ApiError> {
        // Of one moment: what is awaited, and what has happened until then.
        let head = self.head();
        let state = self.state_after(head)?;
        let gateway = state.gateway().map_err(internal)?;
        let is_awaited = gateway.pending_message(self.store(), &id).map_err(internal)?.is_some();
        let mut steps = Vec::new();
        for trace in self.chain.cross_traces(&id).map_err(internal)? {
            if trace.height <= head {
                steps.push(self.cross_step(&gateway, trace, head)?);
            }
        }
        Ok(CrossTraceInfo { id, subnet: self.genesis().subnet.clone(), is_awaited, steps })
    }

    fn cross_step(&self, gateway: &State, trace: CrossTrace, head: Height) -> Result<CrossStepInfo, ApiError> {
        let next = trace.height.next();
        let committed_ms = if next <= head { Some(self.timestamp(next)?) } else { None };
        let (height, timestamp_ms) = (trace.height, self.timestamp(trace.height)?);
        let step = |event| CrossStepInfo {
            event,
            height,
            timestamp_ms,
            committed_ms,
            came: None,
            child: None,
            nonce: None,
            checkpoint: None,
            exit_code: None,
            receipt: None,
        };
        let child_of = |actor| {
            let child = gateway.child(self.store(), actor).map_err(internal)?;
            Ok::<_, ApiError>(child.map(|child| child.subnet))
        };
        let place = |came: Option<CrossOrigin>| {
            let Some(CrossOrigin { child, nonce }) = came else { return Ok(None) };
            let edge = match child {
                None => Some(self.genesis().subnet.clone()),
                Some(actor) => child_of(actor)?,
            };
            Ok::<_, ApiError>(edge.map(|edge| CrossPosition { edge, nonce }))
        };
        Ok(match trace.step {
            CrossStep::QueuedDown { child, nonce, came } => CrossStepInfo {
                came: place(came)?,
                child: child_of(child)?,
                nonce: Some(nonce),
                ..step(CrossEvent::QueuedDown)
            },
            CrossStep::QueuedUp { nonce, came } => {
                CrossStepInfo { came: place(came)?, nonce: Some(nonce), ..step(CrossEvent::QueuedUp) }
            }
            CrossStep::Cut { sequence, nonce } => {
                CrossStepInfo { nonce: Some(nonce), checkpoint: Some(sequence), ..step(CrossEvent::Checkpointed) }
            }
            CrossStep::Accepted { actor, sequence } => {
                CrossStepInfo { child: child_of(actor)?, checkpoint: Some(sequence), ..step(CrossEvent::Accepted) }
            }
            CrossStep::Settled { exit_code, came } => {
                CrossStepInfo { came: place(came)?, exit_code: Some(exit_code.value()), ..step(CrossEvent::Applied) }
            }
            CrossStep::SetAside { came, exit_code } => CrossStepInfo {
                came: place(Some(came))?,
                exit_code: Some(exit_code.value()),
                ..step(CrossEvent::SetAside)
            },
            CrossStep::Unclaimed { came } => CrossStepInfo { came: place(came)?, ..step(CrossEvent::Unclaimed) },
            CrossStep::Refunded { child, nonce } => {
                CrossStepInfo { child: child_of(child)?, nonce: Some(nonce), ..step(CrossEvent::Refunded) }
            }
            CrossStep::Answered { receipt, exit_code } => CrossStepInfo {
                exit_code: Some(exit_code.value()),
                receipt: Some(receipt),
                ..step(CrossEvent::Answered)
            },
        })
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

    pub(super) fn cross_awaited(
        &self,
        from: Option<Digest>,
        max: usize,
        height: Option<Height>,
    ) -> Result<Page<AwaitedAnswer, Digest>, ApiError> {
        let gateway = self.state_after(self.committed_height(height)?)?.gateway().map_err(internal)?;
        if let Some(id) = from {
            let found = gateway.pending_message(self.store(), &id).map_err(internal)?;
            found.ok_or_else(|| ApiError::NotFound(format!("{id} waits for no answer: ask from the first one on")))?;
        }
        let max = max.min(CROSS_LEDGER_PER_ANSWER_MAX);
        let (found, next) = gateway.pending_page(self.store(), from.as_ref(), max).map_err(internal)?;
        let items = found.into_iter().map(|(id, sent)| AwaitedAnswer {
            id,
            origin: sent.origin.into(),
            destination: sent.destination.into(),
            value: sent.value.into(),
            fee: sent.fee.into(),
            sent_at: sent.sent_at,
        });
        Ok(Page { items: items.collect(), next })
    }

    pub(super) fn cross_owed(
        &self,
        from: Option<Digest>,
        max: usize,
        height: Option<Height>,
    ) -> Result<Page<OwedAnswer, Digest>, ApiError> {
        let gateway = self.state_after(self.committed_height(height)?)?.gateway().map_err(internal)?;
        if let Some(key) = from {
            let found = gateway.owed(self.store(), &key).map_err(internal)?;
            found
                .ok_or_else(|| ApiError::NotFound(format!("no answer is owed to {key}: ask from the first one on")))?;
        }
        let max = max.min(CROSS_LEDGER_PER_ANSWER_MAX);
        let (found, next) = gateway.owed_page(self.store(), from.as_ref(), max).map_err(internal)?;
        let items = found.into_iter().map(|(key, owed)| OwedAnswer {
            key,
            id: owed.id,
            called: owed.called.into(),
            origin: owed.origin.into(),
            value: owed.value.into(),
            fee: owed.fee.into(),
        });
        Ok(Page { items: items.collect(), next })
    }

    pub(super) fn cross_unclaimed(
        &self,
        from: Option<JsonAddress>,
        max: usize,
        height: Option<Height>,
    ) -> Result<Page<UnclaimedValue, JsonAddress>, ApiError> {
        let gateway = self.state_after(self.committed_height(height)?)?.gateway().map_err(internal)?;
        let max = max.min(CROSS_LEDGER_PER_ANSWER_MAX);
        let from = from.map(|address| address.0);
        let page = gateway.unclaimed_page(self.store(), from.as_ref(), max);
        let (found, next) = page.map_err(|error| match from {
            Some(address) => ApiError::NotFound(format!("from {address} on: {error}; ask from the first one on")),
            None => internal(error),
        })?;
        let items =
            found.into_iter().map(|(address, value)| UnclaimedValue { address: address.into(), value: value.into() });
        Ok(Page { items: items.collect(), next: next.map(Into::into) })
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
