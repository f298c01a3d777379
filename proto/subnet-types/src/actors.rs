//! Where the built-in actors live, what their methods are called, and what crosses between two of them or between
//! the node and one of them.
//!
//! Method numbers follow FRC-42: the hash of the method's name.

use cid::Cid;
use frc42_dispatch::method_hash;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use serde::de::IgnoredAny;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::bytes::{BlsPublicKey, BlsSignature, Ed25519Signature, VoteKey};
use crate::checkpoint::{Checkpoint, ConfigurationApplied, QuorumCertificate, TopDownApplied};
use crate::cross::{CrossAddress, CrossMessage, MessageBatch, call_key};
use crate::genesis::SubnetParameters;
use crate::membership::ValidatorSet;
use crate::parent::MembershipChange;
use crate::quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence, TimestampMs};
use crate::subnet_id::SubnetId;

/// Sends implicit messages; holds the mint reserve of a subnet.
pub const SYSTEM_ID: ActorID = 0;
/// Creates actors and maps addresses to ids.
pub const INIT_ID: ActorID = 1;
/// Collects tips and pays them to the proposer.
pub const REWARD_ID: ActorID = 2;
/// Creates actors with Ethereum addresses.
pub const EAM_ID: ActorID = 10;
/// The door between a chain, its parent and its children.
pub const GATEWAY_ID: ActorID = 64;
/// Carries calls and receipts from the gateway to actors. Holds nothing and may do nothing else.
pub const COURIER_ID: ActorID = 65;
/// Where value goes that leaves circulation.
pub const BURNT_FUNDS_ID: ActorID = 99;
/// First id that init gives out.
pub const FIRST_USER_ID: ActorID = 100;

/// Every actor's constructor.
pub const METHOD_CONSTRUCTOR: MethodNum = 1;

/// Names under which a bundle's manifest lists the actors this project adds to Filecoin's.
pub mod manifest_names {
    /// The gateway actor.
    pub const GATEWAY: &str = "gateway";
    /// The checkpoint actor.
    pub const CHECKPOINT: &str = "checkpoint";
    /// The courier.
    pub const COURIER: &str = "courier";
}

/// Methods of the reward actor.
pub mod reward {
    use super::*;
    /// System pays a block's tips: [`AwardTipsParams`].
    pub const AWARD_TIPS: MethodNum = method_hash!("AwardTips");
}

/// Methods of the gateway actor.
pub mod gateway {
    use super::*;
    /// A checkpoint actor enters itself as a child: [`RegisterChildParams`] →
    /// [`RegisterChildReturn`].
    pub const REGISTER_CHILD: MethodNum = method_hash!("RegisterChild");
    /// A registered checkpoint actor marks its child active: no parameters → [`ParentAnchor`](crate::genesis::ParentAnchor).
    pub const ACTIVATE_CHILD: MethodNum = method_hash!("ActivateChild");
    /// A registered checkpoint actor logs a change: [`MembershipChange`].
    pub const LOG_CHANGE: MethodNum = method_hash!("LogChange");
    /// A registered checkpoint actor reports an accepted checkpoint:
    /// [`CommitCheckpointParams`] →
    /// [`CommitCheckpointReturn`].
    pub const COMMIT_CHECKPOINT: MethodNum = method_hash!("CommitCheckpoint");
    /// A registered checkpoint actor hands over bottom-up messages with their amounts together as value:
    /// [`DeliverParams`] → [`DeliverReturn`].
    pub const DELIVER: MethodNum = method_hash!("Deliver");
    /// Anyone sends a cross message to any chain: [`SendParams`] with value and fee together as value →
    /// [`EnqueueReturn`].
    pub const SEND: MethodNum = method_hash!("Send");
    /// An actor that took a call and did not answer at once gives its answer, and may send back value with it:
    /// [`AnswerParams`] → [`EnqueueReturn`].
    pub const ANSWER: MethodNum = method_hash!("Answer");
    /// System applies what the parent finalized: [`ApplyParentUpdateParams`] with
    /// the messages' amounts as value → [`ApplyParentUpdateReturn`].
    pub const APPLY_PARENT_UPDATE: MethodNum = method_hash!("ApplyParentUpdate");
    /// System ends a period: no parameters → [`CheckpointCut`].
    pub const CUT_CHECKPOINT: MethodNum = method_hash!("CutCheckpoint");
    /// A registered checkpoint actor closes the way down to its child: [`CloseChildParams`] → [`CloseChildReturn`].
    pub const CLOSE_CHILD: MethodNum = method_hash!("CloseChild");
    /// The checkpoint actor of a child that has exited has waiting messages answered: [`RefundChildParams`] →
    /// [`RefundReturn`].
    pub const REFUND_CHILD: MethodNum = method_hash!("RefundChild");
    /// Anyone has an entry of the unclaimed ledger credited, now that this can work: [`ClaimParams`].
    pub const CLAIM: MethodNum = method_hash!("Claim");
}

