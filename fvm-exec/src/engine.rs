//! The wasm engine, of which a process has one.
//!
//! An engine reserves a slot of address space for every actor that can be on a call stack: about 4 TiB, of which
//! only what runs is ever backed by memory. A few of them exhaust the 47 bits a process has, so a process shares one
//! among all its chains; compiled actors are shared with it.

use std::path::Path;
use std::sync::{Arc, Weak};

use cid::Cid;
use fvm::machine::NetworkConfig;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::{Condvar, Mutex};
use vm::WasmEngine;

use crate::error::ExecError;
use crate::genesis::Bundle;
use crate::rules::NETWORK_VERSION;

static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// The process's wasm engine.
pub struct Engine {
    wasm: Arc<WasmEngine>,
    calls: Gate,
}

/// Lets a number of trial calls in at a time and makes the others wait.
struct Gate {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place that a trial call holds while it runs.
pub(crate) struct Place<'a>(&'a Gate);

impl Gate {
    fn enter(&self) -> Place<'_> {
        let mut free = self.free.lock();
        self.freed.wait_while(&mut free, |free| *free == 0);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}

impl Engine {
    /// The process's engine, made now if no one holds it yet; then `concurrency` says how many messages are expected to
    /// run at the same time over all its users. More may.
    ///
    /// One place less is for trial calls, of which further ones wait, so that no number of slow queries holds up a
    /// block.
    ///
    /// # Errors
    /// When the address space cannot be reserved.
    pub fn new(concurrency: u32) -> Result<Arc<Self>, ExecError> {
        Self::start(concurrency, None)
    }

    /// The same, with compiled actors kept in `directory` for the next process, which has them in a fraction of the
    /// time. The directory is made for this user alone. One that cannot be used costs a warning; an engine that
    /// exists already stays as it is.
    ///
    /// # Errors
    /// When the address space cannot be reserved.
    pub fn with_cache(concurrency: u32, directory: &Path) -> Result<Arc<Self>, ExecError> {
        Self::start(concurrency, Some(directory))
    }

    fn start(concurrency: u32, cache: Option<&Path>) -> Result<Arc<Self>, ExecError> {
        let mut shared = SHARED.lock();
        if let Some(engine) = shared.upgrade() {
            return Ok(engine);
        }
        let network = NetworkConfig::new(NETWORK_VERSION);
        let wasm = match cache {
            Some(directory) => WasmEngine::with_cache(&network, concurrency, directory),
            None => WasmEngine::new(&network, concurrency),
        };
        let wasm = wasm.map_err(|error| ExecError::vm("reserving the engine's memory", error))?;
        let calls = Gate { free: Mutex::new(concurrency.saturating_sub(1).max(1)), freed: Condvar::new() };
        let engine = Arc::new(Self { wasm, calls });
        *shared = Arc::downgrade(&engine);
        Ok(engine)
    }

    /// Compiles the actors of the bundle with this manifest that are not compiled yet. `store` holds the bundle.
    /// Stops after the actor at hand once `is_wanted` says so.
    ///
    /// Whatever runs meanwhile waits for the actor that is being compiled and compiles what it needs by itself; nothing
    /// is compiled twice. The functions of one actor are compiled on all cores.
    ///
    /// # Errors
    /// When the bundle is not complete, or holds what the VM cannot run.
    pub fn compile<B: Blockstore>(
        &self,
        store: &B,
        manifest: &Cid,
        is_wanted: impl Fn() -> bool,
    ) -> Result<(), ExecError> {
        let bundle = Bundle::load(store, manifest)?;
        for (name, code) in bundle.codes() {
            if !is_wanted() {
                break;
            }
            self.wasm.compile(code, store).map_err(|error| ExecError::Bundle {
                bundle: Box::new(*manifest),
                problem: format!("{name} cannot be compiled: {error:#}"),
            })?;
        }
        Ok(())
    }

    /// Waits for a place for a trial call.
    pub(crate) fn enter_call(&self) -> Place<'_> {
        self.calls.enter()
    }

    pub(crate) fn wasm(&self) -> &Arc<WasmEngine> {
        &self.wasm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_gate_lets_the_next_in_when_one_leaves() {
        let gate = Gate { free: Mutex::new(2), freed: Condvar::new() };
        let first = gate.enter();
        let _second = gate.enter();
        assert_eq!(*gate.free.lock(), 0);
        std::thread::scope(|scope| {
            let third = scope.spawn(|| drop(gate.enter()));
            drop(first);
            third.join().unwrap();
        });
        assert_eq!(*gate.free.lock(), 1);
    }

    #[test]
    fn a_process_has_one_engine() {
        let first = Engine::new(2).unwrap();
        let second = Engine::new(8).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
