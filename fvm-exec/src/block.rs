//! What goes into the execution of a block and what comes out.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::event::StampedEvent;
use fvm_shared::receipt::Receipt;
use subnet_types::actors::{ApplyParentUpdateParams, ApplyParentUpdateReturn, CheckpointCut};
use subnet_types::{Height, SignedMessage, TimestampMs};

use crate::overlay::IpldBlock;

/// Where in the chain a message runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// Of the block; the VM's epoch.
    pub height: Height,
    /// Of the block; the VM gets whole seconds.
    pub timestamp: TimestampMs,
    /// Burned for each unit of gas, in attoFIL.
    pub base_fee: TokenAmount,
}

/// One ordered block.
#[derive(Clone, Debug)]
pub struct BlockInput {
    /// Where in the chain it is.
    pub context: BlockContext,
    /// What the parent finalized, as parameters of the gateway's method.
    pub parent_update: Option<ApplyParentUpdateParams>,
    /// The signed messages in order. Their signatures were verified before.
    pub messages: Vec<SignedMessage>,
    /// Owner address of the block's proposer, who earns the tips.
    pub proposer_owner: Address,
    /// Whether this block ends a checkpoint period. Never on a root.
    pub cuts: bool,
}

/// What a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOutput {
    /// Root of the state after the block.
    pub state_root: Cid,
    /// In order: the parent update's (an empty one when there was none), one for each message, then the tips' and
    /// the cut's where they ran.
    pub receipts: Vec<Receipt>,
    /// Root of the AMT that holds the receipts.
    pub receipts_root: Cid,
    /// Gas that the signed messages used together.
    pub gas_used: u64,
    /// The events of each receipt.
    pub events: Vec<Vec<StampedEvent>>,
    /// What the parent update did; `None` when there was none, its exit code when it failed and changed nothing.
    pub parent_update: Option<Result<ApplyParentUpdateReturn, ExitCode>>,
    /// What the cut fixed, when there was one.
    pub cut: Option<CheckpointCut>,
    /// Every IPLD block that state, receipts and events need and the store does not have, in ascending order of CID;
    /// now and then one that it has.
    pub new_blocks: Vec<IpldBlock>,
}

impl BlockOutput {
    /// Position of the receipt of message `index` of the block's input.
    pub const fn receipt_index(message: usize) -> usize {
        message + 1
    }

    /// Receipt of message `index` of the block's input.
    pub fn message_receipt(&self, message: usize) -> Option<&Receipt> {
        self.receipts.get(Self::receipt_index(message))
    }
}

/// What a message would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Zero for success.
    pub exit_code: ExitCode,
    /// What the method returned.
    pub return_data: RawBytes,
    /// Gas that the message would use in a block, its inclusion and signature counted.
    pub gas_used: u64,
    /// What it would emit.
    pub events: Vec<StampedEvent>,
    /// Why it failed, for people. Not the same on every version of the VM.
    pub failure: Option<String>,
}
