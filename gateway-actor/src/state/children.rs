//! The subnets below this chain.

use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::SubnetId;
use subnet_types::actors::{CommitCheckpointParams, CommitCheckpointReturn};
use subnet_types::cross::CrossMessage;
use subnet_types::genesis::ParentAnchor;
use subnet_types::hash::encode;
use subnet_types::limits::CROSS_MESSAGE_BYTES_MAX;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};

use super::{State, empty_amt, load, save, state_error};
use crate::types::{Child, Draft, GatewayError, LoggedChange, QueuedMessage};

/// Applied messages that one accepted checkpoint prunes, and that each queued message prunes besides. Together they
/// keep a queue short while neither an acceptance nor a funding pays for more than these few.
const PRUNE_PER_COMMIT_MAX: u64 = 32;
const PRUNE_PER_MESSAGE_MAX: u64 = 2;

impl State {
    /// Enters the actor `id`, whose robust address is `actor`, as a child behind an edge with this price.
    ///
    /// # Errors
    /// When it is one already, the child would be too deep, or the price is below zero.
    pub fn register_child(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        actor: Address,
        cross_gas_price: TokenAmount,
    ) -> Result<SubnetId, GatewayError> {
        if cross_gas_price.is_negative() {
            return Err(GatewayError::NegativePrice { actual: cross_gas_price.atto().to_string() });
        }
        if let Some(child) = self.child(store, id)? {
            return Err(GatewayError::AlreadyRegistered { actor: id, subnet: child.subnet });
        }
        let subnet = self.subnet.child(actor).map_err(|error| GatewayError::Name(error.to_string()))?;
        let child = Child {
            actor,
            subnet: subnet.clone(),
            is_active: false,
            messages: empty_amt::<QueuedMessage>(store)?,
            next_nonce: Nonce::ZERO,
            queued_total: TokenAmount::default(),
            unapplied_from: Nonce::ZERO,
            pruned_below: Nonce::ZERO,
            changes: empty_amt::<LoggedChange>(store)?,
            configuration_logged: ConfigurationNumber::FIRST,
            configuration_confirmed: ConfigurationNumber::FIRST,
            cross_gas_price,
            is_closing: false,
            has_exited: false,
        };
        self.put_child(store, id, child)?;
        Ok(subnet)
    }

    /// Opens the way down to the child of `id`, and says where it starts to follow this chain.
    ///
    /// # Errors
    /// When the caller is no child or already active.
    pub fn activate_child(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        height: Height,
        timestamp: TimestampMs,
    ) -> Result<ParentAnchor, GatewayError> {
        let mut child = self.registered(store, id)?;
        if child.is_active {
            return Err(GatewayError::AlreadyActive { subnet: child.subnet });
        }
        child.is_active = true;
        self.put_child(store, id, child)?;
        Ok(ParentAnchor { identity: self.identity, height, timestamp, validators: self.validators(store)? })
    }

    /// Logs the change that makes the child's next configuration.
    ///
    /// # Errors
    /// When the caller is no active child or the number is not the next one.
    pub fn log_change(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        height: Height,
        change: MembershipChange,
    ) -> Result<(), GatewayError> {
        let mut child = self.active(store, id)?;
        let expected = child.configuration_logged.next();
        if change.number != expected {
            return Err(GatewayError::ChangeNumber { expected, actual: change.number });
        }
        let mut changes = Amt::<LoggedChange, _>::load(&child.changes, store).map_err(state_error)?;
        changes.set(expected.get(), LoggedChange { logged_at: height, change }).map_err(state_error)?;
        child.changes = changes.flush().map_err(state_error)?;
        child.configuration_logged = expected;
        self.put_child(store, id, child)
    }

    /// Queues a message that starts here for the child of `id` and returns it with its nonce.
    ///
    /// # Errors
    /// When there is no such active child or the message is too large to cross.
    pub fn queue_down(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        height: Height,
        draft: Draft,
    ) -> Result<CrossMessage, GatewayError> {
        let message = self.stamp(store, draft)?;
        self.pass_down(store, id, height, message)
    }

