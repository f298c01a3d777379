//! What the gateway's state is made of and why it refuses things.

use cid::Cid;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::cross::{CrossAddress, CrossKind, call_key};
use subnet_types::genesis::ParentAnchor;
use subnet_types::identity::ChainIdentity;
use subnet_types::limits::SUBNET_DEPTH_MAX;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};
use subnet_types::{Digest, SubnetId, ValidatorSet};

/// From what a chain's gateway starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct GatewayGenesis {
    /// Name of the chain.
    pub subnet: SubnetId,
    /// Its identity.
    pub identity: ChainIdentity,
    /// Configuration 1.
    pub validators: ValidatorSet,
    /// Where to start to follow the parent; `None` for a root.
    pub parent: Option<ParentAnchor>,
    /// Blocks between checkpoints. Has no effect on a root.
    pub checkpoint_period_blocks: u64,
    /// Code of the actors that may register as children.
    pub checkpoint_code: Cid,
    /// As in [`ChainParameters`](subnet_types::genesis::ChainParameters). Has no effect on a root.
    pub cross_gas_price: TokenAmount,
}

/// What this chain knows of its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ParentView {
    /// Identity of the parent.
    pub identity: ChainIdentity,
    /// The parent's height after which the last applied ranges were read.
    pub height: Height,
    /// The parent's last height of which nothing is missing: all that was queued and logged for this chain up to it has
    /// been applied. Behind `height` while ranges are cut off by a limit. Checkpoints report this one, so that a chain
    /// which has much to catch up with is not taken for one that ignores its parent.
    pub whole_height: Height,
    /// Id of the parent's block `height + 1`, which proved that state; `None` until the first update.
    #[serde(with = "subnet_types::unlinked")]
    pub block: Option<Cid>,
    /// That block's time; the anchor's until the first update.
    pub timestamp: TimestampMs,
    /// The parent's validators, a [`ValidatorSet`].
    pub validators: Cid,
    /// The next top-down nonce to apply.
    pub next_nonce: Nonce,
    /// Least fee over the edge to the parent, in attoFIL per unit of delivery gas. The parent has the same number.
    pub cross_gas_price: TokenAmount,
}

/// A subnet below this chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Child {
    /// Robust address of its checkpoint actor.
    pub actor: Address,
    /// Its name.
    pub subnet: SubnetId,
    /// Whether its genesis is fixed. Value goes down only from then on.
    pub is_active: bool,
    /// AMT of [`QueuedMessage`] by nonce, from `pruned_below` to `next_nonce`.
    pub messages: Cid,
    /// Nonce of the next message to queue.
    pub next_nonce: Nonce,
    /// Sum of value and fee of all messages ever queued, in attoFIL.
    pub queued_total: TokenAmount,
    /// The first nonce that no accepted checkpoint reports as applied.
    pub unapplied_from: Nonce,
    /// Messages below are gone; trails `unapplied_from`, because pruning is bounded.
    pub pruned_below: Nonce,
    /// AMT of [`LoggedChange`] by configuration number.
    pub changes: Cid,
    /// The last configuration logged.
    pub configuration_logged: ConfigurationNumber,
    /// The last configuration that an accepted checkpoint confirmed.
    pub configuration_confirmed: ConfigurationNumber,
    /// Least fee over the edge to the child, in attoFIL per unit of delivery gas. The child has the same number.
    pub cross_gas_price: TokenAmount,
    /// Whether notice was given. From then on only answers go down.
    pub is_closing: bool,
    /// Whether it has ended. Nothing goes down any more; what waits is refunded.
    pub has_exited: bool,
}

/// A top-down message and since when it waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct QueuedMessage {
    /// This chain's height when it was queued.
    pub queued_at: Height,
    /// Sum of value and fee of all messages queued before it, in attoFIL: with it, what waits from any nonce on is known
    /// by one look.
    pub before: TokenAmount,
    /// The [`CrossMessage`](subnet_types::CrossMessage), a block of its own: whoever queues or prunes the messages beside it
    /// does not pay for its size.
    pub message: Cid,
}

