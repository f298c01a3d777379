//! Committing a decided block: execute it, unless that was done while the votes travelled, then write everything at once.

use std::time::{Duration, Instant};

use cid::Cid;
use engine_api::{Block, DecidedBlock, SignedExtension};
use fvm_exec::{BlockOutput, StateView};
use mempool::Commit;
use subnet_types::actors::CheckpointCut;
use subnet_types::{Digest, FinalityCertificate, Height, QuorumCertificate, Sequence, SignedMessage};

use super::after::After;
use super::execute::{Executed, check_header, execute, trusted_content};
use super::speculation::{Key, Taken};
use super::{ChainError, Frame, Inner, Tip, cross_index};
use crate::checkpoint::certificate::assemble;
use crate::checkpoint::derive::{CutBlock, record};
use crate::storage::{BlockCommit, BlockResults, CheckpointRecord, CrossStep, CrossTrace, StoredCertificate};

impl Inner {
    /// Executes and commits a decided block. The last committed one again changes nothing.
    pub(super) fn commit(&self, decided: DecidedBlock) -> Result<(), ChainError> {
        let started = Instant::now();
        let frame = self.frame()?;
        let height = decided.block.header.height;
        if self.is_committed(&decided.block, frame.tip.height)? {
            return Ok(());
        }
        self.parts.metrics.decision((self.parts.clock)().saturating_since(decided.block.header.timestamp));
        let (executed, waited) = self.executed(&frame, &decided.block)?;
        let Executed { messages, parent_height, output, took: executed_in } = executed;
        self.report(&decided.block, &output, parent_height);
        if matches!(output.parent_update, Some(Err(_))) {
            self.update_failed(&frame, &decided.block);
        }

        let certified = self.certify(height, &decided.extensions)?;
        let commit = self.batch(decided, &messages, output, certified)?;
        let tip = Tip::after(&commit.block.header, commit.results.clone(), self.chain().genesis());
        let (cut, sealed) = (commit.checkpoint.clone(), commit.certified.clone());
        let writing = Instant::now();
        self.chain().store().commit_block(&commit)?;
        self.parts.metrics.stored(writing.elapsed());
        // From here on the block is there, whatever happens: only now may anybody see it.
        self.chain().set_tip(tip);
        self.drafts.committed(&messages, executed_in);
        self.parts.messages.on_commit(Commit { height, messages: &messages })?;
        self.parts.metrics.committed(&commit, started.elapsed());
        self.parts.metrics.worked(self.parts.verifier.work(), &self.chain().executor().totals());
        if let Some(record) = cut {
            let (sequence, digest) = (record.checkpoint.sequence, record.digest);
            tracing::info!(%height, %sequence, %digest, messages = record.cut.messages.count, "checkpoint cut");
        }
        if let Some((sequence, certificate)) = sealed {
            let signers: u32 = certificate.signers.iter().map(|byte| byte.count_ones()).sum();
            tracing::info!(%height, %sequence, signers, "checkpoint certified");
        }
        tracing::info!(
            %height,
            id = %commit.block.id(),
            messages = messages.len(),
            gas = commit.results.gas_used,
            executed_ms = executed_in.as_millis() as u64,
            waited_ms = waited.as_millis() as u64,
            took_ms = started.elapsed().as_millis() as u64,
            "block committed"
        );
        Ok(())
    }

    /// Replaces a certificate by one with more signatures.
    pub(super) fn upgrade_certificate(
        &self,
        certificate: FinalityCertificate,
        extensions: Vec<SignedExtension>,
    ) -> Result<(), ChainError> {
        let height = certificate.height;
        let Some(header) = self.chain().header(height)? else {
            let head = self.chain().tip().height;
            return Err(ChainError::NotCommitted { height, head });
        };
        if header.id() != certificate.block {
            let (ours, theirs) = (header.id(), certificate.block);
            return Err(ChainError::Contradiction(format!(
                "a certificate for block {theirs} at height {height}, where {ours} is committed"
            )));
        }
        let certified = self.certify(height, &extensions)?;
        let stored = StoredCertificate { certificate, extensions };
        Ok(self.chain().store().put_certificates(&stored, certified)?)
    }

    /// Whether the block is committed already. Another block where one is committed is the end of this node.
    fn is_committed(&self, block: &Block, head: Height) -> Result<bool, ChainError> {
        let height = block.header.height;
        if height > head {
            if height == head.next() {
                return Ok(false);
            }
            return Err(ChainError::Contradiction(format!(
                "height {height} was decided, the last committed is {head}"
            )));
        }
        let committed = self.chain().header(height)?.map(|header| header.id());
        if committed == Some(block.id()) {
            return Ok(true);
        }
        let (ours, theirs) = (committed.map(|id| id.to_string()).unwrap_or_default(), block.id());
        Err(ChainError::Contradiction(format!("{theirs} was decided at height {height}, where {ours} is committed")))
    }

    /// What the block makes, and how long the decision had to wait for it: all of the execution, unless that was begun
    /// ahead of the decision.
    fn executed(&self, frame: &Frame, block: &Block) -> Result<(Executed, Duration), ChainError> {
        let started = Instant::now();
        let chain = self.chain();
        let key = Key { block: block.id(), state_root: frame.tip.results.state_root };
        let executed = match self.speculations.take(&key) {
            Some(Taken { result, took, waited }) => {
                // The id names the header, and the header the payload: what was executed is this block.
                check_header(chain, frame, &self.parts.verifier, block)?;
                tracing::debug!(height = %block.header.height, ?took, ?waited, "executed ahead of the decision");
                result
            }
            None => {
                let content = trusted_content(chain, frame, &self.parts.verifier, block)?;
                execute(chain, frame, &block.header, content, &[])?
            }
        };
        self.parts.metrics.decided(executed.took, started.elapsed());
        Ok((executed, started.elapsed()))
    }

