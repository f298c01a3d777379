//! From a block to what it makes: checked against the chain, then run by the VM. Ahead of the decision or after it, the
//! same steps.

use std::time::{Duration, Instant};

use cid::Cid;
use engine_api::Block;
use fvm_exec::{BlockContext, BlockInput, BlockOutput, ExecError};
use mempool::Verifier;
use subnet_types::{BlockHeader, Height, SignedMessage};

use super::accounts::AccountsAt;
use super::block_rules::{BlockRejection, Content};
use super::build::Assembled;
use super::{ChainError, ChainReader, Frame};

/// What a block made.
pub(super) struct Executed {
    /// Its signed messages.
    pub(super) messages: Vec<SignedMessage>,
    /// Parent height that its parent update brings, if it has one.
    pub(super) parent_height: Option<Height>,
    /// What came out.
    pub(super) output: BlockOutput,
    /// How long the VM took.
    pub(super) took: Duration,
}

/// The content of a block that must follow from this node's own chain, because it was decided. If it does not, this node
/// computed another state than the quorum, and every further step would make it worse.
///
/// # Errors
/// What contradicts the chain, or that the chain cannot be read.
pub(super) fn trusted_content(
    chain: &ChainReader,
    frame: &Frame,
    verifier: &Verifier,
    block: &Block,
) -> Result<Content, ChainError> {
    let accounts = AccountsAt(chain.accounts(&frame.tip.results.state_root)?);
    let rules = frame.rules(chain, &accounts, verifier);
    let refused = |rejection: BlockRejection| contradiction(block, &rejection);
    rules.check_header(&block.header, &block.payload).map_err(refused)?;
    let (info, messages) = block.payload.parse().map_err(|error| contradiction(block, &error))?;
    // What a quorum adopted is adopted, whatever this node's operator named.
    let parent_update = rules.check_parent_update(&block.header, &info).map_err(refused)?;
    Ok(Content { parent_update, messages })
}

/// The content of a block that this node has built itself. What it brings of the parent was proved for it already.
///
/// # Errors
/// As [`trusted_content`].
pub(super) fn own_content(
    chain: &ChainReader,
    frame: &Frame,
    verifier: &Verifier,
    built: &Assembled,
) -> Result<Content, ChainError> {
    let block = &built.block;
    check_header(chain, frame, verifier, block)?;
    let (_, messages) = block.payload.parse().map_err(|error| contradiction(block, &error))?;
    Ok(Content { parent_update: built.parent_update.clone(), messages })
}

/// Whether the header follows from the chain and commits to the payload.
///
/// # Errors
/// As [`trusted_content`].
pub(super) fn check_header(
    chain: &ChainReader,
    frame: &Frame,
    verifier: &Verifier,
    block: &Block,
) -> Result<(), ChainError> {
    let accounts = AccountsAt(chain.accounts(&frame.tip.results.state_root)?);
    let checked = frame.rules(chain, &accounts, verifier).check_header(&block.header, &block.payload);
    checked.map_err(|rejection| contradiction(block, &rejection))
}

fn contradiction(block: &Block, reason: &dyn std::fmt::Display) -> ChainError {
    let height = block.header.height;
    ChainError::Contradiction(format!("block {height} was decided, but on this node's chain: {reason}"))
}

/// Executes a block on top of `frame`, with the help of hints, which may be empty or anything. Nothing is written.
pub(super) fn execute(
    chain: &ChainReader,
    frame: &Frame,
    header: &BlockHeader,
    content: Content,
    hints: &[u8],
) -> Result<Executed, ChainError> {
    run(chain, frame, header, content, |root, input| chain.executor().execute_hinted(root, input, hints))
}

/// The same without hints, and with those for others, who then run it in about so many segments.
pub(super) fn execute_marking(
    chain: &ChainReader,
    frame: &Frame,
    header: &BlockHeader,
    content: Content,
    segments: usize,
) -> Result<(Executed, Vec<u8>), ChainError> {
    let mut hints = Vec::new();
    let executed = run(chain, frame, header, content, |root, input| {
        let (output, made) = chain.executor().execute_marking(root, input, segments)?;
        hints = made;
        Ok(output)
    })?;
    Ok((executed, hints))
}

fn run(
    chain: &ChainReader,
    frame: &Frame,
    header: &BlockHeader,
    content: Content,
    execute: impl FnOnce(&Cid, &BlockInput) -> Result<BlockOutput, ExecError>,
) -> Result<Executed, ChainError> {
    let (_, proposer) = frame.validators.find(&header.proposer).ok_or_else(|| {
        let (proposer, height) = (header.proposer, header.height);
        ChainError::Contradiction(format!("block {height} was decided, but its proposer {proposer} is no validator"))
    })?;
    let parent_update = content.parent_update.map(|update| update.params);
    let parent_height = parent_update.as_ref().map(|params| params.parent_height);
    let input = BlockInput {
        context: BlockContext { height: header.height, timestamp: header.timestamp, base_fee: header.base_fee.clone() },
        parent_update,
        messages: content.messages,
        proposer_owner: proposer.owner,
        cuts: chain.cut_at(header.height).is_some(),
    };
    let started = Instant::now();
    let output = execute(&frame.tip.results.state_root, &input)?;
    Ok(Executed { messages: input.messages, parent_height, output, took: started.elapsed() })
}
