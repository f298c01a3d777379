//! Many signatures over one digest become one certificate that the parent can check.

use bls_signatures::Serialize as _;
use bls12_381::{G1Affine, G1Projective};
use engine_api::SignedExtension;
use subnet_types::membership::is_quorum;
use subnet_types::{BlsPublicKey, BlsSignature, Digest, Power, QuorumCertificate, ValidatorSet};

use super::sign::verify;

/// Why extensions make no certificate. Not a fault of this node: with more of them they may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyError {
    /// Too little power signed.
    #[error("validators with power {signed} signed the digest, more than 2/3 of {total} is needed")]
    BelowQuorum {
        /// Power of the valid signatures.
        signed: Power,
        /// Power of the set.
        total: Power,
    },
    /// A signer's key is no point of the curve.
    #[error("a signer's key is not a point of BLS12-381's G1")]
    Keys,
    /// The signatures do not add up.
    #[error("aggregating {count} signatures failed: {reason}")]
    Aggregate {
        /// How many.
        count: usize,
        /// What the library said.
        reason: String,
    },
}

/// One validator's signature, by position in the set.
struct Share {
    index: usize,
    power: Power,
    key: BlsPublicKey,
    signature: BlsSignature,
}

/// The certificate that `extensions` make for `digest` under the configuration `validators`.
///
/// The engine checked each extension before it counted the vote, so one pairing over the sum is enough; only when
/// that fails are they looked at one by one and the wrong ones left out.
///
/// # Errors
/// When what is valid is no quorum.
pub fn assemble(
    validators: &ValidatorSet,
    digest: &Digest,
    extensions: &[SignedExtension],
) -> Result<QuorumCertificate, AssemblyError> {
    let mut shares = shares(validators, extensions);
    check_quorum(validators, &shares)?;
    let signature = aggregate(&shares)?;
    if let Some(sum) = key_sum(&shares).filter(|sum| verifies(sum, digest, &signature)) {
        return Ok(certificate(validators, &shares, sum, signature));
    }
    shares.retain(|share| verify(&share.key, digest, &share.signature));
    check_quorum(validators, &shares)?;
    let signature = aggregate(&shares)?;
    // Each of these keys verified a signature, so it is a point.
    let sum = key_sum(&shares).ok_or(AssemblyError::Keys)?;
    Ok(certificate(validators, &shares, sum, signature))
}

/// What could be a validator's signature, each validator once.
fn shares(validators: &ValidatorSet, extensions: &[SignedExtension]) -> Vec<Share> {
    let mut shares: Vec<Share> = extensions
        .iter()
        .filter_map(|extension| {
            let (index, validator) = validators.find(&extension.validator)?;
            let signature = BlsSignature::try_from(extension.extension.as_slice()).ok()?;
            Some(Share { index, power: validator.power, key: validator.checkpoint_key, signature })
        })
        .collect();
    shares.sort_by_key(|share| share.index);
    shares.dedup_by_key(|share| share.index);
    shares
}

fn check_quorum(validators: &ValidatorSet, shares: &[Share]) -> Result<(), AssemblyError> {
    let total = validators.total_power();
    let signed = Power::new(shares.iter().map(|share| share.power.get()).sum());
    if is_quorum(signed, total) { Ok(()) } else { Err(AssemblyError::BelowQuorum { signed, total }) }
}