    fn report(&self, block: &Block, output: &BlockOutput, parent_height: Option<Height>) {
        self.parts.metrics.executed(output, parent_height);
        if let Some(Err(exit_code)) = &output.parent_update {
            tracing::error!(height = %block.header.height, %exit_code, "a parent update failed and changed nothing");
        }
        if let Some(Ok(applied)) = &output.parent_update {
            let failed = applied.outcomes.iter().filter(|outcome| !outcome.is_success()).count();
            let messages = applied.outcomes.len();
            tracing::info!(height = %block.header.height, messages, failed, "parent update applied");
        }
    }

    fn batch(
        &self,
        decided: DecidedBlock,
        messages: &[SignedMessage],
        output: BlockOutput,
        certified: Option<(Sequence, QuorumCertificate)>,
    ) -> Result<BlockCommit, ChainError> {
        let DecidedBlock { block, certificate, extensions } = decided;
        let height = block.header.height;
        let validators = self.validators_after(&output)?;
        let mut cross = self.event_traces(height, &output)?;
        let checkpoint = match &output.cut {
            Some(cut) => {
                cross.extend(self.cut_traces(cut, &output)?);
                Some(self.checkpoint(&block, &output, cut.clone())?)
            }
            None => None,
        };
        Ok(BlockCommit {
            message_cids: messages.iter().map(SignedMessage::cid).collect(),
            results: BlockResults {
                state_root: output.state_root,
                receipts_root: output.receipts_root,
                gas_used: output.gas_used,
                validators,
            },
            receipts: output.receipts,
            events: output.events,
            blocks: output.new_blocks,
            certificate: StoredCertificate { certificate, extensions },
            checkpoint,
            certified,
            cross,
            block,
        })
    }

    /// The checkpoint that the block's cut makes.
    fn checkpoint(
        &self,
        block: &Block,
        output: &BlockOutput,
        cut: CheckpointCut,
    ) -> Result<CheckpointRecord, ChainError> {
        let sequence = cut.sequence;
        let broken = |reason: &str| ChainError::Contradiction(format!("checkpoint {sequence}: {reason}"));
        if self.chain().cut_at(block.header.height) != Some(sequence) {
            return Err(broken("the gateway numbers it otherwise than the height says"));
        }
        let domain = self.domain.as_ref().ok_or_else(|| broken("this chain has no parent"))?;
        let previous = match sequence.previous().filter(|previous| previous.get() > 0) {
            None => *self.chain().identity(),
            Some(previous) => {
                let store = self.chain().store();
                store.require(store.checkpoint(previous)?, "checkpoint", &previous.to_string())?.digest
            }
        };
        let cut_block = CutBlock { id: block.id(), state_root: output.state_root };
        record(self.chain().identity(), domain, cut, cut_block, previous)
            .ok_or_else(|| broken("one of its amounts does not fit 256 bits"))
    }

    /// The certificate that the extensions of height H+1 make for the checkpoint cut at H.
    fn certify(
        &self,
        height: Height,
        extensions: &[SignedExtension],
    ) -> Result<Option<(Sequence, QuorumCertificate)>, ChainError> {
        let Some(sequence) = self.signed_at(height) else { return Ok(None) };
        let Some(record) = self.chain().checkpoint(sequence)? else { return Ok(None) };
        let validators = self.chain().validators(height)?;
        match assemble(&validators, &record.digest, extensions) {
            Ok(certificate) => Ok(Some((sequence, certificate))),
            Err(error) => {
                // Another node, or a later certificate of this height, may have the signatures that are missing here.
                tracing::error!(%height, %sequence, reason = %error, "checkpoint not certified");
                Ok(None)
            }
        }
    }

    /// The checkpoint whose digest the votes of `height` sign.
    pub(super) fn signed_at(&self, height: Height) -> Option<Sequence> {
        self.chain().cut_at(height.previous()?)
    }
}

/// Reads of the state after the block, most of which is not in the store yet.
impl Inner {
    /// The gateway's current validators after the block.
    fn validators_after(&self, output: &BlockOutput) -> Result<Cid, ChainError> {
        let after = self.after(output);
        Ok(StateView::new(&after, &output.state_root)?.gateway()?.validators)
    }

    /// A trace for each message that the cut took up.
    fn cut_traces(&self, cut: &CheckpointCut, output: &BlockOutput) -> Result<Vec<(Digest, CrossTrace)>, ChainError> {
        let after = self.after(output);
        let gateway = StateView::new(&after, &output.state_root)?.gateway()?;
        let messages = gateway.batch(&after, cut).map_err(ChainError::Gateway)?;
        let step = |nonce| CrossStep::Cut { sequence: cut.sequence, nonce };
        Ok(messages
            .into_iter()
            .map(|message| (message.id, CrossTrace { height: cut.height, step: step(message.nonce) }))
            .collect())
    }

    /// What the block's events tell of cross messages. The gateway is read at most once.
    fn event_traces(&self, height: Height, output: &BlockOutput) -> Result<Vec<(Digest, CrossTrace)>, ChainError> {
        let after = self.after(output);
        let mut gateway = None;
        cross_index::traces(height, &output.events, |actor| {
            if gateway.is_none() {
                gateway = Some(StateView::new(&after, &output.state_root)?.gateway()?);
            }
            let child = gateway.as_ref().map(|gateway| gateway.child(&after, actor).map_err(ChainError::Gateway));
            Ok(child.transpose()?.flatten().is_some())
        })
    }

    fn after<'a>(&'a self, output: &'a BlockOutput) -> After<'a> {
        After { store: self.chain().store(), new_blocks: &output.new_blocks }
    }
}
