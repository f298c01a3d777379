//! The checkpoint that follows from a cut. A pure function, so that every validator signs the same digest.

use cid::Cid;
use subnet_types::actors::CheckpointCut;
use subnet_types::checkpoint::{CHECKPOINT_VERSION, CheckpointDomain};
use subnet_types::{ChainIdentity, Checkpoint, Digest, Genesis};

use crate::storage::CheckpointRecord;

/// What binds this chain's checkpoints to its parent; `None` on a root, which has none.
pub fn domain(genesis: &Genesis) -> Option<CheckpointDomain> {
    let actor = genesis.subnet.checkpoint_actor()?;
    Some(CheckpointDomain { parent: genesis.parent.as_ref()?.identity, actor })
}

/// The block that cut, and the state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutBlock {
    /// Its id.
    pub id: Cid,
    /// State root after it.
    pub state_root: Cid,
}

/// The checkpoint that `cut` makes, `previous` being the digest of the one before or, for the first, the chain's
/// identity. `None` when an amount in it has no digest, which no execution of ours produces.
pub fn record(
    chain: &ChainIdentity,
    domain: &CheckpointDomain,
    cut: CheckpointCut,
    block: CutBlock,
    previous: Digest,
) -> Option<CheckpointRecord> {
    let checkpoint = Checkpoint {
        version: CHECKPOINT_VERSION,
        chain: *chain,
        sequence: cut.sequence,
        height: cut.height,
        block: block.id,
        state_root: block.state_root,
        previous,
        messages: cut.messages.clone(),
        burned: cut.burned.clone(),
        top_down_applied: cut.top_down_applied,
        configuration: cut.configuration,
        upgrade: Digest::ZERO,
    };
    let digest = checkpoint.digest(domain)?;
    Some(CheckpointRecord { checkpoint, digest, cut, certificate: None })
}