fn aggregate(shares: &[Share]) -> Result<BlsSignature, AssemblyError> {
    let failed = |reason: String| AssemblyError::Aggregate { count: shares.len(), reason };
    let signatures = shares
        .iter()
        .map(|share| bls_signatures::Signature::from_bytes(share.signature.as_bytes()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    let sum = bls_signatures::aggregate(&signatures).map_err(|error| failed(error.to_string()))?;
    Ok(BlsSignature::try_from(sum.as_bytes().as_slice()).expect("a compressed point of G2 has 96 bytes"))
}

/// `None` when a key is no point.
fn key_sum(shares: &[Share]) -> Option<G1Affine> {
    let mut sum = G1Projective::identity();
    for share in shares {
        sum += Option::<G1Affine>::from(G1Affine::from_compressed(share.key.as_bytes()))?;
    }
    Some(G1Affine::from(sum))
}

/// Proofs of possession were checked when the validators joined, so the sum of their keys stands for all of them.
fn verifies(key_sum: &G1Affine, digest: &Digest, signature: &BlsSignature) -> bool {
    verify(&BlsPublicKey(key_sum.to_compressed()), digest, signature)
}

fn certificate(
    validators: &ValidatorSet,
    shares: &[Share],
    key_sum: G1Affine,
    signature: BlsSignature,
) -> QuorumCertificate {
    QuorumCertificate {
        configuration: validators.number(),
        signers: QuorumCertificate::bitmap(validators.len(), shares.iter().map(|share| share.index)),
        key_sum: key_sum.to_uncompressed().to_vec(),
        signature,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use subnet_types::{ConfigurationNumber, Ed25519Signature, Validator, VoteKey};

    fn key(seed: u8) -> bls_signatures::PrivateKey {
        bls_signatures::PrivateKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn set(size: u8) -> ValidatorSet {
        let validators = (1..=size)
            .map(|seed| Validator {
                owner: Address::new_actor(&[seed]),
                vote_key: VoteKey([seed; 32]),
                checkpoint_key: BlsPublicKey::try_from(key(seed).public_key().as_bytes().as_slice()).unwrap(),
                power: Power::new(1),
            })
            .collect();
        ValidatorSet::new(ConfigurationNumber::new(3), validators).unwrap()
    }

    fn extension(seed: u8, digest: &Digest) -> SignedExtension {
        SignedExtension {
            validator: VoteKey([seed; 32]),
            extension: key(seed).sign(digest.as_bytes()).as_bytes(),
            signature: Ed25519Signature([0; 64]),
        }
    }

    // Not `verify_sum`: the oracle verifies the aggregate the long way, with each key.
    fn holds(certificate: &QuorumCertificate, size: u8, digest: &Digest) -> bool {
        let signature = bls_signatures::Signature::from_bytes(certificate.signature.as_bytes()).unwrap();
        let signers: Vec<u8> = (1..=size).filter(|seed| certificate.is_signer(usize::from(seed - 1))).collect();
        let shares: Vec<_> = signers.iter().map(|seed| key(*seed).sign(digest.as_bytes())).collect();
        bls_signatures::aggregate(&shares).unwrap() == signature
    }

    #[test]
    fn quorum_of_signatures_makes_a_certificate_of_its_signers() {
        let digest = Digest([5; 32]);
        let extensions: Vec<_> = [4, 1, 2].iter().map(|seed| extension(*seed, &digest)).collect();
        let certificate = assemble(&set(4), &digest, &extensions).unwrap();
        assert_eq!(certificate.configuration, ConfigurationNumber::new(3));
        assert_eq!(certificate.signers, vec![0b1011]);
        assert!(certificate.is_bitmap_for(4) && holds(&certificate, 4, &digest));
    }

    #[test]
    fn two_of_four_are_no_quorum_and_repeats_count_once() {
        let digest = Digest([5; 32]);
        let extensions: Vec<_> = [1, 2, 2].iter().map(|seed| extension(*seed, &digest)).collect();
        let error = assemble(&set(4), &digest, &extensions).unwrap_err();
        assert_eq!(error, AssemblyError::BelowQuorum { signed: Power::new(2), total: Power::new(4) });
    }

    #[test]
    fn wrong_signature_is_left_out_when_the_rest_is_a_quorum() {
        let (digest, other) = (Digest([5; 32]), Digest([6; 32]));
        let mut extensions: Vec<_> = (1..=4).map(|seed| extension(seed, &digest)).collect();
        extensions[1] = extension(2, &other);
        let certificate = assemble(&set(4), &digest, &extensions).unwrap();
        assert_eq!(certificate.signers, vec![0b1101]);
        assert!(holds(&certificate, 4, &digest));
        extensions[2] = extension(3, &other);
        assert!(matches!(assemble(&set(4), &digest, &extensions), Err(AssemblyError::BelowQuorum { .. })));
    }

    #[test]
    fn strangers_and_malformed_extensions_do_not_count() {
        let digest = Digest([5; 32]);
        let mut extensions: Vec<_> = (1..=3).map(|seed| extension(seed, &digest)).collect();
        extensions[0].validator = VoteKey([9; 32]);
        assert!(matches!(assemble(&set(4), &digest, &extensions), Err(AssemblyError::BelowQuorum { .. })));
        let mut extensions: Vec<_> = (1..=3).map(|seed| extension(seed, &digest)).collect();
        extensions[0].extension.pop();
        assert!(matches!(assemble(&set(4), &digest, &extensions), Err(AssemblyError::BelowQuorum { .. })));
    }
}
