//! Why a checkpoint, its certificate or its messages are refused. The exit code names the rule, the message the numbers
//! compared.

use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use subnet_types::Digest;
use subnet_types::limits::CROSS_MESSAGES_PER_CHECKPOINT_MAX;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence};

/// Why a submission or a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
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
    #[error("checkpoint has no digest: a link is not a blake2b-256 CIDv1 of DAG-CBOR or an amount exceeds 256 bits")]
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
    /// The certificate names another sum than the signers' keys make.
    #[error("the certificate's key sum is not the sum of the signers' keys as an uncompressed point")]
    KeySum,
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
    /// Earlier messages are in turn, of this batch or of another.
    #[error("messages of checkpoint {sequence} begin at nonce {from}, next to deliver is {next}")]
    NotInTurn {
        /// Which.
        sequence: Sequence,
        /// Nonce of the first of them.
        from: Nonce,
        /// The cursor.
        next: Nonce,
    },
    /// Its messages were delivered before, or it had none; what every deliverer but the first sees.
    #[error("no message of checkpoint {sequence} waits for delivery")]
    NothingWaits {
        /// Which.
        sequence: Sequence,
    },
    /// A slice of messages that were all delivered before; what a deliverer sees when another was faster.
    #[error("messages of checkpoint {sequence} were delivered before nonce {end}, next to deliver is {next}")]
    Delivered {
        /// Which.
        sequence: Sequence,
        /// Nonce behind the last of them.
        end: Nonce,
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
    /// A contract stands between. From the end of a long chain of calls the gateway could not call anybody any more, and
    /// every message would fail for that alone.
    #[error("caller {caller} is not {origin}, who signed: checkpoints are submitted and messages delivered directly")]
    NotDirect {
        /// Who called.
        caller: ActorID,
        /// Who signed the message.
        origin: ActorID,
    },
    /// Nothing was set aside under this nonce, or it was delivered since.
    #[error("no unclaimed message has nonce {nonce}")]
    NotUnclaimed {
        /// Which.
        nonce: Nonce,
    },
    /// The message is not the one that was set aside.
    #[error("unclaimed message {nonce} has leaf {expected}, the one that came {actual}")]
    AlteredUnclaimed {
        /// Which.
        nonce: Nonce,
        /// Of the message that was set aside.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// An unclaimed message is delivered with the gas of a whole delivery or not at all.
    #[error("{available} gas is left, a delivery needs {needed}")]
    DeliveryGas {
        /// What is left.
        available: u64,
        /// What has to be.
        needed: u64,
    },
    /// The gateway fails at the message as it did before. It stays where it is.
    #[error("the gateway still does not take message {nonce}: exit code {exit_code}")]
    StillUnclaimed {
        /// Which.
        nonce: Nonce,
        /// How the gateway ended.
        exit_code: ExitCode,
    },
}

impl Rejection {
    /// The exit code that names the rule: 150 to 183. Only a counter that contradicts itself is the actor's own fault.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::BeyondBatch { .. } => return ExitCode::USR_ILLEGAL_STATE,
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
            Self::NotUnclaimed { .. } => 176,
            Self::AlteredUnclaimed { .. } => 177,
            Self::DeliveryGas { .. } => 178,
            Self::StillUnclaimed { .. } => 179,
            Self::NothingWaits { .. } => 180,
            Self::NotDirect { .. } => 181,
            Self::KeySum => 182,
            Self::Delivered { .. } => 183,
        };
        ExitCode::new(code)
    }
}
