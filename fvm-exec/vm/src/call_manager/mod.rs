//! The call stack of one message.
//!
//! ```text
//! executor ── with_transaction ── call_actor ── depth, gas limit
//!                                     │
//!                     resolve or create the receiver (accounts.rs)
//!                                     │
//!                     transfer, charge, run (call.rs) ── wasm (run.rs) or native actor
//!                                                            │ syscalls
//!                                     ┌──────────────── kernel (the reference's)
//!                     reads and writes of actors (actors.rs): paid for once (charged.rs), noted in the access log
//! ```
//!
//! What it does and charges, and in which order, is what the reference's call manager does; tests hold the two
//! together charge by charge.

mod accounts;
mod actors;
mod call;
mod charged;
mod events;
mod run;

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use cid::Cid;
use fvm::Kernel;
use fvm::call_manager::{Backtrace, CallManager, Entrypoint, FinishRet, InvocationResult};
use fvm::engine::Engine;
use fvm::gas::{Gas, GasTracker};
use fvm::kernel::{Block, ExecutionError, Result};
use fvm::state_tree::ActorState;
use fvm::trace::{ExecutionEvent, ExecutionTrace, IpldOperation};
use fvm_ipld_encoding::to_vec;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::event::StampedEvent;
use num_traits::Zero as _;

use crate::access::Fields;
use crate::engine::Limiter;
use crate::machine::VmMachine;
use charged::Charged;
use events::Events;

/// The call stack of one message.
///
/// It moves into the kernel of every call and back, so it is empty while a call that it made is running.
pub struct LaneCallManager<M: VmMachine>(Option<Box<Inner<M>>>);

/// What a call manager holds.
#[doc(hidden)]
pub struct Inner<M: VmMachine> {
    machine: M,
    stock: Arc<Engine>,
    gas: GasTracker,
    charged: Charged,
    events: Events,
    limiter: Limiter<M::Limiter>,
    /// Who sent the message, as id and as the message says it.
    origin: ActorID,
    origin_address: Address,
    nonce: u64,
    gas_premium: TokenAmount,
    actors_created: u64,
    depth: u32,
    invocations: u64,
    call_stack: Vec<(ActorID, &'static str)>,
    backtrace: Backtrace,
    trace: ExecutionTrace,
    /// Which fields the kernel is about to read of the actors it asks for.
    reads: Cell<Fields>,
    /// Number of the message at the engine.
    message: u64,
}

/// What a call manager starts from.
pub(crate) struct Origin {
    pub(crate) gas_limit: u64,
    pub(crate) sender: ActorID,
    pub(crate) sender_address: Address,
    pub(crate) receiver: Option<ActorID>,
    pub(crate) receiver_address: Address,
    pub(crate) nonce: u64,
    pub(crate) gas_premium: TokenAmount,
}

impl<M: VmMachine> LaneCallManager<M> {
    /// A call manager for a message from `origin` on `machine`. `stock` is never used.
    pub(crate) fn start(machine: M, stock: Arc<Engine>, origin: Origin) -> Self {
        let charged = Charged::default();
        // Inclusion has paid for the sender, and reading a receiver that exists is free, as is its address.
        charged.write(origin.sender);
        charged.resolve(&origin.sender_address);
        if let Some(receiver) = origin.receiver {
            charged.read(receiver);
        }
        charged.resolve(&origin.receiver_address);

        Self(Some(Box::new(Inner {
            gas: GasTracker::new(Gas::new(origin.gas_limit), Gas::zero(), machine.context().tracing),
            limiter: Limiter::new(machine.new_limiter()),
            message: machine.code().engine().next_message(),
            machine,
            stock,
            charged,
            events: Events::default(),
            origin: origin.sender,
            origin_address: origin.sender_address,
            nonce: origin.nonce,
            gas_premium: origin.gas_premium,
            actors_created: 0,
            depth: 0,
            invocations: 0,
            call_stack: Vec::new(),
            backtrace: Backtrace::default(),
            trace: Vec::new(),
            reads: Cell::new(Fields::ALL),
        })))
    }

    /// Says which fields of actors will be read until further notice, and returns what was said before. Until
    /// anything is said, it is all of them.
    pub(crate) fn expect_reads(&self, fields: Fields) -> Fields {
        self.reads.replace(fields)
    }

    /// Notes that this node alone has failed. The message ends with an error, whatever becomes of the call.
    pub(crate) fn fail(&mut self, failure: anyhow::Error) {
        self.limiter.fail(failure);
    }

    /// The limiter of memory, as wasmtime asks it.
    pub(crate) fn limiter(&mut self) -> &mut Limiter<M::Limiter> {
        &mut self.limiter
    }

    fn is_tracing(&self) -> bool {
        self.machine.context().tracing
    }

    fn trace(&mut self, event: ExecutionEvent) {
        let inner = &mut **self;
        inner.trace.extend(inner.gas.drain_trace().map(ExecutionEvent::GasCharge));
        inner.trace.push(event);
    }
}

impl<M: VmMachine> Deref for LaneCallManager<M> {
    type Target = Inner<M>;

