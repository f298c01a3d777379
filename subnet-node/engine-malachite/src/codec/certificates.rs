//! Certificates: many signatures over one fact.

use arc_malachitebft_app_channel::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, PolkaCertificate, PolkaSignature, Round, RoundCertificate,
    RoundCertificateType, RoundSignature,
};
use proto::convert::{self, FieldError};
use proto::{consensus as wire, sync as sync_wire};

use super::consensus::{
    choice_from_proto, choice_to_proto, extension_from_proto, extension_to_proto, kind_from_proto, kind_to_proto,
};
use super::{bounded, key_bytes, signature_bytes};
use crate::context::{Address, At, BlockId, Chain, number};

pub(super) fn polka_to_proto(certificate: &PolkaCertificate<Chain>) -> wire::PolkaCertificate {
    let signatures = certificate.polka_signatures.iter().map(|entry| wire::ValidatorSignature {
        validator: key_bytes(&entry.address.0),
        signature: signature_bytes(&entry.signature),
    });
    wire::PolkaCertificate {
        height: certificate.height.0,
        round: number(certificate.round),
        block: convert::block_id_bytes(&certificate.value_id.0),
        signatures: signatures.collect(),
    }
}

pub(super) fn polka_from_proto(certificate: wire::PolkaCertificate) -> Result<PolkaCertificate<Chain>, FieldError> {
    let signatures = bounded("polka.signatures", certificate.signatures)?.into_iter().map(|entry| {
        let address = Address(convert::vote_key("polka.validator", &entry.validator)?);
        Ok(PolkaSignature::new(address, convert::signature("polka.signature", &entry.signature)?))
    });
    Ok(PolkaCertificate {
        height: At::from(convert::height("polka.height", certificate.height)?),
        round: Round::new(convert::round("polka.round", certificate.round)?),
        value_id: BlockId(convert::block_id("polka.block", &certificate.block)?),
        polka_signatures: signatures.collect::<Result<_, FieldError>>()?,
    })
}

pub(super) fn round_to_proto(certificate: &RoundCertificate<Chain>) -> wire::RoundCertificate {
    let votes = certificate.round_signatures.iter().map(|entry| wire::RoundVote {
        kind: kind_to_proto(entry.vote_type),
        block: choice_to_proto(&entry.value_id),
        validator: key_bytes(&entry.address.0),
        signature: signature_bytes(&entry.signature),
    });
    wire::RoundCertificate {
        height: certificate.height.0,
        round: number(certificate.round),
        kind: match certificate.cert_type {
            RoundCertificateType::Skip => 1,
            RoundCertificateType::Precommit => 2,
        },
        votes: votes.collect(),
    }
}

pub(super) fn round_from_proto(certificate: wire::RoundCertificate) -> Result<RoundCertificate<Chain>, FieldError> {
    let cert_type = match certificate.kind {
        1 => RoundCertificateType::Skip,
        2 => RoundCertificateType::Precommit,
        other => return Err(FieldError::new("round.kind", format!("{other} is neither skip (1) nor precommit (2)"))),
    };
    let votes = bounded("round.votes", certificate.votes)?.into_iter().map(|entry| {
        Ok(RoundSignature::new(
            kind_from_proto(entry.kind)?,
            choice_from_proto(entry.block)?,
            Address(convert::vote_key("round.validator", &entry.validator)?),
            convert::signature("round.signature", &entry.signature)?,
        ))
    });
    Ok(RoundCertificate {
        height: At::from(convert::height("round.height", certificate.height)?),
        round: Round::new(convert::round("round.round", certificate.round)?),
        cert_type,
        round_signatures: votes.collect::<Result<_, FieldError>>()?,
    })
}

pub(super) fn commit_to_proto(certificate: &ExtendedCommitCertificate<Chain>) -> sync_wire::CommitCertificate {
    let signatures = certificate.commit_signatures.iter().map(|entry| sync_wire::CommitSignature {
        validator: key_bytes(&entry.address.0),
        signature: signature_bytes(&entry.signature),
        extension: entry.extension.as_ref().map(extension_to_proto),
    });
    sync_wire::CommitCertificate {
        height: certificate.height.0,
        round: number(certificate.round),
        block: convert::block_id_bytes(&certificate.value_id.0),
        signatures: signatures.collect(),
    }
}

pub(super) fn commit_from_proto(
    certificate: sync_wire::CommitCertificate,
) -> Result<ExtendedCommitCertificate<Chain>, FieldError> {
    let signatures = bounded("certificate.signatures", certificate.signatures)?.into_iter().map(|entry| {
        Ok(ExtendedCommitSignature::new(
            Address(convert::vote_key("certificate.validator", &entry.validator)?),
            convert::signature("certificate.signature", &entry.signature)?,
            entry.extension.map(extension_from_proto).transpose()?,
        ))
    });
    Ok(ExtendedCommitCertificate {
        height: At::from(convert::height("certificate.height", certificate.height)?),
        round: Round::new(convert::round("certificate.round", certificate.round)?),
        value_id: BlockId(convert::block_id("certificate.block", &certificate.block)?),
        commit_signatures: signatures.collect::<Result<_, FieldError>>()?,
    })
}
