//! Judging a proposal: first what is the same on every node, then, for live ones, what only this node can see. What is
//! accepted is executed ahead of the decision.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engine_api::{Block, Source, ValidateContext, Verdict};
use subnet_types::BlockHeader;
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;

use super::accounts::AccountsAt;
use super::block_rules::{BlockRules, CheckError, Content};
use super::build::Assembled;
use super::execute::{execute, own_content};
use super::speculation::Key;
use super::{ChainError, Frame, Inner};
use crate::parent::rules::{ProvenUpdate, adoption_advice};

/// What is left to ask after the rules of all nodes.
pub(super) enum Judgement {
    /// The verdict stands, and is not to accept.
    Refused(Verdict),
    /// The block is valid.
    Valid(Box<Sound>),
}

/// A block that keeps the rules of all nodes.
pub(super) struct Sound {
    frame: Arc<Frame>,
    content: Content,
}

impl Inner {
    /// Judges a block: by the rules of all nodes, and a live one by this node's clock and operator.
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
            return Ok(Judgement::Valid(Box::new(Sound { frame, content })));
        }
        if let Some(reason) = self.ahead_of_clock(&block.header) {
            return Ok(Judgement::Refused(Verdict::NotYet(reason)));
        }
        if let Some(reason) = content.parent_update.as_ref().and_then(|update| self.not_adopted(&rules, update)) {
            return Ok(Judgement::Refused(Verdict::NotYet(reason)));
        }
        Ok(Judgement::Valid(Box::new(Sound { frame, content })))
    }

    /// Why this node does not vote for an update that keeps the rules: it needs a header that its operator did not name.
    ///
    /// The block's time is its proposer's. After a long pause it could be any since the last block, and make trust that
    /// has expired look fresh; so this node's own clock counts as well.
    fn not_adopted(&self, rules: &BlockRules<'_>, update: &ProvenUpdate) -> Option<String> {
        let expired = || rules.trust_rule((self.parts.clock)()).expired(rules.cursor?);
        let (adoption, header) = (update.adoption.or_else(expired)?, &update.params.parent_block);
        let is_adopted = self.parts.parent.as_ref().is_some_and(|parent| parent.is_adopted(header));
        (!is_adopted).then(|| adoption_advice(adoption, header))
    }

    /// Begins to execute a block that this node has accepted, with the proposer's hints. A failure is told when the block
    /// is decided, by the execution that follows then.
    pub(super) fn speculate(&self, block: &Block, sound: Sound, hints: Bytes) {
        let Sound { frame, content } = sound;
        // Another block may have been decided meanwhile.
        if self.chain().tip() != frame.tip {
            return;
        }
        let (chain, header) = (self.chain().clone(), block.header.clone());
        let key = Key { block: block.id(), state_root: frame.tip.results.state_root };
        self.speculations.begin(key, move || execute(&chain, &frame, &header, content, &hints).ok());
    }

    /// The same for a block that this node has built itself.
    pub(super) fn speculate_own(&self, frame: Arc<Frame>, built: Assembled) {
        let (chain, verifier) = (self.chain().clone(), self.parts.verifier.clone());
        let key = Key { block: built.block.id(), state_root: frame.tip.results.state_root };
        self.speculations.begin(key, move || {
            let content = own_content(&chain, &frame, &verifier, &built).ok()?;
            execute(&chain, &frame, &built.block.header, content, &[]).ok()
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
}
