//! What the gateway tells the world.

use actor_runtime::{ActorError, Runtime};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::events::{EventBuilder, gateway as events};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::Nonce;
use subnet_types::{Digest, SubnetId};

use crate::state::RefusedChange;

/// Where a message stood on the edge that it came by. Two messages may have one id, and never one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The checkpoint actor of the child that it came from; `None` for the parent.
    pub(crate) child: Option<ActorID>,
    /// Its nonce there.
    pub(crate) nonce: Nonce,
}

/// Says by which way a message came; nothing of one that set out here.
fn came(event: EventBuilder, position: Option<Position>) -> EventBuilder {
    let Some(Position { child, nonce }) = position else { return event };
    let event = event.field(events::FROM_NONCE_KEY, &nonce);
    match child {
        Some(child) => event.field(events::FROM_ACTOR_KEY, &child),
        None => event,
    }
}

/// A message waits for a child.
pub(crate) fn queued_down(
    rt: &impl Runtime,
    actor: ActorID,
    message: &CrossMessage,
    position: Option<Position>,
) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_DOWN)
        .indexed("actor", &actor)
        .indexed("id", &message.id)
        .field("nonce", &message.nonce);
    rt.emit_event(&came(event, position).build())
}

/// A message waits for a checkpoint.
pub(crate) fn queued_up(
    rt: &impl Runtime,
    message: &CrossMessage,
    position: Option<Position>,
) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_UP).indexed("id", &message.id).field("nonce", &message.nonce);
    rt.emit_event(&came(event, position).build())
}

/// A message was delivered, went on, or was refused. A receipt that counts on this chain tells what it answers and how
/// that ended.
pub(crate) fn settled(
    rt: &impl Runtime,
    here: &SubnetId,
    message: &CrossMessage,
    position: Option<Position>,
    exit_code: ExitCode,
) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_SETTLED).indexed("id", &message.id).field("exit-code", &exit_code);
    let event = match &message.kind {
        CrossKind::Receipt { of, exit_code: outcome, .. }
            if exit_code.is_success() && message.destination.subnet == *here =>
        {
            event.indexed("of", of).field("outcome", outcome)
        }
        _ => event,
    };
    rt.emit_event(&came(event, position).build())
}

/// A membership change was counted and not made.
pub(crate) fn change_refused(rt: &impl Runtime, refused: &RefusedChange) -> Result<(), ActorError> {
    let MembershipChange { number, validator } = &refused.change;
    let event = EventBuilder::new(events::CHANGE_REFUSED)
        .indexed("vote-key", &validator.vote_key)
        .field("configuration", number)
        .field("power", &validator.power)
        .field("reason", &refused.reason);
    rt.emit_event(&event.build())
}

/// A message that a child will never apply was answered with `amount`.
pub(crate) fn refunded(
    rt: &impl Runtime,
    actor: ActorID,
    message: &CrossMessage,
    amount: &TokenAmount,
) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_REFUNDED).indexed("actor", &actor).indexed("id", &message.id);
    rt.emit_event(&event.field("nonce", &message.nonce).field("amount", amount).build())
}

/// Value is kept for an address.
pub(crate) fn unclaimed(
    rt: &impl Runtime,
    id: &Digest,
    address: &Address,
    position: Option<Position>,
) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::VALUE_UNCLAIMED).indexed("id", id).indexed("address", address);
    rt.emit_event(&came(event, position).build())
}

/// Such value was credited.
pub(crate) fn claimed(rt: &impl Runtime, address: &Address) -> Result<(), ActorError> {
    rt.emit_event(&EventBuilder::new(events::VALUE_CLAIMED).indexed("address", address).build())
}