/// A change and since when it waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct LoggedChange {
    /// This chain's height when it was logged.
    pub logged_at: Height,
    /// The change.
    pub change: MembershipChange,
}

/// A message that this chain is about to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who sends it here.
    pub origin: Address,
    /// Whom it is for, where.
    pub destination: CrossAddress,
    /// In attoFIL.
    pub value: TokenAmount,
    /// What it does there.
    pub kind: CrossKind,
    /// Gas for the destination's code, when it is a call.
    pub gas_limit: u64,
    /// Prepaid, in attoFIL.
    pub fee: TokenAmount,
    /// Height of the delivering chain from which on it refuses the message.
    pub expires: Option<Height>,
    /// Whether a delivered transfer is answered.
    pub wants_receipt: bool,
}

impl Draft {
    /// A message without fee, expiry and receipt, and without gas for code.
    pub fn new(origin: Address, destination: CrossAddress, value: TokenAmount, kind: CrossKind) -> Self {
        let fee = TokenAmount::default();
        Self { origin, destination, value, kind, gas_limit: 0, fee, expires: None, wants_receipt: false }
    }

    /// Value and fee, in attoFIL.
    pub fn amount(&self) -> TokenAmount {
        &self.value + &self.fee
    }
}

/// A message sent from here that is always answered, until it is. A plain transfer has no such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct PendingMessage {
    /// Who sent it; what comes back is this address's.
    pub origin: Address,
    /// Its number among this chain's messages.
    pub origin_sequence: u64,
    /// Whom it is for, where.
    pub destination: CrossAddress,
    /// In attoFIL.
    pub value: TokenAmount,
    /// What was prepaid, in attoFIL.
    pub fee: TokenAmount,
    /// This chain's height when it was sent.
    pub sent_at: Height,
}

/// An answer that an actor of this chain has put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct OwedAnswer {
    /// Id of the call. With its chain it makes the key under which this is kept.
    pub id: Digest,
    /// The actor that was called. Nobody else may answer.
    pub actor: ActorID,
    /// The address under which it was called.
    pub called: Address,
    /// Who called, from where.
    pub origin: CrossAddress,
    /// The call's number among that chain's messages.
    pub origin_sequence: u64,
    /// What came with the call, in attoFIL. The actor has it, and may send back no more.
    pub value: TokenAmount,
    /// What is left of the fee, in attoFIL. It rests in the gateway.
    pub fee: TokenAmount,
}

impl OwedAnswer {
    /// What the call goes by here.
    pub fn key(&self) -> Digest {
        call_key(&self.origin.subnet, &self.id)
    }
}

/// The bottom-up messages that no checkpoint carries yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Outbox {
    /// AMT of links to [`CrossMessage`](subnet_types::CrossMessage)s, each a block of its own, at their nonce less `base`.
    pub messages: Cid,
    /// Nonce at index 0. Moves only when the outbox runs empty, so that taking a batch out touches nothing else.
    pub base: Nonce,
    /// Nonce of the first message, or of the next to come when there are none.
    pub first_nonce: Nonce,
    /// How many.
    pub count: u64,
    /// Bytes of their encodings together.
    pub bytes: u64,
    /// Sum of value and fee, in attoFIL.
    pub value: TokenAmount,
}

impl Outbox {
    /// The nonce of the next message.
    pub fn next_nonce(&self) -> Nonce {
        self.first_nonce.checked_add(self.count).expect("nonces are counted up from zero")
    }
}

