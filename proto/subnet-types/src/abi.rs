//! Ethereum ABI encoding of static words, the preimage form of whatever an EVM parent must hash as well.
//!
//! Only 32-byte words occur; a value of variable length stands as the keccak-256 of its bytes. So every preimage has
//! a fixed length and a contract builds it with one `abi.encode`.

use fvm_shared::bigint::Sign;
use fvm_shared::econ::TokenAmount;

use crate::bytes::Digest;
use crate::hash::keccak_256;

/// Words in the order in which they were added.
#[derive(Default)]
pub(crate) struct Words(Vec<u8>);

impl Words {
    /// Starts with the hash of a domain tag, so that no two kinds of preimage are ever equal.
    pub(crate) fn tagged(tag: &str) -> Self {
        Self::default().digest(&keccak_256(tag.as_bytes()))
    }

    /// A `bytes32`.
    pub(crate) fn digest(mut self, digest: &Digest) -> Self {
        self.0.extend_from_slice(digest.as_bytes());
        self
    }

    /// The keccak-256 of bytes of any length.
    pub(crate) fn hashed(self, bytes: &[u8]) -> Self {
        self.digest(&keccak_256(bytes))
    }

    /// A `uint64`.
    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&[0; 24]);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A `uint256`; `None` for an amount below zero or above 256 bits.
    pub(crate) fn amount(mut self, amount: &TokenAmount) -> Option<Self> {
        let (sign, bytes) = amount.atto().to_bytes_be();
        if sign == Sign::Minus || bytes.len() > 32 {
            return None;
        }
        self.0.resize(self.0.len() + 32 - bytes.len(), 0);
        self.0.extend_from_slice(&bytes);
        Some(self)
    }

    /// The hash of all words.
    pub(crate) fn keccak(self) -> Digest {
        debug_assert!(self.0.len().is_multiple_of(32));
        keccak_256(&self.0)
    }
}
