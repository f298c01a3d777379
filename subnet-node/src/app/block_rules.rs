//! What makes a block valid on every node: a function of the block and of the committed chain before it.
//!
//! No clock, no network, no mempool. What depends on this node alone is judged apart, in `validate`, and never for a
//! block that a certificate already made final.

use std::collections::BTreeSet;

use fvm_exec::{MessageRejection, MessageRules, preflight};
use mempool::{AccountSource, AccountsUnreadable, BatchError, Verifier};
use subnet_types::block::PayloadError;
use subnet_types::{
    BlockHeader, BlockInfo, ChainIdentity, Genesis, Payload, SignedMessage, TimestampMs, ValidatorSet, VoteKey,
};

use super::senders::{SenderCheck, SenderRejection, Senders};
use super::tip::{Proposal, SetHashes, Tip, next_header};
use crate::parent::ParentCursor;
use crate::parent::rules::{self, ParentUpdateRejection, ProvenUpdate, TrustRule};

/// Why a block is invalid, on every node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockRejection {
    /// A header field is another than the chain before it fixes.
    #[error("header field {field} is {actual}, expected {expected}")]
    Header {
        /// Which.
        field: &'static str,
        /// What follows from the chain.
        expected: String,
        /// What the header says.
        actual: String,
    },
    /// Time stands still or goes back.
    #[error("timestamp is {actual} ms, expected more than its parent's {parent} ms")]
    Timestamp {
        /// Of the block before.
        parent: TimestampMs,
        /// Of the block.
        actual: TimestampMs,
    },
    /// A stranger built it.
    #[error("proposer {proposer} is not among the {size} validators of configuration {configuration}")]
    Proposer {
        /// Who.
        proposer: VoteKey,
        /// Size of the set.
        size: usize,
        /// Number of the set.
        configuration: u64,
    },
    /// The payload breaks a limit or is not canonical.
    #[error("payload: {0}")]
    Payload(#[from] PayloadError),
    /// A message breaks a rule by itself.
    #[error("message {index}: {rejection}")]
    Message {
        /// Position among the messages.
        index: usize,
        /// Which rule.
        rejection: MessageRejection,
    },
    /// A message stands twice in the block.
    #[error("message {index} stands in the block before")]
    Repeated {
        /// Position of the second.
        index: usize,
    },
    /// The messages ask for more gas than a block has.
    #[error("messages up to {index} ask for {actual} gas, the block has {max}")]
    Gas {
        /// Position of the message that is too much.
        index: usize,
        /// Sum of the limits; the largest number when it overflows.
        actual: u64,
        /// The block's limit.
        max: u64,
    },
    /// A message does not fit its sender's account.
    #[error("message {index}: {rejection}")]
    Sender {
        /// Position among the messages.
        index: usize,
        /// Why.
        rejection: SenderRejection,
    },
    /// A signature is wrong.
    #[error("signature of {0}")]
    Signature(#[from] BatchError),
    /// A root's block brings a parent update.
    #[error("the block brings a parent update, but this chain is a root")]
    NoParent,
    /// The parent update breaks a rule.
    #[error("parent update: {0}")]
    ParentUpdate(#[from] ParentUpdateRejection),
}

/// Either a verdict on the block, or this node's own trouble.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The block is invalid.
    #[error(transparent)]
    Rejected(#[from] BlockRejection),
    /// The state cannot be read.
    #[error(transparent)]
    Unreadable(#[from] AccountsUnreadable),
}

/// What a block is judged by. All of it follows from the committed chain.
pub struct BlockRules<'a> {
    /// Identity of the chain.
    pub identity: &'a ChainIdentity,
    /// Its parameters.
    pub genesis: &'a Genesis,
    /// The block before.
    pub tip: &'a Tip,
    /// Who votes on the block.
    pub validators: &'a ValidatorSet,
    /// Hashes that its header must carry.
    pub sets: SetHashes,
    /// Where the chain stands in following its parent; `None` on a root.
    pub cursor: Option<&'a ParentCursor>,
    /// Accounts after the block before.
    pub accounts: &'a dyn AccountSource,
    /// Signatures of this chain.
    pub verifier: &'a Verifier,
}

/// A block's content, once it is known to be well formed.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// What the proposer brings of the parent, as its witness proves it.
    pub parent_update: Option<ProvenUpdate>,
    /// The signed messages.
    pub messages: Vec<SignedMessage>,
}

impl BlockRules<'_> {
    /// Judges a block.
    ///
    /// # Errors
    /// The first rule it breaks, or that the state cannot be read.
    pub fn check(&self, header: &BlockHeader, payload: &Payload) -> Result<Content, CheckError> {
        self.check_header(header, payload)?;
        let (info, messages) = payload.parse().map_err(BlockRejection::from)?;
        let parent_update = self.check_parent_update(header, &info)?;
        self.check_messages(&messages)?;
        // Last, because it is by far the dearest.
        self.verifier.verify_all(&messages).map_err(BlockRejection::from)?;
        Ok(Content { parent_update, messages })
    }

    /// The header is the one that follows from the chain, but for what a proposer decides, which has rules of its own.
    ///
    /// # Errors
    /// The first field that is another.
    pub fn check_header(&self, header: &BlockHeader, payload: &Payload) -> Result<(), BlockRejection> {
        let proposal =
            Proposal { timestamp: header.timestamp, proposer: header.proposer, payload_root: payload.root() };
        compare(&next_header(self.identity, self.tip, self.sets, proposal), header)?;
        if header.timestamp <= self.tip.timestamp {
            return Err(BlockRejection::Timestamp { parent: self.tip.timestamp, actual: header.timestamp });
        }
        if self.validators.find(&header.proposer).is_none() {
            return Err(BlockRejection::Proposer {
                proposer: header.proposer,
                size: self.validators.len(),
                configuration: self.validators.number().get(),
            });
        }
        Ok(())
    }

    /// The parent update keeps its rules. Answers what it brings.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check_parent_update(
        &self,
        header: &BlockHeader,
        info: &BlockInfo,
    ) -> Result<Option<ProvenUpdate>, BlockRejection> {
        let Some(update) = &info.parent_update else { return Ok(None) };
        let cursor = self.cursor.ok_or(BlockRejection::NoParent)?;
        Ok(Some(rules::check(cursor, update, self.trust_rule(header.timestamp))?))
    }

    /// Time by which an update in a block of that time is judged.
    pub fn trust_rule(&self, block_timestamp: TimestampMs) -> TrustRule {
        TrustRule { block_timestamp, trusting_period_ms: self.genesis.chain.trusting_period_ms }
    }

    fn check_messages(&self, messages: &[SignedMessage]) -> Result<(), CheckError> {
        let mut fitting = self.fitting();
        let mut seen = BTreeSet::new();
        for (index, signed) in messages.iter().enumerate() {
            if !seen.insert(signed.cid()) {
                return Err(BlockRejection::Repeated { index }.into());
            }
            fitting.add(index, signed)?;
        }
        Ok(())
    }

    /// Judges messages one after another as they would stand in a block.
    pub fn fitting(&self) -> Fitting<'_> {
        Fitting {
            rules: MessageRules {
                base_fee: self.tip.next_base_fee.clone(),
                block_gas_limit: self.genesis.chain.block_gas_limit,
            },
            senders: Senders::new(self.accounts),
            gas: 0,
        }
    }
}

