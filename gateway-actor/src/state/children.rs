//! The subnets below this chain.

use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use subnet_types::SubnetId;
use subnet_types::cross::CrossMessage;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Nonce};

use super::{State, state_error};
use crate::types::{Child, GatewayError, LoggedChange, QueuedMessage};

impl State {
    /// The child whose checkpoint actor is `actor`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn child(&self, store: &impl Blockstore, actor: ActorID) -> Result<Option<Child>, GatewayError> {
        let children = Amt::<Child, _>::load(&self.children, store).map_err(state_error)?;
        Ok(children.get(actor).map_err(state_error)?.cloned())
    }

    /// All children with the ids of their checkpoint actors, in ascending order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn children(&self, store: &impl Blockstore) -> Result<Vec<(ActorID, Child)>, GatewayError> {
        let mut all = Vec::new();
        let children = Amt::<Child, _>::load(&self.children, store).map_err(state_error)?;
        children
            .for_each(|actor, child| {
                all.push((actor, child.clone()));
                Ok(())
            })
            .map_err(state_error)?;
        Ok(all)
    }

    /// The child with this name and the id of its checkpoint actor. Reads all children; on chain, resolve the
    /// name's last step instead.
    ///
    /// # Errors
    /// When the store fails.
    pub fn child_by_subnet(
        &self,
        store: &impl Blockstore,
        subnet: &SubnetId,
    ) -> Result<Option<(ActorID, Child)>, GatewayError> {
        Ok(self.children(store)?.into_iter().find(|(_, child)| child.subnet == *subnet))
    }

    /// At most `max` messages queued for the child of `actor`, from the nonce `from` on, in order. Empty for a
    /// stranger, and for a range that was pruned.
    ///
    /// # Errors
    /// When the store fails.
    pub fn top_down(
        &self,
        store: &impl Blockstore,
        actor: ActorID,
        from: Nonce,
        max: usize,
    ) -> Result<Vec<CrossMessage>, GatewayError> {
        let Some(child) = self.child(store, actor)? else { return Ok(Vec::new()) };
        if from < child.pruned_below {
            return Ok(Vec::new());
        }
        let amt = Amt::<QueuedMessage, _>::load(&child.messages, store).map_err(state_error)?;
        let mut messages = Vec::new();
        amt.for_each_ranged(Some(from.get()), Some(max as u64), |_, queued| {
            messages.push(queued.message.clone());
            Ok(())
        })
        .map_err(state_error)?;
        Ok(messages)
    }

    /// At most `max` changes logged for the child of `actor`, from the one that makes configuration `from` on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn changes(
        &self,
        store: &impl Blockstore,
        actor: ActorID,
        from: ConfigurationNumber,
        max: usize,
    ) -> Result<Vec<MembershipChange>, GatewayError> {
        let Some(child) = self.child(store, actor)? else { return Ok(Vec::new()) };
        let amt = Amt::<LoggedChange, _>::load(&child.changes, store).map_err(state_error)?;
        let mut changes = Vec::new();
        amt.for_each_ranged(Some(from.get()), Some(max as u64), |_, logged| {
            changes.push(logged.change.clone());
            Ok(())
        })
        .map_err(state_error)?;
        Ok(changes)
    }
}
