//! The key of a validator's checkpoint signatures.

use std::fmt;

use bls_signatures::{PrivateKey, Serialize as _};
use subnet_types::bytes::{BlsPublicKey, BlsSignature, Digest};

use super::{Secret, SecretError, random_secret, secret_from};

/// BLS12-381 keypair (public key in G1) that signs checkpoint digests.
pub struct CheckpointKeypair {
    secret: Secret,
    public: BlsPublicKey,
}

impl CheckpointKeypair {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        // Hashing random bytes to a scalar avoids the bias of reducing them.
        let key = PrivateKey::new(*random_secret());
        Self::from_secret(&key.as_bytes()).expect("a generated scalar is in range")
    }

    /// The key with this secret: a scalar, little-endian as in Filecoin's key files.
    ///
    /// # Errors
    /// When the length is another, or the scalar is zero or too large.
    pub fn from_secret(bytes: &[u8]) -> Result<Self, SecretError> {
        const KIND: &str = "checkpoint";
        let secret = secret_from(KIND, bytes)?;
        let public = bls_public(&secret).ok_or(SecretError::Range { kind: KIND })?;
        Ok(Self { secret, public })
    }

    /// The secret, for the keystore.
    pub fn secret(&self) -> Secret {
        self.secret.clone()
    }

    /// The public key that a configuration lists.
    pub const fn public(&self) -> BlsPublicKey {
        self.public
    }

    /// Signature over a checkpoint's digest.
    pub fn sign_digest(&self, digest: &Digest) -> BlsSignature {
        BlsSignature(bls_sign(&self.secret, digest.as_bytes()))
    }

    /// Signature over the bytes of a proof of possession, which no checkpoint digest can equal.
    pub(super) fn sign_possession(&self, bytes: &[u8]) -> BlsSignature {
        BlsSignature(bls_sign(&self.secret, bytes))
    }
}

impl fmt::Debug for CheckpointKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointKeypair({})", self.public)
    }
}

/// Public key of a BLS secret; `None` when the scalar is zero or not below the order.
pub(super) fn bls_public(secret: &Secret) -> Option<BlsPublicKey> {
    if secret.iter().all(|byte| *byte == 0) {
        return None;
    }
    let key = PrivateKey::from_bytes(secret.as_slice()).ok()?;
    let public = key.public_key().as_bytes();
    BlsPublicKey::try_from(public.as_slice()).ok()
}

/// Signature of a secret that [`bls_public`] accepted.
pub(super) fn bls_sign(secret: &Secret, bytes: &[u8]) -> [u8; 96] {
    let key = PrivateKey::from_bytes(secret.as_slice()).expect("the secret was checked when the key was made");
    key.sign(bytes).as_bytes().try_into().expect("a compressed G2 point has 96 bytes")
}