    /// Queues a message for the child of `id`, from wherever it comes, and returns it with its new nonce. Changes
    /// nothing when it fails.
    ///
    /// # Errors
    /// When there is no such active child or the message is too large to cross.
    pub(crate) fn pass_down(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        height: Height,
        message: CrossMessage,
    ) -> Result<CrossMessage, GatewayError> {
        let mut child = self.active(store, id)?;
        if child.has_exited {
            return Err(GatewayError::KilledSubnet { subnet: child.subnet });
        }
        let message = CrossMessage { nonce: child.next_nonce, ..message };
        let actual = encode(&message).len();
        if actual > CROSS_MESSAGE_BYTES_MAX {
            return Err(GatewayError::TooLarge { actual, max: CROSS_MESSAGE_BYTES_MAX });
        }
        let mut messages = Amt::<QueuedMessage, _>::load(&child.messages, store).map_err(state_error)?;
        let before = child.queued_total.clone();
        let queued = QueuedMessage { queued_at: height, before, message: save(store, &message)? };
        messages.set(message.nonce.get(), queued).map_err(state_error)?;
        child.next_nonce = message.nonce.next();
        child.queued_total += message.amount();
        prune(&mut child, &mut messages, PRUNE_PER_MESSAGE_MAX)?;
        child.messages = messages.flush().map_err(state_error)?;
        self.put_child(store, id, child)?;
        Ok(message)
    }

    /// Takes over what an accepted checkpoint of the child of `id` reports, and says how old the oldest thing is that
    /// the child has not applied.
    ///
    /// # Errors
    /// When the caller is no active child, or the report goes back or beyond what was queued and logged.
    pub fn commit_checkpoint(
        &mut self,
        store: &impl Blockstore,
        id: ActorID,
        report: &CommitCheckpointParams,
    ) -> Result<CommitCheckpointReturn, GatewayError> {
        let mut child = self.active(store, id)?;
        let nonce = report.top_down_applied.nonce;
        if !(child.unapplied_from..=child.next_nonce).contains(&nonce) {
            let (from, to) = (child.unapplied_from, child.next_nonce);
            return Err(GatewayError::AppliedNonce { from, to, actual: nonce });
        }
        let configuration = report.configuration;
        if !(child.configuration_confirmed..=child.configuration_logged).contains(&configuration) {
            let (from, to) = (child.configuration_confirmed, child.configuration_logged);
            return Err(GatewayError::AppliedConfiguration { from, to, actual: configuration });
        }
        child.unapplied_from = nonce;
        child.configuration_confirmed = configuration;
        let mut messages = Amt::<QueuedMessage, _>::load(&child.messages, store).map_err(state_error)?;
        let message = messages.get(nonce.get()).map_err(state_error)?.map(|queued| queued.queued_at);
        let change = if configuration < child.configuration_logged {
            let changes = Amt::<LoggedChange, _>::load(&child.changes, store).map_err(state_error)?;
            changes.get(configuration.next().get()).map_err(state_error)?.map(|logged| logged.logged_at)
        } else {
            None
        };
        prune(&mut child, &mut messages, PRUNE_PER_COMMIT_MAX)?;
        child.messages = messages.flush().map_err(state_error)?;
        self.put_child(store, id, child)?;
        Ok(CommitCheckpointReturn { oldest_unapplied: message.into_iter().chain(change).min() })
    }

    pub(crate) fn registered(&self, store: &impl Blockstore, id: ActorID) -> Result<Child, GatewayError> {
        self.child(store, id)?.ok_or(GatewayError::NotRegistered { actor: id })
    }

    pub(crate) fn active(&self, store: &impl Blockstore, id: ActorID) -> Result<Child, GatewayError> {
        let child = self.registered(store, id)?;
        if child.is_active { Ok(child) } else { Err(GatewayError::NotActive { subnet: child.subnet }) }
    }

    pub(super) fn put_child(&mut self, store: &impl Blockstore, id: ActorID, child: Child) -> Result<(), GatewayError> {
        let mut children = Amt::<Child, _>::load(&self.children, store).map_err(state_error)?;
        children.set(id, child).map_err(state_error)?;
        self.children = children.flush().map_err(state_error)?;
        Ok(())
    }

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
        let mut links = Vec::new();
        amt.for_each_ranged(Some(from.get()), Some(max as u64), |_, queued| {
            links.push(queued.message);
            Ok(())
        })
        .map_err(state_error)?;
        links.iter().map(|link| load(store, link)).collect()
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

/// Deletes at most `max` of the messages that an accepted checkpoint reports as applied.
pub(super) fn prune<B: Blockstore>(
    child: &mut Child,
    messages: &mut Amt<QueuedMessage, B>,
    max: u64,
) -> Result<(), GatewayError> {
    let waiting = child.unapplied_from.saturating_since(child.pruned_below);
    let to = child.pruned_below.get() + waiting.min(max);
    messages.batch_delete(child.pruned_below.get()..to, true).map_err(state_error)?;
    child.pruned_below = Nonce::new(to);
    Ok(())
}
