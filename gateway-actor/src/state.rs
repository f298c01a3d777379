//! The gateway's state: what this chain knows of its parent, its children and the messages between them.
//!
//! Transitions are methods over a block store and need no VM. Each returns what the method layer has to do (a send,
//! an event); none moves money itself.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_hamt::Config;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::actors::CheckpointCut;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage, message_id};
use subnet_types::genesis::mint_reserve;
use subnet_types::identity::ChainIdentity;
use subnet_types::quantity::{Nonce, Sequence};
use subnet_types::{SubnetId, ValidatorSet};

use crate::types::{Child, Draft, GatewayError, GatewayGenesis, Outbox, ParentView};

/// State of the gateway actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// Name of this chain.
    pub subnet: SubnetId,
    /// Identity of this chain.
    pub identity: ChainIdentity,
    /// Code of the actors that may register as children.
    pub checkpoint_code: Cid,
    /// Blocks between checkpoints. Has no effect on a root.
    pub checkpoint_period_blocks: u64,
    /// The [`ValidatorSet`] that votes two blocks after this state.
    pub validators: Cid,
    /// The [`ValidatorSet`] that the next cut seals: `validators` with the changes applied since.
    pub pending: Cid,
    /// What this chain knows of its parent; `None` on a root.
    pub parent: Option<ParentView>,
    /// AMT of [`Child`] by the id of its checkpoint actor. (Ids are dense and small, so a path has few short nodes.)
    pub children: Cid,
    /// The bottom-up messages that wait for a checkpoint. Stays empty on a root.
    pub outbox: Outbox,
    /// What the system actor holds when nobody but the protocol moves its balance: what may still be minted, in
    /// attoFIL. Zero on a root.
    pub reserve: TokenAmount,
    /// Balance of the burnt-funds actor at the last cut, in attoFIL.
    pub burnt_at_cut: TokenAmount,
    /// The last cut; `None` before the first and on a root.
    pub last_cut: Option<CheckpointCut>,
    /// Sequence of the next cut.
    pub next_sequence: Sequence,
    /// This chain's count of cross messages made here, which makes their ids unique.
    pub next_origin_sequence: u64,
    /// HAMT of links to [pending messages](crate::types::PendingMessage) by id: what was sent from here and must be
    /// answered.
    pub pending_messages: Cid,
    /// AMT of words of 64 bits: bit `n % 64` of word `n / 64` says that the message with origin sequence `n` was
    /// answered, or is recorded among the pending ones, whose entry then decides.
    pub settled: Cid,
    /// HAMT of links to [owed answers](crate::types::OwedAnswer) by the call's key
    /// ([`call_key`](subnet_types::cross::call_key)).
    pub owed: Cid,
    /// Sum of the fees in `owed`, in attoFIL; this actor's balance covers it.
    pub owed_total: TokenAmount,
    /// HAMT of what could not be credited, by address.
    pub unclaimed: Cid,
    /// Sum of the ledger, in attoFIL; this actor's balance covers it.
    pub unclaimed_total: TokenAmount,
    /// Set around every send that runs code of others, so that deliveries do not nest.
    pub is_delivering: bool,
}

pub(crate) fn state_error(error: impl std::fmt::Display) -> GatewayError {
    GatewayError::State(error.to_string())
}

pub(crate) fn load<T: DeserializeOwned>(store: &impl Blockstore, cid: &Cid) -> Result<T, GatewayError> {
    store.get_cbor(cid).map_err(state_error)?.ok_or_else(|| state_error(format!("block {cid} is missing")))
}

pub(crate) fn save<T: Serialize>(store: &impl Blockstore, value: &T) -> Result<Cid, GatewayError> {
    store.put_cbor(value, Code::Blake2b256).map_err(state_error)
}

/// Narrow HAMT nodes with at most one entry in a slot: a node has a few hundred bytes, so a write costs by the depth of the
/// tree and by nothing else. Wider ones with several entries in a slot could be filled by anybody who chooses keys, until
/// a write to one of them costs more than a delivery may use.
pub(crate) fn narrow_nodes() -> Config {
    Config { bit_width: 3, max_array_width: 1, ..Config::default() }
}

pub(crate) fn empty_amt<T: Serialize + DeserializeOwned>(store: &impl Blockstore) -> Result<Cid, GatewayError> {
    Amt::<T, _>::new(store).flush().map_err(state_error)
}

