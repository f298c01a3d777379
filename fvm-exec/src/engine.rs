//! The wasm engine, of which a process has one.
//!
//! An engine reserves a slot of address space for every actor that can be on a call stack: about 4 TiB, of which
//! only what runs is ever backed by memory. A few of them exhaust the 47 bits a process has, so a process shares one
//! among all its chains; compiled actors are shared with it.

use std::sync::{Arc, Weak};

use cid::Cid;
use fvm::engine::{EngineConfig, EnginePool};
use fvm::machine::NetworkConfig;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;

use crate::error::ExecError;
use crate::genesis::Bundle;
use crate::rules::NETWORK_VERSION;

static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

/// The process's wasm engine.
pub struct Engine {
    pool: EnginePool,
}

impl Engine {
    /// The process's engine, made now if no one holds it yet; then `concurrency` says how many messages may run at
    /// the same time over all its users, and further ones wait.
    ///
    /// A node wants at least 2, or a query that runs holds up the block.
    ///
    /// # Errors
    /// When the address space cannot be reserved.
    pub fn new(concurrency: u32) -> Result<Arc<Self>, ExecError> {
        let mut shared = SHARED.lock();
        if let Some(engine) = shared.upgrade() {
            return Ok(engine);
        }
        let mut config = EngineConfig::from(&NetworkConfig::new(NETWORK_VERSION));
        config.concurrency = concurrency.max(1);
        let pool = EnginePool::new(config).map_err(|error| ExecError::vm("reserving the engine's memory", error))?;
        let engine = Arc::new(Self { pool });
        *shared = Arc::downgrade(&engine);
        Ok(engine)
    }

    /// Compiles the actors of `bundle` where that was not done before.
    pub(crate) fn preload<B: Blockstore>(&self, store: &B, bundle: &Bundle) -> Result<(), ExecError> {
        let codes: Vec<&Cid> = bundle.codes().map(|(_, code)| code).collect();
        let compiled = self.pool.acquire().preload_all(store, codes);
        compiled
            .map(|_| ())
            .map_err(|error| ExecError::Bundle { bundle: Box::new(bundle.manifest()), problem: format!("{error:#}") })
    }

    pub(crate) fn pool(&self) -> EnginePool {
        self.pool.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_engine() {
        let first = Engine::new(2).unwrap();
        let second = Engine::new(8).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
