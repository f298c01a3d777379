//! Events that the actors emit, by name, and how they are written.
//!
//! Each event's first entry is its type under the key `$type`, as Filecoin's built-in actors do it. Values are CBOR.

use fvm_ipld_encoding::CBOR;
use fvm_shared::event::{ActorEvent, Entry, Flags};
use serde::Serialize;

/// Key under which an event says what it is.
pub const TYPE_KEY: &str = "$type";

/// Types of the gateway's events.
///
/// An id is the word of whoever sends a message, and a chain can use one that another chain's message has. What tells two
/// apart is the position on the edge that a message came by: `from-nonce`, and `from-actor`, the id of the child's
/// checkpoint actor, where it came from a child and not from the parent. A message that set out here has neither.
pub mod gateway {
    /// Key of the checkpoint actor of the child that a message came from.
    pub const FROM_ACTOR_KEY: &str = "from-actor";
    /// Key of a message's position on the edge that it came by.
    pub const FROM_NONCE_KEY: &str = "from-nonce";

    /// A child has a name: `actor` (id), `subnet`.
    pub const CHILD_REGISTERED: &str = "child-registered";
    /// A child's genesis is fixed: `actor` (id).
    pub const CHILD_ACTIVATED: &str = "child-activated";
    /// A change waits for a child: `actor` (id), `configuration`.
    pub const CHANGE_LOGGED: &str = "change-logged";
    /// A message waits for a child: `actor` (id), `id`, `nonce`. One that goes on also `from-nonce` and `from-actor`.
    pub const MESSAGE_QUEUED_DOWN: &str = "message-queued-down";
    /// A message waits for the next checkpoint: `id`, `nonce`. One that goes on also `from-nonce` and `from-actor`.
    pub const MESSAGE_QUEUED_UP: &str = "message-queued-up";
    /// A message from the parent or a child was delivered, went on or was refused: `id`, `exit-code`, `from-nonce`,
    /// `from-actor`. Of a receipt that counts here also `of`, the message that it answers, and `outcome`, the exit code
    /// that it brings.
    pub const MESSAGE_SETTLED: &str = "message-settled";
    /// Value that came back could not be credited: `id`, `address`, `from-nonce`, `from-actor`.
    pub const VALUE_UNCLAIMED: &str = "value-unclaimed";
    /// Such value was credited after all: `address`.
    pub const VALUE_CLAIMED: &str = "value-claimed";
    /// The way down to a child closed: `actor` (id), `has-exited`.
    pub const CHILD_CLOSED: &str = "child-closed";
    /// A message for a child that has exited was answered: `actor` (id), `id`, `nonce`, `amount` (what came back).
    pub const MESSAGE_REFUNDED: &str = "message-refunded";
    /// A child's checkpoint was accepted: `actor` (id), `top-down-nonce`, `configuration`.
    pub const CHECKPOINT_COMMITTED: &str = "checkpoint-committed";
    /// The parent was followed: `parent-height`, `top-down-nonce`, `configuration` (pending).
    pub const PARENT_FOLLOWED: &str = "parent-followed";
    /// A membership change from the parent made no valid set, so its configuration has the validators of the one before:
    /// `vote-key`, `configuration`, `power`, `reason` (text). The parent, which counts the change as made, accepts no
    /// checkpoint that reports such a configuration.
    pub const CHANGE_REFUSED: &str = "change-refused";
    /// A period ended: `sequence`, `messages` (count), `configuration` (sealed).
    pub const CHECKPOINT_CUT: &str = "checkpoint-cut";
}

/// Types of the checkpoint actor's events.
pub mod checkpoint {
    /// The actor has a name: `subnet`.
    pub const REGISTERED: &str = "registered";
    /// Somebody joined: `owner`, `vote-key`, `power`.
    pub const JOINED: &str = "joined";
    /// The genesis is fixed: `chain` (identity).
    pub const ACTIVATED: &str = "activated";
    /// The next configuration exists: `configuration`, `vote-key`, `power`.
    pub const CONFIGURATION_MADE: &str = "configuration-made";
    /// A checkpoint was accepted: `sequence`, `digest`, `height`.
    pub const CHECKPOINT_ACCEPTED: &str = "checkpoint-accepted";
    /// Messages were delivered: `from` (nonce), `to` (next nonce).
    pub const MESSAGES_DELIVERED: &str = "messages-delivered";
    /// The gateway would not even take a message: `id`, `nonce`, `exit-code`.
    pub const MESSAGE_UNCLAIMED: &str = "message-unclaimed";
    /// It took such a message after all: `id`, `nonce`, `exit-code` (zero, or why the value went back).
    pub const MESSAGE_CLAIMED: &str = "message-claimed";
    /// Value was locked: `amount`.
    pub const VALUE_LOCKED: &str = "value-locked";
    /// Somebody is no member any more: `owner`, `stake`.
    pub const LEFT: &str = "left";
    /// A stake was paid out: `owner`, `stake`.
    pub const WITHDRAWN: &str = "withdrawn";
    /// A validator voted: `vote-key`, `for` (`kill` or `recover`).
    pub const VOTED: &str = "voted";
    /// A validator took its votes back: `vote-key`.
    pub const VOTES_RETRACTED: &str = "votes-retracted";
    /// Notice was given: `exit-from` (the height from which the subnet can exit).
    pub const NOTICE_GIVEN: &str = "notice-given";
    /// Others were put in charge: `configuration`.
    pub const RECOVERED: &str = "recovered";
    /// The subnet has ended: `unapplied` (messages to refund).
    pub const EXITED: &str = "exited";
    /// An account of it was paid here: `address`, `amount`.
    pub const BALANCE_CLAIMED: &str = "balance-claimed";
}

/// An event in the making.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    entries: Vec<Entry>,
}

impl EventBuilder {
    /// An event of this type.
    pub fn new(kind: &str) -> Self {
        Self { entries: Vec::new() }.entry(Flags::FLAG_INDEXED_ALL, TYPE_KEY, &kind)
    }

    /// Adds a value by which nobody searches.
    #[must_use]
    pub fn field<T: Serialize>(self, key: &str, value: &T) -> Self {
        self.entry(Flags::FLAG_INDEXED_KEY, key, value)
    }

    /// Adds a value by which one may search.
    #[must_use]
    pub fn indexed<T: Serialize>(self, key: &str, value: &T) -> Self {
        self.entry(Flags::FLAG_INDEXED_ALL, key, value)
    }

    fn entry<T: Serialize>(mut self, flags: Flags, key: &str, value: &T) -> Self {
        let value = crate::hash::encode(value);
        self.entries.push(Entry { flags, key: key.to_owned(), codec: CBOR, value });
        self
    }

    /// The event.
    pub fn build(self) -> ActorEvent {
        ActorEvent { entries: self.entries }
    }
}
