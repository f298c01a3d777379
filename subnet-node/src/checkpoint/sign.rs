//! Signing a checkpoint's digest and checking what others signed.
//!
//! *Durable, then visible*: the pair (sequence, digest) is on disk before the signature exists, and a second digest
//! for the same sequence is refused for ever. Two signatures over different digests of one sequence are what a
//! validator is slashed for.

use bls_signatures::Serialize as _;
use client::keys::CheckpointKeypair;
use parking_lot::Mutex;
use subnet_types::{BlsPublicKey, BlsSignature, Digest, Sequence};

use crate::storage::{Store, StoreError};

/// Signs with this node's checkpoint key.
#[derive(Debug)]
pub struct CheckpointSigner {
    key: CheckpointKeypair,
    // The guard reads and then writes; two signatures at the same time must not both find nothing.
    guard: Mutex<()>,
}

impl CheckpointSigner {
    /// A signer with this key.
    pub const fn new(key: CheckpointKeypair) -> Self {
        Self { key, guard: Mutex::new(()) }
    }

    /// The key that validators know this signer by.
    pub const fn public(&self) -> BlsPublicKey {
        self.key.public()
    }

    /// Signs `digest` as checkpoint `sequence`, unless another digest was signed for it before.
    ///
    /// # Errors
    /// [`StoreError::Equivocation`], or when the record cannot be made durable.
    pub fn sign(&self, store: &Store, sequence: Sequence, digest: &Digest) -> Result<BlsSignature, StoreError> {
        self.guarded(store, sequence, digest, |key| key.sign_digest(digest))
    }

    /// What `sign` makes with the key, once it is durable that `digest` is the one that is signed for `sequence`.
    fn guarded<T>(
        &self,
        store: &Store,
        sequence: Sequence,
        digest: &Digest,
        sign: impl FnOnce(&CheckpointKeypair) -> T,
    ) -> Result<T, StoreError> {
        let _guard = self.guard.lock();
        store.guard_signature(sequence, digest)?;
        Ok(sign(&self.key))
    }
}

/// Whether `signature` is `key`'s over `digest`. Points outside the subgroup and the identity verify nothing.
pub fn verify(key: &BlsPublicKey, digest: &Digest, signature: &BlsSignature) -> bool {
    let Ok(key) = bls_signatures::PublicKey::from_bytes(key.as_bytes()) else { return false };
    let Ok(signature) = bls_signatures::Signature::from_bytes(signature.as_bytes()) else { return false };
    bls_signatures::verify_messages(&signature, &[digest.as_bytes()], &[key])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryLimits;

    fn signer(seed: u8) -> CheckpointSigner {
        CheckpointSigner::new(CheckpointKeypair::from_secret(&[seed; 32]).unwrap())
    }

    #[test]
    fn second_digest_for_a_sequence_is_refused_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Digest([1; 32]);
        let (first, second) = (Digest([2; 32]), Digest([3; 32]));
        let store = Store::open(folder.path(), &identity, MemoryLimits::default()).unwrap();
        let signature = signer(1).sign(&store, Sequence::new(1), &first).unwrap();
        assert_eq!(signer(1).sign(&store, Sequence::new(1), &first).unwrap(), signature, "the same again is harmless");
        drop(store);
        let store = Store::open(folder.path(), &identity, MemoryLimits::default()).unwrap();
        let error = signer(1).sign(&store, Sequence::new(1), &second).unwrap_err();
        assert!(matches!(error, StoreError::Equivocation { signed, asked, .. } if signed == first && asked == second));
        signer(1).sign(&store, Sequence::new(2), &second).unwrap();
    }

    #[test]
    fn digest_is_recorded_before_the_signature_exists() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Digest([1; 32]), MemoryLimits::default()).unwrap();
        assert_eq!(store.signed_digest(Sequence::new(7)).unwrap(), None);
        let at_signing = signer(1)
            .guarded(&store, Sequence::new(7), &Digest([9; 32]), |_| store.signed_digest(Sequence::new(7)).unwrap());
        assert_eq!(at_signing.unwrap(), Some(Digest([9; 32])));
        let mut is_signed = false;
        assert!(signer(1).guarded(&store, Sequence::new(7), &Digest([8; 32]), |_| is_signed = true).is_err());
        assert!(!is_signed, "the key is not touched where another digest was signed");
    }

    #[test]
    fn signature_verifies_only_for_its_key_and_digest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Digest([1; 32]), MemoryLimits::default()).unwrap();
        let signature = signer(1).sign(&store, Sequence::new(1), &Digest([2; 32])).unwrap();
        assert!(verify(&signer(1).public(), &Digest([2; 32]), &signature));
        assert!(!verify(&signer(2).public(), &Digest([2; 32]), &signature));
        assert!(!verify(&signer(1).public(), &Digest([3; 32]), &signature));
        assert!(!verify(&signer(1).public(), &Digest([2; 32]), &BlsSignature([0; 96])));
        assert!(!verify(&BlsPublicKey([0xff; 48]), &Digest([2; 32]), &signature));
    }
}
