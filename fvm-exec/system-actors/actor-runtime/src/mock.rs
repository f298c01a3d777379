//! A [`Runtime`] in memory, for native tests of one actor.
//!
//! It keeps the VM's rules that actors rely on: value arrives before the method runs, an abort undoes everything, a
//! send moves money only when it succeeds, and sending to a key address creates the account. What other actors answer
//! is scripted: by a handler, by a queue for one method, or (plain sends of value only) success by default. A call of a
//! method for which no answer is scripted panics, because the test then does not say what it assumes.
//!
//! ```
//! # use actor_runtime::{ActorError, Runtime, mock::MockRuntime, require_caller};
//! # use fvm_ipld_encoding::ipld_block::IpldBlock;
//! fn dispatch<R: Runtime>(rt: &R, method: u64, _: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
//!     require_caller(rt, &[0])?;
//!     rt.save_state(&method).map(|()| None)
//! }
//! let rt = MockRuntime::new(64);
//! assert!(rt.call(dispatch, 100, &Default::default(), 7, None).is_err());
//! rt.call(dispatch, 0, &Default::default(), 7, None).unwrap();
//! assert_eq!(rt.load_state::<u64>().unwrap(), 7);
//! ```

mod crypto;
mod sends;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use cid::Cid;
use cid::multihash::Multihash;
use fvm_ipld_blockstore::MemoryBlockstore;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::event::ActorEvent;
use fvm_shared::{ActorID, IPLD_RAW, MethodNum};
use num_traits::Zero;
use subnet_types::hash::{BLAKE2B_256, blake2b_256, keccak_256};
use subnet_types::{BlsPublicKey, BlsSignature, Digest};

use crate::builtin;
use crate::error::ActorError;
use crate::runtime::{Runtime, SendReturn};

pub use sends::SentMessage;
use world::World;

/// Gas of one call unless a test sets another amount: a full block's.
const GAS_DEFAULT: u64 = subnet_types::limits::BLOCK_GAS_MAX;

/// What answers a send; `None` leaves it to the queues and defaults.
type Handler = Box<dyn Fn(&MockRuntime, &SentMessage) -> Option<SendReturn>>;

/// The VM in memory, around one actor.
pub struct MockRuntime {
    store: MemoryBlockstore,
    receiver: ActorID,
    caller: Cell<ActorID>,
    origin: Cell<ActorID>,
    value: RefCell<TokenAmount>,
    read_only: Cell<bool>,
    epoch: Cell<ChainEpoch>,
    timestamp_seconds: Cell<u64>,
    chain_id: Cell<u64>,
    gas: Cell<u64>,
    gas_per_send: Cell<u64>,
    world: RefCell<World>,
    answers: RefCell<BTreeMap<(ActorID, MethodNum), VecDeque<SendReturn>>>,
    handler: RefCell<Option<Handler>>,
}

/// The code that the mock gives to a built-in actor: the same name, always the same CID.
///
/// # Panics
/// When there is no built-in actor of this name.
pub fn code(name: &str) -> Cid {
    assert!(builtin::number(name).is_some(), "{name} is not in builtin::NAMES");
    foreign_code(name.as_bytes())
}

/// A name whose [`foreign_code`] the mock takes for an actor of the chain's own.
pub const OWN_ACTOR: &str = "own-actor";

/// A code CID that the mock takes for a user's actor, unless `seed` is a built-in name or [`OWN_ACTOR`].
pub fn foreign_code(seed: &[u8]) -> Cid {
    let hash = Multihash::wrap(BLAKE2B_256, blake2b_256(seed).as_bytes()).expect("32 bytes fit a multihash");
    Cid::new_v1(IPLD_RAW, hash)
}

impl MockRuntime {
    /// The actor `receiver` without state or money, in a world of the singletons (system, init, reward, eam, gateway,
    /// courier and the burnt funds account).
    pub fn new(receiver: ActorID) -> Self {
        Self {
            store: MemoryBlockstore::default(),
            receiver,
            caller: Cell::new(subnet_types::actors::SYSTEM_ID),
            origin: Cell::new(subnet_types::actors::SYSTEM_ID),
            value: RefCell::new(TokenAmount::zero()),
            read_only: Cell::new(false),
            epoch: Cell::new(0),
            timestamp_seconds: Cell::new(0),
            chain_id: Cell::new(0),
            gas: Cell::new(GAS_DEFAULT),
            gas_per_send: Cell::new(0),
            world: RefCell::new(World::with_singletons(receiver)),
            answers: RefCell::default(),
            handler: RefCell::new(None),
        }
    }

