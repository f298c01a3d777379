//! Streams in order, out of order, altered, endless and too many.

use super::*;
use proptest::prelude::*;
use subnet_types::hash::cid_of_bytes;
use subnet_types::{Digest, Ed25519Signature, Height, VoteKey};

use crate::context::HintsInit;

fn peer(seed: u8) -> PeerId {
    let seed = [seed; 32];
    let keypair = libp2p_identity::Keypair::ed25519_from_bytes(seed).unwrap();
    PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
}

fn init(bytes: usize) -> ProposalInit {
    ProposalInit {
        height: Height::new(1),
        round: 0,
        proposer: VoteKey([1; 32]),
        block: cid_of_bytes(b"block"),
        bytes: bytes as u64,
        signature: Ed25519Signature([0; 64]),
        hints: None,
    }
}

/// An announcement of a block and hints.
fn hinted(bytes: usize, hints: usize) -> ProposalInit {
    let signature = Ed25519Signature([0; 64]);
    let hints = HintsInit { bytes: hints as u64, digest: Digest([0; 32]), signature };
    ProposalInit { hints: Some(hints), ..init(bytes) }
}

fn parts(encoded: &[u8], stream: u8) -> Vec<StreamMessage<ProposalPart>> {
    let id = StreamId::new(Bytes::copy_from_slice(&[stream]));
    split(init(encoded.len()), Bytes::copy_from_slice(encoded), Bytes::new(), id).collect()
}

fn counted(length: usize, from: usize) -> Bytes {
    (from..from + length).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<u8>>().into()
}

fn feed(streams: &mut Streams, parts: impl IntoIterator<Item = StreamMessage<ProposalPart>>) -> Vec<Progress> {
    parts.into_iter().filter_map(|part| streams.accept(peer(1), Some(peer(2)), part, |_| Ok(())).ok()).collect()
}

fn completed(progress: &[Progress]) -> Option<&Bytes> {
    progress.iter().find_map(|step| match step {
        Progress::Complete(_, bytes, _) => Some(bytes),
        Progress::Waiting => None,
    })
}

proptest! {
    #[test]
    fn parts_in_nearly_any_order_give_the_block_back(
        length in 1usize..6 * CHUNK_BYTES,
        swaps in proptest::collection::vec((0usize..8, 0usize..8), 0..8),
    ) {
        let encoded: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let mut parts = parts(&encoded, 1);
        let count = parts.len();
        for (a, b) in swaps {
            parts.swap(a % count, b % count);
        }
        let mut streams = Streams::default();
        let progress = feed(&mut streams, parts);
        prop_assert_eq!(completed(&progress).map(|bytes| bytes.to_vec()), Some(encoded));
        prop_assert!(streams.open.is_empty());
    }
}

proptest! {
    #[test]
    fn hints_come_out_behind_the_block_in_nearly_any_order(
        block in 1usize..4 * CHUNK_BYTES,
        hints in 1usize..4 * CHUNK_BYTES,
        swaps in proptest::collection::vec((0usize..8, 0usize..8), 0..8),
    ) {
        let (init, block, hints) = (hinted(block, hints), counted(block, 0), counted(hints, 7));
        let id = StreamId::new(Bytes::from_static(b"a"));
        let mut parts: Vec<_> = split(init.clone(), block.clone(), hints.clone(), id).collect();
        let count = parts.len();
        for (a, b) in swaps {
            parts.swap(a % count, b % count);
        }
        let mut streams = Streams::default();
        let progress = feed(&mut streams, parts);
        prop_assert_eq!(progress.last(), Some(&Progress::Complete(init, block, hints)));
        prop_assert!(streams.open.is_empty());
    }
}

#[test]
fn chunks_of_hints_have_their_places_too() {
    let (block, hints) = (CHUNK_BYTES + 10, CHUNK_BYTES + 20);
    let chunk = |sequence, length: usize| {
        let content = StreamContent::Data(ProposalPart::Chunk(vec![0; length].into()));
        StreamMessage::new(StreamId::new(Bytes::from_static(b"a")), sequence, content)
    };
    let announcement = StreamContent::Data(ProposalPart::Init(hinted(block, hints)));
    let announcement = StreamMessage::new(StreamId::new(Bytes::from_static(b"a")), 0, announcement);
    let after_announcement = |part| {
        let mut streams = Streams::default();
        assert_eq!(streams.accept(peer(1), None, announcement.clone(), |_| Ok(())), Ok(Progress::Waiting));
        streams.accept(peer(1), None, part, |_| Ok(()))
    };
    for (sequence, length) in [(1, CHUNK_BYTES), (2, 10), (3, CHUNK_BYTES), (4, 20)] {
        assert_eq!(after_announcement(chunk(sequence, length)), Ok(Progress::Waiting));
    }
    for (sequence, length) in [(2, 20), (3, 10), (4, 10), (4, CHUNK_BYTES), (5, 1), (u64::MAX, 20)] {
        let dropped = after_announcement(chunk(sequence, length));
        assert!(matches!(dropped, Err(Drop::OutOfPlace { .. })), "{sequence}: {dropped:?}");
    }
    // The block alone is not all that was announced.
    let mut streams = Streams::default();
    let parts = [announcement, chunk(1, CHUNK_BYTES), chunk(2, 10)];
    assert_eq!(feed(&mut streams, parts), [Progress::Waiting, Progress::Waiting, Progress::Waiting]);
}

