//! Parts of proposed blocks, and the streams they travel in.

use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use proto::consensus as wire;
use proto::convert::{self, FieldError};

use super::{codec, key_bytes, signature_bytes};
use crate::context::{HintsInit, ProposalInit, ProposalPart};
use crate::streaming::{CHUNK_BYTES, STREAM_ID_BYTES_MAX};

/// Bytes of a part with its stream's id and framing.
pub(crate) const PART_BYTES_MAX: usize = CHUNK_BYTES + 1024;

/// The announcement as a message.
pub(crate) fn init_to_proto(init: &ProposalInit) -> wire::ProposalInit {
    wire::ProposalInit {
        height: init.height.get(),
        round: init.round,
        proposer: key_bytes(&init.proposer),
        block: convert::block_id_bytes(&init.block),
        bytes: init.bytes,
        signature: signature_bytes(&init.signature),
        hints: init.hints.as_ref().map(|hints| wire::HintsInit {
            bytes: hints.bytes,
            digest: convert::bytes_of(hints.digest.as_bytes()),
            signature: signature_bytes(&hints.signature),
        }),
    }
}

/// The announcement in a message.
///
/// # Errors
/// Which field is wrong.
pub(crate) fn init_from_proto(init: wire::ProposalInit) -> Result<ProposalInit, FieldError> {
    Ok(ProposalInit {
        height: convert::height("init.height", init.height)?,
        round: convert::round("init.round", init.round)?,
        proposer: convert::vote_key("init.proposer", &init.proposer)?,
        block: convert::block_id("init.block", &init.block)?,
        bytes: init.bytes,
        signature: convert::signature("init.signature", &init.signature)?,
        hints: init.hints.map(hints_from_proto).transpose()?,
    })
}

fn hints_from_proto(hints: wire::HintsInit) -> Result<HintsInit, FieldError> {
    Ok(HintsInit {
        bytes: hints.bytes,
        digest: convert::digest("init.hints.digest", &hints.digest)?,
        signature: convert::signature("init.hints.signature", &hints.signature)?,
    })
}

fn part_to_proto(part: &ProposalPart) -> wire::ProposalPart {
    use wire::proposal_part::Part;
    let part = match part {
        ProposalPart::Init(init) => Part::Init(init_to_proto(init)),
        ProposalPart::Chunk(bytes) => Part::Chunk(bytes.clone()),
    };
    wire::ProposalPart { part: Some(part) }
}

fn part_from_proto(part: wire::ProposalPart) -> Result<ProposalPart, FieldError> {
    use wire::proposal_part::Part;
    match convert::required("part", part.part)? {
        Part::Init(init) => init_from_proto(init).map(ProposalPart::Init),
        Part::Chunk(bytes) => convert::at_most("part.chunk", bytes, CHUNK_BYTES).map(ProposalPart::Chunk),
    }
}

codec!(ProposalPart, wire::ProposalPart, "proposal part", PART_BYTES_MAX, part_to_proto, part_from_proto);

fn stream_to_proto(message: &StreamMessage<ProposalPart>) -> wire::StreamMessage {
    use wire::stream_message::Content;
    let content = match &message.content {
        StreamContent::Data(part) => Content::Part(part_to_proto(part)),
        StreamContent::Fin => Content::End(wire::StreamEnd {}),
    };
    wire::StreamMessage { stream: message.stream_id.to_bytes(), sequence: message.sequence, content: Some(content) }
}

fn stream_from_proto(message: wire::StreamMessage) -> Result<StreamMessage<ProposalPart>, FieldError> {
    use wire::stream_message::Content;
    let stream = convert::at_most("stream", message.stream, STREAM_ID_BYTES_MAX)?;
    let content = match convert::required("stream.content", message.content)? {
        Content::Part(part) => StreamContent::Data(part_from_proto(part)?),
        Content::End(wire::StreamEnd {}) => StreamContent::Fin,
    };
    Ok(StreamMessage::new(StreamId::new(stream), message.sequence, content))
}

codec!(
    StreamMessage<ProposalPart>,
    wire::StreamMessage,
    "stream message",
    PART_BYTES_MAX,
    stream_to_proto,
    stream_from_proto
);
