//! Checkpoints: what a subnet commits to its parent, and the certificate under which the parent accepts it.

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::abi::Words;
use crate::bytes::{BlsSignature, Digest};
use crate::cross::MessageBatch;
use crate::hash::digest_of_cid;
use crate::identity::ChainIdentity;
use crate::quantity::{ConfigurationNumber, Height, Nonce, Sequence};

/// Version of [`Checkpoint`] that this code writes and accepts.
pub const CHECKPOINT_VERSION: u64 = 1;

/// How far the subnet has applied its parent's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct TopDownApplied {
    /// The next nonce to apply: all below have been.
    pub nonce: Nonce,
    /// The parent's last height of which nothing is missing: all that it had for the subnet up to there is applied.
    pub parent_height: Height,
}

/// The configuration that votes from two blocks after this checkpoint on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ConfigurationApplied {
    /// Its number.
    pub number: ConfigurationNumber,
    /// Its [`crate::ValidatorSet::hash`].
    pub validators_hash: Digest,
}

/// A subnet's state at the end of a period, for its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Checkpoint {
    /// [`CHECKPOINT_VERSION`].
    pub version: u64,
    /// Identity of the subnet.
    pub chain: ChainIdentity,
    /// Counts from 1 without a gap.
    pub sequence: Sequence,
    /// The block after which this is the state; a multiple of the period.
    pub height: Height,
    /// That block's id.
    pub block: Cid,
    /// State root after that block.
    pub state_root: Cid,
    /// Digest of the checkpoint before; for the first, the subnet's identity.
    pub previous: Digest,
    /// The bottom-up messages of the period.
    pub messages: MessageBatch,
    /// Fees burned in the subnet in the period, in attoFIL.
    pub burned: TokenAmount,
    /// How far the parent's messages are applied.
    pub top_down_applied: TopDownApplied,
    /// Which configuration follows.
    pub configuration: ConfigurationApplied,
    /// Reserved: the upgrade this checkpoint takes part in; zero for none.
    pub upgrade: Digest,
}

/// More than 2/3 of a configuration's power in signatures over one checkpoint digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct QuorumCertificate {
    /// The configuration whose validators signed.
    pub configuration: ConfigurationNumber,
    /// Bit `i` (least significant first) is set when validator `i` of that configuration signed.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub signers: Vec<u8>,
    /// Sum of their BLS keys, as an uncompressed point. The parent adds the keys up itself and only compares: bringing
    /// a sum into this form takes a division in the field, which costs more gas there than all else together.
    #[serde(with = "fvm_ipld_encoding::strict_bytes")]
    pub key_sum: Vec<u8>,
    /// Aggregate of their BLS signatures.
    pub signature: BlsSignature,
}

/// The two things besides the checkpoint that its digest binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointDomain {
    /// Identity of the parent chain.
    pub parent: ChainIdentity,
    /// Robust address of the checkpoint actor on it.
    pub actor: Address,
}

/// Name whose keccak-256 opens every digest's preimage.
pub const DIGEST_TAG: &str = "subnet-runtime/checkpoint/v1";

impl Checkpoint {
    /// What validators sign: keccak-256 over the Ethereum ABI encoding of twenty static words.
    ///
    /// One encoding serves native and EVM parents, so that one set of vectors binds both. The order of the words is
    /// the order of the lines below. `None` when a CID is not of this runtime's one form or an amount does not fit 256
    /// bits: such a checkpoint cannot be signed.
    pub fn digest(&self, domain: &CheckpointDomain) -> Option<Digest> {
        let words = Words::tagged(DIGEST_TAG)
            .digest(&domain.parent)
            .hashed(&domain.actor.to_bytes())
            .number(self.version)
            .digest(&self.chain)
            .number(self.sequence.get())
            .number(self.height.get())
            .digest(&digest_of_cid(&self.block)?)
            .digest(&digest_of_cid(&self.state_root)?)
            .digest(&self.previous)
            .digest(&self.messages.root)
            .number(self.messages.first_nonce.get())
            .number(self.messages.count)
            .amount(&self.messages.value)?
            .amount(&self.burned)?
            .number(self.top_down_applied.nonce.get())
            .number(self.top_down_applied.parent_height.get())
            .number(self.configuration.number.get())
            .digest(&self.configuration.validators_hash)
            .digest(&self.upgrade);
        Some(words.keccak())
    }
}

