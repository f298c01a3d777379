//! What every validator checks of a parent update by itself, from the state after the block before.
//!
//! These rules are deterministic: time comes from block headers, the parent's validators from this chain's own state.

use subnet_types::block::BLOCK_VERSION;
use subnet_types::limits::{CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX};
use subnet_types::vote::CertificateError;
use subnet_types::{ChainIdentity, Digest, Ed25519Signature, Height, ParentUpdate, TimestampMs, VoteKey};

use super::ParentCursor;

/// Why an update is not acceptable, on any node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParentUpdateRejection {
    /// Written by other code.
    #[error("parent header has version {actual}, expected {BLOCK_VERSION}")]
    Version {
        /// What the header says.
        actual: u64,
    },
    /// A header of another chain.
    #[error("parent header is of chain {actual}, the parent is {expected}")]
    Chain {
        /// Identity of the parent.
        expected: ChainIdentity,
        /// What the header says.
        actual: ChainIdentity,
    },
    /// The header names other validators than those tracked.
    #[error("parent header was voted on by the set {actual}, tracked is {expected}")]
    Validators {
        /// Hash of the tracked set.
        expected: Digest,
        /// What the header says.
        actual: Digest,
    },
    /// The certificate is for another block.
    #[error("the certificate is for height {certified}, the header has {header}, or for another block of it")]
    OtherBlock {
        /// Height of the certificate.
        certified: Height,
        /// Height of the header.
        header: Height,
    },
    /// The certificate proves nothing.
    #[error("parent certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Follows an older parent, or the same without bringing anything.
    #[error(
        "parent height {actual} with {messages} messages and {changes} changes, height {tracked} is followed already"
    )]
    NotNewer {
        /// Tracked height.
        tracked: Height,
        /// Height of the update.
        actual: Height,
        /// Messages it brings.
        messages: usize,
        /// Changes it brings.
        changes: usize,
    },
    /// Another block for the height that is tracked: the parent's validators contradict themselves.
    #[error("another block proves parent height {height} than the one followed")]
    Fork {
        /// Which height.
        height: Height,
    },
    /// Goes back in time.
    #[error("parent header of time {actual} ms, {tracked} ms is followed already")]
    TimeGoesBack {
        /// Tracked time.
        tracked: TimestampMs,
        /// Of the header.
        actual: TimestampMs,
    },
    /// Too long without an update: the tracked validators may have left with their stake.
    #[error("the tracked parent header is {age_ms} ms old, updates are accepted up to {trusting_period_ms} ms")]
    TrustExpired {
        /// Age by this block's time.
        age_ms: u64,
        /// The chain's parameter.
        trusting_period_ms: u64,
    },
    /// More than a block applies.
    #[error("{actual} {what} in the update, at most {max} are applied at once")]
    TooMany {
        /// `messages` or `changes`.
        what: &'static str,
        /// How many came.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// A gap or repetition in the ranges.
    #[error("{what} {index} of the update has number {actual}, expected {expected}")]
    Gap {
        /// `message` or `change`.
        what: &'static str,
        /// Position in its list.
        index: usize,
        /// The next in order.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// A message whose encoding is too large to have been queued.
    #[error("message {index} of the update is larger than a cross message may be")]
    MessageTooLarge {
        /// Position in the list.
        index: usize,
    },
    /// Reserved fields are used.
    #[error("the update has a witness of {actual} blocks; in version 1 it has none")]
    Witness {
        /// How many.
        actual: usize,
    },
}

/// Time by which an update is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustRule {
    /// Time of the block that carries the update.
    pub block_timestamp: TimestampMs,
    /// How old the tracked header may be, in milliseconds.
    pub trusting_period_ms: u64,
}

/// Whether the tracked header is too old to judge updates by.
pub fn is_trust_expired(cursor: &ParentCursor, rule: TrustRule) -> bool {
    rule.block_timestamp.saturating_since(cursor.timestamp) > rule.trusting_period_ms
}

/// Judges `update` on top of the state that `cursor` describes.
///
/// # Errors
/// The first rule it breaks.
pub fn check(cursor: &ParentCursor, update: &ParentUpdate, rule: TrustRule) -> Result<(), ParentUpdateRejection> {
    if is_trust_expired(cursor, rule) {
        return Err(ParentUpdateRejection::TrustExpired {
            age_ms: rule.block_timestamp.saturating_since(cursor.timestamp),
            trusting_period_ms: rule.trusting_period_ms,
        });
    }
    check_proof(cursor, update)?;
    check_progress(cursor, update)?;
    check_ranges(cursor, update)
}

