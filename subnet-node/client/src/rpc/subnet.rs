//! `Subnet.*` as typed methods over domain types.

use cid::Cid;
use fvm_shared::address::Address;
use subnet_types::SubnetId;
use subnet_types::bytes::Digest;
use subnet_types::genesis::ActivationRecord;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Sequence};

use super::{Client, RpcError};
use crate::api::{
    ActorCode, AwaitedAnswer, BalanceProof, BlockDetails, CheckpointRecord, CheckpointSummary, ChildStatus,
    ChildSummary, CrossMessageInfo, CrossPending, CrossTraceInfo, EdgePrice, FinalizedHeader, JsonAddress,
    MessageStatus, OwedAnswer, Page, ParentProof, ParentViewInfo, SubnetApiClient as _, SubnetInfo, SupplyInfo,
    TrackedSet, UnclaimedValue, ValidatorsInfo,
};

impl Client {
    /// Which chain and node this is, and where it stands.
    ///
    /// # Errors
    /// When the call brings no result; so for every method here.
    pub async fn info(&self) -> Result<SubnetInfo, RpcError> {
        self.call("Subnet.Info", self.http.info()).await
    }

    /// The validators that vote on a height (`None`: the last final one).
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn validators(&self, height: Option<Height>) -> Result<ValidatorsInfo, RpcError> {
        self.call("Subnet.Validators", self.http.validators(height)).await
    }