    /// Calls the actor as the VM does: moves `value` from `caller` (when the test gave it a balance; otherwise out of
    /// nothing), runs `dispatch`, and on an abort undoes state, money, sends, creations and events.
    ///
    /// # Errors
    /// The abort.
    pub fn call<F>(
        &self,
        dispatch: F,
        caller: ActorID,
        value: &TokenAmount,
        method: MethodNum,
        params: Option<IpldBlock>,
    ) -> Result<Option<IpldBlock>, ActorError>
    where
        F: FnOnce(&Self, MethodNum, Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError>,
    {
        let before = self.world.borrow().clone();
        self.set_caller(caller);
        self.set_value(value);
        {
            let mut world = self.world.borrow_mut();
            world.debit_down_to_zero(caller, value);
            world.credit(self.receiver, value);
        }
        let result = dispatch(self, method, params);
        if result.is_err() {
            self.world.replace(before);
        }
        result
    }

    /// Sets who calls; also the origin.
    pub fn set_caller(&self, caller: ActorID) {
        self.caller.set(caller);
        self.origin.set(caller);
    }

    /// Sets the signer of the message, where it is not the caller.
    pub fn set_origin(&self, origin: ActorID) {
        self.origin.set(origin);
    }

    /// Sets what [`Runtime::value_received`] says, without moving money. [`Self::call`] does both.
    pub fn set_value(&self, value: &TokenAmount) {
        self.value.replace(value.clone());
    }

    /// Makes the following calls read-only, or not.
    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.set(read_only);
    }

    /// Sets height and time of the block.
    pub fn set_block(&self, epoch: ChainEpoch, timestamp_seconds: u64) {
        self.epoch.set(epoch);
        self.timestamp_seconds.set(timestamp_seconds);
    }

    /// Sets the chain's EIP-155 id.
    pub fn set_chain_id(&self, chain_id: u64) {
        self.chain_id.set(chain_id);
    }

    /// Sets the gas that is left and what each send takes from it.
    pub fn set_gas(&self, available: u64, per_send: u64) {
        self.gas.set(available);
        self.gas_per_send.set(per_send);
    }

    /// Sets an actor's balance.
    pub fn set_balance(&self, actor: ActorID, balance: &TokenAmount) {
        self.world.borrow_mut().balances.insert(actor, balance.clone());
    }

    /// Adds an actor with this code (see [`code`]) and, when it has one, a robust address.
    pub fn add_actor(&self, id: ActorID, code: Cid, address: Option<Address>) {
        let mut world = self.world.borrow_mut();
        world.codes.insert(id, code);
        if let Some(address) = address {
            world.addresses.insert(address, id);
            if matches!(address.payload(), fvm_shared::address::Payload::Delegated(_)) {
                world.delegated.insert(id, address);
            }
        }
    }

    /// Queues the answer to the next send to this actor and method.
    pub fn answer(&self, to: ActorID, method: MethodNum, answer: SendReturn) {
        self.answers.borrow_mut().entry((to, method)).or_default().push_back(answer);
    }

    /// Answers sends by a function, which runs before the queues and may call other actors' code over their own
    /// `MockRuntime`.
    pub fn answer_with(&self, handler: impl Fn(&Self, &SentMessage) -> Option<SendReturn> + 'static) {
        self.handler.replace(Some(Box::new(handler)));
    }

    /// All sends since the last call of this method, failed ones too.
    pub fn take_sends(&self) -> Vec<SentMessage> {
        std::mem::take(&mut self.world.borrow_mut().sends)
    }

    /// All events since the last call of this method.
    pub fn take_events(&self) -> Vec<ActorEvent> {
        std::mem::take(&mut self.world.borrow_mut().events)
    }

