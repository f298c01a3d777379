//! A block's wire form: the canonical header and the payload's items.

use bytes::{Bytes, BytesMut};
use subnet_types::block::decode_canonical;
use subnet_types::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX, SYNC_RESPONSE_BYTES_MAX};
use subnet_types::{BlockHeader, Payload};

use crate::consensus;
use crate::convert::FieldError;
use crate::envelope::{self, DecodeError};

/// Bytes of an encoded header. A header has about 400: six CIDs and digests of 38 bytes, three keys and digests of
/// 34, and numbers.
pub const HEADER_BYTES_MAX: usize = 2 * 1024;

/// Bytes of an encoded block: payload, up to four bytes of length for each item, header and framing.
pub const BLOCK_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4 * PAYLOAD_ITEMS_MAX + HEADER_BYTES_MAX + 64;

// Leaves room for a certificate of 256 validators with extensions (about 100 KiB).
const _: () = assert!(BLOCK_BYTES_MAX + 256 * 1024 < SYNC_RESPONSE_BYTES_MAX);

/// Encodes a block.
pub fn encode(header: &BlockHeader, payload: &Payload) -> Bytes {
    let mut items = BytesMut::with_capacity(payload.size_bytes());
    for item in &payload.items {
        items.extend_from_slice(item);
    }
    let item_bytes = payload
        .items
        .iter()
        .map(|item| {
            u32::try_from(item.len()).expect("an item is far below 4 GiB: it was built or parsed under a limit")
        })
        .collect();
    let header = subnet_types::hash::encode(header).into();
    envelope::encode(&consensus::Block { header, item_bytes, items: items.freeze() })
}

/// Decodes a block: its header is canonical, its payload within the limits and the one its header commits to. What
/// the items mean is the application's to judge.
///
/// # Errors
/// Why the bytes are no block.
pub fn decode(bytes: Bytes) -> Result<(BlockHeader, Payload), DecodeError> {
    let block: consensus::Block = envelope::decode("block", bytes, BLOCK_BYTES_MAX)?;
    if block.header.len() > HEADER_BYTES_MAX {
        let actual = block.header.len();
        return Err(DecodeError::TooLarge { message: "block header", actual, max: HEADER_BYTES_MAX });
    }
    let header: BlockHeader =
        decode_canonical(&block.header).map_err(|reason| FieldError::new("block.header", reason))?;
    let payload = payload(&block)?;
    let root = payload.root();
    if header.payload_root != root {
        let reason = format!("the header commits to the payload {}, this one is {root}", header.payload_root);
        return Err(FieldError::new("block.items", reason).into());
    }
    Ok((header, payload))
}

fn payload(block: &consensus::Block) -> Result<Payload, FieldError> {
    if block.item_bytes.len() > PAYLOAD_ITEMS_MAX {
        let reason = format!("{} items, at most {PAYLOAD_ITEMS_MAX} are allowed", block.item_bytes.len());
        return Err(FieldError::new("block.item_bytes", reason));
    }
    if block.items.len() > PAYLOAD_BYTES_MAX {
        let reason = format!("{} bytes, at most {PAYLOAD_BYTES_MAX} are allowed", block.items.len());
        return Err(FieldError::new("block.items", reason));
    }
    let mut rest: &[u8] = &block.items;
    let mut items = Vec::with_capacity(block.item_bytes.len());
    for (index, length) in block.item_bytes.iter().enumerate() {
        let cut = usize::try_from(*length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((item, after)) = cut else {
            let reason = format!("item {index} has {length} bytes, {} are left", rest.len());
            return Err(FieldError::new("block.item_bytes", reason));
        };
        items.push(item.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(FieldError::new("block.items", format!("{} bytes after the last item", rest.len())));
    }
    Ok(Payload { items })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::econ::TokenAmount;
    use proptest::prelude::*;
    use subnet_types::hash::cid_of_bytes;
    use subnet_types::{Digest, Height, TimestampMs, VoteKey};

    fn header(payload: &Payload) -> BlockHeader {
        BlockHeader {
            version: 1,
            chain: Digest([1; 32]),
            height: Height::new(7),
            parent: cid_of_bytes(b"parent"),
            timestamp: TimestampMs::new(9),
            proposer: VoteKey([2; 32]),
            payload_root: payload.root(),
            state_root: cid_of_bytes(b"state"),
            receipts_root: cid_of_bytes(b"receipts"),
            gas_used: 3,
            base_fee: TokenAmount::from_atto(100),
            validators_hash: Digest([3; 32]),
            next_validators_hash: Digest([4; 32]),
        }
    }

    #[test]
    fn the_largest_payload_fits_the_limit() {
        let mut items = vec![vec![0; PAYLOAD_BYTES_MAX / PAYLOAD_ITEMS_MAX]; PAYLOAD_ITEMS_MAX];
        items[0] = vec![7; PAYLOAD_BYTES_MAX / PAYLOAD_ITEMS_MAX];
        let payload = Payload { items };
        let bytes = encode(&header(&payload), &payload);
        assert!(bytes.len() <= BLOCK_BYTES_MAX, "{} bytes", bytes.len());
        assert_eq!(decode(bytes), Ok((header(&payload), payload)));
    }

    #[test]
    fn a_payload_of_another_header_is_refused() {
        let payload = Payload { items: vec![vec![1], vec![2]] };
        let other = Payload { items: vec![vec![2], vec![1]] };
        let error = decode(encode(&header(&payload), &other)).expect_err("the root differs");
        assert!(error.to_string().contains("commits to"), "{error}");
    }

    #[test]
    fn lengths_that_do_not_match_the_items_are_refused() {
        let payload = Payload { items: vec![vec![1, 2]] };
        let bytes = |item_bytes: Vec<u32>| {
            let header = subnet_types::hash::encode(&header(&payload)).into();
            envelope::encode(&consensus::Block { header, item_bytes, items: Bytes::from_static(&[1, 2]) })
        };
        decode(bytes(vec![2])).expect("matches");
        decode(bytes(vec![3])).expect_err("one byte too few");
        decode(bytes(vec![1])).expect_err("one byte too many");
        decode(bytes(vec![0; PAYLOAD_ITEMS_MAX + 1])).expect_err("too many items");
    }

    proptest! {
        #[test]
        fn blocks_round_trip(items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let payload = Payload { items };
            let bytes = encode(&header(&payload), &payload);
            prop_assert_eq!(decode(bytes), Ok((header(&payload), payload)));
        }

        #[test]
        fn arbitrary_bytes_are_no_block(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(bytes.clone().into()).is_err());
            bytes.insert(0, envelope::VERSION);
            prop_assert!(decode(bytes.into()).is_err());
        }

        #[test]
        fn a_flipped_bit_changes_the_block_or_breaks_it(position in 0usize..400, bit in 0u8..8) {
            let payload = Payload { items: vec![vec![5; 30], vec![6; 3]] };
            let mut bytes = encode(&header(&payload), &payload).to_vec();
            let position = position % bytes.len();
            bytes[position] ^= 1 << bit;
            if let Ok((decoded, _)) = decode(bytes.into()) {
                prop_assert_ne!(decoded.id(), header(&payload).id());
            }
        }
    }
}
