//! From a decided block to the input of the VM.

use fvm_exec::{BlockContext, BlockInput, BlockOutput};
use subnet_types::actors::ApplyParentUpdateParams;
use subnet_types::{BlockHeader, Height, ParentUpdate};

use super::block_rules::Content;
use super::{ChainError, ChainReader, Frame};

/// Executes a block on top of `frame`. Nothing is written.
pub(super) fn execute(
    chain: &ChainReader,
    frame: &Frame,
    header: &BlockHeader,
    content: Content,
) -> Result<BlockOutput, ChainError> {
    let (_, proposer) = frame.validators.find(&header.proposer).ok_or_else(|| {
        let (proposer, height) = (header.proposer, header.height);
        ChainError::Contradiction(format!("block {height} was decided, but its proposer {proposer} is no validator"))
    })?;
    let input = BlockInput {
        context: BlockContext { height: header.height, timestamp: header.timestamp, base_fee: header.base_fee.clone() },
        parent_update: content.info.parent_update.map(apply_params),
        messages: content.messages,
        proposer_owner: proposer.owner,
        cuts: chain.cut_at(header.height).is_some(),
    };
    Ok(chain.executor().execute(&frame.tip.results.state_root, &input)?)
}

fn apply_params(update: ParentUpdate) -> ApplyParentUpdateParams {
    ApplyParentUpdateParams {
        parent_height: update.header.height.previous().unwrap_or(Height::GENESIS),
        parent_block: update.header.id(),
        parent_timestamp: update.header.timestamp,
        messages: update.messages,
        changes: update.changes,
    }
}