    /// Answers that were queued and not used.
    pub fn unused_answers(&self) -> usize {
        self.answers.borrow().values().map(VecDeque::len).sum()
    }
}

impl Runtime for MockRuntime {
    type Store = MemoryBlockstore;

    fn store(&self) -> &MemoryBlockstore {
        &self.store
    }

    fn receiver(&self) -> ActorID {
        self.receiver
    }

    fn caller(&self) -> ActorID {
        self.caller.get()
    }

    fn origin(&self) -> ActorID {
        self.origin.get()
    }

    fn value_received(&self) -> TokenAmount {
        self.value.borrow().clone()
    }

    fn is_read_only(&self) -> bool {
        self.read_only.get()
    }

    fn epoch(&self) -> ChainEpoch {
        self.epoch.get()
    }

    fn timestamp_seconds(&self) -> u64 {
        self.timestamp_seconds.get()
    }

    fn chain_id(&self) -> u64 {
        self.chain_id.get()
    }

    fn gas_available(&self) -> u64 {
        self.gas.get()
    }

    fn state_root(&self) -> Result<Cid, ActorError> {
        self.world.borrow().state_root.ok_or_else(|| ActorError::illegal_state("the actor has no state"))
    }

    fn set_state_root(&self, root: &Cid) -> Result<(), ActorError> {
        if self.read_only.get() {
            return Err(ActorError::read_only("a read-only call cannot change the state"));
        }
        self.world.borrow_mut().state_root = Some(*root);
        Ok(())
    }

    fn send(
        &self,
        to: &Address,
        method: MethodNum,
        params: Option<IpldBlock>,
        value: &TokenAmount,
        gas_limit: Option<u64>,
    ) -> Result<SendReturn, ActorError> {
        self.perform_send(SentMessage { to: *to, method, params, value: value.clone(), gas_limit })
    }

    fn resolve_address(&self, address: &Address) -> Option<ActorID> {
        self.world.borrow().resolve(address)
    }

    fn delegated_address(&self, actor: ActorID) -> Option<Address> {
        self.world.borrow().delegated.get(&actor).copied()
    }

    fn code_of(&self, actor: ActorID) -> Option<Cid> {
        self.world.borrow().codes.get(&actor).copied()
    }

    fn builtin_type(&self, asked: &Cid) -> Option<u32> {
        if *asked == foreign_code(OWN_ACTOR.as_bytes()) {
            return Some(builtin::COURIER + 1);
        }
        let name = builtin::NAMES.iter().find(|name| code(name) == *asked)?;
        builtin::number(name)
    }

    fn balance(&self) -> TokenAmount {
        self.balance_of(self.receiver)
    }

    fn balance_of(&self, actor: ActorID) -> TokenAmount {
        self.world.borrow().balances.get(&actor).cloned().unwrap_or_default()
    }

    fn verify_bls_aggregate(&self, signature: &BlsSignature, keys: &[BlsPublicKey], messages: &[&[u8]]) -> bool {
        crypto::verify_bls_aggregate(signature, keys, messages)
    }

    fn verify_signature(&self, signature: &Signature, signer: &Address, message: &[u8]) -> bool {
        crypto::verify_signature(signature, signer, message)
    }

    fn hash_blake2b(&self, bytes: &[u8]) -> Digest {
        blake2b_256(bytes)
    }

    fn hash_keccak(&self, bytes: &[u8]) -> Digest {
        keccak_256(bytes)
    }

    fn next_actor_address(&self) -> Address {
        self.world.borrow_mut().next_actor_address()
    }

    fn create_actor(&self, id: ActorID, code: &Cid, delegated: Option<Address>) -> Result<(), ActorError> {
        if self.receiver != subnet_types::actors::INIT_ID {
            return Err(ActorError::illegal_argument(format!("actor {} is not init", self.receiver)));
        }
        self.world.borrow_mut().create_actor(id, code, delegated)
    }

    fn emit_event(&self, event: &ActorEvent) -> Result<(), ActorError> {
        if self.read_only.get() {
            return Err(ActorError::read_only("a read-only call cannot emit events"));
        }
        self.world.borrow_mut().emit_event(event)
    }
}
