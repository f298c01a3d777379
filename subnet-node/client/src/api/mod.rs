//! JSON types of every RPC method, and the methods themselves as two traits.
//!
//! `Filecoin.*` has the names and shapes of FRC-0104, so that stock clients understand the answers. `Subnet.*` is what
//! is ours; its fields are camelCase, and where a caller needs the exact bytes, `dagCbor` holds them beside the
//! readable fields. The server implements the traits and the client calls through them, so both agree by
//! construction.

mod chain;
mod cross;
mod error;
mod filecoin;
mod message;
mod scalar;
mod state;
mod status;
mod subnet;
mod subnet_methods;

pub use chain::{BlockHeaderJson, BlockMessages, Tipset, TipsetKey};
pub use cross::{
    AwaitedAnswer, ChildEdge, CrossEnd, CrossEvent, CrossKindInfo, CrossMessageInfo, CrossPending, CrossPosition,
    CrossStepInfo, CrossTraceInfo, EdgePrice, OutboxInfo, OwedAnswer, Page, ParentCursorInfo, UnclaimedValue,
};
pub use error::{ApiError, RejectionReason, code};
pub use filecoin::{FilecoinApiClient, FilecoinApiServer};
pub use message::{MessageJson, MessageSendSpec, SignatureJson, SignedMessageJson};
pub use scalar::{AMOUNT_DIGITS_MAX, JsonAddress, JsonAmount, JsonBytes, JsonCid};
pub use state::{ActorStateJson, ApiVersion, InvocationResult, MessageGasCost, MessageLookup, ReadState, ReceiptJson};
pub use status::{
    BalanceProof, CheckpointRecord, CheckpointSummary, ChildStatus, MessageStage, MessageStatus, ParentViewInfo,
    SupplyInfo,
};
pub use subnet::{
    ActorCode, BlockDetails, ChildSummary, DagCbor, FinalizedHeader, HeaderInfo, ParentLink, ParentProof,
    ParentUpdateSummary, SubnetInfo, TrackedSet, ValidatorInfo, ValidatorsInfo,
};
pub use subnet_methods::{SubnetApiClient, SubnetApiServer};
