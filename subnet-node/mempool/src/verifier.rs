//! Signatures of many messages: on all cores, and each once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
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

/// Checks a batch on all cores, at most [`VERIFY_THREADS_MAX`].
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

fn verify_each<T: Sync>(
    messages: &[T],
    verify: impl Fn(&T) -> Result<(), SignatureError> + Sync,
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
    let cores = available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    let threads = messages.len().div_ceil(CHUNK).min(cores);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    first.into_inner().map_or(Ok(()), Err)
}

/// Checks signatures for one chain and remembers which bytes passed: what came by gossip is not checked again in a block,
/// nor what comes twice at the same time.
///
/// The memory is keyed by the hash of the whole signed bytes. The CID would not do: for BLS it leaves the signature
/// out, so a wrong signature could borrow the name of a right one.
pub struct Verifier {
    identity: ChainIdentity,
    policy: SignaturePolicy,
    known: Mutex<Known>,
    ended: Condvar,
    checked: AtomicU64,
    nanos: AtomicU64,
}

/// Two generations: when the younger is full it becomes the older, whose entries are forgotten.
struct Known {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
    generation_max: usize,
    /// What is being checked right now; no more than there are threads that check.
    at_work: HashSet<Digest>,
}

impl Known {
    fn contains(&self, digest: &Digest) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }

    fn insert(&mut self, digest: Digest) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }
}

/// The right to check some bytes, which no one else does meanwhile.
struct Turn<'a> {
    verifier: &'a Verifier,
    digest: Digest,
    has_passed: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut known = self.verifier.known.lock();
        known.at_work.remove(&self.digest);
        if self.has_passed {
            known.insert(self.digest);
        }
        drop(known);
        self.verifier.ended.notify_all();
    }
}

impl Verifier {
    /// A verifier that has seen nothing and remembers as much as a pool of the default size holds.
    pub fn new(identity: ChainIdentity, policy: SignaturePolicy) -> Self {
        let (young, old, at_work) = (HashSet::new(), HashSet::new(), HashSet::new());
        let known = Known { young, old, generation_max: VERIFIED_GENERATION_MAX, at_work };
        Self {
            identity,
            policy,
            known: Mutex::new(known),
            ended: Condvar::new(),
            checked: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
        }
    }

    /// Remembers the last `messages` that passed, and up to as many before them.
    #[must_use]
    pub fn with_memory(mut self, messages: usize) -> Self {
        self.known.get_mut().generation_max = messages.max(1);
        self
    }

    /// The chain it verifies for.
    pub const fn identity(&self) -> &ChainIdentity {
        &self.identity
    }

    /// Checks one message, unless its very bytes passed before. While another thread checks the same bytes it waits for
    /// the answer.
    ///
    /// # Errors
    /// Why the signature does not prove the sender.
    pub fn verify(&self, signed: &SignedMessage) -> Result<(), SignatureError> {
        let Some(mut turn) = self.turn(blake2b_256(&signed.to_bytes())) else { return Ok(()) };
        let started = Instant::now();
        let result = verify(signed, &self.identity, self.policy);
        self.checked.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        turn.has_passed = result.is_ok();
        result
    }

    /// `None` when the bytes have passed. What failed for another thread is checked again: it is nobody's honest message.
    fn turn(&self, digest: Digest) -> Option<Turn<'_>> {
        let mut known = self.known.lock();
        self.ended.wait_while(&mut known, |known| known.at_work.contains(&digest));
        if known.contains(&digest) {
            return None;
        }
        known.at_work.insert(digest);
        Some(Turn { verifier: self, digest, has_passed: false })
    }

    /// Checks a block's messages on all cores, at most [`VERIFY_THREADS_MAX`].
    ///
    /// # Errors
    /// The first failure by position.
    pub fn verify_all(&self, messages: &[SignedMessage]) -> Result<(), BatchError> {
        verify_each(messages, |signed| self.verify(signed))
    }

    /// Checks all of these on all cores, so that [`Self::verify`] knows the good ones.
    pub(crate) fn learn(&self, messages: &[&SignedMessage]) {
        // A wrong one must not keep the others from being checked; it is told when it is asked about.
        let learned = verify_each(messages, |signed| {
            let _ = self.verify(signed);
            Ok(())
        });
        debug_assert_eq!(learned, Ok(()));
    }

    /// How many verified messages it remembers.
    pub fn remembered(&self) -> usize {
        let known = self.known.lock();
        known.young.len() + known.old.len()
    }

    /// Signatures checked since the start, and how long that took over all threads. What is remembered costs neither.
    pub fn work(&self) -> (u64, Duration) {
        (self.checked.load(Ordering::Relaxed), Duration::from_nanos(self.nanos.load(Ordering::Relaxed)))
    }
}