/// Methods of the courier.
pub mod courier {
    use super::*;
    /// The gateway has a call carried, with the call's value: [`CarryCallParams`] → what the destination returns.
    pub const CARRY_CALL: MethodNum = method_hash!("CarryCall");
    /// The gateway has a receipt carried: [`CarryReceiptParams`] → nothing.
    pub const CARRY_RECEIPT: MethodNum = method_hash!("CarryReceipt");
}

/// Methods that an actor has to take part in calls between chains. Only the courier's word counts in them.
pub mod receiver {
    use super::*;
    /// A call from another chain, with its value: [`CrossCall`] → [`CallReturn`].
    pub const RECEIVE_CROSS_CALL: MethodNum = method_hash!("ReceiveCrossCall");
    /// The outcome of a message that this actor sent: [`CrossReceipt`] → nothing. What came back is credited already.
    pub const RECEIVE_CROSS_RECEIPT: MethodNum = method_hash!("ReceiveCrossReceipt");
}

/// Exit codes with which a chain refuses to deliver a cross message. They stand in the receipt that brings the value
/// back, beside the codes of the VM for a destination that cannot be credited.
pub mod refusal {
    use super::ExitCode;

    /// The origin lies outside the subtree the message came from. Its value goes back without a receipt.
    pub const FORGED_ORIGIN: ExitCode = ExitCode::new(100);
    /// The message came to a chain that is not on its way.
    pub const WRONG_DIRECTION: ExitCode = ExitCode::new(101);
    /// The destination's hierarchy is another one, or the way up ends at a root.
    pub const NO_ROUTE: ExitCode = ExitCode::new(102);
    /// The delivering chain is at or past the height at which the message expires.
    pub const EXPIRED: ExitCode = ExitCode::new(103);
    /// The fee does not pay for what the next edge asks.
    pub const FEE_TOO_LOW: ExitCode = ExitCode::new(104);
    /// The call asks for more gas than any chain gives.
    pub const GAS_LIMIT: ExitCode = ExitCode::new(105);
    /// The recipient is an id, which means something else on every chain.
    pub const RECIPIENT: ExitCode = ExitCode::new(106);
    /// The recipient is a system actor or a checkpoint actor.
    pub const FORBIDDEN: ExitCode = ExitCode::new(107);
    /// A chain on the way has no active child of that name.
    pub const UNKNOWN_SUBNET: ExitCode = ExitCode::new(108);
    /// The subnet was killed.
    pub const KILLED_SUBNET: ExitCode = ExitCode::new(109);
    /// The message is larger than may cross.
    pub const TOO_LARGE: ExitCode = ExitCode::new(110);
    /// The call returned more than a receipt may carry.
    pub const RETURN_TOO_LARGE: ExitCode = ExitCode::new(111);
    /// The call returned something else than a [`CallReturn`](super::CallReturn).
    pub const BAD_RETURN: ExitCode = ExitCode::new(112);
    /// The receipt answers nothing that was sent from here, or a transfer that nobody refused.
    pub const RECEIPT_UNKNOWN: ExitCode = ExitCode::new(113);
    /// The message has been answered.
    pub const RECEIPT_REPEATED: ExitCode = ExitCode::new(114);
    /// The receipt comes from a chain or an address that cannot answer the message.
    pub const RECEIPT_SENDER: ExitCode = ExitCode::new(115);
    /// The receipt brings more than was sent.
    pub const RECEIPT_VALUE: ExitCode = ExitCode::new(116);
    /// The destination's code used up the gas of the call.
    pub const OUT_OF_GAS: ExitCode = ExitCode::new(117);
    /// The destination's code trapped: an illegal instruction, or its stack ran over.
    pub const TRAPPED: ExitCode = ExitCode::new(118);
    /// There is no actor at the destination, and none can be made by sending to it.
    pub const NO_DESTINATION: ExitCode = ExitCode::new(119);
    /// The VM ended the destination for another reason.
    pub const VM_ERROR: ExitCode = ExitCode::new(120);
    /// A call with this id from the same chain waits for its answer already.
    pub const ID_TAKEN: ExitCode = ExitCode::new(121);

