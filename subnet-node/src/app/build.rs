//! Building a block: the parent's news, then messages for as long as gas, bytes and time allow.

use std::time::Instant;

use bytes::Bytes;
use engine_api::{Block, BuildContext, BuiltBlock};
use mempool::{Choice, SelectLimits};
use subnet_types::hash::encode;
use subnet_types::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX};
use subnet_types::{BlockInfo, ParentUpdate, Payload, TimestampMs};

use super::accounts::AccountsAt;
use super::block_rules::{BlockRejection, BlockRules, CheckError};
use super::draft::Fill;
use super::tip::{Proposal, next_header};
use super::{ChainError, Frame, Inner};
use crate::parent::rules::ProvenUpdate;
use crate::parent::{ParentCursor, rules};

/// A block that this node has built.
#[derive(Clone)]
pub(super) struct Assembled {
    /// The block.
    pub(super) block: Block,
    /// What it brings of the parent.
    pub(super) parent_update: Option<ProvenUpdate>,
}

impl Inner {
    /// The next block, by this node: its draft, or what there is now.
    pub(super) fn build(&self, context: &BuildContext) -> Result<BuiltBlock, ChainError> {
        let started = Instant::now();
        let frame = self.frame()?;
        if context.height != frame.tip.height.next() {
            let (asked, head) = (context.height, frame.tip.height);
            return Err(ChainError::Contradiction(format!("asked to build height {asked} on top of {head}")));
        }
        let now = (self.parts.clock)();
        if let Some((draft, hints)) = self.drafts.propose(context, &frame.tip, now) {
            // It may have waited for a thread in vain.
            self.speculate_own(frame, draft.clone());
            self.parts.metrics.built(started.elapsed());
            return Ok(BuiltBlock { block: draft.block, hints });
        }
        // A clock that is behind must not stop the chain: time moves on by at least a millisecond.
        let timestamp = now.max(TimestampMs::new(frame.tip.timestamp.get() + 1));
        let (built, _) = self.assemble(context, &frame, timestamp, started)?;
        self.speculate_own(frame.clone(), built.clone());
        self.parts.metrics.built(started.elapsed());
        Ok(BuiltBlock { block: built.block, hints: Bytes::new() })
    }

    /// A block on top of `frame` from what there is now, and how full it is.
    pub(super) fn assemble(
        &self,
        context: &BuildContext,
        frame: &Frame,
        timestamp: TimestampMs,
        started: Instant,
    ) -> Result<(Assembled, Fill), ChainError> {
        let accounts = AccountsAt(self.chain().accounts(&frame.tip.results.state_root)?);
        let rules = frame.rules(self.chain(), &accounts, &self.parts.verifier);
        let cursor = frame.cursor.as_ref().filter(|_| brings_news(context.round));
        let candidate = cursor.and_then(|cursor| self.parent_update(cursor, &rules, timestamp));
        let (parent_update, proven) = candidate.unzip();
        let mut items = vec![encode(&BlockInfo { parent_update, evidence: Vec::new() })];
        let gas = self.add_messages(&mut items, &rules, &accounts, started + context.time_budget / 2)?;

        let payload = Payload { items };
        let proposal = Proposal { timestamp, proposer: context.proposer, payload_root: payload.root() };
        let header = next_header(self.chain().identity(), &frame.tip, frame.sets, proposal);
        tracing::debug!(
            height = %header.height,
            round = context.round,
            messages = payload.items.len() - 1,
            bytes = payload.size_bytes(),
            took_ms = started.elapsed().as_millis() as u64,
            "block built"
        );
        let gas_max = rules.genesis.chain.block_gas_limit;
        let fill = Fill::new(gas, gas_max, payload.size_bytes(), payload.items.len());
        Ok((Assembled { block: Block { header, payload }, parent_update: proven }, fill))
    }

    /// The candidate of this node's follower, with what it brings, unless the rules of this very block refuse it.
    fn parent_update(
        &self,
        cursor: &ParentCursor,
        block_rules: &BlockRules<'_>,
        timestamp: TimestampMs,
    ) -> Option<(ParentUpdate, ProvenUpdate)> {
        let parent = self.parts.parent.as_ref()?;
        let update = parent.candidate(cursor)?;
        let reason = match rules::check(cursor, &update, block_rules.trust_rule(timestamp)) {
            Ok(proven) => match proven.adoption.filter(|_| !parent.is_adopted(&update.header.id())) {
                None => return Some((update, proven)),
                Some(adoption) => rules::adoption_advice(adoption, &update.header.id()),
            },
            Err(rejection) => rejection.to_string(),
        };
        tracing::warn!(reason, "the parent's news cannot be proposed");
        None
    }

    /// Adds what the mempool selects. Each message goes through the rules of the block before it is selected: a block
    /// of ours that others refuse would cost a round, whatever the reason. What can stand in no block leaves the
    /// mempool. Returns the gas that they ask for.
    fn add_messages(
        &self,
        items: &mut Vec<Vec<u8>>,
        rules: &BlockRules<'_>,
        accounts: &AccountsAt,
        deadline: Instant,
    ) -> Result<u64, ChainError> {
        let limits = SelectLimits {
            gas_max: rules.genesis.chain.block_gas_limit,
            bytes_max: PAYLOAD_BYTES_MAX.saturating_sub(items[0].len()),
            items_max: PAYLOAD_ITEMS_MAX - 1,
        };
        let mut fitting = rules.fitting();
        let (mut taken, mut failure) = (0, None);
        let selected = self.parts.messages.select(limits, &rules.tip.next_base_fee, accounts, &mut |pending| {
            if Instant::now() > deadline {
                tracing::debug!(taken, "no time for further messages");
                return Choice::Stop;
            }
            let rejection = match fitting.add(taken, pending.signed()) {
                Ok(()) => {
                    taken += 1;
                    return Choice::Take;
                }
                Err(CheckError::Rejected(rejection)) => rejection,
                Err(CheckError::Unreadable(error)) => {
                    failure = Some(error);
                    return Choice::Stop;
                }
            };
            let is_lasting = is_lasting(&rejection);
            tracing::debug!(message = %pending.cid(), reason = %rejection, is_lasting, "message left out of the block");
            if is_lasting { Choice::Discard } else { Choice::PassOver }
        })?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        items.extend(selected.iter().map(|pending| pending.bytes().to_vec()));
        Ok(selected.iter().fold(0, |gas, pending| gas.saturating_add(pending.signed().message.gas_limit)))
    }

    /// Tells the follower that an update of its parent failed, so that the next proposals bring less of it.
    pub(super) fn update_failed(&self, frame: &Frame, block: &Block) {
        let (Some(parent), Some(cursor)) = (&self.parts.parent, &frame.cursor) else { return };
        let parsed = block.payload.parse().ok();
        if let Some(update) = parsed.and_then(|(info, _)| info.parent_update) {
            parent.failed(cursor, &update);
        }
    }
}

/// Whether proposals of this round bring news of the parent.
///
/// Every second further round does without: where too few operators have adopted a parent header yet, or an update is
/// too large for a slow network, the chain goes on all the same.
const fn brings_news(round: u32) -> bool {
    round.is_multiple_of(2)
}

/// Whether a message is refused by this block and by every later one.
fn is_lasting(rejection: &BlockRejection) -> bool {
    matches!(rejection, BlockRejection::Message { rejection, .. } if !rejection.is_retryable())
}
