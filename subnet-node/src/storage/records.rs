//! What stands under the keys. All records are DAG-CBOR tuples.

use cid::Cid;
use engine_api::SignedExtension;
use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use fvm_shared::event::StampedEvent;
use fvm_shared::receipt::Receipt;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::CheckpointCut;
use subnet_types::{Checkpoint, Digest, FinalityCertificate, Height, Nonce, QuorumCertificate, Sequence};

/// What executing one block made, as far as the next header needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct BlockResults {
    /// State root after the block.
    pub state_root: Cid,
    /// Root of its receipts.
    pub receipts_root: Cid,
    /// Gas its signed messages used.
    pub gas_used: u64,
    /// The gateway's current validators after the block: those that vote two heights on.
    pub validators: Cid,
}

/// Receipts of one block. Index 0 is the parent update's, then one for each message, then tips and cut when they ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct BlockReceipts {
    /// In that order.
    pub receipts: Vec<Receipt>,
}

/// Events of one block: a list for each receipt, in the receipts' order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct BlockEvents {
    /// In that order.
    pub events: Vec<Vec<StampedEvent>>,
}

/// Proof that a block is final, and the extensions that came with the votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct StoredCertificate {
    /// The precommits.
    pub certificate: FinalityCertificate,
    /// Their extensions; empty where none were required.
    pub extensions: Vec<SignedExtension>,
}

/// Where a signed message stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct MessagePosition {
    /// Of its block.
    pub height: Height,
    /// Among the block's signed messages, from 0. Its receipt is one further on.
    pub index: u64,
}

impl MessagePosition {
    /// Index of the message's receipt in its block.
    pub fn receipt_index(&self) -> usize {
        usize::try_from(self.index).expect("a block's messages are counted in memory") + 1
    }
}

/// A checkpoint that this node derived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CheckpointRecord {
    /// What the validators sign.
    pub checkpoint: Checkpoint,
    /// Its digest.
    pub digest: Digest,
    /// What the gateway cut; its AMT holds the messages.
    pub cut: CheckpointCut,
    /// The validators' signatures, once the next height was committed.
    pub certificate: Option<QuorumCertificate>,
}

/// Steps of one id that are kept for each edge by which messages with it came. An honest message takes fewer; ids are
/// their senders' word, so a corrupt chain can use one again and again, and each commit reads and writes all steps of an
/// id. Counted for each edge, so that no chain leaves others without room.
pub const CROSS_TRACES_PER_EDGE_MAX: usize = 8;

/// Where a message stood on the edge that it came by. Two messages may have one id, and never one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossOrigin {
    /// Checkpoint actor of the child that it came from; `None` for the parent.
    pub child: Option<ActorID>,
    /// Position on the edge.
    pub nonce: Nonce,
}

/// One step of a cross message, or of a child's checkpoint, on this chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossTrace {
    /// In the block at this height.
    pub height: Height,
    /// What happened.
    pub step: CrossStep,
}

/// What can happen to a cross message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrossStep {
    /// It waits for the child with this checkpoint actor to apply it.
    QueuedDown {
        /// Id of the checkpoint actor.
        child: ActorID,
        /// Position on the edge.
        nonce: Nonce,
        /// By which way it came; `None` when it set out here.
        came: Option<CrossOrigin>,
    },
    /// It waits for the next checkpoint.
    QueuedUp {
        /// Position on the edge.
        nonce: Nonce,
        /// By which way it came; `None` when it set out here.
        came: Option<CrossOrigin>,
    },
    /// It is part of a checkpoint.
    Cut {
        /// Which.
        sequence: Sequence,
        /// Position on the edge.
        nonce: Nonce,
    },
    /// It arrived here and was delivered, went on or was refused.
    Settled {
        /// Zero when its destination was credited, or when it went on.
        exit_code: ExitCode,
        /// By which way it came; `None` of an answer that this chain made for itself.
        came: Option<CrossOrigin>,
    },
    /// Its value came back and could not be credited.
    Unclaimed {
        /// By which way it came; `None` when it never left.
        came: Option<CrossOrigin>,
    },
    /// The gateway would not take it, and the child's checkpoint actor set it aside.
    SetAside {
        /// By which way it came.
        came: CrossOrigin,
        /// Why.
        exit_code: ExitCode,
    },
    /// It waited for a child that ended, and was answered from here.
    Refunded {
        /// The child's checkpoint actor.
        child: ActorID,
        /// Position on the edge.
        nonce: Nonce,
    },
    /// A child's checkpoint actor accepted the checkpoint under whose digest this stands.
    Accepted {
        /// Id of that actor.
        actor: ActorID,
        /// Which checkpoint.
        sequence: Sequence,
    },
    /// The answer to a message sent from here arrived, and counts.
    Answered {
        /// Id of the answer.
        receipt: Digest,
        /// Zero when the message was delivered, otherwise why not.
        exit_code: ExitCode,
    },
}

/// On whose account a step is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    /// This chain's own.
    Here,
    /// Of messages that came from the parent.
    Parent,
    /// Of messages, and checkpoints, that came from the child with this checkpoint actor.
    Child(ActorID),
}

impl CrossStep {
    /// `None` for a cut, which is kept with the step that put the message into the outbox.
    fn account(&self) -> Option<Account> {
        let by = |came: &Option<CrossOrigin>| match came {
            None => Account::Here,
            Some(CrossOrigin { child: None, .. }) => Account::Parent,
            Some(CrossOrigin { child: Some(actor), .. }) => Account::Child(*actor),
        };
        Some(match self {
            Self::QueuedDown { came, .. }
            | Self::QueuedUp { came, .. }
            | Self::Settled { came, .. }
            | Self::Unclaimed { came } => by(came),
            Self::SetAside { came, .. } => by(&Some(*came)),
            Self::Accepted { actor, .. } => Account::Child(*actor),
            Self::Refunded { .. } | Self::Answered { .. } => Account::Here,
            Self::Cut { .. } => return None,
        })
    }
}

impl CrossTrace {
    /// Whether there is room for this step after those that are kept of its id already.
    pub(super) fn has_room(&self, kept: &[Self]) -> bool {
        match (&self.step, self.step.account()) {
            (CrossStep::Cut { nonce: cut, .. }, _) => {
                kept.iter().any(|trace| matches!(&trace.step, CrossStep::QueuedUp { nonce, .. } if nonce == cut))
            }
            (_, account) => {
                let same = kept.iter().filter(|trace| trace.step.account() == account).count();
                same < CROSS_TRACES_PER_EDGE_MAX
            }
        }
    }
}