    /// As many messages wait for this chain's checkpoints as may.
    pub const QUEUE_FULL: ExitCode = ExitCode::new(122);

    /// The code that a receipt gives where the VM, or an actor of somebody's choice, ended with `code`.
    ///
    /// An actor's own codes go on as they are, those of this list too: whoever reads them on the other chain must not read
    /// more into one than "it failed". The VM's codes are not an actor's to give
    /// ([`ExitCode::FIRST_USER_EXIT_CODE`]), so they have other numbers.
    pub fn of_exit(code: ExitCode) -> ExitCode {
        match code {
            // The VM's own codes begin with it, and it is no failure.
            ExitCode::OK => ExitCode::OK,
            ExitCode::SYS_OUT_OF_GAS => OUT_OF_GAS,
            ExitCode::SYS_ILLEGAL_INSTRUCTION => TRAPPED,
            ExitCode::SYS_INVALID_RECEIVER => NO_DESTINATION,
            code if code.is_system_error() => VM_ERROR,
            code => code,
        }
    }

    /// What a refusal's code means; `None` for another code.
    pub fn describe(code: ExitCode) -> Option<&'static str> {
        Some(match code {
            FORGED_ORIGIN => "its origin is not below the chain it came from",
            WRONG_DIRECTION => "its destination is not on this side of the edge",
            NO_ROUTE => "no route: its destination is in no subnet of this hierarchy",
            EXPIRED => "it expired before it was delivered",
            FEE_TOO_LOW => "its fee does not pay for the way",
            GAS_LIMIT => "it asks for more gas than a call may have",
            RECIPIENT => "its recipient is not a robust address",
            FORBIDDEN => "its recipient is a system or checkpoint actor",
            UNKNOWN_SUBNET => "a chain on its way has no such active child",
            KILLED_SUBNET => "its destination was killed",
            TOO_LARGE => "it is too large to cross",
            RETURN_TOO_LARGE => "it returned more than a receipt may carry",
            BAD_RETURN => "it returned what no call returns",
            RECEIPT_UNKNOWN => "it answers nothing that was sent from here",
            RECEIPT_REPEATED => "it answers what has been answered",
            RECEIPT_SENDER => "it comes from where no answer can come from",
            RECEIPT_VALUE => "it brings more than was sent",
            OUT_OF_GAS => "its destination used up the gas of the call",
            TRAPPED => "its destination's code trapped",
            NO_DESTINATION => "there is no actor at its destination",
            VM_ERROR => "the VM ended its destination",
            ID_TAKEN => "a call of its chain with its id waits for an answer already",
            QUEUE_FULL => "too much waits on its way for the next checkpoints",
            _ => return None,
        })
    }
}

