//! The application as the engine sees it. Everything that touches disk or VM runs on the blocking pool, so that the
//! engine's tasks never wait for a thread.

use std::time::Duration;

use async_trait::async_trait;
use cid::Cid;
use engine_api::{
    AppFailure, Block, BuildContext, BuiltBlock, ChainStatus, DecidedBlock, HeightRules, SignedExtension, SubnetApp,
    UndecidedBlock, ValidateContext, Verdict,
};
use subnet_types::{BlsSignature, FinalityCertificate, Height, VoteKey};

use super::validate::Judgement;
use super::{App, ChainError, Inner};
use crate::checkpoint::sign::verify;
use crate::storage::StoreError;

impl App {
    async fn blocking<T: Send + 'static>(
        &self,
        context: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, ChainError> + Send + 'static,
    ) -> Result<T, AppFailure> {
        let inner = self.inner.clone();
        let done = if inner.is_inline {
            work(&inner)
        } else {
            let task = tokio::task::spawn_blocking(move || work(&inner));
            task.await.unwrap_or_else(|error| Err(ChainError::Task(error.to_string())))
        };
        done.map_err(|error| error.into_failure(context))
    }
}

#[async_trait]
impl SubnetApp for App {
    async fn status(&self) -> Result<ChainStatus, AppFailure> {
        // Nothing is pruned, so this node serves every block since the first.
        Ok(ChainStatus { committed: self.chain().tip().height, history_min: Height::new(1) })
    }

    async fn rules(&self, height: Height) -> Result<HeightRules, AppFailure> {
        self.blocking("reading the rules of a height", move |inner| {
            let chain = inner.chain();
            let head = chain.tip().height;
            if height > head.next() {
                return Err(ChainError::NotCommitted { height, head });
            }
            let previous = height.previous().unwrap_or(Height::GENESIS);
            let previous_timestamp =
                chain.timestamp(previous)?.ok_or(ChainError::NotCommitted { height: previous, head })?;
            Ok(HeightRules {
                height,
                validators: chain.validators(height)?,
                extensions_required: inner.signed_at(height).is_some(),
                block_interval: Duration::from_millis(chain.genesis().chain.block_interval_ms),
                previous_timestamp,
            })
        })
        .await
    }

    async fn prepare(&self, context: BuildContext) -> Result<(), AppFailure> {
        self.blocking("drafting a block", move |inner| inner.prepare(&context)).await
    }

    async fn build(&self, context: BuildContext) -> Result<BuiltBlock, AppFailure> {
        self.blocking("building a block", move |inner| inner.build(&context)).await
    }

    async fn validate(&self, context: ValidateContext, block: &Block) -> Result<Verdict, AppFailure> {
        let (height, id, round) = (block.header.height, block.id(), context.round);
        let (judged, hints) = (block.clone(), context.hints.clone());
        let judgement = self.blocking("judging a block", move |inner| inner.judge(&context, &judged)).await?;
        let (verdict, sound) = match judgement {
            Judgement::Refused(verdict) => (verdict, None),
            Judgement::Valid(sound) => (Verdict::Accept, Some(sound)),
        };
        if let (Verdict::Accept, Some(sound)) = (&verdict, sound) {
            self.inner.speculate(block, *sound, hints);
        }
        self.inner.parts.metrics.judged(&verdict);
        match &verdict {
            Verdict::Accept => tracing::debug!(%height, round, %id, "proposal accepted"),
            Verdict::Reject(reason) => tracing::warn!(%height, round, %id, reason, "proposal rejected"),
            Verdict::NotYet(reason) => tracing::warn!(%height, round, %id, reason, "vote withheld"),
        }
        Ok(verdict)
    }

    async fn extend_vote(&self, height: Height, _block: &Cid) -> Result<Vec<u8>, AppFailure> {
        self.blocking("signing a checkpoint", move |inner| {
            let record = inner.checkpoint_at(height)?.ok_or_else(|| {
                ChainError::Contradiction(format!("votes of height {height} sign no checkpoint on this chain"))
            })?;
            let signer = inner.parts.signer.as_ref().ok_or_else(|| {
                ChainError::Contradiction("this node votes but has no checkpoint key to sign with".to_owned())
            })?;
            let (sequence, digest) = (record.checkpoint.sequence, record.digest);
            let signature = signer.sign(inner.chain().store(), sequence, &digest)?;
            tracing::debug!(%height, %sequence, %digest, "checkpoint signed");
            Ok(signature.as_bytes().to_vec())
        })
        .await
    }

    async fn verify_extension(
        &self,
        height: Height,
        _block: &Cid,
        validator: &VoteKey,
        extension: &[u8],
    ) -> Result<(), String> {
        let (validator, extension) = (*validator, extension.to_vec());
        let inner = self.inner.clone();
        if inner.is_inline {
            return inner.verify_extension(height, &validator, &extension);
        }
        tokio::task::spawn_blocking(move || inner.verify_extension(height, &validator, &extension))
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn commit(&self, decided: DecidedBlock) -> Result<(), AppFailure> {
        self.blocking("committing a block", move |inner| inner.commit(decided)).await
    }

    async fn upgrade_certificate(
        &self,
        certificate: FinalityCertificate,
        extensions: Vec<SignedExtension>,
    ) -> Result<(), AppFailure> {
        self.blocking("storing a certificate", move |inner| inner.upgrade_certificate(certificate, extensions)).await
    }

    async fn decided(&self, height: Height) -> Result<Option<DecidedBlock>, AppFailure> {
        self.blocking("reading a block", move |inner| {
            let Some(block) = inner.chain().block(height)? else { return Ok(None) };
            let store = inner.chain().store();
            let stored = store.require(store.certificate(height)?, "certificate", &height.to_string())?;
            Ok(Some(DecidedBlock { block, certificate: stored.certificate, extensions: stored.extensions }))
        })
        .await
    }

    async fn put_undecided(&self, undecided: UndecidedBlock) -> Result<(), AppFailure> {
        self.blocking("storing a proposal", move |inner| Ok(inner.chain().store().put_undecided(&undecided)?)).await
    }

    async fn undecided(&self, height: Height) -> Result<Vec<UndecidedBlock>, AppFailure> {
        self.blocking("reading proposals", move |inner| Ok(inner.chain().store().undecided(height)?)).await
    }
}

impl Inner {
    /// The checkpoint whose digest the votes of `height` sign.
    fn checkpoint_at(&self, height: Height) -> Result<Option<crate::storage::CheckpointRecord>, StoreError> {
        match self.signed_at(height) {
            Some(sequence) => self.chain().checkpoint(sequence),
            None => Ok(None),
        }
    }

    fn verify_extension(&self, height: Height, validator: &VoteKey, extension: &[u8]) -> Result<(), String> {
        let record = self
            .checkpoint_at(height)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("votes of height {height} sign no checkpoint on this chain"))?;
        let signature = BlsSignature::try_from(extension).map_err(|error| error.to_string())?;
        let validators = self.chain().validators(height).map_err(|error| error.to_string())?;
        let (_, member) =
            validators.find(validator).ok_or_else(|| format!("{validator} is no validator of height {height}"))?;
        if verify(&member.checkpoint_key, &record.digest, &signature) {
            return Ok(());
        }
        Err(format!(
            "the BLS signature of {validator} does not verify for checkpoint {} with digest {}",
            record.checkpoint.sequence, record.digest
        ))
    }
}
