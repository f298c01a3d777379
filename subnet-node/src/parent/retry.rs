//! What is offered after an update failed. Pure.
//!
//! An update that fails changes nothing, so the same ranges are the next candidate again, on every node and in every
//! block. Every node sees the failure when it commits the block; each then offers half of what failed, down to the
//! header alone, and accepts such a part from others. When the cursor moves, however little, all of it is offered
//! again. The memory is lost with a restart: then the failure is seen once more.

use subnet_types::{Height, ParentUpdate};

use super::ParentCursor;
use super::api::RangeStart;
use super::candidate::STALE_BLOCKS;
use super::follower::start;

/// A failed update, for as long as the cursor stands where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    from: RangeStart,
    /// Height that the cursor followed.
    tracked: Height,
    /// Height of the header that was brought.
    header: Height,
    messages: usize,
    changes: usize,
}

impl Failure {
    pub(super) fn of(cursor: &ParentCursor, update: &ParentUpdate) -> Self {
        let (messages, changes) = (update.messages.len(), update.changes.len());
        Self { from: start(cursor), tracked: cursor.height, header: update.header.height, messages, changes }
    }

    /// The same after `before`, when that is about the same cursor: a node that was restarted may have offered more
    /// than what is known to fail.
    pub(super) fn after(self, before: Option<Self>) -> Self {
        match before.filter(|before| before.from == self.from && before.tracked == self.tracked) {
            Some(before) => {
                Self { messages: self.messages.min(before.messages), changes: self.changes.min(before.changes), ..self }
            }
            None => self,
        }
    }

    /// Whether it tells anything about updates on top of `cursor`.
    pub(super) fn is_about(&self, cursor: &ParentCursor) -> bool {
        self.from == start(cursor) && self.tracked == cursor.height
    }

    /// What to offer of `update` instead; `None` while there is nothing to offer.
    pub(super) fn part(&self, update: ParentUpdate) -> Option<ParentUpdate> {
        let is_bare = self.messages == 0 && self.changes == 0;
        // Not even the header was accepted: the reason may go away, but not with the next block.
        if is_bare && update.header.height < self.header.checked_add(STALE_BLOCKS)? {
            return None;
        }
        Some(first_of(update, self.messages / 2, self.changes / 2))
    }
}

/// The update with at most so many messages and changes, the first ones.
pub(super) fn first_of(mut update: ParentUpdate, messages: usize, changes: usize) -> ParentUpdate {
    update.messages.truncate(messages);
    update.changes.truncate(changes);
    update
}