    fn deref(&self) -> &Inner<M> {
        self.0.as_ref().expect("the call manager comes back before the call that took it returns")
    }
}

impl<M: VmMachine> DerefMut for LaneCallManager<M> {
    fn deref_mut(&mut self) -> &mut Inner<M> {
        self.0.as_mut().expect("the call manager comes back before the call that took it returns")
    }
}

impl<M: VmMachine> CallManager for LaneCallManager<M> {
    type Machine = M;

    fn new(
        machine: M,
        engine: Engine,
        gas_limit: u64,
        sender: ActorID,
        sender_address: Address,
        receiver: Option<ActorID>,
        receiver_address: Address,
        nonce: u64,
        gas_premium: TokenAmount,
    ) -> Self {
        let origin = Origin { gas_limit, sender, sender_address, receiver, receiver_address, nonce, gas_premium };
        Self::start(machine, Arc::new(engine), origin)
    }

    fn call_actor<K: Kernel<CallManager = Self>>(
        &mut self,
        from: ActorID,
        to: Address,
        entrypoint: Entrypoint,
        params: Option<Block>,
        value: &TokenAmount,
        gas_limit: Option<Gas>,
        read_only: bool,
    ) -> Result<InvocationResult> {
        // The kernel is always ours: the syscalls are bound to it.
        self.call(call::Call { from, to, entrypoint, params, value, read_only }, gas_limit)
    }

    fn with_transaction(&mut self, f: impl FnOnce(&mut Self) -> Result<InvocationResult>) -> Result<InvocationResult> {
        self.machine.state_mut().begin();
        self.machine.recorder().begin();
        self.events.begin();
        self.charged.begin();

        let result = f(self);
        let reverts = !matches!(&result, Ok(done) if done.exit_code.is_success());

        self.machine.state_mut().end(reverts)?;
        self.machine.recorder().end(reverts);
        self.events.end(reverts)?;
        self.charged.end(reverts)?;
        result
    }

    fn finish(mut self) -> (Result<FinishRet>, M) {
        let inner = *self.0.take().expect("the call manager comes back before the call that took it returns");
        let Inner { machine, gas, events, backtrace, trace: mut exec_trace, limiter, .. } = inner;
        // Whatever the message has come to, on other nodes it has come to something else.
        if let Some(failure) = limiter.into_failure() {
            return (Err(ExecutionError::Fatal(failure.context("this node has failed"))), machine);
        }
        let gas_used = gas.gas_used().round_up();
        exec_trace.extend(gas.drain_trace().map(ExecutionEvent::GasCharge));
        let result = events.finish().map(|(events, events_root)| FinishRet {
            gas_used,
            backtrace,
            exec_trace,
            events,
            events_root,
        });
        (result, machine)
    }

    fn machine(&self) -> &M {
        &self.machine
    }

    fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    fn engine(&self) -> &Engine {
        &self.stock
    }

    fn gas_tracker(&self) -> &GasTracker {
        &self.gas
    }

    fn gas_premium(&self) -> &TokenAmount {
        &self.gas_premium
    }

    fn origin(&self) -> ActorID {
        self.origin
    }

    /// From the sender's address as the message has it, its nonce and how many actors it has created: unique whatever
    /// becomes of ids.
    fn next_actor_address(&self) -> Address {
        let mut seed = to_vec(&self.origin_address).expect("an address has an encoding");
        seed.extend_from_slice(&self.nonce.to_be_bytes());
        seed.extend_from_slice(&self.actors_created.to_be_bytes());
        Address::new_actor(&seed)
    }

    fn create_actor(&mut self, code: Cid, id: ActorID, delegated_address: Option<Address>) -> Result<()> {
        self.create(code, id, delegated_address)
    }

    fn get_call_stack(&self) -> &[(ActorID, &'static str)] {
        &self.call_stack
    }

    fn resolve_address(&self, address: &Address) -> Result<Option<ActorID>> {
        self.resolve(address)
    }

    fn set_actor(&mut self, id: ActorID, state: ActorState) -> Result<()> {
        let fields = self.reads.get();
        self.store(id, state, fields)?;
        if fields.contains(Fields::HEAD) {
            self.machine.recorder().set_head(id);
        }
        Ok(())
    }

    fn get_actor(&self, id: ActorID) -> Result<Option<ActorState>> {
        self.load(id, self.reads.get())
    }

    fn delete_actor(&mut self, id: ActorID) -> Result<()> {
        let fields = self.reads.get();
        self.delete(id, fields)
    }

    fn transfer(&mut self, from: ActorID, to: ActorID, value: &TokenAmount) -> Result<()> {
        self.move_funds(from, to, value)
    }

    fn nonce(&self) -> u64 {
        self.nonce
    }

    fn invocation_count(&self) -> u64 {
        self.invocations
    }

    fn limiter_mut(&mut self) -> &mut M::Limiter {
        self.limiter.limits()
    }

    fn append_event(&mut self, event: StampedEvent) {
        self.events.push(event);
    }

    // The two below are traced always, as in the reference; without tracing nobody sees them.
    fn log(&mut self, message: String) {
        self.trace(ExecutionEvent::Log(message));
    }

    fn trace_ipld(&mut self, op: IpldOperation, cid: Cid, size: usize) {
        self.trace(ExecutionEvent::Ipld { op, cid, size });
    }
}
