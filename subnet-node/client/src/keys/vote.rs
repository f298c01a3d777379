//! The key of a validator's proposals and votes.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use subnet_types::bytes::{Ed25519Signature, VoteKey};

use super::{Secret, SecretError, random_secret, secret_from};

/// Ed25519 keypair that signs proposals, prevotes and precommits.
pub struct VoteKeypair(SigningKey);

impl VoteKeypair {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&random_secret()))
    }

    /// The key with this secret. Every 32 bytes are one.
    ///
    /// # Errors
    /// When the length is another.
    pub fn from_secret(bytes: &[u8]) -> Result<Self, SecretError> {
        Ok(Self(SigningKey::from_bytes(&*secret_from("vote", bytes)?)))
    }

    /// The secret, for the keystore and the consensus engine.
    pub fn secret(&self) -> Secret {
        Secret::new(self.0.to_bytes())
    }

    /// The validator's id in consensus.
    pub fn public(&self) -> VoteKey {
        VoteKey(self.0.verifying_key().to_bytes())
    }

    /// Signature over `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> Ed25519Signature {
        Ed25519Signature(self.0.sign(bytes).to_bytes())
    }
}

impl fmt::Debug for VoteKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VoteKeypair({})", self.public())
    }
}
