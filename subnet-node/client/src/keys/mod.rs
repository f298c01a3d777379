//! The four kinds of key of the protocol, each in its own type so that none signs what another should.
//!
//! Secrets come from the operating system's randomness, are wiped from memory when dropped, and never appear in
//! `Debug` output.

mod account;
mod checkpoint;
mod key_info;
mod p2p;
mod possession;
mod vote;

pub use account::{AccountKey, AccountScheme};
pub use checkpoint::CheckpointKeypair;
pub use key_info::{KeyInfo, KeyInfoError};
pub use p2p::P2pKeypair;
pub use possession::{JoinDomain, PossessionProofs};
pub use vote::VoteKeypair;

use rand::RngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

/// Bytes of every kind's secret.
pub const SECRET_BYTES: usize = 32;

/// A secret that is wiped when dropped.
pub type Secret = Zeroizing<[u8; SECRET_BYTES]>;

/// Why bytes are no secret key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Another length.
    #[error("a {kind} key's secret has {SECRET_BYTES} bytes, got {actual}")]
    Length {
        /// Which kind was asked for.
        kind: &'static str,
        /// How many bytes came.
        actual: usize,
    },
    /// Zero, or not below the order of the curve.
    #[error("the bytes are no secret of a {kind} key: zero, or not below the order of the curve")]
    Range {
        /// Which kind was asked for.
        kind: &'static str,
    },
}

fn random_secret() -> Secret {
    let mut secret = Secret::default();
    OsRng.fill_bytes(secret.as_mut());
    secret
}

fn secret_from(kind: &'static str, bytes: &[u8]) -> Result<Secret, SecretError> {
    let mut secret = Secret::default();
    if bytes.len() != SECRET_BYTES {
        return Err(SecretError::Length { kind, actual: bytes.len() });
    }
    secret.copy_from_slice(bytes);
    Ok(secret)
}
