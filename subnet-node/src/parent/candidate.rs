//! Which of the parent's news are worth a place in a block. Pure.

use subnet_types::{ParentUpdate, TimestampMs};

use super::ParentCursor;
use super::rules::{ProvenUpdate, parent_height};

/// Parent blocks after which the tracked header is renewed although there is nothing to apply, so that trust stays
/// fresh and checkpoints show the parent that its messages were looked at. An update that failed is offered again after
/// as many.
pub const STALE_BLOCKS: u64 = 30;

/// The tracked header is renewed at the latest when this share of the trusting period has passed.
const STALE_TRUST_DIVISOR: u64 = 4;

/// Whether an update, which the rules accept on top of `cursor`, is worth proposing at time `now`.
pub fn is_worth_proposing(
    cursor: &ParentCursor,
    update: &ProvenUpdate,
    now: TimestampMs,
    trusting_period_ms: u64,
) -> bool {
    let params = &update.params;
    if !params.messages.is_empty() || !params.changes.is_empty() || params.parent_validators.is_some() {
        return true;
    }
    let is_newer = params.parent_timestamp > cursor.timestamp && params.parent_height > cursor.height;
    let is_stale = params.parent_height.saturating_since(cursor.height) >= STALE_BLOCKS
        || now.saturating_since(cursor.timestamp) >= trusting_period_ms / STALE_TRUST_DIVISOR;
    is_newer && is_stale
}

/// An update that failed. It changed nothing, so every node sees the same update again; its ranges are whole, so there is
/// none that brings less. It is tried again when the parent has moved on, or when the cursor has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    cursor: ParentCursor,
    header: subnet_types::Height,
}

impl Failure {
    pub(super) fn of(cursor: &ParentCursor, update: &ParentUpdate) -> Self {
        Self { cursor: cursor.clone(), header: update.header.height }
    }

    /// Whether `update` has to wait.
    pub(super) fn holds_back(&self, cursor: &ParentCursor, update: &ParentUpdate) -> bool {
        self.cursor == *cursor && update.header.height.saturating_since(self.header) < STALE_BLOCKS
    }
}

/// Whether `update` leads further than `other`, of two that the rules accept on top of the same cursor. At one header
/// there is only one.
pub(super) fn is_further(update: &ParentUpdate, other: &ParentUpdate) -> bool {
    parent_height(update) > parent_height(other)
}