    /// A header with its finality certificate.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn header(&self, height: Option<Height>) -> Result<FinalizedHeader, RpcError> {
        self.call("Subnet.Header", self.http.header(height)).await
    }

    /// A block with what it carries.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn block(&self, height: Option<Height>) -> Result<BlockDetails, RpcError> {
        self.call("Subnet.Block", self.http.block(height)).await
    }

    /// What `child` has to learn of this chain, from a nonce and a configuration on, with its proof: by the block `header`,
    /// or the last final one. The caller verifies it: a server can answer anything.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn proof(
        &self,
        child: &SubnetId,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<Cid>,
    ) -> Result<ParentProof, RpcError> {
        let header = header.map(Into::into);
        let request = self.http.proof(child.clone(), from_nonce, from_configuration, tracked, header);
        self.call("Subnet.Proof", request).await
    }

    /// What activation of `child` froze; `None` before.
    ///
    /// # Errors
    /// When the call brings no result, or the record is another child's.
    pub async fn activation(&self, child: &SubnetId) -> Result<Option<ActivationRecord>, RpcError> {
        const METHOD: &str = "Subnet.Activation";
        let record = self.call(METHOD, self.http.activation(child.clone())).await?.map(|record| record.0);
        match &record {
            Some(record) if record.subnet != *child => {
                let reason = format!("asked for {child}, got the record of {}", record.subnet);
                Err(RpcError::Garbage { url: self.url().to_owned(), method: METHOD, reason })
            }
            _ => Ok(record),
        }
    }

    /// The chain's genesis CAR.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn genesis_file(&self) -> Result<Vec<u8>, RpcError> {
        Ok(self.call("Subnet.GenesisFile", self.http.genesis_file()).await?.0)
    }

    /// The chain's children.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn children(&self) -> Result<Vec<ChildSummary>, RpcError> {
        self.call("Subnet.Children", self.http.children()).await
    }

    /// What this chain knows of `child`.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, RpcError> {
        self.call("Subnet.ChildStatus", self.http.child_status(child.clone())).await
    }

    /// What the state with this root holds for an address, with its proof.
    ///
    /// # Errors
    /// When the call brings no result, as for a state that the node does not have or an address that nobody has.
    pub async fn balance_proof(&self, state_root: Cid, address: Address) -> Result<BalanceProof, RpcError> {
        self.call("Subnet.BalanceProof", self.http.balance_proof(state_root.into(), address.into())).await
    }

    /// A checkpoint that this chain's validators signed; `None` before.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, RpcError> {
        self.call("Subnet.Checkpoint", self.http.checkpoint(sequence)).await
    }

    /// Signed checkpoints from a sequence on, at most `max` of them.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn checkpoints(&self, from: Sequence, max: u32) -> Result<Vec<CheckpointSummary>, RpcError> {
        self.call("Subnet.Checkpoints", self.http.checkpoints(from, max)).await
    }

    /// How far this chain follows its parent.
    ///
    /// # Errors
    /// When the call brings no result, as on a root.
    pub async fn parent_view(&self) -> Result<ParentViewInfo, RpcError> {
        self.call("Subnet.ParentView", self.http.parent_view()).await
    }

    /// What a node of this chain has proved of the parent and the chain has not applied; `None` where that is nothing. The
    /// caller verifies it: a server can answer anything.
    ///
    /// # Errors
    /// When the call brings no result, as on a root.
    pub async fn parent_proof(
        &self,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<Cid>,
    ) -> Result<Option<ParentProof>, RpcError> {
        let request = self.http.parent_proof(from_nonce, from_configuration, tracked, header.map(Into::into));
        self.call("Subnet.ParentProof", request).await
    }

    /// Where a message is.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn message_status(&self, message: Cid) -> Result<MessageStatus, RpcError> {
        self.call("Subnet.MessageStatus", self.http.message_status(message.into())).await
    }

    /// All that happened to a cross message on this chain, or when it accepted the checkpoint with this digest.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn cross_trace(&self, id: Digest) -> Result<CrossTraceInfo, RpcError> {
        self.call("Subnet.CrossTrace", self.http.cross_trace(id)).await
    }

    /// What waits on this chain's edges after a height (`None`: the last final one).
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn cross_pending(&self, height: Option<Height>) -> Result<CrossPending, RpcError> {
        self.call("Subnet.CrossPending", self.http.cross_pending(height)).await
    }

    /// The messages that wait for `child`, or for the next checkpoints, from a nonce on; as many as one answer holds.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn cross_queue(
        &self,
        child: Option<&SubnetId>,
        from_nonce: Nonce,
        height: Option<Height>,
    ) -> Result<Vec<CrossMessageInfo>, RpcError> {
        self.call("Subnet.CrossQueue", self.http.cross_queue(child.cloned(), from_nonce, height)).await
    }

    /// Messages that this chain sent and that wait for their answers, from an id on; at most `max`.
    ///
    /// # Errors
    /// When the call brings no result, as where no message of this id waits.
    pub async fn cross_awaited(
        &self,
        from: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<AwaitedAnswer, Digest>, RpcError> {
        self.call("Subnet.CrossAwaited", self.http.cross_awaited(from, max, height)).await
    }

    /// Answers that actors of this chain owe, from a call's key on; at most `max`.
    ///
    /// # Errors
    /// When the call brings no result, as where nothing is owed under this key.
    pub async fn cross_owed(
        &self,
        from: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<OwedAnswer, Digest>, RpcError> {
        self.call("Subnet.CrossOwed", self.http.cross_owed(from, max, height)).await
    }

    /// What lies in the gateway's unclaimed ledger, from an address on; at most `max` entries.
    ///
    /// # Errors
    /// When the call brings no result, as where nothing is kept for this address.
    pub async fn cross_unclaimed(
        &self,
        from: Option<JsonAddress>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<UnclaimedValue, JsonAddress>, RpcError> {
        self.call("Subnet.CrossUnclaimed", self.http.cross_unclaimed(from, max, height)).await
    }

    /// The price of the first edge on the way to `to`.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn cross_price(&self, to: &SubnetId) -> Result<EdgePrice, RpcError> {
        self.call("Subnet.CrossPrice", self.http.cross_price(to.clone())).await
    }

    /// The code that the chain has, by name.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn actors(&self) -> Result<Vec<ActorCode>, RpcError> {
        self.call("Subnet.Actors", self.http.actors()).await
    }

    /// Native supply at a height.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn supply(&self, height: Option<Height>) -> Result<SupplyInfo, RpcError> {
        self.call("Subnet.Supply", self.http.supply(height)).await
    }
}
