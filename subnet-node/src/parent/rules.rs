//! What every validator checks of a parent update by itself, from the state after the block before.
//!
//! ```text
//!   tracked set ─certificate─▶ handover ─▶ next set ─▶ … ─certificate─▶ header ─state root─▶ witness ─▶ ranges
//! ```
//!
//! These rules are deterministic: time comes from block headers, the parent's validators from this chain's own state,
//! messages and changes from the witness. One question is left to each validator's operator: where no chain of
//! certificates leads to the header, or the one that does begins at validators who may have left, somebody must know
//! the header from elsewhere ([`Adoption`]).

use cid::Cid;
use fvm_exec::witness::{Proven, WitnessError, verify};
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::block::BLOCK_VERSION;
use subnet_types::limits::{CLOCK_DRIFT_MS_MAX, HANDOVERS_PER_UPDATE_MAX};
use subnet_types::membership::ValidatorSetError;
use subnet_types::parent::Handover;
use subnet_types::vote::CertificateError;
use subnet_types::{
    BlockHeader, ChainIdentity, Digest, Ed25519Signature, FinalityCertificate, Height, ParentUpdate, TimestampMs,
    ValidatorSet, VoteKey,
};

use super::ParentCursor;

/// Why an update is not acceptable, on any node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParentUpdateRejection {
    /// Written by other code.
    #[error("parent header {height} has version {actual}, expected {BLOCK_VERSION}")]
    Version {
        /// Of the header.
        height: Height,
        /// What the header says.
        actual: u64,
    },
    /// A header of another chain.
    #[error("parent header {height} is of chain {actual}, the parent is {expected}")]
    Chain {
        /// Of the header.
        height: Height,
        /// Identity of the parent.
        expected: ChainIdentity,
        /// What the header says.
        actual: ChainIdentity,
    },
    /// The header names other validators than those it must have been voted on by.
    #[error("parent header {height} was voted on by the set {actual}, expected {expected}")]
    Validators {
        /// Of the header.
        height: Height,
        /// Hash of the tracked set, or of the one that the last handover brought.
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
    #[error("certificate of parent header {height}: {error}")]
    Certificate {
        /// Of the header.
        height: Height,
        /// Why.
        error: CertificateError,
    },
    /// More handovers than one update may have.
    #[error("{actual} handovers in the update, at most {HANDOVERS_PER_UPDATE_MAX} are followed at once")]
    TooManyHandovers {
        /// How many came.
        actual: usize,
    },
    /// A handover after which the same validators vote.
    #[error("the handover at parent height {height} changes nothing")]
    SameValidators {
        /// Of the handover.
        height: Height,
    },
    /// The set that a handover brings is not the one its header names.
    #[error("the handover at parent height {height} brings the set {actual}, its header names {expected}")]
    OtherSet {
        /// Of the handover.
        height: Height,
        /// What the header says.
        expected: Digest,
        /// Hash of the set that came.
        actual: Digest,
    },
    /// The set that a handover brings is none.
    #[error("the handover at parent height {height} brings no validator set: {error}")]
    MalformedSet {
        /// Of the handover.
        height: Height,
        /// Why.
        error: ValidatorSetError,
    },
    /// A header that does not come after the one before it.
    #[error("parent header {actual} comes after {before}, heights must ascend")]
    Order {
        /// The one before: of a handover, or the tracked one.
        before: Height,
        /// The one that came.
        actual: Height,
    },
    /// Follows an older parent, or the same without bringing anything.
    #[error("parent height {actual} brings nothing new, height {tracked} is followed already")]
    NotNewer {
        /// Tracked height.
        tracked: Height,
        /// Height of the update.
        actual: Height,
    },
    /// Another block for the height that is tracked: the parent's validators contradict themselves.
    #[error("another block proves parent height {height} than the one followed")]
    Fork {
        /// Which height.
        height: Height,
    },
    /// Goes back in time.
    #[error("parent header of time {actual} ms, {before} ms is followed already")]
    TimeGoesBack {
        /// Time of the header before: of a handover, or the tracked one.
        before: TimestampMs,
        /// Of the header.
        actual: TimestampMs,
    },
    /// Of a time that has not come: trust in it would never expire, and each later header would go back in time.
    #[error(
        "parent header of time {actual} ms in a block of time {block} ms, at most {CLOCK_DRIFT_MS_MAX} ms ahead are allowed"
    )]
    FromTheFuture {
        /// Time of the block that brings it.
        block: TimestampMs,
        /// Of the header.
        actual: TimestampMs,
    },
    /// The blocks do not prove what the parent holds for this chain.
    #[error("witness: {0}")]
    Witness(#[from] WitnessError),
    /// The ranges end before they must.
    #[error("the update brings {messages} messages and {changes} changes, the parent holds more that fit")]
    NotWhole {
        /// How many messages.
        messages: usize,
        /// How many changes.
        changes: usize,
    },
}

