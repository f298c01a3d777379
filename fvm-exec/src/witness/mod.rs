//! What a state holds for a child chain, shown to somebody who knows nothing of that state but its root.
//!
//! A witness is the blocks that were read. The parent's node walks from the state's root to the ranges of messages and
//! changes that a child asks for, and keeps each block on the way. The child's validator makes the same walk over
//! those blocks and nothing else: what it reads is then what the parent's gateway holds.
//!
//! ```text
//!   state root ─► actors ─► init ─► address map ─► id of the child's checkpoint actor
//!                       └─► gateway ─► children ─► the child's entry ─► messages, from the cursor on
//!                                                                   └─► changes, from the cursor on
//! ```
//!
//! What always holds:
//! - Both sides run the same walk over a [`Blockstore`], so neither can see what the other does not.
//! - State and question decide which blocks a witness has and in which order. Another list is refused, so nobody who
//!   passes a witness on can change it.
//! - A range begins where it was asked to begin, has no gap, and ends with the last number that the gateway has given
//!   out or at one of the asker's limits. Neither side chooses.
//! - Whatever the bytes are, verifying them takes bounded time and memory and ends in an answer.

mod amt;
mod balance;
mod error;
mod store;
mod walk;

use std::collections::BTreeMap;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use subnet_types::cross::CrossMessage;
use subnet_types::hash::encode;
use subnet_types::limits::{
    BLOCK_INFO_BYTES_MAX, CHANGES_PER_UPDATE_MAX, CROSS_MESSAGE_BYTES_MAX, CROSS_MESSAGES_PER_BLOCK_MAX,
    HANDOVERS_PER_UPDATE_MAX, VALIDATORS_MAX,
};
use subnet_types::parent::{MembershipChange, WitnessBlock};
use subnet_types::quantity::{ConfigurationNumber, Nonce};
use subnet_types::subnet_id::SubnetId;

pub use balance::{RecordedBalance, record_balance};
pub use error::{RangeKind, RecordError, WitnessError};
use store::{Given, Touched};

/// Blocks of a witness. The fullest update has one for each message, touches some forty nodes of its ranges, and as many as
/// both trees to the child's entry are deep; what is left is for whoever makes one of them deeper by choosing addresses.
pub const WITNESS_BLOCKS_MAX: usize = 512;

/// Bytes of a witness.
pub const WITNESS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of one block of a witness: twice those of the largest message. No node of a tree has more.
pub const WITNESS_BLOCK_BYTES_MAX: usize = 2 * CROSS_MESSAGE_BYTES_MAX;

/// Bytes of encoded messages at which the range of an update ends, with the message that reaches them. So the messages
/// themselves show why there are no more.
pub const UPDATE_MESSAGE_BYTES_MAX: usize = 1024 * 1024;

// Beside the messages there is room for all other blocks, so no queue can make the next update impossible.
const _: () = assert!(UPDATE_MESSAGE_BYTES_MAX + CROSS_MESSAGE_BYTES_MAX + 512 * 1024 <= WITNESS_BYTES_MAX);
const _: () = assert!(CROSS_MESSAGES_PER_BLOCK_MAX + CHANGES_PER_UPDATE_MAX <= WITNESS_BLOCKS_MAX / 2);

/// Bytes of one validator in a set and in a certificate over it, with room to spare.
const VALIDATOR_BYTES_MAX: usize = 384;

// An update brings the witness, handovers, a header and its certificate.
const _: () = assert!(
    WITNESS_BYTES_MAX + (HANDOVERS_PER_UPDATE_MAX + 1) * (VALIDATORS_MAX * VALIDATOR_BYTES_MAX + 1024)
        <= BLOCK_INFO_BYTES_MAX
);

/// How far ranges go at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLimits {
    /// Messages.
    pub messages_max: usize,
    /// Bytes of encoded messages: the range ends with the message that reaches them.
    pub message_bytes_max: usize,
    /// Membership changes.
    pub changes_max: usize,
}

impl RangeLimits {
    /// What one parent update brings.
    pub const UPDATE: Self = Self {
        messages_max: CROSS_MESSAGES_PER_BLOCK_MAX,
        message_bytes_max: UPDATE_MESSAGE_BYTES_MAX,
        changes_max: CHANGES_PER_UPDATE_MAX,
    };
}

