//! Preimages of consensus votes and the certificates made of them.

use std::collections::BTreeSet;

use cid::Cid;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::bytes::{Digest, Ed25519Signature, VoteKey};
use crate::hash::encode;
use crate::identity::ChainIdentity;
use crate::membership::{ValidatorSet, is_quorum};
use crate::quantity::{Height, Power};

/// The two kinds of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteKind {
    /// First vote of a round.
    Prevote,
    /// Second vote of a round; a quorum of these is finality.
    Precommit,
}

const VOTE_TAG: &str = "subnet-runtime/vote/v1";

/// What a validator signs for a vote. `block` is `None` for nil.
pub fn vote_signing_bytes(
    identity: &ChainIdentity,
    kind: VoteKind,
    height: Height,
    round: u32,
    block: Option<&Cid>,
    validator: &VoteKey,
) -> Vec<u8> {
    let kind = match kind {
        VoteKind::Prevote => 1u8,
        VoteKind::Precommit => 2u8,
    };
    encode(&(VOTE_TAG, identity, kind, height, round, block, validator))
}

/// One validator's precommit inside a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CommitSignature {
    /// Who signed.
    pub validator: VoteKey,
    /// Over [`vote_signing_bytes`] of a precommit.
    pub signature: Ed25519Signature,
}

/// Proof that a block is final: precommits of more than 2/3 of the power of its height's validators.
///
/// Different nodes hold different subsets of the precommits, so a certificate never enters a state or a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct FinalityCertificate {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// Id of the block.
    pub block: Cid,
    /// The precommits, in any order, each validator at most once.
    pub signatures: Vec<CommitSignature>,
}

/// Why a finality certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A signer is not in the set.
    #[error("signer {validator} is not among the {size} validators of configuration {configuration}")]
    UnknownSigner {
        /// The stranger.
        validator: VoteKey,
        /// Size of the set checked against.
        size: usize,
        /// Number of the configuration checked against.
        configuration: u64,
    },
    /// A signer counts twice.
    #[error("signer {validator} stands twice in the certificate")]
    RepeatedSigner {
        /// Who.
        validator: VoteKey,
    },
    /// A signature does not verify.
    #[error("signature of {validator} at height {height} does not verify")]
    Signature {
        /// Whose.
        validator: VoteKey,
        /// Of the certificate.
        height: Height,
    },
    /// Too little power signed.
    #[error("power {signed} signed, more than 2/3 of {total} is needed")]
    BelowQuorum {
        /// Power of the signers.
        signed: Power,
        /// Power of the set.
        total: Power,
    },
}

impl FinalityCertificate {
    /// Checks the certificate against the validators of its height. `verify(key, bytes, signature)` checks one
    /// Ed25519 signature.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(
        &self,
        identity: &ChainIdentity,
        validators: &ValidatorSet,
        verify: impl Fn(&VoteKey, &[u8], &Ed25519Signature) -> bool,
    ) -> Result<(), CertificateError> {
        let mut seen = BTreeSet::new();
        let mut signed = Power::ZERO;
        for CommitSignature { validator, signature } in &self.signatures {
            let (_, member) = validators.find(validator).ok_or_else(|| CertificateError::UnknownSigner {
                validator: *validator,
                size: validators.len(),
                configuration: validators.number().get(),
            })?;
            if !seen.insert(*validator) {
                return Err(CertificateError::RepeatedSigner { validator: *validator });
            }
            let bytes = vote_signing_bytes(
                identity,
                VoteKind::Precommit,
                self.height,
                self.round,
                Some(&self.block),
                validator,
            );
            if !verify(validator, &bytes, signature) {
                return Err(CertificateError::Signature { validator: *validator, height: self.height });
            }
            signed = signed.checked_add(member.power.get()).expect("distinct members' powers sum to at most the total");
        }
        let total = validators.total_power();
        if is_quorum(signed, total) { Ok(()) } else { Err(CertificateError::BelowQuorum { signed, total }) }
    }
}

const EXTENSION_TAG: &str = "subnet-runtime/vote-extension/v1";

/// What a validator's vote key signs for the extension of its precommit, so that nobody can swap extensions.
pub fn extension_signing_bytes(
    identity: &ChainIdentity,
    height: Height,
    round: u32,
    block: &Cid,
    validator: &VoteKey,
    extension: &[u8],
) -> Vec<u8> {
    let extension: Digest = crate::hash::blake2b_256(extension);
    encode(&(EXTENSION_TAG, identity, height, round, block, validator, extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::BlsPublicKey;
    use crate::hash::cid_of_bytes;
    use crate::membership::Validator;
    use crate::quantity::ConfigurationNumber;
    use fvm_shared::address::Address;

    // Stands in for Ed25519: a "signature" is the key's first byte repeated.
    fn verify(key: &VoteKey, _: &[u8], signature: &Ed25519Signature) -> bool {
        signature.0 == [key.0[0]; 64]
    }

    fn set() -> ValidatorSet {
        let validators = (1..=4)
            .map(|seed| Validator {
                owner: Address::new_actor(&[seed]),
                vote_key: VoteKey([seed; 32]),
                checkpoint_key: BlsPublicKey([seed; 48]),
                power: Power::new(10),
            })
            .collect();
        ValidatorSet::new(ConfigurationNumber::FIRST, validators).expect("a set")
    }

    fn certificate(signers: &[u8]) -> FinalityCertificate {
        FinalityCertificate {
            height: Height::new(5),
            round: 0,
            block: cid_of_bytes(b"block"),
            signatures: signers
                .iter()
                .map(|seed| CommitSignature {
                    validator: VoteKey([*seed; 32]),
                    signature: Ed25519Signature([*seed; 64]),
                })
                .collect(),
        }
    }

    #[test]
    fn three_of_four_prove_and_two_do_not() {
        let identity = Digest([0; 32]);
        assert_eq!(certificate(&[1, 2, 3]).verify(&identity, &set(), verify), Ok(()));
        let error = certificate(&[1, 2]).verify(&identity, &set(), verify);
        assert!(matches!(error, Err(CertificateError::BelowQuorum { .. })));
    }

    #[test]
    fn strangers_repeats_and_forgeries_are_refused() {
        let identity = Digest([0; 32]);
        let check = |certificate: FinalityCertificate| certificate.verify(&identity, &set(), verify);
        assert!(matches!(check(certificate(&[1, 2, 3, 9])), Err(CertificateError::UnknownSigner { .. })));
        assert!(matches!(check(certificate(&[1, 2, 2])), Err(CertificateError::RepeatedSigner { .. })));
        let mut forged = certificate(&[1, 2, 3]);
        forged.signatures[0].signature = Ed25519Signature([7; 64]);
        assert!(matches!(check(forged), Err(CertificateError::Signature { .. })));
    }
}