/// Methods of the checkpoint actor.
pub mod checkpoint {
    use super::*;
    /// Enters the actor with the gateway: [`RegisterParams`] →
    /// [`RegisterChildReturn`].
    pub const REGISTER: MethodNum = method_hash!("Register");
    /// A validator joins with its stake as value: [`JoinParams`].
    pub const JOIN: MethodNum = method_hash!("Join");
    /// The owner of a federated subnet sets a power: [`SetPowerParams`].
    pub const SET_POWER: MethodNum = method_hash!("SetPower");
    /// Anyone submits the next checkpoint, in a message of their own as with the next two: [`SubmitCheckpointParams`] →
    /// [`SubmitCheckpointReturn`].
    pub const SUBMIT_CHECKPOINT: MethodNum = method_hash!("SubmitCheckpoint");
    /// Anyone delivers further messages of accepted checkpoints: [`DeliverBatchParams`] →
    /// [`SubmitCheckpointReturn`].
    pub const DELIVER_BATCH: MethodNum = method_hash!("DeliverBatch");
    /// Anyone has a message delivered again that the gateway would not take before: [`CrossMessage`] →
    /// [`DeliverUnclaimedReturn`].
    pub const DELIVER_UNCLAIMED: MethodNum = method_hash!("DeliverUnclaimed");
    /// The gateway locks value for the child (the value sent): no parameters.
    pub const LOCK: MethodNum = method_hash!("Lock");
    /// The gateway takes out of custody, after an exit, what it refunds: [`UnlockParams`] → [`UnlockReturn`].
    pub const UNLOCK: MethodNum = method_hash!("Unlock");
    /// A member stops to be one: [`OwnerParams`]. Its stake comes back at once before activation, and later with the
    /// next.
    pub const LEAVE: MethodNum = method_hash!("Leave");
    /// A former member takes its stake out when its time has come, or any member after an exit: [`OwnerParams`].
    pub const WITHDRAW: MethodNum = method_hash!("Withdraw");
    /// The owner gives notice, or a validator votes for it: [`OwnerParams`] → [`KillReturn`].
    pub const KILL: MethodNum = method_hash!("Kill");
    /// A validator in charge takes back its votes for the end and for a recovery: [`OwnerParams`].
    pub const RETRACT_VOTES: MethodNum = method_hash!("RetractVotes");
    /// The owner, or validators by vote, put others in charge of a silent subnet: [`RecoverParams`] → [`KillReturn`].
    pub const RECOVER: MethodNum = method_hash!("Recover");
    /// Anyone ends the subnet for ever, after the notice or the silence: no parameters.
    pub const EXIT: MethodNum = method_hash!("Exit");
    /// Anyone has messages answered that the subnet will never apply: [`RefundChildParams`] → [`RefundReturn`].
    pub const REFUND: MethodNum = method_hash!("Refund");
    /// Anyone has an account of a subnet that has exited paid on this chain: [`ClaimBalanceParams`] →
    /// [`ClaimBalanceReturn`].
    pub const CLAIM_BALANCE: MethodNum = method_hash!("ClaimBalance");
}

/// Parameters of [`reward::AWARD_TIPS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AwardTipsParams {
    /// Owner address of the block's proposer.
    pub beneficiary: Address,
    /// Sum of the block's tips, in attoFIL.
    pub amount: TokenAmount,
}

/// Parameters of [`gateway::REGISTER_CHILD`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RegisterChildParams {
    /// The caller's own robust address.
    pub actor: Address,
    /// As in [`ChainParameters`](crate::genesis::ChainParameters).
    pub cross_gas_price: TokenAmount,
}

/// Return of [`gateway::REGISTER_CHILD`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RegisterChildReturn {
    /// Name of the child.
    pub subnet: SubnetId,
    /// Identity of this chain, the child's parent.
    pub parent: crate::identity::ChainIdentity,
}

/// Parameters of [`gateway::COMMIT_CHECKPOINT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CommitCheckpointParams {
    /// How far the child has applied top-down messages.
    pub top_down_applied: TopDownApplied,
    /// Which configuration the child has applied.
    pub configuration: ConfigurationNumber,
}

/// Return of [`gateway::COMMIT_CHECKPOINT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CommitCheckpointReturn {
    /// Height at which the oldest message or change was queued that the child has not applied; `None` when it has
    /// applied all.
    pub oldest_unapplied: Option<Height>,
}

