//! The two hash functions of the protocol and the CIDs made with one of them.
//!
//! Blake2b-256 names what lives inside a chain (blocks, messages, state). Keccak-256 names what an EVM parent must
//! be able to hash as well (checkpoints, batches, validator sets).

use cid::Cid;
use cid::multihash::Multihash;
use fvm_ipld_encoding::DAG_CBOR;
use serde::Serialize;
use sha3::{Digest as _, Keccak256};

use crate::bytes::Digest;

/// Multicodec of blake2b-256.
pub const BLAKE2B_256: u64 = 0xb220;

/// Blake2b with an output of 32 bytes.
pub fn blake2b_256(bytes: &[u8]) -> Digest {
    let hash = blake2b_simd::Params::new().hash_length(32).hash(bytes);
    Digest(hash.as_bytes().try_into().expect("the output length was set to 32"))
}

/// Keccak-256 as Ethereum uses it.
pub fn keccak_256(bytes: &[u8]) -> Digest {
    Digest(Keccak256::digest(bytes).into())
}

/// CIDv1 of `bytes` as a DAG-CBOR block.
pub fn cid_of_bytes(bytes: &[u8]) -> Cid {
    cid_of_digest(&blake2b_256(bytes))
}

/// CIDv1 of the DAG-CBOR block that hashes to `digest`.
pub fn cid_of_digest(digest: &Digest) -> Cid {
    let hash = Multihash::wrap(BLAKE2B_256, digest.as_bytes()).expect("32 bytes fit a multihash");
    Cid::new_v1(DAG_CBOR, hash)
}

/// CIDv1 of the DAG-CBOR encoding of `value`.
///
/// # Panics
/// When `value` has no DAG-CBOR form. Every type of this package has one.
pub fn cid_of<T: Serialize>(value: &T) -> Cid {
    cid_of_bytes(&encode(value))
}

/// DAG-CBOR encoding of one of this package's types.
///
/// # Panics
/// When `value` has no DAG-CBOR form. Every type of this package has one.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    fvm_ipld_encoding::to_vec(value).expect("domain types have a DAG-CBOR form")
}

/// The digest that stands for a CID in a preimage: the 32 bytes of a CIDv1 of DAG-CBOR by blake2b-256.
///
/// `None` for every other CID. Nothing but the hash reaches the preimage, so the rest has to be fixed: otherwise one
/// signature would cover several CIDs, and whoever passes it on could choose between them.
pub fn digest_of_cid(cid: &Cid) -> Option<Digest> {
    let digest = Digest::try_from(cid.hash().digest()).ok()?;
    (cid_of_digest(&digest) == *cid).then_some(digest)
}

/// Root of a binary Merkle tree over `leaves` in order, for proofs that an EVM contract can check.
///
/// A leaf is `keccak(0x00 ‖ leaf)`, a node `keccak(0x01 ‖ left ‖ right)`; the last node of an odd row moves up
/// unchanged. The prefixes keep a node from being shown as a leaf. No leaves: [`Digest::ZERO`].
pub fn merkle_root(leaves: impl IntoIterator<Item = Digest>) -> Digest {
    let mut row = hashed(leaves);
    while row.len() > 1 {
        row = row_above(&row);
    }
    row.pop().unwrap_or(Digest::ZERO)
}

/// What has to stand beside the leaves `first..end` to make the root of all `leaves` again: row by row from the leaves
/// up, of each row the node left of the range and the one right of it, where their parents are in the range as well.
///
/// # Panics
/// When the range is empty or goes beyond the leaves.
pub fn merkle_range_proof(leaves: &[Digest], first: usize, end: usize) -> Vec<Digest> {
    assert!(first < end && end <= leaves.len(), "{first}..{end} is no range of {} leaves", leaves.len());
    let mut row = hashed(leaves.iter().copied());
    let (mut first, mut end) = (first, end);
    let mut proof = Vec::new();
    while row.len() > 1 {
        if !first.is_multiple_of(2) {
            proof.push(row[first - 1]);
        }
        if !end.is_multiple_of(2) && end < row.len() {
            proof.push(row[end]);
        }
        (first, end) = (first / 2, end.div_ceil(2));
        row = row_above(&row);
    }
    proof
}

