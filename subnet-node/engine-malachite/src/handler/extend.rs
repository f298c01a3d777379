//! Vote extensions.

use arc_malachitebft_app_channel::app::consensus::{VoteExtensionError, VoteExtensionVerdicts};
use bytes::Bytes;

use super::Handler;
use crate::codec::EXTENSION_BYTES_MAX;
use crate::context::{Address, At, BlockId, Chain};
use crate::failure::Failure;

impl Handler {
    /// This node's extension. Without one the engine could not vote, so a failure stops it.
    pub(super) async fn extend(&self, height: At, block: &BlockId) -> Result<Bytes, Failure> {
        let extension = self.app.extend_vote(height.height(), &block.0).await.map_err(Failure::safety)?;
        if extension.len() > EXTENSION_BYTES_MAX {
            let actual = extension.len();
            return Err(Failure::safety(format!(
                "vote extension of height {height} has {actual} bytes, peers accept {EXTENSION_BYTES_MAX}"
            )));
        }
        Ok(extension.into())
    }

    /// One verdict for each extension, in the order they came.
    pub(super) async fn verify_extensions(
        &self,
        height: At,
        block: &BlockId,
        extensions: Vec<(Address, Bytes)>,
    ) -> VoteExtensionVerdicts<Chain> {
        let mut verdicts = Vec::with_capacity(extensions.len());
        for (address, extension) in extensions {
            let verdict = self.app.verify_extension(height.height(), &block.0, &address.0, &extension).await;
            if let Err(reason) = &verdict {
                tracing::warn!(%height, block = %block, validator = %address, %reason, "vote extension refused");
            }
            verdicts.push((address, verdict.map_err(|_| VoteExtensionError::InvalidVoteExtension)));
        }
        verdicts
    }
}