impl QuorumCertificate {
    /// Whether validator `index` signed.
    pub fn is_signer(&self, index: usize) -> bool {
        self.signers.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// A bitmap for `count` validators with the given positions set.
    ///
    /// # Panics
    /// When a position is `count` or more.
    pub fn bitmap(count: usize, positions: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut bitmap = vec![0; count.div_ceil(8)];
        for position in positions {
            assert!(position < count, "signer {position} of {count} validators");
            bitmap[position / 8] |= 1 << (position % 8);
        }
        bitmap
    }

    /// Whether the bitmap has exactly the length for `count` validators and no bit beyond them.
    pub fn is_bitmap_for(&self, count: usize) -> bool {
        self.signers.len() == count.div_ceil(8) && (count..self.signers.len() * 8).all(|index| !self.is_signer(index))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hash::cid_of_bytes;

    pub(crate) fn example() -> Checkpoint {
        Checkpoint {
            version: CHECKPOINT_VERSION,
            chain: Digest([1; 32]),
            sequence: Sequence::new(1),
            height: Height::new(10),
            block: cid_of_bytes(b"block"),
            state_root: cid_of_bytes(b"state"),
            previous: Digest([2; 32]),
            messages: MessageBatch::of(Nonce::ZERO, &[]),
            burned: TokenAmount::from_atto(7),
            top_down_applied: TopDownApplied { nonce: Nonce::new(3), parent_height: Height::new(90) },
            configuration: ConfigurationApplied {
                number: ConfigurationNumber::FIRST,
                validators_hash: Digest([3; 32]),
            },
            upgrade: Digest::ZERO,
        }
    }

    fn domain() -> CheckpointDomain {
        CheckpointDomain { parent: Digest([4; 32]), actor: Address::new_actor(b"actor") }
    }

    #[test]
    fn every_field_and_the_domain_reach_the_digest() {
        let original = example().digest(&domain()).expect("a digest");
        let changes: Vec<fn(&mut Checkpoint)> = vec![
            |c| c.version += 1,
            |c| c.chain = Digest([9; 32]),
            |c| c.sequence = c.sequence.next(),
            |c| c.height = c.height.next(),
            |c| c.block = cid_of_bytes(b"other"),
            |c| c.state_root = cid_of_bytes(b"other"),
            |c| c.previous = Digest([9; 32]),
            |c| c.messages.root = Digest([9; 32]),
            |c| c.messages.first_nonce = Nonce::new(1),
            |c| c.messages.count = 1,
            |c| c.messages.value = TokenAmount::from_atto(1),
            |c| c.burned = TokenAmount::from_atto(8),
            |c| c.top_down_applied.nonce = Nonce::new(4),
            |c| c.top_down_applied.parent_height = Height::new(91),
            |c| c.configuration.number = ConfigurationNumber::new(2),
            |c| c.configuration.validators_hash = Digest([9; 32]),
            |c| c.upgrade = Digest([9; 32]),
        ];
        let mut seen = std::collections::BTreeSet::from([original]);
        for change in changes {
            let mut changed = example();
            change(&mut changed);
            assert!(seen.insert(changed.digest(&domain()).expect("a digest")), "{changed:?}");
        }
        let other = CheckpointDomain { parent: Digest([5; 32]), ..domain() };
        assert!(seen.insert(example().digest(&other).expect("a digest")));
        let other = CheckpointDomain { actor: Address::new_actor(b"other"), ..domain() };
        assert!(seen.insert(example().digest(&other).expect("a digest")));
    }

    #[test]
    fn amounts_outside_256_bits_have_no_digest() {
        let mut checkpoint = example();
        checkpoint.burned = TokenAmount::from_atto(-1);
        assert_eq!(checkpoint.digest(&domain()), None);
    }

    #[test]
    fn relabelled_links_have_no_digest() {
        let relabelled = |cid: Cid| Cid::new_v1(fvm_ipld_encoding::IPLD_RAW, *cid.hash());
        let block = Checkpoint { block: relabelled(example().block), ..example() };
        let state_root = Checkpoint { state_root: relabelled(example().state_root), ..example() };
        assert_eq!((block.digest(&domain()), state_root.digest(&domain())), (None, None));
    }

    #[test]
    fn bitmap_with_stray_bits_or_length_is_seen() {
        let certificate = |signers: Vec<u8>| QuorumCertificate {
            configuration: ConfigurationNumber::FIRST,
            signers,
            key_sum: vec![0; 96],
            signature: BlsSignature([0; 96]),
        };
        let good = certificate(QuorumCertificate::bitmap(4, [0, 3]));
        assert!(good.is_bitmap_for(4) && good.is_signer(3) && !good.is_signer(1));
        assert!(!certificate(vec![0b1_0000]).is_bitmap_for(4));
        assert!(!certificate(vec![1, 0]).is_bitmap_for(4));
        assert!(!certificate(vec![]).is_bitmap_for(4));
    }
}
