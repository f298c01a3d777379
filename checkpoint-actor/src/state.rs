//! The checkpoint actor's state: who validates the subnet, what it holds here, and what it committed.
//!
//! Transitions are methods over a block store and need no VM. Value that enters or leaves a counter does so in
//! [`money`] and nowhere else.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::CheckpointConstructorParams;
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::genesis::ActivationRecord;
use subnet_types::identity::ChainIdentity;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Sequence};
use subnet_types::unlinked::Unlinked;
use subnet_types::{Digest, SubnetId, SubnetParameters, ValidatorSet};

use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::types::{Configuration, Exit, LastCheckpoint, Member, Status, Unbonding, UnclaimedMessage};

/// State of the checkpoint actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// Who sets powers in federated mode.
    pub owner: Address,
    /// What the creator chose.
    #[serde(with = "subnet_types::unlinked")]
    pub parameters: SubnetParameters,
    /// This actor's robust address; `None` until registered.
    pub actor: Option<Address>,
    /// Name of the subnet; `None` until registered.
    pub subnet: Option<SubnetId>,
    /// Identity of this chain, the subnet's parent; `None` until registered.
    pub parent: Option<ChainIdentity>,
    /// The [`ActivationRecord`], as [`Unlinked`]; `None` until active.
    pub activation: Option<Cid>,
    /// Identity of the subnet's chain, a function of the record; `None` until active.
    pub chain: Option<ChainIdentity>,
    /// HAMT of [`crate::types::Member`] by owner.
    pub members: Cid,
    /// HAMT of the owner by key, for every vote and checkpoint key ever taken.
    pub keys: Cid,
    /// How many members there are, candidates included.
    pub member_count: u64,
    /// How many of them have power.
    pub voting_members: u64,
    /// AMT of [`Configuration`] by number. Of those that one recovery makes, only the last is there.
    pub configurations: Cid,
    /// The newest configuration; 0 until active.
    pub configuration_last: ConfigurationNumber,
    /// The configuration that the last accepted checkpoint confirmed: its validators sign the next one.
    pub configuration_confirmed: ConfigurationNumber,
    /// Value locked for the subnet, in attoFIL: its circulating supply and what is on its way down.
    pub custody: TokenAmount,
    /// Value the members joined with, in attoFIL.
    pub stake_total: TokenAmount,
    /// Value of accepted messages that wait for delivery, in attoFIL.
    pub batch_reserved: TokenAmount,
    /// Value of messages that the gateway would not even take, in attoFIL.
    pub unclaimed: TokenAmount,
    /// AMT of [`UnclaimedMessage`] by nonce.
    pub unclaimed_messages: Cid,
    /// Sequence of the last accepted checkpoint; 0 before the first.
    pub last_sequence: Sequence,
    /// Digest of the last accepted checkpoint; before the first the subnet's identity, before activation zero.
    pub last_digest: Digest,
    /// Height of the last accepted checkpoint; 0 before the first.
    pub last_height: Height,
    /// State root of the last accepted checkpoint.
    #[serde(with = "subnet_types::unlinked")]
    pub last_state_root: Option<Cid>,
    /// How far the last accepted checkpoint had applied this chain's messages.
    pub top_down_applied: TopDownApplied,
    /// HAMT of [`subnet_types::cross::MessageBatch`] by sequence, for accepted checkpoints with messages to deliver.
    pub undelivered_batches: Cid,
    /// First nonce of the next checkpoint's batch.
    pub next_batch_nonce: Nonce,
    /// The next bottom-up nonce to deliver.
    pub next_delivery_nonce: Nonce,
    /// Value delivered so far of the batch that the cursor is in, in attoFIL.
    pub batch_delivered: TokenAmount,
    /// Set around every delivery, so that submissions and deliveries do not nest.
    pub is_delivering: bool,
    /// This chain's height when the last checkpoint was accepted; before the first, at activation.
    pub last_accepted_at: Height,
    /// AMT of [`Height`] by configuration, for those that were confirmed: this chain's height then.
    pub confirmations: Cid,
    /// HAMT of [`crate::types::Unbonding`] by owner.
    pub unbonding: Cid,
    /// Sum of these, in attoFIL.
    pub unbonding_total: TokenAmount,
    /// The [`crate::types::Ballot`]; `None` until somebody votes.
    pub ballot: Option<Cid>,
    /// This chain's height when notice was given.
    pub notice: Option<Height>,
    /// The end of the subnet.
    pub exit: Option<Exit>,
}

/// The state cannot be read or written: a missing or malformed block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint state: {0}")]
pub struct StateError(pub String);

pub(crate) fn state_error(error: impl std::fmt::Display) -> StateError {
    StateError(error.to_string())
}

pub(crate) fn load<T: DeserializeOwned>(store: &impl Blockstore, cid: &Cid) -> Result<T, StateError> {
    store.get_cbor(cid).map_err(state_error)?.ok_or_else(|| state_error(format!("block {cid} is missing")))
}

pub(crate) fn save<T: Serialize>(store: &impl Blockstore, value: &T) -> Result<Cid, StateError> {
    store.put_cbor(value, Code::Blake2b256).map_err(state_error)
}

