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

/// Steps of one cross message that are kept. An honest message takes fewer; ids are their senders' word, so a corrupt
/// chain can use one again and again, and each commit reads and writes all steps of an id.
pub const CROSS_TRACES_PER_ID_MAX: usize = 16;

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
    },
    /// It waits for the next checkpoint.
    QueuedUp {
        /// Position on the edge.
        nonce: Nonce,
    },
    /// It is part of a checkpoint.
    Cut {
        /// Which.
        sequence: Sequence,
    },
    /// It arrived here and was delivered or refused.
    Settled {
        /// Zero when its destination was credited.
        exit_code: ExitCode,
    },
    /// Its value came back and could not be credited.
    Unclaimed,
    /// An actor says that it accepted the checkpoint under whose digest this stands.
    Accepted {
        /// Id of that actor. Whether it is a child's checkpoint actor is for the reader to see.
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
