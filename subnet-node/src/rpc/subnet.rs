//! The `Subnet.*` methods.

use std::sync::Arc;

use client::api::{
    ActorCode, ApiError, AwaitedAnswer, BalanceProof, BlockDetails, CheckpointRecord, CheckpointSummary, ChildStatus,
    ChildSummary, CrossMessageInfo, CrossPending, CrossTraceInfo, DagCbor, EdgePrice, FinalizedHeader, HeaderInfo,
    JsonAddress, JsonBytes, JsonCid, MessageStatus, OwedAnswer, Page, ParentProof, ParentViewInfo, SubnetApiServer,
    SubnetInfo, SupplyInfo, TrackedSet, UnclaimedValue, ValidatorsInfo,
};
use engine_api::Block;
use fvm_exec::genesis_file::GENESIS_FILE_BYTES_MAX;
use jsonrpsee::core::async_trait;
use subnet_types::genesis::ActivationRecord;
use subnet_types::{ConfigurationNumber, Digest, Height, Nonce, Sequence, SignedMessage, SubnetId};

use super::chain::{internal, stored};
use super::context::RpcContext;
use super::gate::Gate;
use crate::parent::api::ProofQuery;
use crate::regular;

pub(super) struct SubnetMethods {
    context: RpcContext,
    gate: Arc<Gate>,
}

impl SubnetMethods {
    pub(super) fn new(context: RpcContext, gate: Arc<Gate>) -> Self {
        Self { context, gate }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RpcContext) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let context = self.context.clone();
        self.gate.run(move || work(&context)).await
    }
}

#[async_trait]
impl SubnetApiServer for SubnetMethods {
    async fn info(&self) -> Result<SubnetInfo, ApiError> {
        self.run(RpcContext::info).await
    }

    async fn validators(&self, height: Option<Height>) -> Result<ValidatorsInfo, ApiError> {
        self.run(move |context| validators(context, height)).await
    }

    async fn header(&self, height: Option<Height>) -> Result<FinalizedHeader, ApiError> {
        self.run(move |context| {
            let height = context.committed_height(height)?;
            let header = context.header(height)?;
            let stored = stored(context.chain.certificate(height), "certificate", height)?;
            Ok(FinalizedHeader::new(header, stored.certificate))
        })
        .await
    }

    async fn block(&self, height: Option<Height>) -> Result<BlockDetails, ApiError> {
        self.run(move |context| block(context, height)).await
    }

    async fn proof(
        &self,
        child: SubnetId,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<JsonCid>,
    ) -> Result<ParentProof, ApiError> {
        let query = ProofQuery {
            child,
            nonce: from_nonce,
            configuration: from_configuration,
            tracked,
            header: header.map(|header| header.0),
        };
        self.run(move |context| context.proof_kept(&query)).await
    }

    async fn balance_proof(&self, state_root: JsonCid, address: JsonAddress) -> Result<BalanceProof, ApiError> {
        self.run(move |context| context.balance_proof(&state_root.0, &address.0)).await
    }

    async fn activation(&self, child: SubnetId) -> Result<Option<DagCbor<ActivationRecord>>, ApiError> {
        self.run(move |context| context.activation(&child)).await
    }

    async fn genesis_file(&self) -> Result<JsonBytes, ApiError> {
        self.run(|context| {
            // The file was checked when the node started; somebody may have changed it since.
            let bytes = regular::read(&context.genesis_file, GENESIS_FILE_BYTES_MAX).map_err(internal)?;
            Ok(JsonBytes(bytes))
        })
        .await
    }

    async fn children(&self) -> Result<Vec<ChildSummary>, ApiError> {
        self.run(RpcContext::children).await
    }

    async fn child_status(&self, child: SubnetId) -> Result<ChildStatus, ApiError> {
        self.run(move |context| context.child_status(&child)).await
    }

    async fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, ApiError> {
        self.run(move |context| context.checkpoint(sequence)).await
    }

