//! Conversions of single fields. Each names the field it refuses.

use bytes::Bytes;
use cid::Cid;
use fvm_ipld_encoding::DAG_CBOR;
use subnet_types::hash::BLAKE2B_256;
use subnet_types::{Digest, Ed25519Signature, Height, VoteKey};

/// Highest height on the wire. Above it the VM's epoch would not fit, and arithmetic in an engine could overflow.
pub const HEIGHT_MAX: u64 = i64::MAX as u64 - 1;

/// Highest round on the wire. No chain gets there in a year of rounds of half a minute; the bound keeps `round + 1`
/// and timeouts that grow with the round from overflowing.
pub const ROUND_MAX: u32 = 1_000_000;

/// Why a field does not convert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {reason}")]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl FieldError {
    /// `field` is wrong because of `reason`.
    pub fn new(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self { field, reason: reason.to_string() }
    }

    /// A message that must be there is not.
    pub fn missing(field: &'static str) -> Self {
        Self::new(field, "missing")
    }
}

/// A vote key.
///
/// # Errors
/// When the length is another one.
pub fn vote_key(field: &'static str, bytes: &[u8]) -> Result<VoteKey, FieldError> {
    VoteKey::try_from(bytes).map_err(|error| FieldError::new(field, error))
}

/// A signature.
///
/// # Errors
/// When the length is another one.
pub fn signature(field: &'static str, bytes: &[u8]) -> Result<Ed25519Signature, FieldError> {
    Ed25519Signature::try_from(bytes).map_err(|error| FieldError::new(field, error))
}

/// A hash of 32 bytes.
///
/// # Errors
/// When the length is another one.
pub fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, FieldError> {
    Digest::try_from(bytes).map_err(|error| FieldError::new(field, error))
}

/// A block id: CIDv1, DAG-CBOR, blake2b-256, and nothing after it.
///
/// # Errors
/// When the bytes are no CID or a CID of another kind.
pub fn block_id(field: &'static str, bytes: &[u8]) -> Result<Cid, FieldError> {
    let cid = Cid::try_from(bytes).map_err(|error| FieldError::new(field, error))?;
    let is_block = cid.version() == cid::Version::V1
        && cid.codec() == DAG_CBOR
        && cid.hash().code() == BLAKE2B_256
        && cid.hash().digest().len() == 32;
    if !is_block || cid.encoded_len() != bytes.len() {
        return Err(FieldError::new(field, format!("{cid} is no block id (CIDv1, dag-cbor, blake2b-256)")));
    }
    Ok(cid)
}

/// A height, at most [`HEIGHT_MAX`].
///
/// # Errors
/// When it is higher.
pub fn height(field: &'static str, height: u64) -> Result<Height, FieldError> {
    if height > HEIGHT_MAX {
        return Err(FieldError::new(field, format!("height {height} is above {HEIGHT_MAX}")));
    }
    Ok(Height::new(height))
}

/// A round, at most [`ROUND_MAX`].
///
/// # Errors
/// When it is higher.
pub fn round(field: &'static str, round: u32) -> Result<u32, FieldError> {
    if round > ROUND_MAX {
        return Err(FieldError::new(field, format!("round {round} is above {ROUND_MAX}")));
    }
    Ok(round)
}

/// Bytes of at most `max`.
///
/// # Errors
/// When there are more.
pub fn at_most(field: &'static str, bytes: Bytes, max: usize) -> Result<Bytes, FieldError> {
    if bytes.len() > max {
        return Err(FieldError::new(field, format!("{} bytes, at most {max} are allowed", bytes.len())));
    }
    Ok(bytes)
}

/// A message that must be there.
///
/// # Errors
/// When it is not.
pub fn required<T>(field: &'static str, message: Option<T>) -> Result<T, FieldError> {
    message.ok_or(FieldError::missing(field))
}

/// The bytes of a fixed-length value.
pub fn bytes_of(value: &[u8]) -> Bytes {
    Bytes::copy_from_slice(value)
}

/// The bytes of a block id.
pub fn block_id_bytes(id: &Cid) -> Bytes {
    id.to_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use subnet_types::hash::cid_of_bytes;

    #[test]
    fn only_a_block_id_is_a_block_id() {
        let id = cid_of_bytes(b"block");
        assert_eq!(block_id("block", &id.to_bytes()), Ok(id));
        let mut longer = id.to_bytes();
        longer.push(0);
        block_id("block", &longer).expect_err("bytes after the CID are a second spelling");
        let raw = Cid::new_v1(0x55, *id.hash());
        block_id("block", &raw.to_bytes()).expect_err("raw bytes are no block");
        block_id("block", &[]).expect_err("nothing is no block");
    }

    #[test]
    fn heights_and_rounds_end_before_arithmetic_does() {
        assert_eq!(height("height", HEIGHT_MAX), Ok(Height::new(HEIGHT_MAX)));
        height("height", HEIGHT_MAX + 1).expect_err("above the limit");
        assert_eq!(round("round", ROUND_MAX), Ok(ROUND_MAX));
        round("round", ROUND_MAX + 1).expect_err("above the limit");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(id) = block_id("block", &bytes) {
                prop_assert_eq!(id.to_bytes(), bytes.clone());
            }
            prop_assert_eq!(vote_key("key", &bytes).is_ok(), bytes.len() == 32);
            prop_assert_eq!(signature("signature", &bytes).is_ok(), bytes.len() == 64);
        }
    }
}
