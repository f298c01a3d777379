//! From what a chain starts.

use cid::Cid;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use serde::{Deserialize, Serialize};
use serde_tuple::{Deserialize_tuple, Serialize_tuple};

use crate::bytes::VoteKey;
use crate::hash::cid_of;
use crate::identity::{ChainIdentity, chain_identity};
use crate::limits::{
    BLOCK_GAS_MAX, BLOCK_GAS_MIN, BLOCK_INTERVAL_MS_MAX, BLOCK_INTERVAL_MS_MIN, CHECKPOINT_PERIOD_BLOCKS_MAX,
    EXIT_BLOCKS_MAX, VALIDATORS_MAX,
};
use crate::membership::{Validator, ValidatorSet, ValidatorSetError};
use crate::message::SignaturePolicy;
use crate::quantity::{Height, TimestampMs};
use crate::subnet_id::{SubnetId, display_address};

/// Version of [`Genesis`] that this code writes and accepts.
pub const GENESIS_VERSION: u64 = 1;

/// Native supply that can ever exist in one hierarchy: Filecoin's two billion, in whole FIL.
pub const SUPPLY_MAX_FIL: u64 = 2_000_000_000;

/// Most power of all validators together: the engine counts three times a sum of powers in 64 bits.
pub const TOTAL_POWER_MAX: u64 = u64::MAX / 3;

/// Stake for one unit of power, in attoFIL: one nanoFIL.
pub const ATTO_PER_POWER: u64 = 1_000_000_000;

/// Most that the least base fee may be, in attoFIL per unit of gas. A transfer of two million units then costs two FIL;
/// whoever writes more has mistaken the unit, and could not pay for a block.
pub const BASE_FEE_MIN_ATTO_MAX: u64 = 1_000_000_000_000;

/// Latest time of block 0. Later blocks have room above it, and time fits whatever counts it in signed 64 bits.
pub const GENESIS_TIMESTAMP_MS_MAX: u64 = i64::MAX.unsigned_abs();

/// What the system actor of a subnet holds at genesis, outside circulation, to credit top-down value from.
pub fn mint_reserve() -> TokenAmount {
    TokenAmount::from_whole(SUPPLY_MAX_FIL)
}

/// Rules of one chain, fixed at its genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ChainParameters {
    /// Target time between blocks, in milliseconds.
    pub block_interval_ms: u64,
    /// Gas that the signed messages of one block may ask for together.
    pub block_gas_limit: u64,
    /// Base fee of the first block and the least ever, in attoFIL per unit of gas.
    pub base_fee_min: TokenAmount,
    /// What account signatures must cover.
    pub signatures: SignaturePolicy,
    /// Blocks between checkpoints. Has no effect on a root.
    pub checkpoint_period_blocks: u64,
    /// How old (by the subnet's block time) the last followed parent header may be for an update to be accepted, in
    /// milliseconds. Has no effect on a root.
    pub trusting_period_ms: u64,
    /// Least fee for cross messages over the edge to the parent, both ways, in attoFIL per unit of delivery gas. Has no
    /// effect on a root.
    pub cross_gas_price: TokenAmount,
    /// CID of the actor bundle's manifest.
    pub bundle: Cid,
}

/// How a subnet's validators get their power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipMode {
    /// Power is stake.
    Collateral,
    /// The owner sets powers.
    Federated,
    /// As `Collateral` until activation, and never changed afterwards.
    Static,
}

/// What the creator of a subnet chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct SubnetParameters {
    /// Rules of the subnet's own chain.
    pub chain: ChainParameters,
    /// How validators get their power.
    pub mode: MembershipMode,
    /// Validators needed for activation.
    pub validators_min: u64,
    /// Least stake of one validator, in attoFIL.
    pub stake_min: TokenAmount,
    /// How many parent blocks a queued message or change may wait until checkpoints that ignore it are rejected.
    pub parent_lag_blocks_max: u64,
    /// How many parent blocks a stake stays after the checkpoint that confirmed its removal. Longer than the trusting
    /// period of whoever follows this subnet, or validators that have left could deceive it for free.
    pub unbonding_blocks: u64,
    /// How many parent blocks may pass without an accepted checkpoint before the subnet counts as silent.
    pub silence_blocks_max: u64,
    /// How many parent blocks lie between a notice, or the beginning of silence, and the exit: time to leave.
    pub exit_notice_blocks: u64,
}

