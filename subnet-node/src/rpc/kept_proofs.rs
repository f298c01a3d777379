//! The last proofs for children. All nodes of a child ask the same at each height, every few hundred milliseconds, and
//! what they are told is a function of the height and the question.

use std::collections::VecDeque;

use client::api::{ApiError, ParentProof};
use parking_lot::Mutex;
use subnet_types::Height;

use super::limits::PROOFS_KEPT_MAX;
use crate::parent::api::ProofQuery;

/// The last few proofs, each with what it answers.
#[derive(Default)]
pub struct Proofs {
    kept: Mutex<VecDeque<(Height, ProofQuery, ParentProof)>>,
}

impl Proofs {
    /// The proof for `query` when `height` is the last one, made by `make` where it is not kept.
    ///
    /// # Errors
    /// Those of `make`. They are not kept.
    pub(super) fn get(
        &self,
        height: Height,
        query: &ProofQuery,
        make: impl FnOnce() -> Result<ParentProof, ApiError>,
    ) -> Result<ParentProof, ApiError> {
        let is_same = |(at, asked, _): &&(Height, ProofQuery, ParentProof)| *at == height && asked == query;
        if let Some((_, _, proof)) = self.kept.lock().iter().find(is_same) {
            return Ok(proof.clone());
        }
        let proof = make()?;
        let mut kept = self.kept.lock();
        if kept.len() >= PROOFS_KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((height, query.clone(), proof.clone()));
        Ok(proof)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use client::api::TrackedSet;
    use subnet_types::{ConfigurationNumber, Digest, Nonce};

    use super::*;
    use crate::app::tests::world::{parent_update, subnet};

    fn query(nonce: u64) -> ProofQuery {
        let tracked = TrackedSet { number: ConfigurationNumber::FIRST, hash: Digest([1; 32]) };
        ProofQuery {
            child: subnet().genesis.subnet,
            nonce: Nonce::new(nonce),
            configuration: ConfigurationNumber::FIRST,
            tracked,
            header: None,
        }
    }

    #[test]
    fn same_question_at_the_same_height_is_answered_once_and_few_answers_are_kept() {
        let (proofs, made) = (Proofs::default(), Cell::new(0));
        let ask = |height, nonce| {
            let make = || {
                made.set(made.get() + 1);
                Ok(ParentProof::new(parent_update(height, vec![]), 0, 0))
            };
            let proof = proofs.get(Height::new(height), &query(nonce), make).unwrap();
            assert_eq!(proof.proof.0.header.height, Height::new(height));
            made.get()
        };
        assert_eq!((ask(60, 0), ask(60, 0)), (1, 1));
        assert_eq!((ask(60, 1), ask(61, 0), ask(60, 0)), (2, 3, 3), "another question, another height");
        for nonce in 10..10 + PROOFS_KEPT_MAX as u64 {
            ask(60, nonce);
        }
        assert_eq!(proofs.kept.lock().len(), PROOFS_KEPT_MAX);
        let before = made.get();
        assert_eq!(ask(60, 0), before + 1, "the oldest is gone");
        let failed = proofs.get(Height::new(99), &query(0), || Err(ApiError::NotReady("not yet".to_owned())));
        assert!(
            failed.is_err() && proofs.get(Height::new(99), &query(0), || Err(ApiError::NotFound("".into()))).is_err()
        );
    }
}
