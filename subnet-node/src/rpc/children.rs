//! The chain's children: what it knows of them, and what they have to learn.

use checkpoint_actor::types::UnclaimedMessage;
use client::api::{ApiError, ChildStatus, ChildSummary, DagCbor};
use fvm_exec::StateView;
use fvm_ipld_amt::Amt;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use gateway_actor::types::Child;
use subnet_types::genesis::ActivationRecord;
use subnet_types::{Nonce, SubnetId};

use super::chain::internal;
use super::context::RpcContext;
use super::limits::{CHILDREN_PER_ANSWER_MAX, UNCLAIMED_PER_ANSWER_MAX};
use super::status::no_child;
use crate::storage::Store;

impl RpcContext {
    pub(super) fn children(&self) -> Result<Vec<ChildSummary>, ApiError> {
        let state = self.state_after(self.head())?;
        let children = state.gateway().map_err(internal)?.children(self.store()).map_err(internal)?;
        let summary = |(id, child): (ActorID, Child)| {
            Ok(ChildSummary {
                custody: checkpoint_state(&state, id)?.custody.into(),
                subnet: child.subnet,
                id: Address::new_id(id).into(),
                is_active: child.is_active,
                is_closing: child.is_closing,
                has_exited: child.has_exited,
                top_down_next_nonce: child.next_nonce,
            })
        };
        children.into_iter().take(CHILDREN_PER_ANSWER_MAX).map(summary).collect()
    }

    pub(super) fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, ApiError> {
        let state = self.state_after(self.head())?;
        let (id, known) = self.registered(&state, child)?;
        let settled = checkpoint_state(&state, id)?;
        let unclaimed = unclaimed(&settled, self.store())?;
        Ok(ChildStatus {
            subnet: known.subnet,
            actor: known.actor.into(),
            id: Address::new_id(id).into(),
            is_active: known.is_active,
            notice_height: settled.notice,
            exit_from: (known.is_active && settled.exit.is_none()).then(|| settled.exit_from()),
            exit_height: settled.exit.as_ref().map(|exit| exit.height),
            unrefunded: if known.has_exited { known.next_nonce.saturating_since(known.unapplied_from) } else { 0 },
            claimed: settled.exit.as_ref().map(|exit| exit.claimed_total.clone()).unwrap_or_default().into(),
            members: u32::try_from(settled.member_count).unwrap_or(u32::MAX),
            validators_min: settled.parameters.validators_min,
            last_sequence: settled.last_sequence,
            last_digest: settled.last_digest,
            last_height: settled.last_height,
            last_state_root: settled.last_state_root.map(Into::into),
            confirmed_configuration: settled.configuration_confirmed,
            undelivered: settled.undelivered(),
            custody: settled.custody.into(),
            stake: settled.stake_total.into(),
            unbonding: settled.unbonding_total.into(),
            batch_reserved: settled.batch_reserved.into(),
            top_down_next_nonce: known.next_nonce,
            top_down_applied: known.unapplied_from,
            bottom_up_next_nonce: settled.next_delivery_nonce,
            unclaimed,
        })
    }

    pub(super) fn activation(&self, child: &SubnetId) -> Result<Option<DagCbor<ActivationRecord>>, ApiError> {
        let state = self.state_after(self.head())?;
        let (id, _) = self.registered(&state, child)?;
        let record = checkpoint_state(&state, id)?.activation(self.store()).map_err(internal)?;
        Ok(record.map(DagCbor))
    }

    fn registered(&self, state: &StateView<'_, Store>, child: &SubnetId) -> Result<(ActorID, Child), ApiError> {
        let gateway = state.gateway().map_err(internal)?;
        let found = gateway.child_by_subnet(self.store(), child).map_err(internal)?;
        found.ok_or_else(|| no_child(child, &self.genesis().subnet))
    }
}

/// Nonces of the first messages that were set aside.
fn unclaimed(settled: &checkpoint_actor::State, store: &Store) -> Result<Vec<Nonce>, ApiError> {
    let messages = Amt::<UnclaimedMessage, _>::load(&settled.unclaimed_messages, store).map_err(internal)?;
    let mut nonces = Vec::new();
    let each = |nonce: u64, _: &UnclaimedMessage| {
        nonces.push(Nonce::new(nonce));
        Ok(nonces.len() < UNCLAIMED_PER_ANSWER_MAX)
    };
    messages.for_each_while(each).map_err(internal)?;
    Ok(nonces)
}

pub(super) fn checkpoint_state(state: &StateView<'_, Store>, id: ActorID) -> Result<checkpoint_actor::State, ApiError> {
    let found = state.checkpoint(id).map_err(internal)?;
    found.ok_or_else(|| internal(format!("registered child {id} has no checkpoint actor")))
}
