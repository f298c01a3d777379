//! Votes, proposals and what rebroadcasts them.

use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::types::SignedConsensusMsg;
use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, SignedProposal, SignedVote, ValidatorProof, VoteType,
};
use bytes::Bytes;
use proto::consensus as wire;
use proto::convert::{self, FieldError};

use super::certificates::{polka_from_proto, polka_to_proto, round_from_proto, round_to_proto};
use super::{
    CERTIFICATE_BYTES_MAX, CONSENSUS_BYTES_MAX, EXTENSION_BYTES_MAX, GREETING_BYTES_MAX, codec, key_bytes,
    signature_bytes,
};
use crate::context::{Address, At, BlockId, Chain, Proposal, Vote, number};

pub(super) fn kind_to_proto(kind: VoteType) -> u32 {
    match kind {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}

pub(super) fn kind_from_proto(kind: u32) -> Result<VoteType, FieldError> {
    match kind {
        1 => Ok(VoteType::Prevote),
        2 => Ok(VoteType::Precommit),
        other => Err(FieldError::new("vote.kind", format!("{other} is neither prevote (1) nor precommit (2)"))),
    }
}

pub(super) fn choice_to_proto(choice: &NilOrVal<BlockId>) -> Option<Bytes> {
    match choice {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(convert::block_id_bytes(&block.0)),
    }
}

pub(super) fn choice_from_proto(block: Option<Bytes>) -> Result<NilOrVal<BlockId>, FieldError> {
    block.map_or(Ok(NilOrVal::Nil), |block| Ok(NilOrVal::Val(BlockId(convert::block_id("vote.block", &block)?))))
}

pub(super) fn extension_to_proto(extension: &SignedMessage<Chain, Bytes>) -> wire::SignedExtension {
    wire::SignedExtension { data: extension.message.clone(), signature: signature_bytes(&extension.signature) }
}

pub(super) fn extension_from_proto(
    extension: wire::SignedExtension,
) -> Result<SignedMessage<Chain, Bytes>, FieldError> {
    let data = convert::at_most("extension.data", extension.data, EXTENSION_BYTES_MAX)?;
    let signature = convert::signature("extension.signature", &extension.signature)?;
    Ok(SignedMessage::new(data, signature))
}

pub(super) fn vote_to_proto(vote: &SignedVote<Chain>) -> wire::SignedVote {
    let Vote { kind, height, round, value, address, extension } = &vote.message;
    wire::SignedVote {
        vote: Some(wire::Vote {
            kind: kind_to_proto(*kind),
            height: height.0,
            round: number(*round),
            block: choice_to_proto(value),
            validator: key_bytes(&address.0),
            extension: extension.as_ref().map(extension_to_proto),
        }),
        signature: signature_bytes(&vote.signature),
    }
}

pub(super) fn vote_from_proto(vote: wire::SignedVote) -> Result<SignedVote<Chain>, FieldError> {
    let signature = convert::signature("vote.signature", &vote.signature)?;
    let vote = convert::required("vote", vote.vote)?;
    let vote = Vote {
        kind: kind_from_proto(vote.kind)?,
        height: At::from(convert::height("vote.height", vote.height)?),
        round: Round::new(convert::round("vote.round", vote.round)?),
        value: choice_from_proto(vote.block)?,
        address: Address(convert::vote_key("vote.validator", &vote.validator)?),
        extension: vote.extension.map(extension_from_proto).transpose()?,
    };
    Ok(SignedMessage::new(vote, signature))
}

fn proposal_to_proto(proposal: &SignedProposal<Chain>) -> wire::SignedProposal {
    let Proposal { height, round, value, pol_round, address } = &proposal.message;
    wire::SignedProposal {
        proposal: Some(wire::Proposal {
            height: height.0,
            round: number(*round),
            block: convert::block_id_bytes(&value.0),
            polka_round: pol_round.as_u32(),
            validator: key_bytes(&address.0),
        }),
        signature: signature_bytes(&proposal.signature),
    }
}

pub(super) fn optional_round(field: &'static str, round: Option<u32>) -> Result<Round, FieldError> {
    round.map_or(Ok(Round::Nil), |round| Ok(Round::new(convert::round(field, round)?)))
}

fn proposal_from_proto(proposal: wire::SignedProposal) -> Result<SignedProposal<Chain>, FieldError> {
    let signature = convert::signature("proposal.signature", &proposal.signature)?;
    let proposal = convert::required("proposal", proposal.proposal)?;
    let proposal = Proposal {
        height: At::from(convert::height("proposal.height", proposal.height)?),
        round: Round::new(convert::round("proposal.round", proposal.round)?),
        value: BlockId(convert::block_id("proposal.block", &proposal.block)?),
        pol_round: optional_round("proposal.polka_round", proposal.polka_round)?,
        address: Address(convert::vote_key("proposal.validator", &proposal.validator)?),
    };
    Ok(SignedMessage::new(proposal, signature))
}

fn message_to_proto(message: &SignedConsensusMsg<Chain>) -> wire::ConsensusMessage {
    use wire::consensus_message::Message;
    let message = match message {
        SignedConsensusMsg::Vote(vote) => Message::Vote(vote_to_proto(vote)),
        SignedConsensusMsg::Proposal(proposal) => Message::Proposal(proposal_to_proto(proposal)),
    };
    wire::ConsensusMessage { message: Some(message) }
}

fn message_from_proto(message: wire::ConsensusMessage) -> Result<SignedConsensusMsg<Chain>, FieldError> {
    use wire::consensus_message::Message;
    match convert::required("message", message.message)? {
        Message::Vote(vote) => vote_from_proto(vote).map(SignedConsensusMsg::Vote),
        Message::Proposal(proposal) => proposal_from_proto(proposal).map(SignedConsensusMsg::Proposal),
    }
}

codec!(
    SignedConsensusMsg<Chain>,
    wire::ConsensusMessage,
    "consensus message",
    CONSENSUS_BYTES_MAX,
    message_to_proto,
    message_from_proto
);

fn liveness_to_proto(message: &LivenessMsg<Chain>) -> wire::LivenessMessage {
    use wire::liveness_message::Message;
    let message = match message {
        LivenessMsg::Vote(vote) => Message::Vote(vote_to_proto(vote)),
        LivenessMsg::PolkaCertificate(certificate) => Message::Polka(polka_to_proto(certificate)),
        LivenessMsg::SkipRoundCertificate(certificate) => Message::SkipRound(round_to_proto(certificate)),
    };
    wire::LivenessMessage { message: Some(message) }
}

fn liveness_from_proto(message: wire::LivenessMessage) -> Result<LivenessMsg<Chain>, FieldError> {
    use wire::liveness_message::Message;
    match convert::required("message", message.message)? {
        Message::Vote(vote) => vote_from_proto(vote).map(LivenessMsg::Vote),
        Message::Polka(certificate) => polka_from_proto(certificate).map(LivenessMsg::PolkaCertificate),
        Message::SkipRound(certificate) => round_from_proto(certificate).map(LivenessMsg::SkipRoundCertificate),
    }
}

codec!(
    LivenessMsg<Chain>,
    wire::LivenessMessage,
    "liveness message",
    CERTIFICATE_BYTES_MAX,
    liveness_to_proto,
    liveness_from_proto
);

fn proof_to_proto(proof: &ValidatorProof<Chain>) -> wire::ValidatorProof {
    wire::ValidatorProof {
        public_key: convert::bytes_of(&proof.public_key),
        peer_id: convert::bytes_of(&proof.peer_id),
        signature: signature_bytes(&proof.signature),
    }
}

fn proof_from_proto(proof: wire::ValidatorProof) -> Result<ValidatorProof<Chain>, FieldError> {
    let key = convert::vote_key("proof.public_key", &proof.public_key)?;
    let signature = convert::signature("proof.signature", &proof.signature)?;
    Ok(ValidatorProof::new(key.as_bytes().to_vec(), proof.peer_id.to_vec(), signature))
}

codec!(
    ValidatorProof<Chain>,
    wire::ValidatorProof,
    "validator proof",
    GREETING_BYTES_MAX,
    proof_to_proto,
    proof_from_proto
);
