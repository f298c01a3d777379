//! Why a witness proves nothing, and why none can be made.

use std::fmt;

use cid::Cid;
use subnet_types::subnet_id::SubnetId;

use super::{WITNESS_BLOCK_BYTES_MAX, WITNESS_BLOCKS_MAX, WITNESS_BYTES_MAX};
use crate::error::ExecError;

/// Characters that are kept of what a decoder says: some show all that they were given.
const REASON_CHARS_MAX: usize = 300;

/// One of the two ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeKind {
    /// Cross messages, by nonce.
    Messages,
    /// Membership changes, by the configuration they make.
    Changes,
}

impl RangeKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Messages => "top-down messages",
            Self::Changes => "membership changes",
        }
    }
}

impl fmt::Display for RangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why blocks are not the witness of a query in a state, or why that state has no such range. The same on every node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// More blocks than are read.
    #[error("the witness has {actual} blocks or more, at most {WITNESS_BLOCKS_MAX} are read: ask for shorter ranges")]
    TooManyBlocks {
        /// How many came, or were about to be read.
        actual: usize,
    },
    /// More bytes than are read.
    #[error("the witness has {actual} bytes or more, at most {WITNESS_BYTES_MAX} are read: ask for shorter ranges")]
    TooManyBytes {
        /// How many came, or were about to be read.
        actual: usize,
    },
    /// A block that nothing in these states is large enough for.
    #[error("block {cid} of the witness has {actual} bytes, at most {WITNESS_BLOCK_BYTES_MAX} are read")]
    BlockTooLarge {
        /// Which.
        cid: Cid,
        /// Its size.
        actual: usize,
    },
    /// A block stands twice.
    #[error("block {cid} stands twice in the witness: each block is sent once")]
    Duplicate {
        /// Which.
        cid: Cid,
    },
    /// The blocks are not in the one order they can have.
    #[error("block {index} of the witness, {cid}, comes after a greater CID: blocks are sent in ascending order")]
    Order {
        /// Its position.
        index: usize,
        /// Which.
        cid: Cid,
    },
    /// The walk came to a block that was not sent. A block whose bytes were changed is another one, so this is also
    /// what changed bytes look like.
    #[error("block {cid} is on the way and missing in the witness: get the witness of this state and these ranges")]
    Missing {
        /// Which.
        cid: Cid,
    },
    /// A block was sent that the walk did not come to.
    #[error("block {cid} is not on the way: get the witness of this state and these ranges")]
    Extra {
        /// Which.
        cid: Cid,
    },
    /// A link on the way is no name of a block that this proof can check.
    #[error("link {cid} on the way is not DAG-CBOR by BLAKE2b-256: the state is not one that this code writes")]
    Link {
        /// Which.
        cid: Cid,
    },
    /// The blocks do not decode to what must be there.
    #[error("reading {what}: {reason}: the state is not one that this code writes")]
    State {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Nothing comes down to a root.
    #[error("{subnet} is a root: ask for one of its children")]
    Root {
        /// The chain that was asked for.
        subnet: SubnetId,
    },
    /// The state knows no such child.
    #[error("{child} is no registered child of this chain in this state: ask its parent, at a later height")]
    NotRegistered {
        /// The child that was asked for.
        child: SubnetId,
    },
    /// The entry of the child's actor says that it is for another child, so the name is one of another hierarchy.
    #[error("the entry of that actor is for {actual}, expected {expected}: ask the parent of {expected}")]
    OtherChild {
        /// The child that was asked for.
        expected: SubnetId,
        /// What the entry says.
        actual: SubnetId,
    },
    /// The range begins before what is kept.
    #[error("{what} from {from} on were asked for, {first} is the first that is kept: ask from there")]
    Before {
        /// Which range.
        what: RangeKind,
        /// Where it was to begin.
        from: u64,
        /// The first there is.
        first: u64,
    },
    /// The range begins after all there is, so it is for a later state.
    #[error("{what} from {from} on were asked for, {next} is not there yet in this state: use a later header")]
    Beyond {
        /// Which range.
        what: RangeKind,
        /// Where it was to begin.
        from: u64,
        /// The next to come.
        next: u64,
    },
    /// Something is not there that must be.
    #[error("{what}: {expected} is not there, {next} is the next to come: the state is not one that this code writes")]
    Gap {
        /// Which range.
        what: RangeKind,
        /// The number that is not there.
        expected: u64,
        /// The first number that need not be there.
        next: u64,
    },
    /// Nobody has this address.
    #[error("no actor has the address {address} in that state")]
    NoActor {
        /// Which.
        address: String,
    },
    /// Something stands in another's place.
    #[error("{what}: {actual} stands in the place of {expected}: the state is not one that this code writes")]
    Misplaced {
        /// Which range.
        what: RangeKind,
        /// Whose place it is.
        expected: u64,
        /// What stands there.
        actual: u64,
    },
}

impl WitnessError {
    pub(super) fn state(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::State { what, reason: reason.to_string().chars().take(REASON_CHARS_MAX).collect() }
    }
}

/// Why no witness was made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// This node's own store or state is broken.
    #[error(transparent)]
    Broken(#[from] ExecError),
    /// There is no such range, or its witness would be too large: the asker's problem.
    #[error(transparent)]
    Refused(#[from] WitnessError),
}

impl RecordError {
    /// Whether this node is at fault and not the one who asked.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    /// What a failure means where the blocks are the node's own: the chain wrote them and the disk keeps them.
    pub(super) fn of_own_state(self) -> Self {
        let Self::Refused(error) = self else { return self };
        match error {
            WitnessError::Missing { cid } => ExecError::MissingBlock { cid }.into(),
            WitnessError::State { what, reason } => ExecError::State { what, reason }.into(),
            WitnessError::Link { .. } | WitnessError::Gap { .. } | WitnessError::Misplaced { .. } => {
                ExecError::State { what: "the gateway's ranges", reason: error.to_string() }.into()
            }
            refused => refused.into(),
        }
    }

    /// What a failure means where somebody sent the blocks: nothing but a rejection.
    pub(super) fn of_given_blocks(self) -> WitnessError {
        match self {
            Self::Refused(error) => error,
            Self::Broken(error) => WitnessError::state("the witness", error),
        }
    }
}
