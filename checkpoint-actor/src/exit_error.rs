//! Why a checkpoint actor refuses something about leaving, ending, recovering and claiming. The exit code names the
//! rule, the message the numbers compared.

use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use subnet_types::VoteKey;
use subnet_types::quantity::{ConfigurationNumber, Height};

/// Why it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExitError {
    /// The end is for ever.
    #[error("the subnet exited at height {height}: only deliveries, refunds, claims and withdrawals are open")]
    Exited {
        /// When, on this chain.
        height: Height,
    },
    /// What is open after the end only.
    #[error(
        "the subnet has not exited; anyone can end it from height {from} on, unless a checkpoint is accepted first"
    )]
    NotExited {
        /// As things stand.
        from: Height,
    },
    /// Notice was given.
    #[error("notice was given at height {height}: nobody joins any more, and one notice is enough")]
    NoticeGiven {
        /// When, on this chain.
        height: Height,
    },
    /// Its time has not come.
    #[error("{what} from height {from} on, this chain is at {height}")]
    TooEarly {
        /// What can be done then.
        what: &'static str,
        /// When.
        from: Height,
        /// Now.
        height: Height,
    },
    /// One vote each.
    #[error("validator {vote_key} has voted for this, and it still decides nothing")]
    AlreadyVoted {
        /// Whose vote.
        vote_key: VoteKey,
    },
    /// Nothing to take back.
    #[error("validator {vote_key} has no vote")]
    NoVote {
        /// Whose.
        vote_key: VoteKey,
    },
    /// Only validators of the confirmed configuration vote.
    #[error("{owner} owns no validator of the confirmed configuration, and is not an owner who decides alone")]
    NotValidator {
        /// Who called.
        owner: String,
    },
    /// Only members leave.
    #[error("{owner} is no member")]
    NotMember {
        /// Who called.
        owner: String,
    },
    /// The stake of an earlier membership is still here.
    #[error("{owner} has left and its stake is still here: withdraw it first, then join with new keys")]
    StillUnbonding {
        /// Who called.
        owner: String,
    },
    /// Nothing is there to withdraw.
    #[error("{owner} has no stake to withdraw: leave first, or wait for the exit")]
    NothingUnbonding {
        /// Who called.
        owner: String,
    },
    /// The clock has not begun.
    #[error("the removal is configuration {configuration}; accepted checkpoints have confirmed {confirmed} so far")]
    Unconfirmed {
        /// The first configuration without the member.
        configuration: ConfigurationNumber,
        /// The confirmed one.
        confirmed: ConfigurationNumber,
    },
    /// The gateway answered messages, and as many wait as before.
    #[error("{left} messages wait for a refund after it, {before} before")]
    RefundsStand {
        /// How many waited.
        before: u64,
        /// How many the gateway says are left.
        left: u64,
    },
    /// All were refunded.
    #[error("every message that the subnet never applied has been refunded")]
    NothingToRefund,
    /// Without a checkpoint nothing can be proved.
    #[error("no checkpoint was accepted, so no account of the subnet can be proved; all that went down is refunded")]
    NoCheckpoint,
    /// Whose key is the same on every chain.
    #[error("{address} is not the address of a key: f1, f3 or f410")]
    ClaimAddress {
        /// What came.
        address: String,
    },
    /// The blocks do not lead to the account.
    #[error("the proof does not hold: {problem}")]
    Proof {
        /// Where it fails.
        problem: String,
    },
    /// What a chain's own actors hold belongs to nobody.
    #[error("actor {id} is a system actor of its chain")]
    SystemActor {
        /// Which.
        id: ActorID,
    },
    /// Each account is paid once.
    #[error("account {id} of that chain was paid")]
    Claimed {
        /// Its id there.
        id: ActorID,
    },
    /// Nothing is there to pay.
    #[error(
        "nothing to pay: the balance is {balance} attoFIL, the custody less what waits for refunds {custody}, or a chain on the way has no more"
    )]
    NothingToClaim {
        /// Of the account.
        balance: String,
        /// What is left here for claims.
        custody: String,
    },
    /// The value could not be sent.
    #[error("paying {to} failed with exit code {exit_code}")]
    Unpaid {
        /// To whom.
        to: String,
        /// Why.
        exit_code: ExitCode,
    },
    /// These cannot be in charge.
    #[error("recovery: {problem}")]
    Recovery {
        /// What is wrong.
        problem: String,
    },
}

impl ExitError {
    /// The exit code that names the rule: 184 to 204.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::new(match self {
            Self::Exited { .. } => 184,
            Self::NotExited { .. } => 185,
            Self::NoticeGiven { .. } => 186,
            Self::TooEarly { .. } => 187,
            Self::AlreadyVoted { .. } => 188,
            Self::NotValidator { .. } => 189,
            Self::NotMember { .. } => 190,
            Self::StillUnbonding { .. } => 191,
            Self::NothingUnbonding { .. } => 192,
            Self::Unconfirmed { .. } => 193,
            Self::RefundsStand { .. } => 194,
            Self::NothingToRefund => 195,
            Self::NoCheckpoint => 196,
            Self::ClaimAddress { .. } => 197,
            Self::Proof { .. } => 198,
            Self::SystemActor { .. } => 199,
            Self::Claimed { .. } => 200,
            Self::NothingToClaim { .. } => 201,
            Self::Unpaid { .. } => 202,
            Self::Recovery { .. } => 203,
            Self::NoVote { .. } => 204,
        })
    }
}

impl From<ExitError> for actor_runtime::ActorError {
    fn from(error: ExitError) -> Self {
        Self::new(error.exit_code(), error.to_string())
    }
}
