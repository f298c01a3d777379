//! Blocks: header, payload and what is derived from executing them.

use cid::Cid;
use fvm_shared::econ::TokenAmount;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::bytes::{Digest, VoteKey};
use crate::hash::{cid_of, cid_of_bytes, encode};
use crate::identity::ChainIdentity;
use crate::limits::{BLOCK_INFO_BYTES_MAX, MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX};
use crate::message::SignedMessage;
use crate::parent::ParentUpdate;
use crate::quantity::{Height, TimestampMs};

/// Version of [`BlockHeader`] that this code writes and accepts.
pub const BLOCK_VERSION: u64 = 1;

/// Header of a block. Its CID is the block's id and the only value that consensus votes on.
///
/// *Vote, then execute*: `state_root`, `receipts_root` and `gas_used` are results of the block **before** this one,
/// so a finality certificate over header `h + 1` proves the state after `h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct BlockHeader {
    /// [`BLOCK_VERSION`].
    pub version: u64,
    /// Identity of the chain.
    pub chain: ChainIdentity,
    /// Position in the chain.
    pub height: Height,
    /// Id of the block before. At height 1: CID of the genesis document.
    pub parent: Cid,
    /// The proposer's clock, later than the parent's.
    pub timestamp: TimestampMs,
    /// Who built it first; a re-proposal in a later round keeps it.
    pub proposer: VoteKey,
    /// [`Payload::root`] of this block's payload.
    pub payload_root: Cid,
    /// State root after the block before.
    pub state_root: Cid,
    /// Receipts root of the block before.
    pub receipts_root: Cid,
    /// Gas that the block before used.
    pub gas_used: u64,
    /// Price burned for each unit of gas in this block, in attoFIL.
    pub base_fee: TokenAmount,
    /// [`crate::ValidatorSet::hash`] of the set that votes on this height.
    pub validators_hash: Digest,
    /// The same for the next height, as fixed by the state after the block before.
    pub next_validators_hash: Digest,
}

impl BlockHeader {
    /// The block's id.
    pub fn id(&self) -> Cid {
        cid_of(self)
    }
}

/// First item of each payload: what the proposer brings besides user messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct BlockInfo {
    /// What the parent finalized since the last update, where there is something to apply or to follow.
    pub parent_update: Option<ParentUpdate>,
    /// Reserved: evidence of misbehaviour. Must be empty in version 1.
    pub evidence: Vec<Evidence>,
}

/// Reserved. No value of this type is accepted in version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {}

/// Ordered content of a block: item 0 is a [`BlockInfo`], the rest are [`SignedMessage`]s, all as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Payload {
    /// The items.
    pub items: Vec<Vec<u8>>,
}

/// Why bytes are no payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// There is no block info.
    #[error("a payload has at least its block info, got no item")]
    Empty,
    /// More items than allowed.
    #[error("payload of {actual} items, at most {PAYLOAD_ITEMS_MAX} are allowed")]
    TooManyItems {
        /// How many came.
        actual: usize,
    },
    /// More bytes than allowed.
    #[error("payload of {actual} bytes, at most {PAYLOAD_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many came.
        actual: usize,
    },
    /// One item is too large.
    #[error("item {index} has {actual} bytes, at most {max} are allowed")]
    ItemTooLarge {
        /// Position in the payload.
        index: usize,
        /// Its bytes.
        actual: usize,
        /// The limit for this kind of item.
        max: usize,
    },
    /// An item does not decode, or not from its one canonical form.
    #[error("item {index} is not a canonically encoded {expected}: {reason}")]
    Malformed {
        /// Position in the payload.
        index: usize,
        /// What should stand there.
        expected: &'static str,
        /// What the decoder said.
        reason: String,
    },
}

impl Payload {
    /// A payload from its parts.
    pub fn new(info: &BlockInfo, messages: &[SignedMessage]) -> Self {
        let mut items = Vec::with_capacity(messages.len() + 1);
        items.push(encode(info));
        items.extend(messages.iter().map(SignedMessage::to_bytes));
        Self { items }
    }