/// Why an update counts only for those whose operator knows its header from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Adoption {
    /// Too long without an update: the tracked validators may have left with their stake, and sign anything.
    #[error("the tracked parent header is {age_ms} ms old, updates are accepted up to {trusting_period_ms} ms")]
    TrustExpired {
        /// Age by the block's time.
        age_ms: u64,
        /// The chain's parameter.
        trusting_period_ms: u64,
    },
    /// The tracked validators did not hand over to those of the header.
    #[error("no handover leads from the tracked parent validators {tracked} to {actual}")]
    Unlinked {
        /// Hash of the tracked set.
        tracked: Digest,
        /// Hash of the header's set.
        actual: Digest,
    },
}

/// An update that keeps the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenUpdate {
    /// What the gateway is told.
    pub params: ApplyParentUpdateParams,
    /// Whether more than the rules is needed to vote for it.
    pub adoption: Option<Adoption>,
}

/// Time by which an update is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustRule {
    /// Time of the block that carries the update.
    pub block_timestamp: TimestampMs,
    /// How old the tracked header may be, in milliseconds.
    pub trusting_period_ms: u64,
}

impl TrustRule {
    /// The tracked header is too old to judge updates by.
    pub fn expired(self, cursor: &ParentCursor) -> Option<Adoption> {
        let age_ms = self.block_timestamp.saturating_since(cursor.timestamp);
        let trusting_period_ms = self.trusting_period_ms;
        (age_ms > trusting_period_ms).then_some(Adoption::TrustExpired { age_ms, trusting_period_ms })
    }
}

/// Judges `update` on top of the state that `cursor` describes, and reads what it brings.
///
/// # Errors
/// The first rule it breaks.
pub fn check(
    cursor: &ParentCursor,
    update: &ParentUpdate,
    rule: TrustRule,
) -> Result<ProvenUpdate, ParentUpdateRejection> {
    let header = &update.header;
    check_progress(cursor, header)?;
    check_time(header, rule)?;
    let (validators, unlinked) = match adopted_set(cursor, update)? {
        Some((set, adoption)) => (set, Some(adoption)),
        None => (follow(cursor, update)?, None),
    };
    check_certificate(&cursor.parent, header, &update.certificate, validators)?;
    let proven = read(cursor, update)?;
    let parent_height = parent_height(update).unwrap_or(Height::GENESIS);
    if parent_height == cursor.height && proven.messages.is_empty() && proven.changes.is_empty() {
        return Err(ParentUpdateRejection::NotNewer { tracked: cursor.height, actual: parent_height });
    }
    let params = ApplyParentUpdateParams {
        parent_height,
        parent_block: header.id(),
        parent_timestamp: header.timestamp,
        parent_validators: (*validators != cursor.validators).then(|| validators.clone()),
        messages: proven.messages,
        changes: proven.changes,
        next_nonce: proven.next_nonce,
        next_configuration: proven.next_configuration,
    };
    Ok(ProvenUpdate { params, adoption: unlinked.or(rule.expired(cursor)) })
}