#[test]
fn a_refused_announcement_ends_the_stream_and_keeps_nothing() {
    let mut streams = Streams::default();
    let parts = parts(&[1; 300_000], 1);
    let first = streams.accept(peer(1), None, parts[0].clone(), |_| Err(Refusal::fault("not the proposer")));
    assert_eq!(first, Err(Drop::Refused(Refusal::fault("not the proposer"))));
    assert!(first.unwrap_err().is_fault());
    assert_eq!(streams.accept(peer(1), None, parts[1].clone(), |_| Ok(())), Err(Drop::Ended));
    assert!(streams.open.is_empty());
}

#[test]
fn parts_that_do_not_fit_the_announcement_are_dropped() {
    let parts = parts(&[1; 300_000], 1);
    let chunk = |sequence, length: usize| {
        let content = StreamContent::Data(ProposalPart::Chunk(vec![0; length].into()));
        StreamMessage::new(parts[0].stream_id.clone(), sequence, content)
    };
    let after_announcement = |part| {
        let mut streams = Streams::default();
        assert_eq!(streams.accept(peer(1), None, parts[0].clone(), |_| Ok(())), Ok(Progress::Waiting));
        streams.accept(peer(1), None, part, |_| Ok(()))
    };
    assert_eq!(after_announcement(chunk(1, CHUNK_BYTES)), Ok(Progress::Waiting));
    assert!(matches!(after_announcement(chunk(1, 10)), Err(Drop::OutOfPlace { sequence: 1, .. })));
    assert!(matches!(after_announcement(chunk(4, 10)), Err(Drop::OutOfPlace { sequence: 4, .. })));
    assert!(matches!(after_announcement(chunk(0, 10)), Err(Drop::OutOfPlace { sequence: 0, .. })));
    assert!(matches!(after_announcement(chunk(u64::MAX, 10)), Err(Drop::OutOfPlace { .. })));
    assert!(matches!(after_announcement(parts[0].clone()), Err(Drop::OutOfPlace { sequence: 0, .. })));
}

#[test]
fn impossible_lengths_are_refused_before_anything_is_kept() {
    let refused = |init: ProposalInit, what, bytes: usize, max| {
        let id = StreamId::new(Bytes::from_static(&[1]));
        let message = StreamMessage::new(id, 0, StreamContent::Data(ProposalPart::Init(init)));
        let result = Streams::default().accept(peer(1), None, message, |_| Ok(()));
        assert_eq!(result, Err(Drop::Length { what, bytes: bytes as u64, max }));
    };
    for bytes in [0, BLOCK_BYTES_MAX + 1] {
        refused(init(bytes), "a block", bytes, BLOCK_BYTES_MAX);
    }
    for bytes in [0, HINT_BYTES_MAX + 1] {
        refused(hinted(100, bytes), "hints", bytes, HINT_BYTES_MAX);
    }
}

#[test]
fn a_flood_without_announcements_stays_small_and_does_not_touch_another_neighbour() {
    let mut streams = Streams::default();
    let honest = parts(&[1; 300_000], 0);
    assert_eq!(streams.accept(peer(9), None, honest[0].clone(), |_| Ok(())), Ok(Progress::Waiting));
    for stream in 1..=200u8 {
        for part in parts(&vec![1; 20 * CHUNK_BYTES], stream).into_iter().skip(1) {
            streams.accept(peer(1), Some(peer(stream)), part, |_| Ok(())).ok();
        }
    }
    assert!(streams.of(peer(1)).count() <= STREAMS_PER_NEIGHBOUR_MAX);
    let buffered: usize = streams.of(peer(1)).map(|stream| stream.bytes).sum();
    assert!(buffered <= STREAMS_PER_NEIGHBOUR_MAX * EARLY_PARTS_MAX * CHUNK_BYTES);
    let mut last = Ok(Progress::Waiting);
    for part in honest.into_iter().skip(1).take(3) {
        last = streams.accept(peer(9), None, part, |_| Ok(()));
    }
    assert!(matches!(last, Ok(Progress::Complete(..))));
}

#[test]
fn one_neighbour_cannot_buffer_more_than_its_share() {
    let mut streams = Streams::default();
    let encoded = vec![1; BLOCK_BYTES_MAX];
    for stream in 0..8 {
        let mut parts = parts(&encoded, stream);
        parts.remove(1); // never completes
        feed(&mut streams, parts);
    }
    let buffered: usize = streams.of(peer(1)).map(|stream| stream.bytes).sum();
    assert!(buffered <= BYTES_PER_NEIGHBOUR_MAX, "{buffered} bytes");
}

#[test]
fn streams_of_a_height_that_is_over_are_forgotten() {
    let mut streams = Streams::default();
    feed(&mut streams, parts(&[1; 300_000], 1).into_iter().take(2));
    streams.retain(|init| init.height > Height::new(1));
    assert!(streams.open.is_empty());
}
