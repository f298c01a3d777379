//! Our certificates and Malachite's, in both directions.

use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, Round, SignedMessage, VoteExtensions,
};
use engine_api::SignedExtension;
use subnet_types::FinalityCertificate;
use subnet_types::vote::CommitSignature;

use crate::context::{Address, At, BlockId, Chain, number};

/// The certificate in our form.
pub(crate) fn certificate(certificate: &CommitCertificate<Chain>) -> FinalityCertificate {
    let signatures = certificate
        .commit_signatures
        .iter()
        .map(|entry| CommitSignature { validator: entry.address.0, signature: entry.signature })
        .collect();
    FinalityCertificate {
        height: certificate.height.height(),
        round: number(certificate.round),
        block: certificate.value_id.0,
        signatures,
    }
}

/// The extensions of the validators that signed `certificate`, in our form. Others cannot be bound to a precommit
/// in it and are left out.
pub(crate) fn extensions(
    certificate: &CommitCertificate<Chain>,
    extensions: &VoteExtensions<Chain>,
) -> Vec<SignedExtension> {
    let signed = |address: &Address| certificate.commit_signatures.iter().any(|entry| entry.address == *address);
    extensions
        .extensions
        .iter()
        .filter(|(address, _)| signed(address))
        .map(|(address, extension)| SignedExtension {
            validator: address.0,
            extension: extension.message.to_vec(),
            signature: extension.signature,
        })
        .collect()
}

/// What a peer that syncs needs: the certificate with each signer's extension beside its signature.
pub(crate) fn extended(
    certificate: &FinalityCertificate,
    extensions: Vec<SignedExtension>,
) -> ExtendedCommitCertificate<Chain> {
    let extension_of = |signature: &CommitSignature| {
        let entry = extensions.iter().find(|entry| entry.validator == signature.validator)?;
        Some(SignedMessage::new(entry.extension.clone().into(), entry.signature))
    };
    let mut commit_signatures: Vec<_> = certificate
        .signatures
        .iter()
        .map(|entry| ExtendedCommitSignature::new(Address(entry.validator), entry.signature, extension_of(entry)))
        .collect();
    commit_signatures.sort_by_key(|entry| entry.address);
    ExtendedCommitCertificate {
        height: At::from(certificate.height),
        round: Round::new(certificate.round),
        value_id: BlockId(certificate.block),
        commit_signatures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of_bytes;
    use subnet_types::{Ed25519Signature, Height, VoteKey};

    fn ours(signers: &[u8]) -> FinalityCertificate {
        FinalityCertificate {
            height: Height::new(3),
            round: 2,
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

    fn extension(seed: u8) -> SignedExtension {
        SignedExtension {
            validator: VoteKey([seed; 32]),
            extension: vec![seed; 96],
            signature: Ed25519Signature([seed; 64]),
        }
    }

    #[test]
    fn certificates_and_extensions_survive_both_directions() {
        let theirs = extended(&ours(&[1, 2, 3]), vec![extension(1), extension(3)]);
        let (trimmed, attached) = (theirs.trim_vote_extensions(), theirs.vote_extensions());
        assert_eq!(certificate(&trimmed), ours(&[1, 2, 3]));
        assert_eq!(extensions(&trimmed, &attached), vec![extension(1), extension(3)]);
    }

    #[test]
    fn an_extension_without_a_signature_in_the_certificate_is_left_out() {
        let theirs = extended(&ours(&[1, 2]), vec![extension(1), extension(9)]);
        assert_eq!(theirs.vote_extensions().extensions.len(), 1);
        let all = extended(&ours(&[1, 2, 3]), vec![extension(1), extension(3)]).vote_extensions();
        assert_eq!(extensions(&theirs.trim_vote_extensions(), &all), vec![extension(1)]);
    }
}
