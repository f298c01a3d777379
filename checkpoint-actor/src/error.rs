//! Why a checkpoint actor refuses something. The exit code names the rule, the message the numbers compared.

use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use subnet_types::VoteKey;
use subnet_types::genesis::{GenesisError, MembershipMode};
use subnet_types::limits::{ENDPOINT_BYTES_MAX, VALIDATORS_MAX};
use subnet_types::quantity::{ConfigurationNumber, Power};

use crate::exit_error::ExitError;
use crate::rejection::Rejection;
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
    /// The subnet's name has to be one that no one else can have and no reorganisation reassigns.
    #[error("actor {address} must be an f2 address")]
    ActorKind {
        /// What came.
        address: String,
    },
    /// Nobody could ever admit a validator, or whoever gets that id later would be the owner.
    #[error("owner {address} is no actor of this chain, and a federated or static subnet's owner decides alone")]
    OwnerMissing {
        /// What came.
        address: String,
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
    /// Operators read endpoints in terminals and logs, where other characters could pass for something else.
    #[error("endpoint has byte {byte:#04x} at position {position}, only visible ASCII is allowed")]
    EndpointCharacter {
        /// Where, from 0.
        position: usize,
        /// What stands there.
        byte: u8,
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

    /// Leaving, ending, recovering or claiming is refused.
    #[error(transparent)]
    Exit(#[from] ExitError),
    /// A checkpoint, certificate or message is refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
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
            Self::State(_) => return ExitCode::USR_ILLEGAL_STATE,
            Self::Rejected(rejection) => return rejection.exit_code(),
            Self::Exit(error) => return error.exit_code(),
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
            Self::ActorKind { .. } => 141,
            Self::OwnerMissing { .. } => 142,
            Self::EndpointCharacter { .. } => 143,
        };
        ExitCode::new(code)
    }
}

impl From<CheckpointError> for actor_runtime::ActorError {
    fn from(error: CheckpointError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}

impl From<Rejection> for actor_runtime::ActorError {
    fn from(rejection: Rejection) -> Self {
        CheckpointError::from(rejection).into()
    }
}

impl From<StateError> for actor_runtime::ActorError {
    fn from(error: StateError) -> Self {
        CheckpointError::from(error).into()
    }
}