    /// CID of the list of the items' CIDs, which a header commits to.
    pub fn root(&self) -> Cid {
        let cids: Vec<Cid> = self.items.iter().map(|item| cid_of_bytes(item)).collect();
        cid_of(&cids)
    }

    /// Sum of the items' lengths.
    pub fn size_bytes(&self) -> usize {
        self.items.iter().map(Vec::len).sum()
    }

    /// Checks the limits and decodes every item.
    ///
    /// # Errors
    /// When a limit is passed or an item is not the canonical encoding of what must stand there.
    pub fn parse(&self) -> Result<(BlockInfo, Vec<SignedMessage>), PayloadError> {
        let (info, messages) = self.items.split_first().ok_or(PayloadError::Empty)?;
        if self.items.len() > PAYLOAD_ITEMS_MAX {
            return Err(PayloadError::TooManyItems { actual: self.items.len() });
        }
        if self.size_bytes() > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::TooLarge { actual: self.size_bytes() });
        }
        let info = decode_item(0, info, "block info", BLOCK_INFO_BYTES_MAX)?;
        let messages = messages
            .iter()
            .enumerate()
            .map(|(index, item)| decode_item(index + 1, item, "signed message", MESSAGE_BYTES_MAX))
            .collect::<Result<_, _>>()?;
        Ok((info, messages))
    }
}

fn decode_item<T: Serialize + serde::de::DeserializeOwned>(
    index: usize,
    bytes: &[u8],
    expected: &'static str,
    max: usize,
) -> Result<T, PayloadError> {
    if bytes.len() > max {
        return Err(PayloadError::ItemTooLarge { index, actual: bytes.len(), max });
    }
    decode_canonical(bytes).map_err(|reason| PayloadError::Malformed { index, expected, reason })
}

/// Decodes `bytes` and refuses any form but the one our encoder writes, so that one value has one hash.
///
/// # Errors
/// What the decoder said, or that the bytes are another form of the same value.
pub fn decode_canonical<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let value: T = fvm_ipld_encoding::from_slice(bytes).map_err(|error| error.to_string())?;
    if encode(&value) != bytes {
        return Err("the bytes are not the canonical form of what they decode to".to_owned());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_round_trips_and_its_root_sees_the_order() {
        let payload = Payload::new(&BlockInfo::default(), &[]);
        assert_eq!(payload.parse(), Ok((BlockInfo::default(), vec![])));
        let mut longer = payload.clone();
        longer.items.push(vec![1]);
        let mut other = payload.clone();
        other.items.insert(0, vec![1]);
        assert_ne!(longer.root(), other.root());
    }

    #[test]
    fn garbage_payloads_are_refused_with_the_item() {
        assert_eq!(Payload::default().parse(), Err(PayloadError::Empty));
        let garbage = Payload { items: vec![vec![0xff]] };
        assert!(matches!(garbage.parse(), Err(PayloadError::Malformed { index: 0, .. })));
        let mut large = Payload::new(&BlockInfo::default(), &[]);
        large.items.push(vec![0; MESSAGE_BYTES_MAX + 1]);
        assert!(matches!(large.parse(), Err(PayloadError::ItemTooLarge { index: 1, .. })));
        let mut many = Payload::new(&BlockInfo::default(), &[]);
        many.items.resize(PAYLOAD_ITEMS_MAX + 1, vec![]);
        assert!(matches!(many.parse(), Err(PayloadError::TooManyItems { .. })));
    }

    #[test]
    fn a_second_encoding_of_the_same_info_is_refused() {
        // An array of indefinite length decodes to the same value but is not canonical DAG-CBOR.
        let loose = Payload { items: vec![vec![0x9f, 0xf6, 0x80, 0xff]] };
        assert!(matches!(loose.parse(), Err(PayloadError::Malformed { index: 0, .. })));
    }
}
