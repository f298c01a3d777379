//! Runs messages one by one: the reference's executor over our call manager.
//!
//! ```text
//! preflight.rs    may the sender send this, and can it pay for the gas?      takes the most it can cost
//! mod.rs          runs it, makes the receipt
//! settlement.rs   what it did cost                                            burns, tips, refunds
//! ```

mod preflight;
mod receipt;
mod settlement;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use cid::Cid;
use fvm::call_manager::{CallManager as _, Entrypoint, FinishRet, InvocationResult};
use fvm::engine::Engine;
use fvm::executor::{ApplyKind, ApplyRet, Executor};
use fvm::gas::GasCharge;
use fvm::kernel::{self, Block, Context as _};
use fvm_ipld_encoding::CBOR;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::{IPLD_RAW, METHOD_SEND};

use crate::access::Access;
use crate::call_manager::{LaneCallManager, Origin};
use crate::engine::stock_engine;
use crate::kernel::LaneKernel;
use crate::machine::VmMachine;
use preflight::{Cleared, Refusal};

/// Executes messages on a machine, one at a time.
///
/// It must run on a thread with 64 MiB of stack: calls may nest 1,024 deep.
pub struct LaneExecutor<M: VmMachine> {
    /// Gone after a panic in the middle of a message.
    machine: Option<M>,
    stock: Arc<Engine>,
}

/// What running a message has given.
struct Ran {
    result: kernel::Result<InvocationResult>,
    finished: FinishRet,
}

impl<M: VmMachine> LaneExecutor<M> {
    /// An executor on `machine`.
    ///
    /// # Errors
    /// When the process cannot reserve the stock engine's address space.
    pub fn new(machine: M) -> anyhow::Result<Self> {
        Ok(Self { machine: Some(machine), stock: stock_engine()? })
    }

    /// The machine, unless a panic in the middle of a message has lost it.
    pub fn into_machine(self) -> Option<M> {
        self.machine
    }

    /// Executes a message. `raw_length` is the length in bytes that an explicit message has on chain.
    ///
    /// # Errors
    /// When the message is not well formed, or this node cannot execute it.
    pub fn execute(&mut self, message: &Message, kind: ApplyKind, raw_length: usize) -> anyhow::Result<ApplyRet> {
        let cleared = match preflight::clear(&mut **self, message, kind, raw_length)? {
            Ok(cleared) => cleared,
            Err(Refusal { exit_code, reason, penalty }) => {
                return Ok(ApplyRet::prevalidation_fail(exit_code, reason, penalty));
            }
        };
        let Ran { result, finished } = self.run(message, &cleared)?;
        let outcome = receipt::outcome(message, self.context().epoch, result, finished);
        match kind {
            ApplyKind::Implicit => Ok(outcome.free_of_charge()),
            ApplyKind::Explicit => settlement::settle(&mut **self, &cleared, message, outcome),
        }
    }

    /// Executes a message as [`LaneExecutor::execute`] does, and tells what it has touched.
    ///
    /// # Errors
    /// As there; then nothing is known of what was touched.
    pub fn execute_recorded(
        &mut self,
        message: &Message,
        kind: ApplyKind,
        raw_length: usize,
    ) -> anyhow::Result<(ApplyRet, Access)> {
        self.recorder().start();
        let result = self.execute(message, kind, raw_length);
        let machine = self.machine.as_ref().context("the machine was lost in a panic")?;
        let access = machine.recorder().finish(|id| machine.state().actor(id))?;
        Ok((result?, access.context("the recorder was stopped in the middle of a message")?))
    }

    fn run(&mut self, message: &Message, cleared: &Cleared) -> anyhow::Result<Ran> {
        let receiver = self.state().resolve(&message.to).context("looking up the receiver")?;
        self.recorder().resolve(&message.to, receiver);
        let origin = Origin {
            gas_limit: message.gas_limit,
            sender: cleared.sender,
            sender_address: message.from,
            receiver,
            receiver_address: message.to,
            nonce: message.sequence,
            gas_premium: effective_premium(message, &self.context().base_fee),
        };
        let machine = self.machine.take().context("the machine was lost in a panic")?;
        let mut calls = LaneCallManager::start(machine, self.stock.clone(), origin);
        let inclusion = GasCharge::clone(&cleared.inclusion);
        // Preflight has compared it with the limit, so failing here is not the message's doing.
        let result = match calls.charge_gas(inclusion) {
            Err(error) => Err(error),
            Ok(_) => Ok(calls.with_transaction(|calls| {
                calls.call_actor::<LaneKernel<M>>(
                    cleared.sender,
                    message.to,
                    Entrypoint::Invoke(message.method_num),
                    params(message),
                    &message.value,
                    None,
                    false,
                )
            })),
        };
        let (finished, machine) = calls.finish();
        let failure = machine.state().failure().map(str::to_owned);
        self.machine = Some(machine);
        if let Some(failure) = failure {
            bail!("the state cannot be read: {failure}");
        }
        Ok(Ran { result: result?, finished: finished? })
    }
}

/// What the sender tips per unit of gas: the cap covers the base fee first.
fn effective_premium(message: &Message, base_fee: &TokenAmount) -> TokenAmount {
    let room = &message.gas_fee_cap - base_fee;
    message.gas_premium.clone().min(room).max(TokenAmount::default())
}

/// Parameters come from outside, so links in them lead nowhere: they are plain CBOR, or bytes where nobody reads them.
fn params(message: &Message) -> Option<Block> {
    let codec = if message.method_num == METHOD_SEND { IPLD_RAW } else { CBOR };
    (!message.params.is_empty()).then(|| Block::new(codec, message.params.bytes(), Vec::new()))
}

impl<M: VmMachine> Executor for LaneExecutor<M> {
    type Kernel = LaneKernel<M>;

    fn execute_message(&mut self, message: Message, kind: ApplyKind, raw_length: usize) -> anyhow::Result<ApplyRet> {
        self.execute(&message, kind, raw_length)
    }

    fn flush(&mut self) -> anyhow::Result<Cid> {
        Ok((**self).flush()?)
    }
}

impl<M: VmMachine> Deref for LaneExecutor<M> {
    type Target = M;

    fn deref(&self) -> &M {
        self.machine.as_ref().expect("nobody uses an executor after a panic inside it")
    }
}

impl<M: VmMachine> DerefMut for LaneExecutor<M> {
    fn deref_mut(&mut self) -> &mut M {
        self.machine.as_mut().expect("nobody uses an executor after a panic inside it")
    }
}