/// Where a subnet starts to follow its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ParentAnchor {
    /// Identity of the parent.
    pub identity: ChainIdentity,
    /// Parent height at activation.
    pub height: Height,
    /// Parent time at activation, in milliseconds.
    pub timestamp: TimestampMs,
    /// The parent's validators then.
    pub validators: ValidatorSet,
}

/// What activation freezes in the checkpoint actor. A subnet's genesis is a pure function of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct ActivationRecord {
    /// Name of the subnet.
    pub subnet: SubnetId,
    /// Rules of its chain.
    pub chain: ChainParameters,
    /// Configuration 1.
    pub validators: ValidatorSet,
    /// Where it starts to follow its parent.
    pub parent: ParentAnchor,
}

/// The genesis document. Its CID, with the subnet's name, makes the chain's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct Genesis {
    /// [`GENESIS_VERSION`].
    pub version: u64,
    /// Name of the chain.
    pub subnet: SubnetId,
    /// Time of block 0.
    pub timestamp: TimestampMs,
    /// Rules of the chain.
    pub chain: ChainParameters,
    /// Configuration 1.
    pub validators: ValidatorSet,
    /// Accounts of a root and what they hold, in ascending order of address; empty for a subnet, whose value comes
    /// from its parent.
    pub balances: Vec<GenesisBalance>,
    /// Where to start to follow the parent; `None` for a root.
    pub parent: Option<ParentAnchor>,
}

/// One account of a root's genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct GenesisBalance {
    /// f1, f3 or f4 address.
    pub address: Address,
    /// In attoFIL.
    pub balance: TokenAmount,
}