/// Messages and changes that an update brings to the state that `cursor` describes. Its header is taken as final.
///
/// # Errors
/// When its witness does not prove them, or not all of them.
pub fn read(cursor: &ParentCursor, update: &ParentUpdate) -> Result<Proven, ParentUpdateRejection> {
    let query = cursor.query();
    let proven = verify(&update.header.state_root, &query, &update.witness)?;
    if !proven.is_whole(&query) {
        let (messages, changes) = (proven.messages.len(), proven.changes.len());
        return Err(ParentUpdateRejection::NotWhole { messages, changes });
    }
    Ok(proven)
}

/// The header is of the parent, and none before the tracked one.
fn check_progress(cursor: &ParentCursor, header: &BlockHeader) -> Result<(), ParentUpdateRejection> {
    check_header(cursor, header)?;
    let tracked = cursor.height;
    // The header of genesis proves no state.
    let actual = header.height.previous().unwrap_or(Height::GENESIS);
    if header.height == Height::GENESIS || actual < tracked {
        return Err(ParentUpdateRejection::NotNewer { tracked, actual });
    }
    check_not_before(cursor, header)
}

/// The header's time has come when the block is built. Handovers are not later than the header.
fn check_time(header: &BlockHeader, rule: TrustRule) -> Result<(), ParentUpdateRejection> {
    let (block, actual) = (rule.block_timestamp, header.timestamp);
    if actual.saturating_since(block) > CLOCK_DRIFT_MS_MAX {
        return Err(ParentUpdateRejection::FromTheFuture { block, actual });
    }
    Ok(())
}

/// Form and chain.
fn check_header(cursor: &ParentCursor, header: &BlockHeader) -> Result<(), ParentUpdateRejection> {
    let height = header.height;
    if header.version != BLOCK_VERSION {
        return Err(ParentUpdateRejection::Version { height, actual: header.version });
    }
    if header.chain != cursor.parent {
        return Err(ParentUpdateRejection::Chain { height, expected: cursor.parent, actual: header.chain });
    }
    Ok(())
}

/// The tracked header is this one, or older.
fn check_not_before(cursor: &ParentCursor, header: &BlockHeader) -> Result<(), ParentUpdateRejection> {
    // The same height again brings the rest of a range that one block could not take.
    let is_tracked_height = header.height == cursor.height.next();
    if is_tracked_height && cursor.block.is_some_and(|block| block != header.id()) {
        return Err(ParentUpdateRejection::Fork { height: cursor.height });
    }
    if header.timestamp < cursor.timestamp {
        return Err(ParentUpdateRejection::TimeGoesBack { before: cursor.timestamp, actual: header.timestamp });
    }
    Ok(())
}

/// The set that voted on the update's header, by the handovers from the tracked one.
fn follow<'a>(cursor: &'a ParentCursor, update: &'a ParentUpdate) -> Result<&'a ValidatorSet, ParentUpdateRejection> {
    let actual = update.handovers.len();
    if actual > HANDOVERS_PER_UPDATE_MAX {
        return Err(ParentUpdateRejection::TooManyHandovers { actual });
    }
    let mut set = &cursor.validators;
    let mut before: Option<&BlockHeader> = None;
    for handover in &update.handovers {
        let header = &handover.header;
        check_header(cursor, header)?;
        if header.height <= cursor.height {
            return Err(ParentUpdateRejection::Order { before: cursor.height.next(), actual: header.height });
        }
        check_not_before(cursor, header)?;
        check_order(before, header)?;
        check_voters(header, set)?;
        check_next_set(handover)?;
        check_certificate(&cursor.parent, header, &handover.certificate, set)?;
        (set, before) = (&handover.validators, Some(header));
    }
    check_order(before, &update.header)?;
    check_voters(&update.header, set)?;
    Ok(set)
}

fn check_order(before: Option<&BlockHeader>, header: &BlockHeader) -> Result<(), ParentUpdateRejection> {
    let Some(before) = before else { return Ok(()) };
    if header.height <= before.height {
        return Err(ParentUpdateRejection::Order { before: before.height, actual: header.height });
    }
    if header.timestamp < before.timestamp {
        return Err(ParentUpdateRejection::TimeGoesBack { before: before.timestamp, actual: header.timestamp });
    }
    Ok(())
}

