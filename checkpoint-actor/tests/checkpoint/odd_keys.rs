//! Points that a hostile validator may bring.

use bls12_381::G1Affine;
use ed25519_dalek::VerifyingKey;
use subnet_types::{BlsPublicKey, VoteKey};

/// The negative of a compressed point: its sign bit turned.
pub fn negative<const N: usize>(mut point: [u8; N]) -> [u8; N] {
    point[0] ^= 0x20;
    point
}

/// A point of the curve outside the prime subgroup.
pub fn stray_point() -> BlsPublicKey {
    (1u8..)
        .map(|x| {
            let mut bytes = [0; 48];
            (bytes[0], bytes[47]) = (0x80, x);
            bytes
        })
        .find(|bytes| {
            let point = Option::<G1Affine>::from(G1Affine::from_compressed_unchecked(bytes));
            point.is_some_and(|point| !bool::from(point.is_torsion_free()))
        })
        .map(BlsPublicKey)
        .unwrap()
}

/// A second encoding of a point of large order: its y is at or above the field's modulus.
pub fn second_encoding() -> VoteKey {
    (0xedu8..=0xff)
        .map(|lowest| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (lowest, 0x7f);
            bytes
        })
        .find(|bytes| VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak()))
        .map(VoteKey)
        .unwrap()
}