/// Why a gateway method refuses. The exit code names the rule, the message the numbers compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The state cannot be read or written: a missing or malformed block.
    #[error("gateway state: {0}")]
    State(String),
    /// Only actors with the chain's checkpoint code register.
    #[error("actor {caller} has code {code:?}, a child's actor must have code {expected}")]
    NotCheckpointActor {
        /// Who called.
        caller: ActorID,
        /// Its code.
        code: Option<String>,
        /// The chain's checkpoint code.
        expected: String,
    },
    /// The stated address is somebody else's.
    #[error("address {address} resolves to {resolved:?}, expected the caller {caller}")]
    AddressMismatch {
        /// What was stated.
        address: String,
        /// To what it resolves.
        resolved: Option<ActorID>,
        /// Who called.
        caller: ActorID,
    },
    /// The child cannot have a name.
    #[error("child name: {0}")]
    Name(String),
    /// Registered before.
    #[error("actor {actor} is already registered as {subnet}")]
    AlreadyRegistered {
        /// Which actor.
        actor: ActorID,
        /// As what.
        subnet: SubnetId,
    },
    /// The caller is no child of this chain.
    #[error("actor {actor} is not registered as a child")]
    NotRegistered {
        /// Who called.
        actor: ActorID,
    },
    /// Activation happens once.
    #[error("{subnet} is already active")]
    AlreadyActive {
        /// Which child.
        subnet: SubnetId,
    },
    /// Nothing can be sent to, changed in or accepted from a child without a genesis.
    #[error("{subnet} is not active yet")]
    NotActive {
        /// Which child.
        subnet: SubnetId,
    },
    /// Changes are numbered without a gap.
    #[error("change makes configuration {actual}, expected {expected}")]
    ChangeNumber {
        /// The one after the last.
        expected: ConfigurationNumber,
        /// What came.
        actual: ConfigurationNumber,
    },
    /// A checkpoint reports a nonce that goes back or was never queued.
    #[error("checkpoint reports top-down nonce {actual} as next, expected {from} to {to}")]
    AppliedNonce {
        /// Reported by the checkpoint before.
        from: Nonce,
        /// Queued so far.
        to: Nonce,
        /// What came.
        actual: Nonce,
    },
    /// A checkpoint reports a configuration that goes back or was never logged.
    #[error("checkpoint reports configuration {actual}, expected {from} to {to}")]
    AppliedConfiguration {
        /// Confirmed by the checkpoint before.
        from: ConfigurationNumber,
        /// Logged so far.
        to: ConfigurationNumber,
        /// What came.
        actual: ConfigurationNumber,
    },
    /// Value must flow.
    #[error("value is {actual} attoFIL, expected more than 0")]
    NoValue {
        /// What came.
        actual: String,
    },
    /// The amount stated and the amount sent differ.
    #[error("value received is {received} attoFIL, expected {expected}")]
    ValueMismatch {
        /// Stated.
        expected: String,
        /// Sent.
        received: String,
    },
    /// No message goes there from here.
    #[error("no route from {from} to {to}: they are in different hierarchies")]
    NoRoute {
        /// This chain.
        from: SubnetId,
        /// The target.
        to: SubnetId,
    },
    /// The way down ends at this chain.
    #[error("{from} has no active child on the way to {to}")]
    UnknownSubnet {
        /// This chain.
        from: SubnetId,
        /// The target.
        to: SubnetId,
    },
    /// No chain can be so far down.
    #[error("the destination has {actual} levels, a chain at most {SUBNET_DEPTH_MAX}")]
    TooDeep {
        /// Levels of the name that came, the root included.
        actual: usize,
    },
    /// Ids mean something else on every chain.
    #[error("recipient {address} is an id, expected f1, f2, f3 or f4")]
    Recipient {
        /// What came.
        address: String,
    },
    /// The encoding is too large to cross.
    #[error("the message takes {actual} bytes, at most {max} may cross")]
    TooLarge {
        /// Its size.
        actual: usize,
        /// The most.
        max: usize,
    },
    /// As much waits for checkpoints as may.
    #[error("outbox full ({count} messages, {bytes} bytes): retry after the next checkpoint at height {next_cut}")]
    OutboxFull {
        /// Messages in it.
        count: u64,
        /// Their bytes.
        bytes: u64,
        /// When it empties.
        next_cut: u64,
    },
    /// The method needs a parent.
    #[error("{subnet} is a root: it has no parent")]
    NoParent {
        /// This chain.
        subnet: SubnetId,
    },
    /// A parent update goes back in time or height.
    #[error("parent update: {field} is {actual}, expected at least {expected}")]
    UpdateGoesBack {
        /// `parent height` or `parent timestamp`.
        field: &'static str,
        /// Of the last update.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// A parent update skips or repeats.
    #[error("parent update: item {index} has {field} {actual}, expected {expected}")]
    UpdateGap {
        /// Position in the range.
        index: usize,
        /// `nonce` or `configuration`.
        field: &'static str,
        /// The next one.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// A parent update brings more than one block may apply.
    #[error("parent update brings {actual} {field}, at most {max} are allowed")]
    UpdateTooLarge {
        /// `messages` or `changes`.
        field: &'static str,
        /// How many came.
        actual: usize,
        /// The most.
        max: usize,
    },
    /// A message's value or fee is below zero.
    #[error("message {nonce} has a negative amount")]
    NegativeAmount {
        /// Which.
        nonce: Nonce,
    },
    /// The parent's validators are no valid set.
    #[error("configuration {number}: {problem}")]
    BadConfiguration {
        /// Which.
        number: ConfigurationNumber,
        /// What is wrong.
        problem: String,
    },
    /// The cut came at another height than the period's end.
    #[error("cut at height {height}, expected {expected}")]
    CutHeight {
        /// When it came.
        height: u64,
        /// When it is due.
        expected: u64,
    },
    /// A balance fell that nobody can take from.
    #[error("{holder} holds {actual} attoFIL, expected at least {expected}")]
    BalanceFell {
        /// Whose balance.
        holder: &'static str,
        /// What must be there.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// Deliveries do not nest.
    #[error("a delivery is running: until it ends nothing but Send and Answer is open")]
    Delivering,
    /// A message to the own chain crosses nothing.
    #[error("{subnet} is this chain: send there without the gateway")]
    OwnChain {
        /// This chain.
        subnet: SubnetId,
    },
    /// The fee is part of the value that comes along.
    #[error("the fee is {fee} attoFIL, expected 0 to the {value} that came")]
    FeeAboveValue {
        /// Stated.
        fee: String,
        /// What came.
        value: String,
    },
    /// The fee does not pay for the way there and back over the first edge.
    #[error("the fee is {fee} attoFIL, the way there and back takes {needed}")]
    FeeTooLow {
        /// Stated.
        fee: String,
        /// Least.
        needed: String,
    },
    /// No chain gives a call that much.
    #[error("the call asks for {actual} gas, at most {max} may be asked for")]
    GasLimit {
        /// Asked for.
        actual: u64,
        /// The most.
        max: u64,
    },
    /// No answer is owed under this key: the call was not deferred, or has been answered.
    #[error("no answer is owed to the call with key {key}")]
    NothingOwed {
        /// Made of its chain and its id.
        key: Digest,
    },
    /// Only the actor that was called answers.
    #[error("actor {actor} called, expected {called}, which was called")]
    NotCalled {
        /// Who came.
        actor: ActorID,
        /// Who was called.
        called: ActorID,
    },
    /// More would go back than came.
    #[error("the answer brings {actual} attoFIL, the call brought {max}")]
    AnswerAboveValue {
        /// What came with the answer.
        actual: String,
        /// What came with the call.
        max: String,
    },
    /// Who says that a call failed gives its value back.
    #[error("the answer says that the call failed and brings {actual} attoFIL, expected all {expected} that came")]
    FailureKeepsValue {
        /// What came with the answer.
        actual: String,
        /// What came with the call.
        expected: String,
    },
    /// A child's messages come in the order of their nonces.
    #[error("delivery: message {index} has nonce {actual}, expected {expected}")]
    DeliveryGap {
        /// Position in the call.
        index: usize,
        /// The next one.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// A call must not fail because whoever delivers it gave too little gas.
    #[error("{available} gas is left, delivering {id} takes {needed}")]
    DeliveryGas {
        /// Which message.
        id: Digest,
        /// What is left.
        available: u64,
        /// What it takes.
        needed: u64,
    },
    /// A price below zero.
    #[error("the price of cross messages is {actual} attoFIL per unit of gas, expected 0 or more")]
    NegativePrice {
        /// What came.
        actual: String,
    },
    /// Nothing new goes to a subnet whose end is announced, and nothing at all to one that has ended.
    #[error("{subnet} was killed: it takes no messages any more")]
    KilledSubnet {
        /// The one on the way.
        subnet: SubnetId,
    },
    /// Only what a child that has ended never applied is refunded.
    #[error("{subnet} has not exited")]
    NotExited {
        /// Which child.
        subnet: SubnetId,
    },
    /// Too little gas to answer one message.
    #[error("{available} gas is left, refunding a message takes {needed}")]
    RefundGas {
        /// What is left.
        available: u64,
        /// What it takes.
        needed: u64,
    },
    /// The ledger holds nothing for this address.
    #[error("nothing is unclaimed for {address}")]
    NothingUnclaimed {
        /// For whom.
        address: String,
    },
    /// The ledger's value still cannot be credited.
    #[error("crediting {address} failed again with exit code {exit_code}")]
    ClaimFailed {
        /// Whom.
        address: String,
        /// Why.
        exit_code: ExitCode,
    },
}

impl GatewayError {
    /// The exit code that names the rule. 40 to 79 are the gateway's; the checkpoint actor's begin at 80, so that
    /// neither is taken for the other when one calls the other.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::State(_) | Self::BalanceFell { .. } | Self::CutHeight { .. } => return ExitCode::USR_ILLEGAL_STATE,
            Self::NotCheckpointActor { .. } | Self::NotRegistered { .. } => return ExitCode::USR_FORBIDDEN,
            Self::AddressMismatch { .. } => 40,
            Self::Name(_) => 41,
            Self::AlreadyRegistered { .. } => 42,
            Self::AlreadyActive { .. } => 43,
            Self::NotActive { .. } => 44,
            Self::ChangeNumber { .. } => 45,
            Self::AppliedNonce { .. } => 46,
            Self::AppliedConfiguration { .. } => 47,
            Self::NoValue { .. } => 48,
            Self::ValueMismatch { .. } => 49,
            Self::NoRoute { .. } => 50,
            Self::Recipient { .. } => 51,
            Self::TooLarge { .. } => 52,
            Self::OutboxFull { .. } => 53,
            Self::NoParent { .. } => 54,
            Self::UpdateGoesBack { .. } => 55,
            Self::UpdateGap { .. } => 56,
            Self::UpdateTooLarge { .. } => 57,
            Self::NegativeAmount { .. } => 58,
            Self::BadConfiguration { .. } => 59,
            Self::Delivering => 60,
            Self::NothingUnclaimed { .. } => 61,
            Self::ClaimFailed { .. } => 62,
            Self::KilledSubnet { .. } => 63,
            Self::OwnChain { .. } => 64,
            Self::FeeAboveValue { .. } => 65,
            Self::FeeTooLow { .. } => 66,
            Self::GasLimit { .. } => 67,
            Self::NothingOwed { .. } => 68,
            Self::NotCalled { .. } => 69,
            Self::AnswerAboveValue { .. } => 70,
            Self::DeliveryGap { .. } => 71,
            Self::DeliveryGas { .. } => 72,
            Self::NegativePrice { .. } => 73,
            Self::FailureKeepsValue { .. } => 74,
            Self::TooDeep { .. } => 75,
            Self::NotExited { .. } => 76,
            Self::RefundGas { .. } => 77,
            Self::UnknownSubnet { .. } => 78,
        };
        ExitCode::new(code)
    }
}

impl From<GatewayError> for actor_runtime::ActorError {
    fn from(error: GatewayError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}