/// Parameters of [`gateway::CLAIM`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ClaimParams {
    /// For whom the ledger holds something.
    pub address: Address,
}

/// What a message sent with [`gateway::SEND`] does where it arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CallParams {
    /// As in [`CrossKind::Call`](crate::CrossKind::Call).
    pub method: MethodNum,
    /// As there.
    pub params: RawBytes,
    /// Gas for the destination's code.
    pub gas_limit: u64,
}

/// Parameters of [`gateway::SEND`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SendParams {
    /// Whom it is for, on any other chain of the hierarchy.
    pub to: CrossAddress,
    /// `None` for a transfer.
    pub call: Option<CallParams>,
    /// How much of the value that comes with these parameters is the fee, in attoFIL; the rest is for the recipient.
    pub fee: TokenAmount,
    /// As in [`CrossMessage`].
    pub expires: Option<Height>,
    /// As there.
    pub wants_receipt: bool,
}

impl SendParams {
    /// Levels of the destination's name in encoded parameters, the root included, also where they are more than a
    /// [`SubnetId`] may have; `None` when the bytes are no such parameters.
    pub fn levels_named(bytes: &[u8]) -> Option<usize> {
        type Named = ((u64, Vec<Address>), IgnoredAny);
        type Loose = (Named, IgnoredAny, IgnoredAny, IgnoredAny, IgnoredAny);
        let (((_, route), _), ..): Loose = fvm_ipld_encoding::from_slice(bytes).ok()?;
        Some(route.len().saturating_add(1))
    }
}

/// Parameters of [`gateway::ANSWER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct AnswerParams {
    /// The call's [`key`](CrossCall::key).
    pub of: crate::Digest,
    /// Zero for success.
    pub exit_code: ExitCode,
    /// What the caller gets to see.
    pub return_data: RawBytes,
}

/// Parameters of [`courier::CARRY_CALL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CarryCallParams {
    /// To whom.
    pub to: Address,
    /// Gas for its code.
    pub gas_limit: u64,
    /// What.
    pub call: CrossCall,
}

/// Parameters of [`courier::CARRY_RECEIPT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CarryReceiptParams {
    /// To whom.
    pub to: Address,
    /// What.
    pub receipt: CrossReceipt,
}

/// A call as its destination gets it, in [`receiver::RECEIVE_CROSS_CALL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossCall {
    /// Id of the message: the word of the chain that it comes from. No chain delivers a message twice, but a corrupt one
    /// may send several under one id, or under an id of others; see [`Self::key`].
    pub id: crate::Digest,
    /// Who calls, from where.
    pub origin: CrossAddress,
    /// The method called.
    pub method: MethodNum,
    /// Its parameters.
    pub params: RawBytes,
}

impl CrossCall {
    /// What the call goes by on this chain, where it can be told from every call of another chain: what it is answered by
    /// ([`AnswerParams::of`]), and what an actor had better remember it by.
    pub fn key(&self) -> crate::Digest {
        call_key(&self.origin.subnet, &self.id)
    }
}

/// What a destination returns of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CallReturn {
    /// Whether the answer comes later, with [`gateway::ANSWER`]. Then `data` is not looked at.
    pub is_deferred: bool,
    /// What the caller gets to see.
    pub data: RawBytes,
}

/// An outcome as the sender gets it, in [`receiver::RECEIVE_CROSS_RECEIPT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CrossReceipt {
    /// Id of the message that it answers.
    pub of: crate::Digest,
    /// Where that message went. It was refused, when it was, there or on the way.
    pub from: CrossAddress,
    /// Zero for success; a [`refusal`]'s, the VM's or the destination's otherwise.
    pub exit_code: ExitCode,
    /// What the destination returned.
    pub return_data: RawBytes,
    /// What came back of the message's value and was credited before this, in attoFIL.
    pub value: TokenAmount,
    /// What was left of its fee and was credited likewise, in attoFIL.
    pub fee: TokenAmount,
}

