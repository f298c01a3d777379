//! The `Subnet.*` methods.

use jsonrpsee::proc_macros::rpc;
use subnet_types::SubnetId;
use subnet_types::bytes::Digest;
use subnet_types::genesis::ActivationRecord;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Sequence};

use super::cross::{
    AwaitedAnswer, CrossMessageInfo, CrossPending, CrossTraceInfo, EdgePrice, OwedAnswer, Page, UnclaimedValue,
};
use super::error::ApiError;
use super::scalar::{JsonAddress, JsonBytes, JsonCid};
use super::status::{
    BalanceProof, CheckpointRecord, CheckpointSummary, ChildStatus, MessageStatus, ParentViewInfo, SupplyInfo,
};
use super::subnet::{
    ActorCode, BlockDetails, ChildSummary, DagCbor, FinalizedHeader, ParentProof, SubnetInfo, TrackedSet,
    ValidatorsInfo,
};

/// What a subnet's node answers beyond Filecoin's methods. A height of `null` is the last final one.
#[rpc(server, client, namespace = "Subnet", namespace_separator = ".")]
pub trait SubnetApi {
    /// Which chain and node this is, and where it stands.
    #[method(name = "Info")]
    async fn info(&self) -> Result<SubnetInfo, ApiError>;

    /// The validators that vote on a height.
    #[method(name = "Validators")]
    async fn validators(&self, height: Option<Height>) -> Result<ValidatorsInfo, ApiError>;

    /// A header with its finality certificate.
    #[method(name = "Header")]
    async fn header(&self, height: Option<Height>) -> Result<FinalizedHeader, ApiError>;

    /// A block with what it carries.
    #[method(name = "Block")]
    async fn block(&self, height: Option<Height>) -> Result<BlockDetails, ApiError>;

    /// What a child has to learn, as a parent update that proves itself to whoever tracks the validator set `tracked` of
    /// this chain: messages from a nonce and changes from a configuration on, with the block `header` (`null`: the last
    /// final one). Where too many sets came in between, it leads as far as one update may.
    #[method(name = "Proof")]
    async fn proof(
        &self,
        child: SubnetId,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<JsonCid>,
    ) -> Result<ParentProof, ApiError>;

    /// What activation of a child froze; `null` before.
    #[method(name = "Activation")]
    async fn activation(&self, child: SubnetId) -> Result<Option<DagCbor<ActivationRecord>>, ApiError>;

    /// The chain's genesis CAR.
    #[method(name = "GenesisFile")]
    async fn genesis_file(&self) -> Result<JsonBytes, ApiError>;

    /// The chain's children.
    #[method(name = "Children")]
    async fn children(&self) -> Result<Vec<ChildSummary>, ApiError>;

    /// What this chain knows of a child.
    #[method(name = "ChildStatus")]
    async fn child_status(&self, child: SubnetId) -> Result<ChildStatus, ApiError>;

    /// What the state with this root holds for an address, with its proof. The address of a checkpoint actor leads on to
    /// the chain below it.
    #[method(name = "BalanceProof")]
    async fn balance_proof(&self, state_root: JsonCid, address: JsonAddress) -> Result<BalanceProof, ApiError>;

    /// A checkpoint that this chain's validators signed; `null` before.
    #[method(name = "Checkpoint")]
    async fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, ApiError>;

    /// Signed checkpoints from a sequence on, at most `max` of them.
    #[method(name = "Checkpoints")]
    async fn checkpoints(&self, from: Sequence, max: u32) -> Result<Vec<CheckpointSummary>, ApiError>;

    /// How far this chain follows its parent; an error on a root.
    #[method(name = "ParentView")]
    async fn parent_view(&self) -> Result<ParentViewInfo, ApiError>;

    /// What this node, following its parent, has proved and its chain has not applied, for whoever's chain stands where
    /// this one does: with the same next message, next configuration and tracked validators. `null` where there is
    /// nothing new.
    #[method(name = "ParentProof")]
    async fn parent_proof(
        &self,
        from_nonce: Nonce,
        from_configuration: ConfigurationNumber,
        tracked: TrackedSet,
        header: Option<JsonCid>,
    ) -> Result<Option<ParentProof>, ApiError>;

    /// Where a message is.
    #[method(name = "MessageStatus")]
    async fn message_status(&self, message: JsonCid) -> Result<MessageStatus, ApiError>;

    /// All that happened to a cross message on this chain, with heights and times. For the digest of a child's
    /// checkpoint: when this chain accepted it.
    #[method(name = "CrossTrace")]
    async fn cross_trace(&self, id: Digest) -> Result<CrossTraceInfo, ApiError>;

    /// What waits on this chain's edges after a height.
    #[method(name = "CrossPending")]
    async fn cross_pending(&self, height: Option<Height>) -> Result<CrossPending, ApiError>;

    /// The messages that wait for `child` after a height, or for the next checkpoints (`null`), from a nonce on. One
    /// answer holds so many; the next one begins after the last of them.
    #[method(name = "CrossQueue")]
    async fn cross_queue(
        &self,
        child: Option<SubnetId>,
        from_nonce: Nonce,
        height: Option<Height>,
    ) -> Result<Vec<CrossMessageInfo>, ApiError>;

    /// Messages that this chain sent and that wait for their answers after a height, from an id on; at most `max`.
    #[method(name = "CrossAwaited")]
    async fn cross_awaited(
        &self,
        from_id: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<AwaitedAnswer, Digest>, ApiError>;

    /// Answers that actors of this chain owe after a height, from a call's key on; at most `max`.
    #[method(name = "CrossOwed")]
    async fn cross_owed(
        &self,
        from_key: Option<Digest>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<OwedAnswer, Digest>, ApiError>;

    /// What lies in the gateway's unclaimed ledger after a height, from an address on; at most `max` entries.
    #[method(name = "CrossUnclaimed")]
    async fn cross_unclaimed(
        &self,
        from_address: Option<JsonAddress>,
        max: u32,
        height: Option<Height>,
    ) -> Result<Page<UnclaimedValue, JsonAddress>, ApiError>;

    /// The price of the first edge on the way from this chain to another.
    #[method(name = "CrossPrice")]
    async fn cross_price(&self, to: SubnetId) -> Result<EdgePrice, ApiError>;

    /// The code that the chain has, by name.
    #[method(name = "Actors")]
    async fn actors(&self) -> Result<Vec<ActorCode>, ApiError>;

    /// Native supply at a height.
    #[method(name = "Supply")]
    async fn supply(&self, height: Option<Height>) -> Result<SupplyInfo, ApiError>;
}
