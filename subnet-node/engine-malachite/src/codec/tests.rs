//! Round trips of every message, and garbage.

use arc_malachitebft_app_channel::app::consensus::LivenessMsg;
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::codec::{Codec, HasEncodedLen as _};
use arc_malachitebft_app_channel::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature, Round,
    RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, ValidatorProof, Validity, VoteType,
};
use arc_malachitebft_app_channel::app::types::sync::{RawDecidedValue, Request, Response, Status};
use arc_malachitebft_app_channel::app::types::{PeerId, ProposedValue, SignedConsensusMsg};
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use bytes::Bytes;
use proptest::prelude::*;
use subnet_types::hash::cid_of_bytes;
use subnet_types::{Digest, Ed25519Signature, Height, VoteKey};

use super::{DecodeError, EXTENSION_BYTES_MAX, WireCodec};
use crate::config::SYNC_BATCH;
use crate::context::{Address, At, BlockId, Chain, HintsInit, Proposal, ProposalInit, ProposalPart, Vote};
use crate::streaming::CHUNK_BYTES;

fn key(seed: u8) -> Address {
    Address(VoteKey([seed; 32]))
}

fn signature(seed: u8) -> Ed25519Signature {
    Ed25519Signature([seed; 64])
}

fn block(seed: u8) -> BlockId {
    BlockId(cid_of_bytes(&[seed]))
}

fn vote(kind: VoteType, value: NilOrVal<BlockId>, extension: Option<Bytes>) -> SignedMessage<Chain, Vote> {
    let extension = extension.map(|extension| SignedMessage::new(extension, signature(8)));
    let vote = Vote { kind, height: At(7), round: Round::new(2), value, address: key(1), extension };
    SignedMessage::new(vote, signature(9))
}

fn proposal(pol_round: Round) -> SignedConsensusMsg<Chain> {
    let proposal = Proposal { height: At(7), round: Round::new(3), value: block(1), pol_round, address: key(2) };
    SignedConsensusMsg::Proposal(SignedMessage::new(proposal, signature(3)))
}

fn polka() -> PolkaCertificate<Chain> {
    let polka_signatures = (0..4).map(|seed| PolkaSignature::new(key(seed), signature(seed))).collect();
    PolkaCertificate { height: At(7), round: Round::new(1), value_id: block(1), polka_signatures }
}

fn round_certificate() -> RoundCertificate<Chain> {
    let entry = |seed: u8| {
        let value = if seed == 0 { NilOrVal::Nil } else { NilOrVal::Val(block(seed)) };
        RoundSignature::new(VoteType::Precommit, value, key(seed), signature(seed))
    };
    RoundCertificate {
        height: At(7),
        round: Round::new(1),
        cert_type: RoundCertificateType::Skip,
        round_signatures: (0..3).map(entry).collect(),
    }
}

fn init() -> ProposalInit {
    ProposalInit {
        height: Height::new(7),
        round: 1,
        proposer: key(1).0,
        block: block(1).0,
        bytes: 100,
        signature: signature(1),
        hints: None,
    }
}

fn init_with_hints() -> ProposalInit {
    let hints = HintsInit { bytes: 200, digest: Digest([5; 32]), signature: signature(2) };
    ProposalInit { hints: Some(hints), ..init() }
}

fn decided(signers: u8) -> RawDecidedValue<Chain> {
    let extension =
        |seed: u8| seed.is_multiple_of(2).then(|| SignedMessage::new(vec![seed; 96].into(), signature(seed)));
    let entry = |seed| ExtendedCommitSignature::new(key(seed), signature(seed), extension(seed));
    let certificate = ExtendedCommitCertificate {
        height: At(7),
        round: Round::new(0),
        value_id: block(1),
        commit_signatures: (0..signers).map(entry).collect(),
    };
    RawDecidedValue::new(Bytes::from_static(b"a block"), certificate)
}

fn response(values: usize) -> Response<Chain> {
    Response::ValueResponse(ValueResponse::new(At(7), vec![decided(4); values]))
}

fn peer() -> PeerId {
    let keypair = libp2p_identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
    PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
}

/// Encodes, decodes and compares; and checks that no shortened form decodes to the same message.
fn round_trip<T: PartialEq + std::fmt::Debug>(message: T)
where
    WireCodec: Codec<T, Error = DecodeError>,
{
    let bytes = WireCodec.encode(&message).unwrap();
    let decoded: T = WireCodec.decode(bytes.clone()).unwrap();
    assert_eq!(decoded, message);
    for length in 0..bytes.len().min(600) {
        let shorter: Result<T, DecodeError> = WireCodec.decode(bytes.slice(..length));
        assert!(shorter.map_or(true, |shorter| shorter != message), "{length} of {} bytes suffice", bytes.len());
    }
}

#[test]
fn every_message_round_trips() {
    let precommit = vote(VoteType::Precommit, NilOrVal::Val(block(2)), Some(Bytes::from_static(&[4; 96])));
    let prevote = vote(VoteType::Prevote, NilOrVal::Nil, None);
    for vote in [precommit.clone(), prevote] {
        round_trip(SignedConsensusMsg::Vote(vote));
    }
    round_trip(proposal(Round::Nil));
    round_trip(proposal(Round::new(0)));
    round_trip(LivenessMsg::Vote(precommit));
    round_trip(LivenessMsg::PolkaCertificate(polka()));
    round_trip(LivenessMsg::SkipRoundCertificate(round_certificate()));
    round_trip(polka());
    round_trip(ValidatorProof::<Chain>::new(vec![1; 32], vec![2; 38], signature(3)));
    round_trip(Status::<Chain> { peer_id: peer(), tip_height: At(9), history_min_height: At(1) });
    round_trip(Request::<Chain>::ValueRequest(ValueRequest::new(At(3)..=At(9))));
    for part in [init(), init_with_hints()]
        .map(ProposalPart::Init)
        .into_iter()
        .chain([ProposalPart::Chunk(Bytes::from_static(&[1, 2, 3]))])
    {
        round_trip(part.clone());
        round_trip(StreamMessage::new(StreamId::new(Bytes::from_static(b"id")), 5, StreamContent::Data(part)));
    }
    round_trip(StreamMessage::<ProposalPart>::new(StreamId::new(Bytes::new()), 6, StreamContent::Fin));
    for validity in [Validity::Valid, Validity::Invalid] {
        round_trip(ProposedValue::<Chain> {
            height: At(7),
            round: Round::new(1),
            valid_round: Round::Nil,
            proposer: key(1),
            value: block(1),
            validity,
        });
    }
}

