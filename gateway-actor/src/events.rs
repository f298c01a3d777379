//! What the gateway tells the world.

use actor_runtime::{ActorError, Runtime};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::events::{EventBuilder, gateway as events};
use subnet_types::parent::MembershipChange;
use subnet_types::{Digest, SubnetId};

use crate::state::RefusedChange;

/// A message waits for a child.
pub(crate) fn queued_down(rt: &impl Runtime, actor: ActorID, message: &CrossMessage) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_DOWN)
        .indexed("actor", &actor)
        .indexed("id", &message.id)
        .field("nonce", &message.nonce);
    rt.emit_event(&event.build())
}

/// A message waits for a checkpoint.
pub(crate) fn queued_up(rt: &impl Runtime, message: &CrossMessage) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::MESSAGE_QUEUED_UP).indexed("id", &message.id);
    rt.emit_event(&event.field("nonce", &message.nonce).build())
}

/// A message was delivered, went on, or was refused. A receipt that counts on this chain tells what it answers and how
/// that ended.
pub(crate) fn settled(
    rt: &impl Runtime,
    here: &SubnetId,
    message: &CrossMessage,
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
    rt.emit_event(&event.build())
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
    rt.emit_event(&event.field("amount", amount).build())
}

/// Value is kept for an address.
pub(crate) fn unclaimed(rt: &impl Runtime, id: &Digest, address: &Address) -> Result<(), ActorError> {
    let event = EventBuilder::new(events::VALUE_UNCLAIMED).indexed("id", id).indexed("address", address);
    rt.emit_event(&event.build())
}

/// Such value was credited.
pub(crate) fn claimed(rt: &impl Runtime, address: &Address) -> Result<(), ActorError> {
    rt.emit_event(&EventBuilder::new(events::VALUE_CLAIMED).indexed("address", address).build())
}