fn empty_amt<T: Serialize + DeserializeOwned>(store: &impl Blockstore) -> Result<Cid, StateError> {
    Amt::<T, _>::new(store).flush().map_err(state_error)
}

impl State {
    /// The state of a new actor.
    ///
    /// # Errors
    /// When a parameter is outside its range.
    pub fn new(store: &impl Blockstore, params: CheckpointConstructorParams) -> Result<Self, CheckpointError> {
        params.parameters.check()?;
        let zero = TokenAmount::default;
        Ok(Self {
            owner: params.owner,
            parameters: params.parameters,
            actor: None,
            subnet: None,
            parent: None,
            activation: None,
            chain: None,
            members: members::empty_map::<Member, _>(store)?,
            keys: members::empty_map::<Address, _>(store)?,
            member_count: 0,
            voting_members: 0,
            configurations: empty_amt::<Configuration>(store)?,
            configuration_last: ConfigurationNumber::ZERO,
            configuration_confirmed: ConfigurationNumber::ZERO,
            custody: zero(),
            stake_total: zero(),
            batch_reserved: zero(),
            unclaimed: zero(),
            unclaimed_messages: empty_amt::<UnclaimedMessage>(store)?,
            last_sequence: Sequence::ZERO,
            last_digest: Digest::ZERO,
            last_height: Height::GENESIS,
            last_state_root: None,
            top_down_applied: TopDownApplied { nonce: Nonce::ZERO, parent_height: Height::GENESIS },
            undelivered_batches: batches::empty(store)?,
            next_batch_nonce: Nonce::ZERO,
            next_delivery_nonce: Nonce::ZERO,
            batch_delivered: zero(),
            is_delivering: false,
            last_accepted_at: Height::GENESIS,
            confirmations: empty_amt::<Height>(store)?,
            unbonding: members::empty_map::<Unbonding, _>(store)?,
            unbonding_total: zero(),
            ballot: None,
            notice: None,
            exit: None,
        })
    }

    /// How far the subnet has come.
    pub fn status(&self) -> Status {
        match (&self.actor, &self.activation, &self.exit) {
            (None, ..) => Status::Created,
            (Some(_), None, _) => Status::Registered,
            (Some(_), Some(_), None) => Status::Active,
            (Some(_), Some(_), Some(_)) => Status::Exited,
        }
    }

    /// Lets calls pass that change something of a subnet that may still go on.
    ///
    /// # Errors
    /// When it has exited.
    pub(crate) fn expect_alive(&self) -> Result<(), ExitError> {
        match &self.exit {
            Some(exit) => Err(ExitError::Exited { height: exit.height }),
            None => Ok(()),
        }
    }

    /// The same, for what needs a genesis besides.
    ///
    /// # Errors
    /// When it has exited or has not begun.
    pub(crate) fn expect_active(&self) -> Result<(), CheckpointError> {
        self.expect_alive()?;
        if self.status() == Status::Active {
            return Ok(());
        }
        Err(CheckpointError::NotActive { voting: self.voting_members, needed: self.parameters.validators_min })
    }

    /// What activation froze; `None` until active.
    ///
    /// # Errors
    /// When the store fails.
    pub fn activation(&self, store: &impl Blockstore) -> Result<Option<ActivationRecord>, StateError> {
        let record = self.activation.as_ref().map(|cid| load::<Unlinked<ActivationRecord>>(store, cid)).transpose()?;
        Ok(record.map(|Unlinked(record)| record))
    }

    /// The newest accepted checkpoint.
    pub fn last_checkpoint(&self) -> LastCheckpoint {
        LastCheckpoint {
            sequence: self.last_sequence,
            digest: self.last_digest,
            height: self.last_height,
            state_root: self.last_state_root,
            top_down_applied: self.top_down_applied,
            configuration: self.configuration_confirmed,
            next_batch_nonce: self.next_batch_nonce,
        }
    }

    /// What is kept of configuration `number`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn configuration(
        &self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
    ) -> Result<Option<Configuration>, StateError> {
        let configurations = Amt::<Configuration, _>::load(&self.configurations, store).map_err(state_error)?;
        Ok(configurations.get(number.get()).map_err(state_error)?.cloned())
    }

    /// The validators of configuration `number`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn validators(
        &self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
    ) -> Result<Option<ValidatorSet>, StateError> {
        let configuration = self.configuration(store, number)?;
        configuration.map(|configuration| load(store, &configuration.validators)).transpose()
    }

    /// Messages of accepted checkpoints that wait for delivery.
    pub fn undelivered(&self) -> u64 {
        self.next_batch_nonce.saturating_since(self.next_delivery_nonce)
    }
}

mod acceptance;
mod ballots;
mod batches;
mod claims;
mod configurations;
mod ending;
mod leaving;
mod members;
mod money;
mod recovery;

pub(crate) use ballots::THE_END;
pub use batches::check_whole;
pub use claims::claim_key;
pub use members::{MEMBERS_MAX, POWER_MAX, power_of_stake};