/// What the messages of a range weigh together.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    bytes: usize,
}

impl Load {
    /// Adds the next message, and says whether it is the last of its range.
    fn add(&mut self, message: &CrossMessage, limits: &RangeLimits) -> bool {
        self.bytes += encode(message).len();
        self.bytes >= limits.message_bytes_max
    }
}

/// What is asked of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    /// Whose messages and changes.
    pub child: SubnetId,
    /// The first message: the next that the child has to apply.
    pub from_nonce: Nonce,
    /// The configuration that the first change makes: the one after the child's last.
    pub from_configuration: ConfigurationNumber,
    /// Where the ranges end at the latest.
    pub limits: RangeLimits,
}

/// What a state holds for a child, from where it asked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Messages in nonce order.
    pub messages: Vec<CrossMessage>,
    /// Changes in the order of their configurations.
    pub changes: Vec<MembershipChange>,
    /// The nonce that the gateway gives the next message to be queued. Messages up to it exist; those beyond
    /// `messages` are cut off by a limit.
    pub next_nonce: Nonce,
    /// The configuration that the next change to be logged makes.
    pub next_configuration: ConfigurationNumber,
}

impl Proven {
    /// Whether an update may end where these answers to `query` end: where nothing is left, or at a limit of updates.
    /// Who asks for less than an update brings gets ranges that are true and may not be whole.
    pub fn is_whole(&self, query: &RangeQuery) -> bool {
        let limits = RangeLimits::UPDATE;
        let (messages, changes) = (self.messages.len(), self.changes.len());
        let mut load = Load::default();
        let is_full = self.messages.iter().any(|message| load.add(message, &limits));
        let is_last_message = query.from_nonce.checked_add(messages as u64) == Some(self.next_nonce);
        let is_last_change = query.from_configuration.checked_add(changes as u64) == Some(self.next_configuration);
        (is_last_message || messages >= limits.messages_max || is_full)
            && (is_last_change || changes >= limits.changes_max)
    }
}

/// Ranges of a state with the blocks that prove them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The ranges.
    pub proven: Proven,
    /// The witness: each block that was read, once, in ascending order of CID.
    pub blocks: Vec<WitnessBlock>,
}

/// Reads what `query` asks for in the state `state_root`, and keeps what was read.
///
/// # Errors
/// When the store or the state under it is broken, when there is no such range, or when the witness would be too large.
pub fn record<B: Blockstore>(store: &B, state_root: &Cid, query: &RangeQuery) -> Result<Recorded, RecordError> {
    let (proven, touched) = read(store, state_root, query).map_err(RecordError::of_own_state)?;
    let blocks = touched.into_values().map(|bytes| WitnessBlock { bytes }).collect();
    Ok(Recorded { proven, blocks })
}

/// Reads the same from `blocks` alone. `state_root` must come from a header that is final.
///
/// # Errors
/// When the blocks are not exactly the witness of that query in that state, with the first difference, or when the
/// state has no such range.
pub fn verify(state_root: &Cid, query: &RangeQuery, blocks: &[WitnessBlock]) -> Result<Proven, WitnessError> {
    let given = Given::of(blocks)?;
    let (proven, touched) = read(&given, state_root, query).map_err(RecordError::of_given_blocks)?;
    match given.cids().find(|cid| !touched.contains_key(*cid)) {
        Some(cid) => Err(WitnessError::Extra { cid: *cid }),
        None => Ok(proven),
    }
}

/// The walk and the blocks that it has read.
fn read<B: Blockstore>(
    store: &B,
    state_root: &Cid,
    query: &RangeQuery,
) -> Result<(Proven, BTreeMap<Cid, Vec<u8>>), RecordError> {
    let touched = Touched::new(store);
    let result = walk::walk(&touched, state_root, query);
    // What the walk reports of a block that it did not get is only that it could not go on.
    match touched.into_parts() {
        (_, Some(failure)) => Err(failure),
        (blocks, None) => Ok((result?, blocks)),
    }
}
