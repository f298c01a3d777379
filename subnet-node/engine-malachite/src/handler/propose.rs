//! Proposing: building a block once for each round, and streaming it.

use std::time::Duration;

use arc_malachitebft_app_channel::NetworkMsg;
use arc_malachitebft_app_channel::app::streaming::StreamId;
use arc_malachitebft_app_channel::app::types::LocallyProposedValue;
use arc_malachitebft_app_channel::app::types::core::Round;
use bytes::{BufMut, Bytes, BytesMut};
use engine_api::{AppFailure, Block, BuildContext, BuiltBlock};
use proto::block::BLOCK_BYTES_MAX;
use subnet_types::hash::blake2b_256;
use subnet_types::limits::HINT_BYTES_MAX;
use subnet_types::{Ed25519Signature, Height};

use super::{Handler, State};
use crate::context::{At, BlockId, Chain, HintsInit, ProposalInit, number};
use crate::failure::Failure;
use crate::proposals::{Judgement, Proposed};
use crate::streaming::split;

/// Part of the propose timeout that building may take; the rest is for the parts to reach the others.
pub(super) const BUILD_SHARE: u32 = 2;

impl Handler {
    /// The block to propose in this round. It is durable before it is returned, and the same when asked again, even
    /// after a crash: two blocks for one round would be equivocation.
    ///
    /// `None` when the question is about a height that is not being decided; the round then ends by its timeout.
    pub(super) async fn value(
        &self,
        state: &mut State,
        height: At,
        round: Round,
        timeout: Duration,
    ) -> Result<Option<LocallyProposedValue<Chain>>, Failure> {
        let number = number(round);
        let is_current = state.current.as_ref().is_some_and(|current| current.height == height.height());
        if !is_current {
            tracing::warn!(%height, "asked for a block of a height that is not being decided");
            return Ok(None);
        }
        let proposed = match state.proposals.announced(number, &self.signer.vote_key()) {
            Some(proposed) => proposed.clone(),
            None => {
                let proposed = self.build(height.height(), number, timeout).await?;
                self.app.put_undecided(proposed.record()).await.map_err(Failure::liveness)?;
                state.proposals.insert(proposed.clone());
                proposed
            }
        };
        self.stream(state, &proposed);
        Ok(Some(LocallyProposedValue::new(height, round, BlockId(proposed.block.id()))))
    }

    async fn build(&self, height: Height, round: u32, timeout: Duration) -> Result<Proposed, Failure> {
        let proposer = self.signer.vote_key();
        let context = BuildContext { height, round, proposer, time_budget: timeout / BUILD_SHARE };
        let BuiltBlock { block, mut hints } = self.app.build(context).await.map_err(Failure::liveness)?;
        check_built(&block, height, self).map_err(Failure::liveness)?;
        let encoded = proto::block::encode(&block.header, &block.payload);
        if encoded.len() > BLOCK_BYTES_MAX {
            let reason = format!("it has {} bytes, {BLOCK_BYTES_MAX} are allowed", encoded.len());
            return Err(Failure::liveness(AppFailure::new("proposing the block that was built", reason)));
        }
        let mut init = ProposalInit {
            height,
            round,
            proposer,
            block: block.id(),
            bytes: encoded.len() as u64,
            signature: Ed25519Signature([0; 64]),
            hints: None,
        };
        init.signature = self.signer.sign(&init.signing_bytes(&self.identity));
        if hints.len() > HINT_BYTES_MAX {
            tracing::error!(%height, bytes = hints.len(), max = HINT_BYTES_MAX, "too many hints: proposed without");
            hints = Bytes::new();
        }
        init.hints = self.announce_hints(&init, &hints);
        Ok(Proposed { init: Some(init), hints, round, block, encoded, judgement: Judgement::Valid })
    }

    fn announce_hints(&self, init: &ProposalInit, hints: &Bytes) -> Option<HintsInit> {
        if hints.is_empty() {
            return None;
        }
        let (bytes, digest) = (hints.len() as u64, blake2b_256(hints));
        let mut announced = HintsInit { bytes, digest, signature: Ed25519Signature([0; 64]) };
        announced.signature = self.signer.sign(&init.hints_signing_bytes(&self.identity, &announced));
        Some(announced)
    }

    /// Streams a block again under its first announcement, for validators that lack it.
    pub(super) fn restream(&self, state: &mut State, block: &BlockId) {
        match state.proposals.get(&block.0).cloned() {
            Some(proposed) => self.stream(state, &proposed),
            None => tracing::debug!(%block, "asked to stream a block again that is not here"),
        }
    }

    fn stream(&self, state: &mut State, proposed: &Proposed) {
        // A block that came with a certificate has no announcement; whoever needs it syncs it as we did.
        let Some(init) = proposed.init.clone() else { return };
        let id = StreamId::new(self.stream_id(state.streams_sent));
        state.streams_sent += 1;
        let parts = split(init, proposed.encoded.clone(), proposed.hints.clone(), id);
        let network = self.network.clone();
        state.tasks.spawn(async move {
            for part in parts {
                // The network is gone only when the engine stops.
                if network.send(NetworkMsg::PublishProposalPart(part)).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
    }

    fn stream_id(&self, sent: u64) -> Bytes {
        let mut id = BytesMut::with_capacity(16);
        id.put_u64(self.stream_prefix);
        id.put_u64(sent);
        id.freeze()
    }
}

/// What the engine relies on in a block of our own. A mistake here is the application's, and would be every peer's
/// reason to drop the block.
fn check_built(block: &Block, height: Height, handler: &Handler) -> Result<(), AppFailure> {
    let header = &block.header;
    let reason = if header.height != height {
        format!("it has height {}, {height} was asked for", header.height)
    } else if header.chain != handler.identity {
        format!("it is of chain {}, this is {}", header.chain, handler.identity)
    } else if header.proposer != handler.signer.vote_key() {
        format!("it names {} as its proposer, this is {}", header.proposer, handler.signer.vote_key())
    } else if header.payload_root != block.payload.root() {
        format!("it commits to the payload {}, its own is {}", header.payload_root, block.payload.root())
    } else {
        return Ok(());
    };
    Err(AppFailure::new("proposing the block that was built", reason))
}