/// Why a chain cannot start so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Written by other code.
    #[error("genesis version {actual}, this node knows {GENESIS_VERSION}")]
    Version {
        /// What the document says.
        actual: u64,
    },
    /// A number is outside its range.
    #[error("{field} is {actual}, expected {min} to {max}")]
    Range {
        /// Which.
        field: &'static str,
        /// What it is.
        actual: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// The validators make no set.
    #[error("validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// A root with a parent, or a subnet without one.
    #[error("{subnet} {problem}")]
    Parent {
        /// Which chain.
        subnet: SubnetId,
        /// What is wrong.
        problem: &'static str,
    },
    /// Balances out of order, repeated, of a kind that cannot be an account, or more than the supply.
    #[error("balance of {address}: {problem}")]
    Balance {
        /// Whose.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An amount is outside its range.
    #[error("{field} is {actual} attoFIL, expected {min} to {max}")]
    Amount {
        /// Which.
        field: &'static str,
        /// What it is.
        actual: String,
        /// Least.
        min: String,
        /// Most.
        max: String,
    },
    /// The tips of a validator's blocks could not be paid.
    #[error("owner of validator {vote_key} is {address}, expected an f1, f3 or f4 address")]
    Owner {
        /// Whose.
        vote_key: VoteKey,
        /// What stands there.
        address: String,
    },
}

/// Whether an account can come to be at this address.
fn can_be_account(address: &Address) -> bool {
    matches!(address.protocol(), Protocol::Secp256k1 | Protocol::BLS | Protocol::Delegated)
}

fn in_range(field: &'static str, actual: u64, min: u64, max: u64) -> Result<(), GenesisError> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(GenesisError::Range { field, actual, min, max }) }
}

fn amount_in_range(
    field: &'static str,
    actual: &TokenAmount,
    min: TokenAmount,
    max: TokenAmount,
) -> Result<(), GenesisError> {
    if (&min..=&max).contains(&actual) {
        return Ok(());
    }
    let [actual, min, max] = [actual, &min, &max].map(|amount| amount.atto().to_string());
    Err(GenesisError::Amount { field, actual, min, max })
}

impl ChainParameters {
    /// Checks every number against its range.
    ///
    /// # Errors
    /// The first field that is outside.
    pub fn check(&self) -> Result<(), GenesisError> {
        in_range("block_interval_ms", self.block_interval_ms, BLOCK_INTERVAL_MS_MIN, BLOCK_INTERVAL_MS_MAX)?;
        in_range("block_gas_limit", self.block_gas_limit, BLOCK_GAS_MIN, BLOCK_GAS_MAX)?;
        in_range("checkpoint_period_blocks", self.checkpoint_period_blocks, 2, CHECKPOINT_PERIOD_BLOCKS_MAX)?;
        in_range("trusting_period_ms", self.trusting_period_ms, 1000, u64::MAX)?;
        let max = TokenAmount::from_atto(BASE_FEE_MIN_ATTO_MAX);
        amount_in_range("base_fee_min", &self.base_fee_min, TokenAmount::default(), max.clone())?;
        amount_in_range("cross_gas_price", &self.cross_gas_price, TokenAmount::default(), max)
    }
}

impl SubnetParameters {
    /// Checks every number against its range.
    ///
    /// # Errors
    /// The first field that is outside.
    pub fn check(&self) -> Result<(), GenesisError> {
        self.chain.check()?;
        in_range("validators_min", self.validators_min, 1, VALIDATORS_MAX as u64)?;
        in_range("parent_lag_blocks_max", self.parent_lag_blocks_max, 1, u64::MAX)?;
        in_range("unbonding_blocks", self.unbonding_blocks, 1, EXIT_BLOCKS_MAX)?;
        in_range("silence_blocks_max", self.silence_blocks_max, 1, EXIT_BLOCKS_MAX)?;
        in_range("exit_notice_blocks", self.exit_notice_blocks, 1, EXIT_BLOCKS_MAX)?;
        // Where power is stake, the least stake must give some; more than there is nobody can stake.
        let min = match self.mode {
            MembershipMode::Collateral | MembershipMode::Static => ATTO_PER_POWER,
            MembershipMode::Federated => 1,
        };
        let max = TokenAmount::from_whole(SUPPLY_MAX_FIL);
        amount_in_range("stake_min", &self.stake_min, TokenAmount::from_atto(min), max)
    }
}

impl Genesis {
    /// The genesis of the subnet that `record` activated.
    pub fn from_activation(record: &ActivationRecord) -> Self {
        Self {
            version: GENESIS_VERSION,
            subnet: record.subnet.clone(),
            timestamp: record.parent.timestamp,
            chain: record.chain.clone(),
            validators: record.validators.clone(),
            balances: Vec::new(),
            parent: Some(record.parent.clone()),
        }
    }

    /// CID of the document.
    pub fn cid(&self) -> Cid {
        cid_of(self)
    }

    /// Identity of the chain that starts from this document.
    pub fn identity(&self) -> ChainIdentity {
        chain_identity(&self.subnet, &self.cid())
    }

    /// Checks all that can be checked without the bundle.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), GenesisError> {
        if self.version != GENESIS_VERSION {
            return Err(GenesisError::Version { actual: self.version });
        }
        self.chain.check()?;
        in_range("timestamp", self.timestamp.get(), 0, GENESIS_TIMESTAMP_MS_MAX)?;
        self.check_validators()?;
        let parent = |problem| GenesisError::Parent { subnet: self.subnet.clone(), problem };
        match (&self.parent, self.subnet.is_root()) {
            (Some(_), true) => return Err(parent("is a root but its genesis names a parent")),
            (None, false) => return Err(parent("is a subnet but its genesis names no parent")),
            (Some(anchor), false) => anchor.validators.check()?,
            (None, true) => {}
        }
        if !self.subnet.is_root() && !self.balances.is_empty() {
            return Err(parent("is a subnet, whose value comes from its parent, but its genesis lists balances"));
        }
        self.check_balances()
    }

    fn check_validators(&self) -> Result<(), GenesisError> {
        self.validators.check()?;
        in_range("total power of the validators", self.validators.total_power().get(), 1, TOTAL_POWER_MAX)?;
        match self.validators.validators().iter().find(|validator| !can_be_account(&validator.owner)) {
            Some(Validator { owner, vote_key, .. }) => {
                Err(GenesisError::Owner { vote_key: *vote_key, address: display_address(owner) })
            }
            None => Ok(()),
        }
    }

    fn check_balances(&self) -> Result<(), GenesisError> {
        let wrong =
            |entry: &GenesisBalance, problem| GenesisError::Balance { address: entry.address.to_string(), problem };
        let mut sum = TokenAmount::default();
        for (index, entry) in self.balances.iter().enumerate() {
            if !can_be_account(&entry.address) {
                return Err(wrong(entry, "only f1, f3 and f4 addresses can be accounts of a genesis"));
            }
            if index > 0 && self.balances[index - 1].address >= entry.address {
                return Err(wrong(entry, "addresses must ascend and not repeat"));
            }
            if entry.balance.is_negative() {
                return Err(wrong(entry, "is below zero"));
            }
            sum += &entry.balance;
            if sum > TokenAmount::from_whole(SUPPLY_MAX_FIL) {
                return Err(wrong(entry, "brings the sum above two billion FIL"));
            }
        }
        Ok(())
    }
}
