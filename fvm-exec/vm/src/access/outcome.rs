//! The access of one message, complete.

use std::collections::BTreeMap;

use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::ActorState;

use super::Fields;

/// What one message has read and written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The actors it has touched. An actor that is not here was neither read nor written, except the init actor, whose
    /// map of addresses is told apart in the fields below.
    pub actors: BTreeMap<ActorID, ActorAccess>,
    /// What addresses stood for before the message, as far as it asked.
    pub resolved: BTreeMap<Address, Option<ActorID>>,
    /// Addresses that it has given to new actors by sending to them, with their ids in ascending order. They change the
    /// init actor's map, of which nothing else in the log tells unless that actor's code has run; to apply the message
    /// elsewhere, register them there again.
    pub created: Vec<(Address, ActorID)>,
    /// The id that the init actor was to give out next, if the message depends on it.
    pub next_id: Option<ActorID>,
    /// Whether the init actor has changed its own map, be it in a call that was reverted: then its state counts like
    /// any other actor's.
    pub runs_init: bool,
    /// Whether actors were created both by the init actor's code and by sending to their addresses, the latter by this
    /// message or by earlier ones on the same machine, whatever came first and whatever was reverted. Then the log does
    /// not say all that the message has read and written: it counts nowhere but where it ran.
    pub mixes_registries: bool,
}

/// What a message has done with one actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorAccess {
    /// The fields that the message depends on.
    pub read: Fields,
    /// What the actor must have held at least before the message, in attoFIL inside, where that is all that matters
    /// of its balance.
    pub balance_min: Option<TokenAmount>,
    /// The actor before the message.
    pub before: Option<ActorState>,
    /// The actor after it.
    pub after: Option<ActorState>,
}

impl ActorAccess {
    /// Whether the message has changed the actor.
    pub fn is_written(&self) -> bool {
        self.before != self.after
    }
}
