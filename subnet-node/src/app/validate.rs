//! Judging a proposal: first what is the same on every node, then, for live ones, what only this node can see. What is
//! accepted is executed ahead of the decision.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engine_api::{Block, Source, ValidateContext, Verdict};
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;
use subnet_types::{BlockHeader, ParentUpdate};

use super::accounts::AccountsAt;
use super::block_rules::{CheckError, Content};
use super::execute::{execute, trusted_content};
use super::speculation::Key;
use super::{ChainError, Frame, Inner};
use crate::parent::{Confirmation, ParentCursor};

/// What is left to ask after the rules of all nodes.
pub(super) enum Judgement {
    /// The verdict stands, and is not to accept.
    Refused(Verdict),
    /// The block is valid.
    Valid(Sound),
    /// The block is valid but for what the parent must confirm.
    Confirm(Box<ParentCursor>, Box<ParentUpdate>, Sound),
}

/// A block that keeps the rules of all nodes.
pub(super) struct Sound {
    frame: Arc<Frame>,
    content: Content,
}

impl Inner {
    /// Everything but the parent's confirmation.
    pub(super) fn judge(&self, context: &ValidateContext, block: &Block) -> Result<Judgement, ChainError> {
        let frame = self.frame()?;
        let expected = frame.tip.height.next();
        if context.height != expected {
            let reason = format!("proposed at height {}, this node decides {expected}", context.height);
            return Ok(Judgement::Refused(match context.source {
                Source::Live => Verdict::NotYet(reason),
                Source::Certified => Verdict::Reject(reason),
            }));
        }
        let accounts = AccountsAt(self.chain().accounts(&frame.tip.results.state_root)?);
        let rules = frame.rules(self.chain(), &accounts, &self.parts.verifier);
        let checking = Instant::now();
        let checked = rules.check(&block.header, &block.payload);
        self.parts.metrics.checked(checking.elapsed());
        let content = match checked {
            Ok(content) => content,
            Err(CheckError::Rejected(rejection)) => {
                return Ok(Judgement::Refused(Verdict::Reject(rejection.to_string())));
            }
            Err(CheckError::Unreadable(error)) => return Err(error.into()),
        };
        if context.source == Source::Certified {
            return Ok(Judgement::Valid(Sound { frame, content }));
        }
        if let Some(reason) = self.ahead_of_clock(&block.header) {
            return Ok(Judgement::Refused(Verdict::NotYet(reason)));
        }
        let asked = frame.cursor.clone().zip(content.info.parent_update.clone());
        let sound = Sound { frame, content };
        Ok(match asked {
            Some((cursor, update)) => Judgement::Confirm(Box::new(cursor), Box::new(update), sound),
            None => Judgement::Valid(sound),
        })
    }

    /// Begins to execute a block that this node has accepted, with the proposer's hints. A failure is told when the block
    /// is decided, by the execution that follows then.
    pub(super) fn speculate(&self, block: &Block, sound: Sound, hints: Bytes) {
        let Sound { frame, content } = sound;
        // The parent may have confirmed it late, when another block was decided.
        if self.chain().tip() != frame.tip {
            return;
        }
        let (chain, header) = (self.chain().clone(), block.header.clone());
        let key = Key { block: block.id(), state_root: frame.tip.results.state_root };
        self.speculations.begin(key, move || execute(&chain, &frame, &header, content, &hints).ok());
    }

    /// The same for a block that this node has built itself, which is checked first as a decided one is.
    pub(super) fn speculate_own(&self, frame: Arc<Frame>, block: Block) {
        let (chain, verifier) = (self.chain().clone(), self.parts.verifier.clone());
        let key = Key { block: block.id(), state_root: frame.tip.results.state_root };
        self.speculations.begin(key, move || {
            let content = trusted_content(&chain, &frame, &verifier, &block).ok()?;
            execute(&chain, &frame, &block.header, content, &[]).ok()
        });
    }

    /// Why the header's time is not credible yet.
    fn ahead_of_clock(&self, header: &BlockHeader) -> Option<String> {
        let now = (self.parts.clock)();
        let ahead = header.timestamp.saturating_since(now);
        (ahead > CLOCK_DRIFT_MS_MAX).then(|| {
            format!(
                "timestamp {} ms is {ahead} ms ahead of this node's clock, at most {CLOCK_DRIFT_MS_MAX} ms are allowed",
                header.timestamp
            )
        })
    }

    /// Asks this node's own view of the parent.
    pub(super) async fn confirm(&self, cursor: &ParentCursor, update: &ParentUpdate) -> Verdict {
        let Some(parent) = &self.parts.parent else {
            return Verdict::NotYet("this node has no parent endpoint to confirm the parent update with".to_owned());
        };
        let height = update.header.height;
        match parent.confirm(cursor, update).await {
            Confirmation::Confirmed => Verdict::Accept,
            Confirmation::CannotRead(reason) => {
                Verdict::NotYet(format!("the parent update with header {height} cannot be confirmed: {reason}"))
            }
            Confirmation::Differs(reason) => {
                // Somebody lies: the proposer, or this node's parent endpoint.
                tracing::error!(parent_height = %height, reason, "a proposed parent update differs from what this node reads");
                Verdict::NotYet(format!("the parent update with header {height} differs from the parent: {reason}"))
            }
        }
    }
}
