//! The stock engine that the `CallManager` trait asks for and nobody runs anything on.

use std::sync::Arc;

use anyhow::Context as _;
use fvm::engine::{Engine, EngineConfig, EnginePool};
use fvm::machine::NetworkConfig;
use fvm_shared::version::NetworkVersion;
use parking_lot::Mutex;

static STOCK: Mutex<Option<Arc<Engine>>> = Mutex::new(None);

/// An engine of the `fvm` crate, one per process and as small as they come (21 memories). The trait wants one for
/// installing actors, a syscall that is not linked.
///
/// # Errors
/// When the address space cannot be reserved.
pub fn stock_engine() -> anyhow::Result<Arc<Engine>> {
    let mut stock = STOCK.lock();
    if let Some(engine) = &*stock {
        return Ok(engine.clone());
    }
    let mut config = EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29));
    config.max_call_depth = 1;
    config.concurrency = 1;
    let engine = Arc::new(EnginePool::new(config).context("starting the stock engine")?.acquire());
    Ok(stock.insert(engine).clone())
}