impl State {
    /// The state with which a chain starts.
    ///
    /// # Errors
    /// When the store fails.
    pub fn genesis(store: &impl Blockstore, genesis: GatewayGenesis) -> Result<Self, GatewayError> {
        let validators = save(store, &genesis.validators)?;
        let reserve = if genesis.parent.is_some() { mint_reserve() } else { TokenAmount::default() };
        let parent = genesis
            .parent
            .map(|anchor| {
                Ok::<_, GatewayError>(ParentView {
                    identity: anchor.identity,
                    height: anchor.height,
                    whole_height: anchor.height,
                    block: None,
                    timestamp: anchor.timestamp,
                    validators: save(store, &anchor.validators)?,
                    next_nonce: Nonce::ZERO,
                    cross_gas_price: genesis.cross_gas_price,
                })
            })
            .transpose()?;
        Ok(Self {
            subnet: genesis.subnet,
            identity: genesis.identity,
            checkpoint_code: genesis.checkpoint_code,
            checkpoint_period_blocks: genesis.checkpoint_period_blocks,
            validators,
            pending: validators,
            parent,
            children: empty_amt::<Child>(store)?,
            outbox: Outbox::empty(store, Nonce::ZERO)?,
            reserve,
            burnt_at_cut: TokenAmount::default(),
            last_cut: None,
            next_sequence: Sequence::new(1),
            next_origin_sequence: 0,
            pending_messages: answers::empty(store)?,
            settled: empty_amt::<u64>(store)?,
            owed: answers::empty(store)?,
            owed_total: TokenAmount::default(),
            unclaimed: unclaimed::empty(store)?,
            unclaimed_total: TokenAmount::default(),
            is_delivering: false,
        })
    }

    /// The set that votes two blocks after this state.
    ///
    /// # Errors
    /// When the store fails.
    pub fn validators(&self, store: &impl Blockstore) -> Result<ValidatorSet, GatewayError> {
        load(store, &self.validators)
    }

    /// The set that the next cut seals.
    ///
    /// # Errors
    /// When the store fails.
    pub fn pending(&self, store: &impl Blockstore) -> Result<ValidatorSet, GatewayError> {
        load(store, &self.pending)
    }

    /// The parent's validators as tracked; `None` on a root.
    ///
    /// # Errors
    /// When the store fails.
    pub fn parent_validators(&self, store: &impl Blockstore) -> Result<Option<ValidatorSet>, GatewayError> {
        self.parent.as_ref().map(|parent| load(store, &parent.validators)).transpose()
    }

    /// Makes a message that starts here: gives it its id. Its nonce is the edge's matter. A receipt is settled from the
    /// start: nothing answers it, so nobody can pretend to.
    pub(crate) fn stamp(&mut self, store: &impl Blockstore, draft: Draft) -> Result<CrossMessage, GatewayError> {
        let origin_sequence = self.next_origin_sequence;
        self.next_origin_sequence += 1;
        if matches!(draft.kind, CrossKind::Receipt { .. }) {
            self.mark_settled(store, origin_sequence)?;
        }
        Ok(CrossMessage {
            id: message_id(&self.identity, &draft.origin, origin_sequence),
            origin: CrossAddress { subnet: self.subnet.clone(), address: draft.origin },
            origin_sequence,
            destination: draft.destination,
            value: draft.value,
            kind: draft.kind,
            nonce: Nonce::ZERO,
            gas_limit: draft.gas_limit,
            fee: draft.fee,
            expires: draft.expires,
            wants_receipt: draft.wants_receipt,
        })
    }

    /// The messages of `cut`, in nonce order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn batch(&self, store: &impl Blockstore, cut: &CheckpointCut) -> Result<Vec<CrossMessage>, GatewayError> {
        outbox::read(store, &cut.messages_amt, cut.messages.count)
    }
}

mod answers;
mod children;
mod cut;
mod delivery;
mod ending;
mod outbox;
mod parent;
mod route;
mod unclaimed;

/// Entries of a table with their keys, and the key with which the next page begins.
pub type Page<K, T> = (Vec<(K, T)>, Option<K>);

pub use delivery::{Edge, arrival_fee, departure_fee, receipt_of, refusal_here};
pub use ending::unapplied_amount;
pub use parent::RefusedChange;
pub use route::{Way, is_on_the_way};