/// The messages of one block so far. What was refused leaves no trace.
pub struct Fitting<'a> {
    rules: MessageRules,
    senders: Senders<'a>,
    gas: u64,
}

impl Fitting<'_> {
    /// Judges the message at position `index`, its signature apart.
    ///
    /// # Errors
    /// Why it cannot stand there, or that the state cannot be read.
    pub fn add(&mut self, index: usize, signed: &SignedMessage) -> Result<(), CheckError> {
        preflight::check(&signed.message, signed.to_bytes().len(), &self.rules)
            .map_err(|rejection| BlockRejection::Message { index, rejection })?;
        let max = self.rules.block_gas_limit;
        let gas = self.gas.saturating_add(signed.message.gas_limit);
        if gas > max {
            return Err(BlockRejection::Gas { index, actual: gas, max }.into());
        }
        match self.senders.check(&signed.message)? {
            SenderCheck::Fits => {}
            SenderCheck::Rejected(rejection) => return Err(BlockRejection::Sender { index, rejection }.into()),
        }
        self.gas = gas;
        Ok(())
    }
}

/// The first field in which two headers differ.
fn compare(expected: &BlockHeader, actual: &BlockHeader) -> Result<(), BlockRejection> {
    fn same<T: PartialEq + std::fmt::Display>(
        field: &'static str,
        expected: &T,
        actual: &T,
    ) -> Result<(), BlockRejection> {
        if expected == actual {
            return Ok(());
        }
        Err(BlockRejection::Header { field, expected: expected.to_string(), actual: actual.to_string() })
    }
    same("version", &expected.version, &actual.version)?;
    same("chain", &expected.chain, &actual.chain)?;
    same("height", &expected.height, &actual.height)?;
    same("parent", &expected.parent, &actual.parent)?;
    same("timestamp", &expected.timestamp, &actual.timestamp)?;
    same("proposer", &expected.proposer, &actual.proposer)?;
    same("payload_root", &expected.payload_root, &actual.payload_root)?;
    same("state_root", &expected.state_root, &actual.state_root)?;
    same("receipts_root", &expected.receipts_root, &actual.receipts_root)?;
    same("gas_used", &expected.gas_used, &actual.gas_used)?;
    same("base_fee", &expected.base_fee.atto(), &actual.base_fee.atto())?;
    same("validators_hash", &expected.validators_hash, &actual.validators_hash)?;
    same("next_validators_hash", &expected.next_validators_hash, &actual.next_validators_hash)
}
