//! Keys of validators: whether they are well formed, whether somebody holds them, and sums of them.
//!
//! A sum of BLS keys stands in for its parts in one signature check. That is sound only because every part was shown
//! to be held by whoever brought it (a key chosen to cancel others has no holder) and lies in the prime subgroup.

use bls12_381::{G1Affine, G1Projective};
use ed25519_dalek::{Signature, VerifyingKey};
use subnet_types::{BlsPublicKey, Ed25519Signature, VoteKey};

use crate::error::CheckpointError;

/// Bytes of an uncompressed point.
pub const POINT_BYTES: usize = 96;

/// Checks an Ed25519 key: a point, in its one encoding, not of small order (under such a key anything verifies).
///
/// # Errors
/// What is wrong.
pub fn check_vote_key(key: &VoteKey) -> Result<VerifyingKey, CheckpointError> {
    let malformed = |problem| CheckpointError::MalformedKey { kind: "vote", key: key.to_string(), problem };
    let point = VerifyingKey::from_bytes(key.as_bytes()).map_err(|_| malformed("is not a point of the curve"))?;
    if point.is_weak() {
        return Err(malformed("is of small order"));
    }
    if point.to_edwards().compress().as_bytes() != key.as_bytes() {
        return Err(malformed("is not in canonical form"));
    }
    Ok(point)
}

/// Whether `signature` is `key`'s over `message`, by the strict rules (one signature, one encoding).
pub fn verify_vote_key(key: &VerifyingKey, message: &[u8], signature: &Ed25519Signature) -> bool {
    key.verify_strict(message, &Signature::from_bytes(&signature.0)).is_ok()
}

/// Checks a BLS key (a point of the prime subgroup, not the identity) and returns it uncompressed.
///
/// # Errors
/// What is wrong.
pub fn check_checkpoint_key(key: &BlsPublicKey) -> Result<[u8; POINT_BYTES], CheckpointError> {
    let malformed = |problem| CheckpointError::MalformedKey { kind: "checkpoint", key: key.to_string(), problem };
    let point = Option::<G1Affine>::from(G1Affine::from_compressed_unchecked(key.as_bytes()))
        .ok_or_else(|| malformed("is not a point of the curve"))?;
    if bool::from(point.is_identity()) {
        return Err(malformed("is the identity"));
    }
    if !bool::from(point.is_torsion_free()) {
        return Err(malformed("is not in the prime subgroup"));
    }
    Ok(point.to_uncompressed())
}

/// A point that was checked when it came; `None` when the bytes are none.
fn stored(bytes: &[u8]) -> Option<G1Affine> {
    let bytes: &[u8; POINT_BYTES] = bytes.try_into().ok()?;
    // On the curve and in the subgroup since `check_checkpoint_key`.
    G1Affine::from_uncompressed_unchecked(bytes).into()
}

/// `start` plus all `added` minus all `taken`; `None` when bytes are no point.
pub(crate) fn sum<'a>(
    start: Option<&[u8]>,
    added: impl IntoIterator<Item = &'a [u8]>,
    taken: impl IntoIterator<Item = &'a [u8]>,
) -> Option<G1Projective> {
    let mut sum = match start {
        Some(bytes) => G1Projective::from(stored(bytes)?),
        None => G1Projective::identity(),
    };
    for bytes in added {
        sum += stored(bytes)?;
    }
    for bytes in taken {
        sum -= stored(bytes)?;
    }
    Some(sum)
}

/// The point that `claimed` encodes, if it is `sum`. Comparing takes four multiplications; computing it from the sum
/// takes a division, hundreds of times dearer.
pub(crate) fn claimed(sum: &G1Projective, claimed: &[u8]) -> Option<G1Affine> {
    stored(claimed).filter(|point| G1Projective::from(point) == *sum)
}

/// The sum as a key, unless it is the identity.
pub(crate) fn as_key(point: &G1Affine) -> Option<BlsPublicKey> {
    if bool::from(point.is_identity()) { None } else { Some(BlsPublicKey(point.to_compressed())) }
}