/// Return of [`gateway::SEND`] and [`gateway::ANSWER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct EnqueueReturn {
    /// Id of the message, for following it.
    pub id: crate::Digest,
    /// Its position on the edge.
    pub nonce: Nonce,
}

/// Parameters of [`gateway::DELIVER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct DeliverParams {
    /// In nonce order, without a gap.
    pub messages: Vec<CrossMessage>,
}

/// Return of [`gateway::DELIVER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct DeliverReturn {
    /// For each message, in order: zero when it was delivered or went on, otherwise why its value went back.
    pub outcomes: Vec<ExitCode>,
}

/// Return of [`checkpoint::DELIVER_UNCLAIMED`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct DeliverUnclaimedReturn {
    /// As in [`DeliverReturn`].
    pub exit_code: ExitCode,
}

/// Parameters of [`gateway::APPLY_PARENT_UPDATE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ApplyParentUpdateParams {
    /// Height `h` of the parent after which the ranges were read.
    pub parent_height: Height,
    /// Id of the parent's block `h + 1`, which proves that state.
    pub parent_block: Cid,
    /// That block's time.
    pub parent_timestamp: TimestampMs,
    /// The parent's validators at that block, when they are others than those tracked so far.
    pub parent_validators: Option<ValidatorSet>,
    /// Consecutive messages from the cursor on.
    pub messages: Vec<CrossMessage>,
    /// Consecutive changes from the last pending configuration on.
    pub changes: Vec<MembershipChange>,
    /// The nonce that the parent gives the next message to be queued. Messages up to it that are not in `messages` were
    /// cut off by a limit.
    pub next_nonce: Nonce,
    /// The configuration that the next change to be logged makes; likewise.
    pub next_configuration: ConfigurationNumber,
}

/// Return of [`gateway::APPLY_PARENT_UPDATE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ApplyParentUpdateReturn {
    /// One exit code for each message that was applied, in order. Those beyond are left to the next update.
    pub outcomes: Vec<ExitCode>,
}

/// What the cut of a period fixes. The node adds block id, state root and the digest before to make the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CheckpointCut {
    /// Counts from 1.
    pub sequence: Sequence,
    /// Height of the block that cut.
    pub height: Height,
    /// The period's bottom-up messages.
    pub messages: MessageBatch,
    /// Root of the AMT of links to them, from its first index on.
    pub messages_amt: Cid,
    /// Fees burned in the period, in attoFIL.
    pub burned: TokenAmount,
    /// How far the parent's messages are applied.
    pub top_down_applied: TopDownApplied,
    /// The configuration that votes from `height + 2` on.
    pub configuration: ConfigurationApplied,
}

/// Parameters of the checkpoint actor's constructor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CheckpointConstructorParams {
    /// Who may set powers in federated mode; robust address of an actor that exists.
    pub owner: Address,
    /// What the creator chose.
    pub parameters: SubnetParameters,
}

/// Parameters of [`checkpoint::REGISTER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RegisterParams {
    /// The actor's own f2 address, as init returned it.
    pub actor: Address,
}

/// Parameters of [`checkpoint::JOIN`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct JoinParams {
    /// The caller's robust address; it will own the validator on the child too.
    pub owner: Address,
    /// Ed25519 key for votes.
    pub vote_key: VoteKey,
    /// Vote key over its proof of possession.
    pub vote_proof: Ed25519Signature,
    /// BLS key for checkpoints.
    pub checkpoint_key: BlsPublicKey,
    /// Checkpoint key over its proof of possession.
    pub checkpoint_proof: BlsSignature,
    /// Where the validator's consensus listens, as a multiaddr with peer id; informative. Visible ASCII, may be empty.
    pub endpoint: String,
}

/// Parameters of [`checkpoint::SET_POWER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SetPowerParams {
    /// Whose.
    pub vote_key: VoteKey,
    /// Zero removes.
    pub power: Power,
}