/// Header and certificate: the parent's tracked validators made this block final.
fn check_proof(cursor: &ParentCursor, update: &ParentUpdate) -> Result<(), ParentUpdateRejection> {
    let (header, certificate) = (&update.header, &update.certificate);
    if header.version != BLOCK_VERSION {
        return Err(ParentUpdateRejection::Version { actual: header.version });
    }
    if header.chain != cursor.parent {
        return Err(ParentUpdateRejection::Chain { expected: cursor.parent, actual: header.chain });
    }
    let expected = cursor.validators.hash();
    if header.validators_hash != expected {
        return Err(ParentUpdateRejection::Validators { expected, actual: header.validators_hash });
    }
    if certificate.height != header.height || certificate.block != header.id() {
        return Err(ParentUpdateRejection::OtherBlock { certified: certificate.height, header: header.height });
    }
    certificate.verify(&cursor.parent, &cursor.validators, verify_vote)?;
    if !update.witness.is_empty() {
        return Err(ParentUpdateRejection::Witness { actual: update.witness.len() });
    }
    Ok(())
}

/// The update moves the cursor forward.
fn check_progress(cursor: &ParentCursor, update: &ParentUpdate) -> Result<(), ParentUpdateRejection> {
    let (messages, changes) = (update.messages.len(), update.changes.len());
    let not_newer = |actual| ParentUpdateRejection::NotNewer { tracked: cursor.height, actual, messages, changes };
    let actual = parent_height(update).ok_or_else(|| not_newer(Height::GENESIS))?;
    if actual < cursor.height || (actual == cursor.height && messages == 0 && changes == 0) {
        return Err(not_newer(actual));
    }
    // The same height again brings the rest of a range that one block could not take.
    if actual == cursor.height && cursor.block.is_some_and(|block| block != update.header.id()) {
        return Err(ParentUpdateRejection::Fork { height: actual });
    }
    if update.header.timestamp < cursor.timestamp {
        let (tracked, actual) = (cursor.timestamp, update.header.timestamp);
        return Err(ParentUpdateRejection::TimeGoesBack { tracked, actual });
    }
    Ok(())
}

/// Messages and changes continue where the last ones ended.
fn check_ranges(cursor: &ParentCursor, update: &ParentUpdate) -> Result<(), ParentUpdateRejection> {
    at_most("messages", update.messages.len(), CROSS_MESSAGES_PER_BLOCK_MAX)?;
    at_most("changes", update.changes.len(), CHANGES_PER_UPDATE_MAX)?;
    contiguous("message", cursor.next_nonce.get(), update.messages.iter().map(|message| message.nonce.get()))?;
    contiguous("change", cursor.next_configuration.get(), update.changes.iter().map(|change| change.number.get()))?;
    match update.messages.iter().position(|message| !message.is_within_size()) {
        Some(index) => Err(ParentUpdateRejection::MessageTooLarge { index }),
        None => Ok(()),
    }
}

fn at_most(what: &'static str, actual: usize, max: usize) -> Result<(), ParentUpdateRejection> {
    if actual <= max { Ok(()) } else { Err(ParentUpdateRejection::TooMany { what, actual, max }) }
}

fn contiguous(what: &'static str, first: u64, numbers: impl Iterator<Item = u64>) -> Result<(), ParentUpdateRejection> {
    for (index, actual) in numbers.enumerate() {
        // Saturating: at the end of the numbers the comparison fails instead of the addition.
        let expected = first.saturating_add(index as u64);
        if actual != expected {
            return Err(ParentUpdateRejection::Gap { what, index, expected, actual });
        }
    }
    Ok(())
}

/// The parent height after which an update's ranges were read; `None` for a header of genesis, which proves nothing.
pub fn parent_height(update: &ParentUpdate) -> Option<Height> {
    update.header.height.previous()
}

/// Checks one precommit. Strict, as the engine does it: what passes here passes in every other library.
pub fn verify_vote(key: &VoteKey, bytes: &[u8], signature: &Ed25519Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes())
        .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}
