//! Answers of expensive system calls that depend on nothing but their arguments.
//!
//! A message that runs twice, first ahead of its turn and then in it, asks the same twice: whether a signature or a
//! proof is valid. The second time the answer is known. Gas is charged as if it were not, by the same charge at the
//! same moment, so nobody can tell but by the clock.
//!
//! ```text
//! miss   the reference's operation: charges, computes       → the answer is kept
//! hit    the same charge from the price list                → the answer that was kept
//! ```
//!
//! Kept are answers and refusals with their numbers. Running out of gas and fatal errors are of one execution and never
//! kept. Answers are the same for ever, so they outlive the block; room is what ends them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use blake2b_simd::{Params, State};
use cid::Cid;
use fvm::call_manager::CallManager;
use fvm::gas::GasCharge;
use fvm::kernel::{ExecutionError, Result, SyscallError};
use fvm_shared::crypto::signature::SECP_PUB_LEN;
use parking_lot::Mutex;

/// Answers that are kept at most. Each takes about 150 bytes.
const ENTRIES_MAX: usize = 1 << 16;

/// Parts with a lock each, so that lanes do not wait for each other.
const SHARDS: usize = 16;

/// Answers of one generation of one part: there are two of them.
const GENERATION_ENTRIES_MAX: usize = ENTRIES_MAX / SHARDS / 2;

/// Bytes of a signed text beyond which nothing is kept: hashing them for the key would cost as much as the answer.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 10;

/// What is asked. The number is part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    Signature = 1,
    BlsAggregate = 2,
    SecpPublicKey = 3,
    UnsealedSector = 4,
    Post = 5,
    AggregateSeals = 6,
    ReplicaUpdate = 7,
}

/// An operation with its arguments: a hash without collisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question([u8; 32]);

/// A question while it is being put together.
pub(crate) struct Asking(State);

impl Asking {
    /// A question of this kind, without arguments yet.
    pub(crate) fn about(operation: Operation) -> Self {
        let mut state = Params::new().hash_length(32).personal(b"syscall question").to_state();
        state.update(&[operation as u8]);
        Self(state)
    }

    /// One argument more. Its length is part of the question, so arguments cannot run into each other.
    pub(crate) fn with(mut self, argument: &[u8]) -> Self {
        self.0.update(&(argument.len() as u64).to_le_bytes()).update(argument);
        self
    }

    pub(crate) fn question(self) -> Question {
        let mut question = [0; 32];
        question.copy_from_slice(self.0.finalize().as_bytes());
        Question(question)
    }
}

/// What can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Valid or not.
    Verdict(bool),
    /// The key behind a signature.
    PublicKey([u8; SECP_PUB_LEN]),
    /// A sector's data. Rare, so boxed.
    Commitment(Box<Cid>),
}

/// A result that can be kept.
pub(crate) trait Keep: Sized {
    /// As it is kept.
    fn keep(&self) -> Answer;
    /// As it was; `None` for an answer to another kind of question.
    fn recall(answer: Answer) -> Option<Self>;
}

macro_rules! keep {
    ($type:ty, $variant:ident, $value:ident => $kept:expr, $recalled:expr) => {
        impl Keep for $type {
            fn keep(&self) -> Answer {
                let $value = self;
                Answer::$variant($kept)
            }
            fn recall(answer: Answer) -> Option<Self> {
                if let Answer::$variant($value) = answer { Some($recalled) } else { None }
            }
        }
    };
}

keep!(bool, Verdict, value => *value, value);
keep!([u8; SECP_PUB_LEN], PublicKey, value => *value, value);
keep!(Cid, Commitment, value => Box::new(*value), *value);

type Outcome = std::result::Result<Answer, SyscallError>;

/// How often an answer was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoCounts {
    /// Answers that were known.
    pub hits: u64,
    /// Answers that had to be found.
    pub misses: u64,
}

/// The answers of one engine, for all its lanes.
#[derive(Default)]
pub(crate) struct Memo {
    shards: [Mutex<Generations>; SHARDS],
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Answers in two generations: when the young one is full it becomes the old one, and the old one is forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<Question, Outcome>,
    old: HashMap<Question, Outcome>,
}