    async fn checkpoints(&self, from: Sequence, max: u32) -> Result<Vec<CheckpointSummary>, ApiError> {
        self.run(move |context| context.checkpoints(from, max as usize)).await
    }

    async fn parent_view(&self) -> Result<ParentViewInfo, ApiError> {
        self.run(RpcContext::parent_view).await
    }

    async fn parent_proof(
        &self,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<JsonCid>,
    ) -> Result<Option<ParentProof>, ApiError> {
        self.run(move |context| {
            let query = ProofQuery {
                child: context.genesis().subnet.clone(),
                nonce: from_nonce,
                configuration: from_configuration,
                tracked,
                header: header.map(|header| header.0),
            };
            context.parent_proof(&query)
        })
        .await
    }

    async fn message_status(&self, message: JsonCid) -> Result<MessageStatus, ApiError> {
        self.run(move |context| context.message_status(message.0)).await
    }

    async fn cross_trace(&self, id: Digest) -> Result<CrossTraceInfo, ApiError> {
        self.run(move |context| context.cross_trace(id)).await
    }

    async fn cross_pending(&self, height: Option<Height>) -> Result<CrossPending, ApiError> {
        self.run(move |context| context.cross_pending(height)).await
    }

    async fn cross_queue(
        &self,
        child: Option<SubnetId>,
        from_nonce: Nonce,
        height: Option<Height>,
    ) -> Result<Vec<CrossMessageInfo>, ApiError> {
        self.run(move |context| context.cross_queue(child.as_ref(), from_nonce, height)).await
    }

    async fn cross_awaited(
        &self,
        from: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<AwaitedAnswer, Digest>, ApiError> {
        self.run(move |context| context.cross_awaited(from, max as usize, height)).await
    }

    async fn cross_owed(
        &self,
        from: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<OwedAnswer, Digest>, ApiError> {
        self.run(move |context| context.cross_owed(from, max as usize, height)).await
    }

    async fn cross_unclaimed(
        &self,
        from: Option<JsonAddress>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<UnclaimedValue, JsonAddress>, ApiError> {
        self.run(move |context| context.cross_unclaimed(from, max as usize, height)).await
    }

    async fn actors(&self) -> Result<Vec<ActorCode>, ApiError> {
        self.run(RpcContext::actors).await
    }

    async fn cross_price(&self, to: SubnetId) -> Result<EdgePrice, ApiError> {
        self.run(move |context| context.cross_price(&to)).await
    }

    async fn supply(&self, height: Option<Height>) -> Result<SupplyInfo, ApiError> {
        self.run(move |context| context.supply(height)).await
    }
}

/// The set that votes on the next height is fixed as well, so one height more than the head can be asked for.
fn validators(context: &RpcContext, height: Option<Height>) -> Result<ValidatorsInfo, ApiError> {
    let head = context.head();
    let height = height.unwrap_or(head);
    if height > head.next() {
        let problem = format!("the validators of height {height} are not fixed yet, those of {} are", head.next());
        return Err(ApiError::NotFound(problem));
    }
    let set = context.chain.validators(height).map_err(internal)?;
    Ok(ValidatorsInfo::new(height, set))
}

fn block(context: &RpcContext, height: Option<Height>) -> Result<BlockDetails, ApiError> {
    let height = context.committed_height(height)?;
    // Genesis has no header, which the caller is told in these words.
    context.header(height)?;
    let Block { header, payload } = stored(context.chain.block(height), "block", height)?;
    let (info, messages) = payload.parse().map_err(internal)?;
    let parent_update = info.parent_update.map(|update| context.brought(height, &update)).transpose()?;
    let results = context.results(height)?;
    Ok(BlockDetails {
        id: header.id().into(),
        header: HeaderInfo::from(&header),
        parent_update,
        messages: messages.iter().map(|message: &SignedMessage| message.cid().into()).collect(),
        gas_used: results.gas_used,
        state_root: results.state_root.into(),
        receipts_root: results.receipts_root.into(),
        payload_bytes: payload.size_bytes() as u64,
    })
}
