//! Which of the parent's news are worth a place in a block. Pure.

use subnet_types::{ParentUpdate, TimestampMs};

use super::ParentCursor;
use super::rules::parent_height;

/// Parent blocks after which the tracked header is renewed although there is nothing to apply, so that trust stays
/// fresh and checkpoints show the parent that its messages were looked at.
pub const STALE_BLOCKS: u64 = 30;

/// The tracked header is renewed at the latest when this share of the trusting period has passed.
const STALE_TRUST_DIVISOR: u64 = 4;

/// Whether `update`, which the rules accept on top of `cursor`, is worth proposing at time `now`.
pub fn is_worth_proposing(
    cursor: &ParentCursor,
    update: &ParentUpdate,
    now: TimestampMs,
    trusting_period_ms: u64,
) -> bool {
    if !update.messages.is_empty() || !update.changes.is_empty() {
        return true;
    }
    let Some(height) = parent_height(update) else { return false };
    let is_newer = update.header.timestamp > cursor.timestamp && height > cursor.height;
    let is_stale = height.saturating_since(cursor.height) >= STALE_BLOCKS
        || now.saturating_since(cursor.timestamp) >= trusting_period_ms / STALE_TRUST_DIVISOR;
    is_newer && is_stale
}

/// The first difference between the ranges of a proposed update and those read from the parent.
pub fn difference(proposed: &ParentUpdate, read: &ParentUpdate) -> Option<String> {
    if proposed.header.id() != read.header.id() {
        let (theirs, ours) = (proposed.header.id(), read.header.id());
        return Some(format!("its header {} is {theirs}, read was {ours}", proposed.header.height));
    }
    let counts = [
        ("messages", proposed.messages.len(), read.messages.len()),
        ("changes", proposed.changes.len(), read.changes.len()),
    ];
    for (what, theirs, ours) in counts {
        if theirs != ours {
            return Some(format!("it brings {theirs} {what}, read were {ours}"));
        }
    }
    if let Some(index) = (0..read.messages.len()).find(|index| proposed.messages[*index] != read.messages[*index]) {
        return Some(format!("its message with nonce {} is another one", read.messages[index].nonce));
    }
    let index = (0..read.changes.len()).find(|index| proposed.changes[*index] != read.changes[*index])?;
    Some(format!("its change to configuration {} is another one", read.changes[index].number))
}