/// The root of a tree of `count` leaves in which `leaves` stand from position `first` on, as `proof` completes them.
/// `None` when they do not fit, or the proof has not exactly the nodes that it takes: one range has one proof.
pub fn merkle_range_root(
    count: u64,
    first: u64,
    leaves: impl IntoIterator<Item = Digest>,
    proof: &[Digest],
) -> Option<Digest> {
    let mut row = hashed(leaves);
    let mut proof = proof.iter().copied();
    let (mut count, mut first, mut end) = (count, first, first.checked_add(row.len() as u64)?);
    if row.is_empty() || end > count {
        return None;
    }
    while count > 1 {
        if !first.is_multiple_of(2) {
            row.insert(0, proof.next()?);
        }
        if !end.is_multiple_of(2) && end < count {
            row.push(proof.next()?);
        }
        row = row_above(&row);
        (count, first, end) = (count.div_ceil(2), first / 2, end.div_ceil(2));
    }
    if proof.next().is_some() { None } else { row.pop() }
}

fn hashed(leaves: impl IntoIterator<Item = Digest>) -> Vec<Digest> {
    leaves.into_iter().map(|leaf| keccak_256(&[&[0u8][..], leaf.as_bytes()].concat())).collect()
}

fn row_above(row: &[Digest]) -> Vec<Digest> {
    row.chunks(2)
        .map(|pair| match pair {
            [left, right] => keccak_256(&[&[1u8][..], left.as_bytes(), right.as_bytes()].concat()),
            [single] => *single,
            _ => unreachable!("chunks(2) gives one or two"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merkle_root_depends_on_order_and_count() {
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        assert_eq!(merkle_root([]), Digest::ZERO);
        assert_ne!(merkle_root([a, b]), merkle_root([b, a]));
        assert_ne!(merkle_root([a]), merkle_root([a, a]));
        assert_ne!(merkle_root([a, b, a]), merkle_root([a, b]));
    }

    #[test]
    fn every_range_has_one_proof_and_no_other_leaves_have_it() {
        for count in 1..=17_u8 {
            let leaves: Vec<_> = (0..count).map(|leaf| Digest([leaf; 32])).collect();
            let root = merkle_root(leaves.iter().copied());
            for first in 0..leaves.len() {
                for end in first + 1..=leaves.len() {
                    let proof = merkle_range_proof(&leaves, first, end);
                    let of = |count: usize, first: usize, leaves: &[Digest], proof: &[Digest]| {
                        merkle_range_root(count as u64, first as u64, leaves.iter().copied(), proof)
                    };
                    let slice = &leaves[first..end];
                    assert_eq!(of(leaves.len(), first, slice, &proof), Some(root), "{first}..{end} of {count}");
                    let mut longer = proof.clone();
                    longer.push(Digest::ZERO);
                    assert_eq!(of(leaves.len(), first, slice, &longer), None);
                    if let Some((_, shorter)) = proof.split_last() {
                        assert_eq!(of(leaves.len(), first, slice, shorter), None);
                    }
                    let mut altered = slice.to_vec();
                    altered[0] = Digest([99; 32]);
                    assert_ne!(of(leaves.len(), first, &altered, &proof), Some(root));
                    if end < leaves.len() {
                        assert_ne!(of(leaves.len(), first + 1, slice, &proof), Some(root));
                    }
                    assert_eq!(of(end - 1, first, slice, &proof), None);
                }
            }
        }
        assert_eq!(merkle_range_root(3, 0, [], &[]), None);
        assert_eq!(merkle_range_root(3, u64::MAX, [Digest::ZERO], &[]), None);
    }

    #[test]
    fn only_the_one_form_of_a_cid_has_a_digest() {
        let digest = blake2b_256(b"block");
        assert_eq!(digest_of_cid(&cid_of_bytes(b"block")), Some(digest));
        let hash = |code, bytes: &[u8]| Multihash::wrap(code, bytes).expect("fits a multihash");
        let (sha2_256, raw) = (0x12, fvm_ipld_encoding::IPLD_RAW);
        let others = [
            ("codec", Cid::new_v1(raw, hash(BLAKE2B_256, digest.as_bytes()))),
            ("hash", Cid::new_v1(DAG_CBOR, hash(sha2_256, digest.as_bytes()))),
            ("hash of the same family", Cid::new_v1(DAG_CBOR, hash(BLAKE2B_256 - 1, digest.as_bytes()))),
            ("shorter digest", Cid::new_v1(DAG_CBOR, hash(BLAKE2B_256, &digest.as_bytes()[..31]))),
            ("longer digest", Cid::new_v1(DAG_CBOR, hash(BLAKE2B_256, &[1; 33]))),
            ("no digest", Cid::new_v1(DAG_CBOR, hash(BLAKE2B_256, &[]))),
            ("version", Cid::new_v0(hash(sha2_256, digest.as_bytes())).expect("version 0 has this hash only")),
            ("default", Cid::default()),
        ];
        for (what, cid) in others {
            assert_eq!(digest_of_cid(&cid), None, "{what}");
        }
    }

    #[test]
    fn keccak_matches_the_published_empty_hash() {
        let expected = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(keccak_256(b"").to_string(), expected);
    }
}