fn check_voters(header: &BlockHeader, set: &ValidatorSet) -> Result<(), ParentUpdateRejection> {
    let (expected, actual) = (set.hash(), header.validators_hash);
    if actual != expected {
        return Err(ParentUpdateRejection::Validators { height: header.height, expected, actual });
    }
    Ok(())
}

/// The handover brings another set, and the one that its header names.
fn check_next_set(handover: &Handover) -> Result<(), ParentUpdateRejection> {
    let Handover { header, validators, .. } = handover;
    let height = header.height;
    if header.next_validators_hash == header.validators_hash {
        return Err(ParentUpdateRejection::SameValidators { height });
    }
    // Before anything that counts on it, such as the sum of its powers.
    validators.check().map_err(|error| ParentUpdateRejection::MalformedSet { height, error })?;
    let (expected, actual) = (header.next_validators_hash, validators.hash());
    if actual != expected {
        return Err(ParentUpdateRejection::OtherSet { height, expected, actual });
    }
    Ok(())
}

/// More than 2/3 of `set` made this very block final.
fn check_certificate(
    parent: &ChainIdentity,
    header: &BlockHeader,
    certificate: &FinalityCertificate,
    set: &ValidatorSet,
) -> Result<(), ParentUpdateRejection> {
    if certificate.height != header.height || certificate.block != header.id() {
        return Err(ParentUpdateRejection::OtherBlock { certified: certificate.height, header: header.height });
    }
    certificate
        .verify(parent, set, verify_vote)
        .map_err(|error| ParentUpdateRejection::Certificate { height: header.height, error })
}

/// The set of an update that says of itself that the tracked one does not lead to it: its one handover is the block
/// before its header, without a signature. The header's id commits to all of that, and the operator names the id.
fn adopted_set<'a>(
    cursor: &ParentCursor,
    update: &'a ParentUpdate,
) -> Result<Option<(&'a ValidatorSet, Adoption)>, ParentUpdateRejection> {
    let [Handover { header: before, certificate, validators }] = update.handovers.as_slice() else {
        return Ok(None);
    };
    if *certificate != no_certificate(before) || update.header.parent != before.id() {
        return Ok(None);
    }
    check_header(cursor, before)?;
    check_order(Some(before), &update.header)?;
    let height = before.height;
    validators.check().map_err(|error| ParentUpdateRejection::MalformedSet { height, error })?;
    let (tracked, actual) = (cursor.validators.hash(), validators.hash());
    if before.next_validators_hash != actual {
        return Err(ParentUpdateRejection::OtherSet { height, expected: before.next_validators_hash, actual });
    }
    if actual == tracked {
        return Err(ParentUpdateRejection::SameValidators { height });
    }
    check_voters(&update.header, validators)?;
    Ok(Some((validators, Adoption::Unlinked { tracked, actual })))
}

/// What stands in place of a certificate where a header is linked by the next one's `parent` alone.
pub fn no_certificate(header: &BlockHeader) -> FinalityCertificate {
    FinalityCertificate { height: header.height, round: 0, block: header.id(), signatures: Vec::new() }
}

/// The parent height after which an update's ranges were read; `None` for a header of genesis, which proves nothing.
pub fn parent_height(update: &ParentUpdate) -> Option<Height> {
    update.header.height.previous()
}

/// What an operator has to do before this node votes for an update with the header `block`.
pub fn adoption_advice(adoption: Adoption, block: &Cid) -> String {
    format!(
        "{adoption}; it would need parent header {block}: compare that id with parent nodes you trust, then set \
         parent.trusted_header to it in config.toml and restart. More than 2/3 of the validators have to."
    )
}

/// Checks one precommit. Strict, as the engine does it: what passes here passes in every other library.
pub fn verify_vote(key: &VoteKey, bytes: &[u8], signature: &Ed25519Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes())
        .is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}
