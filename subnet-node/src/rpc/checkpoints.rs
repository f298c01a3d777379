//! The checkpoints that this chain's validators signed.

use client::api::{ApiError, CheckpointRecord, CheckpointSummary};
use subnet_types::Sequence;
use subnet_types::actors::SubmitCheckpointParams;

use super::chain::internal;
use super::context::RpcContext;
use super::limits::CHECKPOINTS_PER_ANSWER_MAX;

impl RpcContext {
    /// A checkpoint with everything that its submission needs; `None` until it is signed.
    pub(super) fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, ApiError> {
        let Some(record) = self.chain.checkpoint(sequence).map_err(internal)? else { return Ok(None) };
        let Some(certificate) = record.certificate.clone() else { return Ok(None) };
        let messages = self.chain.checkpoint_messages(&record).map_err(internal)?;
        let submission = SubmitCheckpointParams { checkpoint: record.checkpoint, certificate, messages };
        Ok(Some(CheckpointRecord::new(submission, record.digest)))
    }

    /// Signed checkpoints from `from` on, in order.
    pub(super) fn checkpoints(&self, from: Sequence, max: usize) -> Result<Vec<CheckpointSummary>, ApiError> {
        let records = self.chain.checkpoints(from, max.min(CHECKPOINTS_PER_ANSWER_MAX)).map_err(internal)?;
        let signed = records.into_iter().map_while(|record| {
            let signers = record.certificate?.signers.iter().map(|byte| byte.count_ones()).sum();
            Some(CheckpointSummary::new(&record.checkpoint, record.digest, signers))
        });
        Ok(signed.collect())
    }
}