impl Generations {
    fn get(&mut self, question: &Question) -> Option<Outcome> {
        if let Some(known) = self.young.get(question) {
            return Some(known.clone());
        }
        // What is asked for stays.
        let known = self.old.remove(question)?;
        self.insert(*question, known.clone());
        Some(known)
    }

    fn insert(&mut self, question: Question, outcome: Outcome) {
        if self.young.len() >= GENERATION_ENTRIES_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, outcome);
    }
}

impl Memo {
    /// Forgets all answers.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock() = Generations::default();
        }
    }

    /// Answers `question` for a message: out of what is kept, charging `charge` as `find` would; or by `find`, which
    /// charges it before it does anything else.
    ///
    /// # Errors
    /// What `find` says, now or then, and out of gas.
    pub(crate) fn answer<C: CallManager, T: Keep>(
        &self,
        calls: &C,
        question: Question,
        charge: impl FnOnce() -> GasCharge,
        find: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let shard = &self.shards[usize::from(question.0[0]) % SHARDS];
        let known = shard.lock().get(&question);
        let known = known.and_then(|known| known.map(T::recall).transpose());
        if let Some(known) = known {
            let timer = calls.charge_gas(charge())?;
            self.hits.fetch_add(1, Ordering::Relaxed);
            return timer.record(known.map_err(ExecutionError::Syscall));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let found = find();
        let outcome = match &found {
            Ok(value) => Ok(value.keep()),
            Err(ExecutionError::Syscall(error)) => Err(error.clone()),
            Err(ExecutionError::OutOfGas | ExecutionError::Fatal(_)) => return found,
        };
        shard.lock().insert(question, outcome);
        found
    }

    /// How often an answer was known up to now.
    pub(crate) fn counts(&self) -> MemoCounts {
        MemoCounts { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::error::ErrorNumber;

    fn question(number: u64) -> Question {
        Asking::about(Operation::Signature).with(&number.to_le_bytes()).question()
    }

    #[test]
    fn question_is_the_operation_and_every_argument() {
        let ask = |operation, arguments: &[&[u8]]| {
            arguments.iter().fold(Asking::about(operation), |asking, argument| asking.with(argument)).question()
        };
        let questions = [
            ask(Operation::Signature, &[b"ab", b"c"]),
            ask(Operation::Signature, &[b"a", b"bc"]),
            ask(Operation::Signature, &[b"abc"]),
            ask(Operation::Signature, &[b"abc", b""]),
            ask(Operation::Signature, &[b"", b"abc"]),
            ask(Operation::BlsAggregate, &[b"ab", b"c"]),
            ask(Operation::SecpPublicKey, &[b"ab", b"c"]),
        ];
        for (index, question) in questions.iter().enumerate() {
            assert!(!questions[index + 1..].contains(question), "{index}");
        }
        assert_eq!(questions[0], ask(Operation::Signature, &[b"ab", b"c"]));
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let cid = fvm_shared::EMPTY_ARR_CID;
        assert_eq!(bool::recall(true.keep()), Some(true));
        assert_eq!(Cid::recall(cid.keep()), Some(cid));
        let key = [9u8; SECP_PUB_LEN];
        assert_eq!(<[u8; SECP_PUB_LEN]>::recall(key.keep()), Some(key));
        assert_eq!(bool::recall(cid.keep()), None);
    }

    #[test]
    fn what_was_asked_for_last_stays_and_the_rest_goes() {
        let mut generations = Generations::default();
        let refusal: Outcome = Err(SyscallError::new(ErrorNumber::IllegalArgument, "no"));
        generations.insert(question(0), refusal);
        let all = 3 * GENERATION_ENTRIES_MAX as u64;
        for number in 1..all {
            generations.insert(question(number), Ok(Answer::Verdict(true)));
            if number % 100 == 0 {
                assert!(
                    matches!(generations.get(&question(0)), Some(Err(error)) if error.1 == ErrorNumber::IllegalArgument)
                );
            }
            assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION_ENTRIES_MAX);
        }
        assert!(generations.get(&question(1)).is_none());
        assert!(generations.get(&question(all - 1)).is_some());
    }
}
