//! Judging a proposal: first what is the same on every node, then, for live ones, what only this node can see.

use engine_api::{Block, Source, ValidateContext, Verdict};
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;
use subnet_types::{BlockHeader, ParentUpdate};

use super::accounts::AccountsAt;
use super::block_rules::CheckError;
use super::{ChainError, Inner};
use crate::parent::{Confirmation, ParentCursor};

/// What is left to ask after the rules of all nodes.
pub(super) enum Judgement {
    /// The verdict stands.
    Final(Verdict),
    /// The block is valid but for what the parent must confirm.
    Confirm(Box<ParentCursor>, Box<ParentUpdate>),
}

impl Inner {
    /// Everything but the parent's confirmation.
    pub(super) fn judge(&self, context: &ValidateContext, block: &Block) -> Result<Judgement, ChainError> {
        let frame = self.frame()?;
        let expected = frame.tip.height.next();
        if context.height != expected {
            let reason = format!("proposed at height {}, this node decides {expected}", context.height);
            return Ok(Judgement::Final(match context.source {
                Source::Live => Verdict::NotYet(reason),
                Source::Certified => Verdict::Reject(reason),
            }));
        }
        let accounts = AccountsAt::new(self.chain().store(), &frame.tip.results.state_root)?;
        let rules = frame.rules(self.chain(), &accounts, &self.parts.verifier);
        let content = match rules.check(&block.header, &block.payload) {
            Ok(content) => content,
            Err(CheckError::Rejected(rejection)) => {
                return Ok(Judgement::Final(Verdict::Reject(rejection.to_string())));
            }
            Err(CheckError::Unreadable(error)) => return Err(error.into()),
        };
        if context.source == Source::Certified {
            return Ok(Judgement::Final(Verdict::Accept));
        }
        if let Some(reason) = self.ahead_of_clock(&block.header) {
            return Ok(Judgement::Final(Verdict::NotYet(reason)));
        }
        match (frame.cursor.clone(), content.info.parent_update) {
            (Some(cursor), Some(update)) => Ok(Judgement::Confirm(Box::new(cursor), Box::new(update))),
            _ => Ok(Judgement::Final(Verdict::Accept)),
        }
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