#[test]
fn a_response_round_trips_and_its_length_is_foretold() {
    for values in [0, 1, SYNC_BATCH] {
        let response = response(values);
        let bytes = WireCodec.encode(&response).unwrap();
        assert_eq!(WireCodec.encoded_len(&response).unwrap(), bytes.len());
        let decoded: Response<Chain> = WireCodec.decode(bytes).unwrap();
        assert_eq!(decoded, response);
    }
}

#[test]
fn more_values_signers_and_bytes_than_allowed_are_refused() {
    let decode = |bytes: Bytes| -> Result<Response<Chain>, DecodeError> { WireCodec.decode(bytes) };
    decode(WireCodec.encode(&response(SYNC_BATCH + 1)).unwrap()).unwrap_err();

    let mut certificate = polka();
    certificate.polka_signatures = vec![certificate.polka_signatures[0].clone(); 257];
    let result: Result<PolkaCertificate<Chain>, _> = WireCodec.decode(WireCodec.encode(&certificate).unwrap());
    result.unwrap_err();

    let extension = Some(Bytes::from(vec![0; EXTENSION_BYTES_MAX + 1]));
    let message = SignedConsensusMsg::Vote(vote(VoteType::Precommit, NilOrVal::Val(block(1)), extension));
    let result: Result<SignedConsensusMsg<Chain>, _> = WireCodec.decode(WireCodec.encode(&message).unwrap());
    result.unwrap_err();

    let chunk = ProposalPart::Chunk(vec![0; CHUNK_BYTES + 1].into());
    let result: Result<ProposalPart, _> = WireCodec.decode(WireCodec.encode(&chunk).unwrap());
    result.unwrap_err();
}

#[test]
fn a_full_certificate_of_the_largest_set_fits() {
    let mut certificate = polka();
    certificate.polka_signatures = vec![certificate.polka_signatures[0].clone(); 256];
    round_trip(LivenessMsg::PolkaCertificate(certificate));
    let mut votes = round_certificate();
    votes.round_signatures = vec![votes.round_signatures[1].clone(); 256];
    round_trip(LivenessMsg::SkipRoundCertificate(votes));
    let response = Response::<Chain>::ValueResponse(ValueResponse::new(At(7), vec![decided(255)]));
    let decoded: Response<Chain> = WireCodec.decode(WireCodec.encode(&response).unwrap()).unwrap();
    assert_eq!(decoded, response);
}

#[test]
fn numbers_that_would_overflow_the_engine_are_refused() {
    let status = Status::<Chain> { peer_id: peer(), tip_height: At(u64::MAX), history_min_height: At(1) };
    let result: Result<Status<Chain>, _> = WireCodec.decode(WireCodec.encode(&status).unwrap());
    result.unwrap_err();
    let SignedConsensusMsg::Proposal(mut message) = proposal(Round::Nil) else { unreachable!() };
    message.message.round = Round::new(u32::MAX);
    let bytes = WireCodec.encode(&SignedConsensusMsg::Proposal(message)).unwrap();
    let result: Result<SignedConsensusMsg<Chain>, _> = WireCodec.decode(bytes);
    result.unwrap_err();
}

fn decode_as_everything(bytes: &Bytes) {
    fn read<T>(bytes: &Bytes)
    where
        WireCodec: Codec<T, Error = DecodeError>,
    {
        let decoded: Result<T, DecodeError> = WireCodec.decode(bytes.clone());
        if let Ok(message) = decoded {
            WireCodec.encode(&message).unwrap();
        }
    }
    read::<SignedConsensusMsg<Chain>>(bytes);
    read::<LivenessMsg<Chain>>(bytes);
    read::<PolkaCertificate<Chain>>(bytes);
    read::<ValidatorProof<Chain>>(bytes);
    read::<Status<Chain>>(bytes);
    read::<Request<Chain>>(bytes);
    read::<Response<Chain>>(bytes);
    read::<ProposalPart>(bytes);
    read::<StreamMessage<ProposalPart>>(bytes);
    read::<ProposedValue<Chain>>(bytes);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes.clone().into());
        bytes.insert(0, 1);
        decode_as_everything(&bytes.into());
    }

    #[test]
    fn damaged_messages_never_panic(position in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let messages = [
            WireCodec.encode(&SignedConsensusMsg::Vote(vote(VoteType::Precommit, NilOrVal::Val(block(2)), None))),
            WireCodec.encode(&LivenessMsg::SkipRoundCertificate(round_certificate())),
            WireCodec.encode(&response(2)),
            WireCodec.encode(&ProposalPart::Init(init())),
            WireCodec.encode(&ProposalPart::Init(init_with_hints())),
        ];
        for message in messages {
            let mut bytes = message.unwrap().to_vec();
            let position = position % bytes.len();
            bytes[position] = byte;
            bytes.truncate(1 + cut % bytes.len());
            decode_as_everything(&bytes.into());
        }
    }
}