/// Parameters of [`checkpoint::SUBMIT_CHECKPOINT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SubmitCheckpointParams {
    /// The next checkpoint.
    pub checkpoint: Checkpoint,
    /// Its certificate.
    pub certificate: QuorumCertificate,
    /// All messages of its batch in nonce order, or nothing to deliver them later.
    pub messages: Vec<CrossMessage>,
}

/// Parameters of [`checkpoint::DELIVER_BATCH`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct DeliverBatchParams {
    /// The accepted checkpoint whose batch these are of.
    pub sequence: Sequence,
    /// Messages of its batch in nonce order, without a gap.
    pub messages: Vec<CrossMessage>,
    /// Proof of [`merkle_range_proof`](crate::hash::merkle_range_proof) that they are; empty for a whole batch.
    pub proof: Vec<crate::Digest>,
}

/// Return of [`checkpoint::SUBMIT_CHECKPOINT`] and [`checkpoint::DELIVER_BATCH`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SubmitCheckpointReturn {
    /// The next bottom-up nonce to deliver.
    pub next_nonce: Nonce,
    /// Messages of accepted checkpoints that still wait.
    pub undelivered: u64,
}

/// Parameters of [`gateway::CLOSE_CHILD`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CloseChildParams {
    /// Whether the child has exited. Otherwise notice was given, and only answers go down any more.
    pub has_exited: bool,
}

/// Return of [`gateway::CLOSE_CHILD`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct CloseChildReturn {
    /// Messages that no accepted checkpoint reports as applied.
    pub unapplied: u64,
    /// Their values and fees together, in attoFIL.
    pub amount: TokenAmount,
}

/// Parameters of [`checkpoint::REFUND`] and [`gateway::REFUND_CHILD`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RefundChildParams {
    /// Messages to answer at most.
    pub messages_max: u64,
}

/// Return of the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RefundReturn {
    /// Messages that were answered.
    pub refunded: u64,
    /// Messages that still wait for it.
    pub left: u64,
}

/// Parameters of [`checkpoint::UNLOCK`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct UnlockParams {
    /// What the messages carried, in attoFIL.
    pub amount: TokenAmount,
}

/// Return of [`checkpoint::UNLOCK`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct UnlockReturn {
    /// What there is of it, in attoFIL: less when the child has released more than it had.
    pub amount: TokenAmount,
}

/// Parameters of [`checkpoint::LEAVE`], [`checkpoint::WITHDRAW`], [`checkpoint::KILL`] and
/// [`checkpoint::RETRACT_VOTES`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct OwnerParams {
    /// The caller's robust address: that with which it joined, or the owner's of the subnet.
    pub owner: Address,
}

/// Return of [`checkpoint::KILL`] and [`checkpoint::RECOVER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct KillReturn {
    /// Whether it was decided with this call. Otherwise it was a vote, and others are missing.
    pub is_decided: bool,
}

/// One validator of the configuration that [`checkpoint::RECOVER`] puts in charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RecoveringMember {
    /// Whose.
    pub vote_key: VoteKey,
    /// Its power from then on; above zero.
    pub power: Power,
}

/// Parameters of [`checkpoint::RECOVER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct RecoverParams {
    /// As in [`OwnerParams`].
    pub owner: Address,
    /// Everyone who has power from then on, in ascending order of vote key. All are members.
    pub validators: Vec<RecoveringMember>,
}

/// Parameters of [`checkpoint::CLAIM_BALANCE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ClaimBalanceParams {
    /// From the subnet to the chain that holds the account: robust addresses of checkpoint actors, each on the chain
    /// before. Empty for an account of the subnet itself.
    pub path: Vec<Address>,
    /// The account, by the address of its key: f1, f3 or f410.
    pub address: Address,
    /// The blocks over which one reads its balance from the state root of the last accepted checkpoint, in any order.
    pub proof: Vec<crate::parent::WitnessBlock>,
}

/// Return of [`checkpoint::CLAIM_BALANCE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ClaimBalanceReturn {
    /// What was paid, in attoFIL.
    pub amount: TokenAmount,
}
