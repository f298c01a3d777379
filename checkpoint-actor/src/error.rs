//! Why a checkpoint actor refuses something. The exit code names the rule, the message the numbers compared.

use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use subnet_types::genesis::{GenesisError, MembershipMode};
use subnet_types::limits::{CROSS_MESSAGES_PER_CHECKPOINT_MAX, ENDPOINT_BYTES_MAX, VALIDATORS_MAX};
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence};
use subnet_types::{Digest, VoteKey};

use crate::state::{MEMBERS_MAX, POWER_MAX, StateError};

/// Why a method of the checkpoint actor refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The creator's choice is outside its range.
    #[error("parameters: {0}")]
    Parameters(#[from] GenesisError),
    /// Registered before.
    #[error("already registered")]
    AlreadyRegistered,
    /// The stated address is somebody else's.
    #[error("address {address} resolves to {resolved:?}, expected {expected}")]
    AddressMismatch {
        /// What was stated.
        address: String,
        /// To what it resolves.
        resolved: Option<ActorID>,
        /// Whose it should be.
        expected: ActorID,
    },
    /// Nobody joins a subnet without a name.
    #[error("not registered with the gateway yet")]
    NotRegistered,
    /// There is no genesis yet.
    #[error("not active yet: {voting} validators with power, {needed} are needed")]
    NotActive {
        /// Who would vote.
        voting: u64,
        /// Who must.
        needed: u64,
    },
    /// Too little value came with a join.
    #[error("stake is {actual} attoFIL, expected at least {min}")]
    StakeTooLow {
        /// What came.
        actual: String,
        /// The subnet's least stake.
        min: String,
    },
    /// The stake gives no power.
    #[error("stake of {actual} attoFIL is less than one nanoFIL, which is one unit of power")]
    StakeWithoutPower {
        /// What came.
        actual: String,
    },
    /// An owner must be able to hold funds on the subnet too.
    #[error("owner {address} must be an f1, f3 or f4 address")]
    OwnerKind {
        /// What came.
        address: String,
    },
    /// The endpoint is too long.
    #[error("endpoint of {actual} bytes, at most {ENDPOINT_BYTES_MAX} are allowed")]
    EndpointTooLong {
        /// Its length.
        actual: usize,
    },
    /// A key is no key.
    #[error("{kind} key {key}: {problem}")]
    MalformedKey {
        /// `vote` or `checkpoint`.
        kind: &'static str,
        /// The key, hexadecimal.
        key: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Whoever joins does not show that they hold the vote key.
    #[error("proof of possession of vote key {key} does not verify")]
    VoteProof {
        /// The key, hexadecimal.
        key: String,
    },
    /// Whoever joins does not show that they hold the checkpoint key.
    #[error("proof of possession of checkpoint key {key} does not verify")]
    CheckpointProof {
        /// The key, hexadecimal.
        key: String,
    },
    /// A key belongs to one member only.
    #[error("{kind} key {key} is taken by {owner}")]
    KeyTaken {
        /// `vote` or `checkpoint`.
        kind: &'static str,
        /// The key, hexadecimal.
        key: String,
        /// By whom.
        owner: String,
    },
    /// One validator for each owner.
    #[error("{owner} has joined already")]
    OwnerTaken {
        /// Who.
        owner: String,
    },
    /// A static subnet takes nobody after activation.
    #[error("membership is static and the subnet is active")]
    StaticMembership,
    /// As many as there can be.
    #[error("{members} members and {voting} validators, at most {MEMBERS_MAX} and {VALIDATORS_MAX} are allowed")]
    Full {
        /// Members.
        members: u64,
        /// Members with power.
        voting: u64,
    },
    /// Only owners of federated subnets set powers.
    #[error("powers are set in federated mode only, this subnet is {mode:?}")]
    NotFederated {
        /// Its mode.
        mode: MembershipMode,
    },
    /// Somebody else called.
    #[error("caller {caller} is not {expected}")]
    Forbidden {
        /// Who called.
        caller: ActorID,
        /// Who may.
        expected: String,
    },
    /// No member has this key.
    #[error("nobody joined with vote key {vote_key}")]
    UnknownMember {
        /// The key.
        vote_key: VoteKey,
    },
    /// The power is not a power or would change nothing.
    #[error("power of {vote_key} is {before}, cannot become {actual}: at most {POWER_MAX}, and another one")]
    BadPower {
        /// Whose.
        vote_key: VoteKey,
        /// What it is.
        before: Power,
        /// What came.
        actual: Power,
    },
    /// A subnet needs a validator.
    #[error("{vote_key} is the last validator and cannot lose its power")]
    LastValidator {
        /// Whose.
        vote_key: VoteKey,
    },
    /// The members make no valid set.
    #[error("configuration {number}: {problem}")]
    BadConfiguration {
        /// Which.
        number: ConfigurationNumber,
        /// What is wrong.
        problem: String,
    },

    /// Made by other code.
    #[error("checkpoint version {actual}, expected {expected}")]
    Version {
        /// What this code accepts.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// Made for another chain.
    #[error("checkpoint is of chain {actual}, expected {expected}")]
    WrongChain {
        /// This subnet's identity.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Accepted before; what every submitter but the first sees.
    #[error("checkpoint {actual} is not new: the last accepted is {last}")]
    Duplicate {
        /// The last accepted.
        last: Sequence,
        /// What came.
        actual: Sequence,
    },
    /// An earlier one is missing.
    #[error("checkpoint {actual} leaves a gap: the next is {expected}")]
    Gap {
        /// The next one.
        expected: Sequence,
        /// What came.
        actual: Sequence,
    },
    /// It continues another history.
    #[error("checkpoint follows {actual}, expected {expected}")]
    Previous {
        /// Digest of the last accepted.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// It was cut at another height than its sequence says.
    #[error("checkpoint {sequence} has height {actual}, expected {expected}")]
    OffPeriod {
        /// Which.
        sequence: Sequence,
        /// Sequence times period.
        expected: Height,
        /// What came.
        actual: Height,
    },
    /// No upgrade exists in this version.
    #[error("checkpoint takes part in upgrade {actual}, but none is known")]
    UnknownUpgrade {
        /// What came.
        actual: Digest,
    },
    /// An amount is below zero.
    #[error("{field} is {actual} attoFIL, below zero")]
    NegativeAmount {
        /// Which.
        field: &'static str,
        /// What came.
        actual: String,
    },
    /// A link or an amount in it does not fit a digest.
    #[error("checkpoint has no digest: a link is not blake2b-256 or an amount exceeds 256 bits")]
    NoDigest,
    /// The batch skips or repeats messages.
    #[error("batch begins at nonce {actual}, expected {expected}")]
    BatchNonce {
        /// The next one.
        expected: Nonce,
        /// What came.
        actual: Nonce,
    },
    /// A batch that could never be delivered.
    #[error("batch of {count} messages: {problem} (at most {CROSS_MESSAGES_PER_CHECKPOINT_MAX})")]
    BatchShape {
        /// How many it says it has.
        count: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The firewall: more would leave than is there. Halts this subnet's settlement and nobody else's.
    #[error("messages of {value} and burned {burned} attoFIL exceed the custody of {custody}")]
    BeyondCustody {
        /// Value of the batch.
        value: String,
        /// Fees burned.
        burned: String,
        /// What is locked for the subnet.
        custody: String,
    },
    /// It takes back what was applied.
    #[error("checkpoint has applied up to {field} {actual}, the last accepted up to {last}")]
    AppliedGoesBack {
        /// `top-down nonce` or `parent height`.
        field: &'static str,
        /// Of the last accepted.
        last: u64,
        /// What came.
        actual: u64,
    },
    /// It claims to have seen blocks of this chain that do not exist yet.
    #[error("checkpoint has followed this chain to height {actual}, which is only at {height}")]
    FutureParent {
        /// This chain's height.
        height: Height,
        /// What came.
        actual: Height,
    },
    /// It ignores something of this chain for too long.
    #[error("followed to height {followed}, but ignores what waits since {queued_at}; at most {max} blocks may pass")]
    ParentLag {
        /// How far it says it followed.
        followed: Height,
        /// Since when the oldest thing waits.
        queued_at: Height,
        /// The subnet's limit.
        max: u64,
    },
    /// It reports a configuration that was never made or is no longer the newest confirmed.
    #[error("checkpoint has applied configuration {actual}, expected {confirmed} to {last}")]
    ConfigurationApplied {
        /// Confirmed by the last accepted.
        confirmed: ConfigurationNumber,
        /// The newest made.
        last: ConfigurationNumber,
        /// What came.
        actual: ConfigurationNumber,
    },
    /// It reports other validators under that number.
    #[error("validators of configuration {number} hash to {expected}, the checkpoint says {actual}")]
    ValidatorsHash {
        /// Which configuration.
        number: ConfigurationNumber,
        /// What this chain made.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Signed by another configuration than the one in charge.
    #[error("certificate is of configuration {actual}, expected {expected}")]
    CertificateConfiguration {
        /// Confirmed by the last accepted.
        expected: ConfigurationNumber,
        /// What came.
        actual: ConfigurationNumber,
    },
    /// The bitmap has another length or bits that stand for nobody.
    #[error("bitmap of {bytes} bytes is not one for {validators} validators")]
    Bitmap {
        /// Validators of the configuration.
        validators: u64,
        /// Length that came.
        bytes: usize,
    },
    /// Too little power signed.
    #[error("power {signed} signed, more than 2/3 of {total} is needed")]
    BelowQuorum {
        /// Power of the signers.
        signed: Power,
        /// Power of the configuration.
        total: Power,
    },
    /// The signers' keys cancel out.
    #[error("the signers' keys add up to the identity, under which everything verifies")]
    IdentityKey,
    /// The signature is not the signers'.
    #[error("aggregate signature over {digest} does not verify")]
    Signature {
        /// What should be signed.
        digest: Digest,
    },
    /// The messages are not those the checkpoint committed to.
    #[error("messages are not the batch of checkpoint {sequence}: {problem}")]
    AlteredBatch {
        /// Which.
        sequence: Sequence,
        /// What differs.
        problem: &'static str,
    },
    /// No such checkpoint was accepted.
    #[error("checkpoint {sequence} was not accepted, the last is {last}")]
    UnknownCheckpoint {
        /// Which.
        sequence: Sequence,
        /// The last accepted.
        last: Sequence,
    },
    /// Another batch is in turn.
    #[error("batch of checkpoint {sequence} is nonces {from} to before {to}, next to deliver is {next}")]
    NotInTurn {
        /// Which.
        sequence: Sequence,
        /// Its first nonce.
        from: Nonce,
        /// The one after its last.
        to: u64,
        /// The cursor.
        next: Nonce,
    },
    /// A batch delivers more than it declared.
    #[error("batch declared {declared} attoFIL, message {nonce} would bring it to {actual}")]
    BeyondBatch {
        /// What the checkpoint said.
        declared: String,
        /// With this message.
        actual: String,
        /// Which.
        nonce: Nonce,
    },
    /// Deliveries do not nest.
    #[error("a delivery is running: submit and deliver are refused until it ends")]
    Delivering,
    /// The gateway refused; its exit code is passed on.
    #[error("the gateway refused {method} with exit code {exit_code}")]
    Gateway {
        /// What was asked.
        method: &'static str,
        /// Why it refused.
        exit_code: ExitCode,
    },
}

impl CheckpointError {
    /// The exit code that names the rule: 120 and up, apart from the gateway's and from refusals of messages.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::State(_) | Self::BeyondBatch { .. } => return ExitCode::USR_ILLEGAL_STATE,
            Self::Forbidden { .. } => return ExitCode::USR_FORBIDDEN,
            Self::Gateway { exit_code, .. } => return *exit_code,
            Self::Parameters(_) => 120,
            Self::AlreadyRegistered => 121,
            Self::AddressMismatch { .. } => 122,
            Self::NotRegistered => 123,
            Self::NotActive { .. } => 124,
            Self::StakeTooLow { .. } => 125,
            Self::StakeWithoutPower { .. } => 126,
            Self::OwnerKind { .. } => 127,
            Self::EndpointTooLong { .. } => 128,
            Self::MalformedKey { .. } => 129,
            Self::VoteProof { .. } => 130,
            Self::CheckpointProof { .. } => 131,
            Self::KeyTaken { .. } => 132,
            Self::OwnerTaken { .. } => 133,
            Self::StaticMembership => 134,
            Self::Full { .. } => 135,
            Self::NotFederated { .. } => 136,
            Self::UnknownMember { .. } => 137,
            Self::BadPower { .. } => 138,
            Self::LastValidator { .. } => 139,
            Self::BadConfiguration { .. } => 140,
            Self::Version { .. } => 150,
            Self::WrongChain { .. } => 151,
            Self::Duplicate { .. } => 152,
            Self::Gap { .. } => 153,
            Self::Previous { .. } => 154,
            Self::OffPeriod { .. } => 155,
            Self::UnknownUpgrade { .. } => 156,
            Self::NegativeAmount { .. } => 157,
            Self::NoDigest => 158,
            Self::BatchNonce { .. } => 159,
            Self::BatchShape { .. } => 160,
            Self::BeyondCustody { .. } => 161,
            Self::AppliedGoesBack { .. } => 162,
            Self::FutureParent { .. } => 163,
            Self::ParentLag { .. } => 164,
            Self::ConfigurationApplied { .. } => 165,
            Self::ValidatorsHash { .. } => 166,
            Self::CertificateConfiguration { .. } => 167,
            Self::Bitmap { .. } => 168,
            Self::BelowQuorum { .. } => 169,
            Self::IdentityKey => 170,
            Self::Signature { .. } => 171,
            Self::AlteredBatch { .. } => 172,
            Self::UnknownCheckpoint { .. } => 173,
            Self::NotInTurn { .. } => 174,
            Self::Delivering => 175,
        };
        ExitCode::new(code)
    }
}

impl From<CheckpointError> for actor_runtime::ActorError {
    fn from(error: CheckpointError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}

impl From<StateError> for actor_runtime::ActorError {
    fn from(error: StateError) -> Self {
        CheckpointError::from(error).into()
    }
}
