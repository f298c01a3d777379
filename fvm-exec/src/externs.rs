//! What the VM asks of the chain around it.
//!
//! **Randomness here is not random.** A chain of this runtime has no beacon. What an actor gets is a hash of the
//! chain's identity, the epoch it asks for and which of the two sources it names: the same on every node, different
//! for every chain and epoch, and known to everyone for ever. It keeps actors that merely want a spread of numbers
//! running; an actor that draws lots with it can be played.

use std::sync::Arc;

use cid::Cid;
use fvm::externs::{Chain, Consensus, Externs, Rand};
use fvm_shared::clock::ChainEpoch;
use fvm_shared::consensus::ConsensusFault;
use subnet_types::hash::{blake2b_256, encode};
use subnet_types::{ChainIdentity, Height};

const RANDOMNESS_TAG: &str = "subnet-runtime/not-secure-randomness/v1";

/// Ids of earlier blocks, for actors that look back.
///
/// Every node of a chain must answer the same for every height below the one that executes. No actor of the project's
/// own bundle asks; the EVM of Filecoin's official one does, for `BLOCKHASH`.
pub trait BlockIds: Send + Sync {
    /// Id of the block at `height`.
    fn block_id(&self, height: Height) -> Option<Cid>;
}

/// The VM's view of one chain.
#[derive(Clone)]
pub(crate) struct ChainExterns {
    pub(crate) identity: ChainIdentity,
    pub(crate) block_ids: Option<Arc<dyn BlockIds>>,
}

impl ChainExterns {
    fn hash(&self, source: &str, epoch: ChainEpoch) -> [u8; 32] {
        *blake2b_256(&encode(&(RANDOMNESS_TAG, source, &self.identity, epoch))).as_bytes()
    }
}

impl Externs for ChainExterns {}

impl Rand for ChainExterns {
    fn get_chain_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        Ok(self.hash("chain", round))
    }

    fn get_beacon_randomness(&self, round: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        Ok(self.hash("beacon", round))
    }
}

impl Consensus for ChainExterns {
    // Filecoin's faults are made of Filecoin's block headers; no bytes are one here.
    fn verify_consensus_fault(&self, _: &[u8], _: &[u8], _: &[u8]) -> anyhow::Result<(Option<ConsensusFault>, i64)> {
        Ok((None, 0))
    }
}

impl Chain for ChainExterns {
    fn get_tipset_cid(&self, epoch: ChainEpoch) -> anyhow::Result<Cid> {
        u64::try_from(epoch)
            .ok()
            .and_then(|height| self.block_ids.as_ref()?.block_id(Height::new(height)))
            .ok_or_else(|| anyhow::anyhow!("no block id is known for height {epoch}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::Digest;
    use subnet_types::hash::cid_of;

    struct OnlySeven;

    impl BlockIds for OnlySeven {
        fn block_id(&self, height: Height) -> Option<Cid> {
            (height == Height::new(7)).then(|| cid_of(&7u8))
        }
    }

    fn externs(seed: u8) -> ChainExterns {
        ChainExterns { identity: Digest([seed; 32]), block_ids: Some(Arc::new(OnlySeven)) }
    }

    #[test]
    fn randomness_repeats_and_differs_by_chain_epoch_and_source() {
        let chain = |seed, epoch| externs(seed).get_chain_randomness(epoch).unwrap();
        assert_eq!(chain(1, 5), chain(1, 5));
        assert_ne!(chain(1, 5), chain(1, 6));
        assert_ne!(chain(1, 5), chain(2, 5));
        assert_ne!(chain(1, 5), externs(1).get_beacon_randomness(5).unwrap());
    }

    #[test]
    fn block_ids_come_from_the_source_or_not_at_all() {
        assert_eq!(externs(1).get_tipset_cid(7).unwrap(), cid_of(&7u8));
        assert!(externs(1).get_tipset_cid(8).is_err());
        assert!(externs(1).get_tipset_cid(-1).is_err());
        let without = ChainExterns { identity: Digest::ZERO, block_ids: None };
        assert!(without.get_tipset_cid(7).is_err());
    }

    #[test]
    fn nothing_is_a_consensus_fault() {
        assert!(externs(1).verify_consensus_fault(b"a", b"b", b"").unwrap().0.is_none());
    }
}
