//! One running actor, as wasmtime's store holds it, and the two books of gas that are kept of it.
//!
//! Compiled code counts down a global of its own; the VM counts up in its gas tracker. They are brought together
//! whenever control passes between the two:
//!
//! ```text
//! wasm → VM    Invocation::charge    what the global lost since last time is charged to the tracker
//! VM → wasm    Invocation::refill    the global is set to what the tracker has left
//! ```

use anyhow::{Context as _, anyhow};
use fvm::Kernel as _;
use fvm::call_manager::backtrace::Cause;
use fvm::gas::Gas;
use fvm::machine::limiter::MemoryLimiter as _;
use fvm::syscalls::Abort;
use num_traits::Zero as _;
use wasmtime::{AsContextMut, Global, Memory, Val};

use crate::engine::Prepared;
use crate::kernel::LaneKernel;
use crate::machine::VmMachine;
use crate::prices::WasmPrices;

/// An actor that runs.
pub(crate) struct Invocation<M: VmMachine> {
    /// What the actor's syscalls work on.
    pub(crate) kernel: LaneKernel<M>,
    /// The failed syscall that the actor has made last, if nothing came after it: why it aborts, if it does.
    pub(crate) last_error: Option<Cause>,
    /// The actor's memory, once it is instantiated.
    pub(crate) memory: Option<Memory>,
    /// The actor's gas counter, in milligas, once it is instantiated.
    pub(crate) gas: Option<Global>,
    prices: WasmPrices,
    /// What the counter was set to last.
    gas_at_refill: Gas,
    /// What memory the call stack used then.
    memory_at_refill: usize,
}

impl<M: VmMachine> Invocation<M> {
    /// An invocation before its actor is instantiated.
    pub(crate) fn new(mut kernel: LaneKernel<M>, prices: WasmPrices) -> Self {
        let memory_at_refill = kernel.limiter_mut().memory_used();
        Self { kernel, last_error: None, memory: None, gas: None, prices, gas_at_refill: Gas::zero(), memory_at_refill }
    }

    /// Charges for the memory and table that `actor` starts with. Instrumentation sees only what they grow by.
    pub(crate) fn charge_start(&mut self, actor: &Prepared) -> Result<(), Abort> {
        let memory = actor.memory_bytes.context("the actor exports no memory").map_err(Abort::Fatal)?;
        if let Some(elements) = actor.table_elements {
            self.charge_named("wasm_table_init", self.prices.table(elements))?;
        }
        self.charge_named("wasm_memory_init", self.prices.memory(memory))
    }

    /// Charges for one call from wasm into the VM.
    pub(crate) fn charge_syscall(&self) -> Result<(), Abort> {
        self.charge_named("OnSyscall", self.prices.host_call)
    }

    fn charge_named(&self, name: &str, gas: Gas) -> Result<(), Abort> {
        self.kernel.charge_gas(name, gas).map_err(Abort::from_error_as_fatal)?;
        Ok(())
    }

    /// Charges what the code has used since the last refill. `left` is its counter, below zero when it ran out.
    fn charge_used(&mut self, left: i64) -> Result<(), Abort> {
        let rest = Gas::from_milligas(left.unsigned_abs());
        // Code that ran out is charged for more than there was, so that the tracker runs out too.
        let used = if left < 0 { self.gas_at_refill + rest } else { self.gas_at_refill - rest };
        // One amount under two names: how much of it was for memory is of interest to traces.
        let grown = self.kernel.limiter_mut().memory_used().saturating_sub(self.memory_at_refill);
        let memory = self.prices.memory(grown).min(used);
        self.charge_named("wasm_exec", used - memory)?;
        if !memory.is_zero() {
            self.charge_named("wasm_memory_grow", memory)?;
        }
        Ok(())
    }

    /// Notes what the tracker has left, and returns it in milligas.
    fn note_left(&mut self) -> Result<i64, Abort> {
        let left = self.kernel.gas_available();
        self.gas_at_refill = left;
        self.memory_at_refill = self.kernel.limiter_mut().memory_used();
        milligas(left)
    }
}

/// Charges the tracker for what the actor has used of its counter.
pub(crate) fn charge<M: VmMachine>(store: &mut impl AsContextMut<Data = Invocation<M>>) -> Result<(), Abort> {
    let mut store = store.as_context_mut();
    let left = match store.data().gas {
        Some(counter) => counter.get(&mut store).i64().context("the gas counter is no i64").map_err(Abort::Fatal)?,
        // Nothing has run yet.
        None => milligas(store.data().gas_at_refill)?,
    };
    store.data_mut().charge_used(left)
}

/// Sets the actor's counter to what the tracker has left.
pub(crate) fn refill<M: VmMachine>(store: &mut impl AsContextMut<Data = Invocation<M>>) -> Result<(), Abort> {
    let mut store = store.as_context_mut();
    let left = store.data_mut().note_left()?;
    match store.data().gas {
        Some(counter) => set(counter, store, left),
        None => Ok(()),
    }
}

/// Takes over the counter of an instance that has just come into being, set to what was left before that.
pub(crate) fn adopt<M: VmMachine>(
    store: &mut impl AsContextMut<Data = Invocation<M>>,
    counter: Global,
) -> Result<(), Abort> {
    let mut store = store.as_context_mut();
    let left = milligas(store.data().gas_at_refill)?;
    store.data_mut().gas = Some(counter);
    set(counter, store, left)
}

fn set<M: VmMachine>(
    counter: Global,
    store: impl AsContextMut<Data = Invocation<M>>,
    milligas: i64,
) -> Result<(), Abort> {
    counter.set(store, Val::I64(milligas)).map_err(|error| Abort::Fatal(anyhow!("setting the gas counter: {error:#}")))
}

fn milligas(gas: Gas) -> Result<i64, Abort> {
    i64::try_from(gas.as_milligas()).map_err(|_| Abort::Fatal(anyhow!("{gas} gas is more than any limit allows")))
}
