//! Signatures of many messages: on two threads, and each at most once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use subnet_types::hash::blake2b_256;
use subnet_types::message::SignaturePolicy;
use subnet_types::{ChainIdentity, Digest, SignedMessage};

use crate::limits::{VERIFIED_GENERATION_MAX, VERIFY_THREADS_MAX};
use crate::signature::{SignatureError, verify};

/// The first message of a batch whose signature is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message {index}: {error}")]
pub struct BatchError {
    /// Position in the batch.
    pub index: usize,
    /// Why.
    pub error: SignatureError,
}

/// Checks a batch on at most [`VERIFY_THREADS_MAX`] threads.
///
/// # Errors
/// The first failure by position, whatever the threads' timing was.
pub fn verify_all(
    messages: &[SignedMessage],
    identity: &ChainIdentity,
    policy: SignaturePolicy,
) -> Result<(), BatchError> {
    verify_each(messages, |signed| verify(signed, identity, policy))
}

/// Messages one thread takes at a time: some milliseconds of BLS, so that threads end together.
const CHUNK: usize = 8;

fn verify_each(
    messages: &[SignedMessage],
    verify: impl Fn(&SignedMessage) -> Result<(), SignatureError> + Sync,
) -> Result<(), BatchError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(usize::MAX);
    let first: Mutex<Option<BatchError>> = Mutex::new(None);
    // Chunks are handed out in order and a thread stops only behind a failure, so every position before the first
    // failure is checked and the answer does not depend on timing.
    let work = || {
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= messages.len() || start > failed.load(Ordering::Relaxed) {
                return;
            }
            let end = messages.len().min(start + CHUNK);
            for (index, signed) in messages.iter().enumerate().take(end).skip(start) {
                if let Err(error) = verify(signed) {
                    failed.fetch_min(index, Ordering::Relaxed);
                    let mut first = first.lock();
                    if first.as_ref().is_none_or(|known| index < known.index) {
                        *first = Some(BatchError { index, error });
                    }
                    return;
                }
            }
        }
    };
    let threads = messages.len().div_ceil(CHUNK).min(VERIFY_THREADS_MAX);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    first.into_inner().map_or(Ok(()), Err)
}

/// Checks signatures for one chain and remembers which bytes passed, so that what gossip checked is not checked again
/// in a block.
///
/// The memory is keyed by the hash of the whole signed bytes. The CID would not do: for BLS it leaves the signature
/// out, so a wrong signature could borrow the name of a right one.
pub struct Verifier {
    identity: ChainIdentity,
    policy: SignaturePolicy,
    verified: Mutex<Verified>,
}

/// Two generations: when the younger is full it becomes the older, whose entries are forgotten.
#[derive(Default)]
struct Verified {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Verified {
    fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    fn insert(&mut self, digest: Digest) {
        if self.young.len() >= VERIFIED_GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }
}

impl Verifier {
    /// A verifier that has seen nothing.
    pub fn new(identity: ChainIdentity, policy: SignaturePolicy) -> Self {
        Self { identity, policy, verified: Mutex::default() }
    }

    /// The chain it verifies for.
    pub const fn identity(&self) -> &ChainIdentity {
        &self.identity
    }

    /// Checks one message, unless its very bytes passed before.
    ///
    /// # Errors
    /// Why the signature does not prove the sender.
    pub fn verify(&self, signed: &SignedMessage) -> Result<(), SignatureError> {
        let digest = blake2b_256(&signed.to_bytes());
        if self.verified.lock().contains(&digest) {
            return Ok(());
        }
        verify(signed, &self.identity, self.policy)?;
        self.verified.lock().insert(digest);
        Ok(())
    }

    /// Checks a block's messages on at most [`VERIFY_THREADS_MAX`] threads.
    ///
    /// # Errors
    /// The first failure by position.
    pub fn verify_all(&self, messages: &[SignedMessage]) -> Result<(), BatchError> {
        verify_each(messages, |signed| self.verify(signed))
    }

    /// How many verified messages it remembers.
    pub fn remembered(&self) -> usize {
        let verified = self.verified.lock();
        verified.young.len() + verified.old.len()
    }
}
