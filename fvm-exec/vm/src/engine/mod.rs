//! The wasm engine that all lanes share.
//!
//! ```text
//! WasmEngine          one per process: wasmtime, its pool of memories, compiled modules, places for instances,
//!   │                 known answers of expensive system calls
//!   ├─ cache/          compiled modules on disk, for the next process
//!   └─ Code<M>        one per kind of machine: syscalls bound to it, modules linked with them
//! ```
//!
//! It runs the same language under the same limits and prices as the engine of the `fvm` crate, so the same message
//! costs the same gas on both. What it does differently is memory: the pages of an instance stay in place for the next
//! one instead of being unmapped and mapped again, which stops every core of the process.

mod cache;
mod code;
mod compile;
mod config;
mod failure;
mod instrument;
mod large;
mod limiter;
mod modules;
mod pages;
mod prepare;
mod rewrite;
mod slots;
mod stock;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use anyhow::{Context as _, anyhow, ensure};
use cid::Cid;
use fvm::engine::EngineConfig;
use fvm::machine::NetworkConfig;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;
use wasmtime::Enabled;

pub use code::Code;
pub(crate) use code::Ready;
use compile::Compiler;
pub use compile::ModuleCounts;
pub(crate) use failure::NodeFailure;
pub(crate) use large::shed;
pub(crate) use limiter::Limiter;
pub(crate) use prepare::Prepared;
pub(crate) use slots::Slot;
pub use stock::stock_engine;

use crate::machine::VmMachine;
use crate::memo::{Memo, MemoCounts};
use crate::prices::WasmPrices;
use modules::Once;
use slots::Slots;

/// What all lanes write to, on cache lines of its own: those beside it are read all the time.
#[repr(align(128))]
struct Apart<T>(T);

/// The wasm engine of a process. Reserves about 4 TiB of address space, so a process should have one.
pub struct WasmEngine {
    wasmtime: wasmtime::Engine,
    config: EngineConfig,
    redirects: HashMap<Cid, Cid>,
    prices: WasmPrices,
    compiler: Compiler,
    modules: Once<Arc<Prepared>>,
    slots: Apart<Slots>,
    memo: Memo,
    messages: Apart<AtomicU64>,
    codes: Mutex<HashMap<TypeId, Weak<dyn Any + Send + Sync>>>,
    scans_pages: bool,
}

impl WasmEngine {
    /// An engine for the rules of `network` and this many lanes that run at the same time. More may; they wait for
    /// each other when calls nest deeply.
    ///
    /// # Errors
    /// When the address space cannot be reserved.
    pub fn new(network: &NetworkConfig, lanes: u32) -> anyhow::Result<Arc<Self>> {
        Self::start(network, lanes, None)
    }

    /// The same, with actors that are compiled once for all processes: the code is kept in `directory`, which is made
    /// for this user alone. It must not be one that others can write to; then, and when the disk fails or is full,
    /// there is a warning and actors are compiled as without.
    ///
    /// # Errors
    /// When the address space cannot be reserved.
    pub fn with_cache(network: &NetworkConfig, lanes: u32, directory: &Path) -> anyhow::Result<Arc<Self>> {
        Self::start(network, lanes, Some(directory))
    }

    fn start(network: &NetworkConfig, lanes: u32, cache: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let mut config = EngineConfig::from(network);
        config.concurrency = lanes.max(1);
        let prices = WasmPrices::of(config.wasm_prices)?;
        let (wasmtime, scans_pages) = match Self::scanning(&config) {
            Ok(engine) => (engine, true),
            Err(reason) => {
                tracing::info!(reason = format!("{reason:#}"), "instances are cleared without the kernel's page scan");
                (Self::wasmtime_for(&config, Enabled::No)?, false)
            }
        };
        let compiler = Compiler::new(wasmtime.clone(), config.clone(), cache);
        Ok(Arc::new(Self {
            wasmtime,
            redirects: config.actor_redirect.iter().copied().collect(),
            prices,
            compiler,
            modules: Once::default(),
            slots: Apart(Slots::new(config::slots(&config), config.max_call_depth)),
            memo: Memo::default(),
            messages: Apart(AtomicU64::new(0)),
            codes: Mutex::default(),
            scans_pages,
            config,
        }))
    }

    /// wasmtime with the page scan, where that can be relied on. A kernel may have it and forbid it to this process.
    fn scanning(config: &EngineConfig) -> anyhow::Result<wasmtime::Engine> {
        ensure!(pages::stay_in_memory(), "this machine has swap, or does not tell; instances start faster without");
        let engine = Self::wasmtime_for(config, Enabled::Yes)?;
        pages::are_cleared(&engine)?;
        Ok(engine)
    }

    fn wasmtime_for(config: &EngineConfig, scan_pages: Enabled) -> anyhow::Result<wasmtime::Engine> {
        wasmtime::Engine::new(&config::wasmtime_config(config, scan_pages))
            .map_err(|error| anyhow!("{error:#}"))
            .context("starting wasmtime")
    }

    /// Whether the kernel tells which pages of an instance were touched (Linux 6.7 and later, no swap). Without, clearing
    /// an instance takes longer; results are the same.
    pub fn scans_pages(&self) -> bool {
        self.scans_pages
    }

    /// Where the actors that were compiled up to now came from.
    pub fn module_counts(&self) -> ModuleCounts {
        self.compiler.counts()
    }

    /// Whether actors run here as the rules of `network` say: prices and limits are compiled into them.
    pub fn suits(&self, network: &NetworkConfig) -> bool {
        EngineConfig { concurrency: self.config.concurrency, ..EngineConfig::from(network) } == self.config
    }

    /// The syscalls and linked modules for machines of type `M`, shared by all that ask.
    ///
    /// # Errors
    /// When a syscall cannot be bound, which is a bug.
    pub fn code<M: VmMachine>(self: &Arc<Self>) -> anyhow::Result<Arc<Code<M>>> {
        let mut codes = self.codes.lock();
        let known = codes.get(&TypeId::of::<M>()).and_then(Weak::upgrade);
        if let Some(code) = known.and_then(|code| code.downcast::<Code<M>>().ok()) {
            return Ok(code);
        }
        let code = Arc::new(Code::<M>::new(self.clone())?);
        let weak: Weak<dyn Any + Send + Sync> = Arc::downgrade(&(code.clone() as Arc<dyn Any + Send + Sync>));
        codes.insert(TypeId::of::<M>(), weak);
        Ok(code)
    }

    /// Compiles the actor with this code for all machines, unless it is compiled.
    ///
    /// # Errors
    /// When the store fails or does not have the code, or it is not what the VM runs.
    pub fn compile<S: Blockstore>(&self, code: &Cid, store: &S) -> anyhow::Result<()> {
        self.prepare(code, store)?.map(drop).ok_or_else(|| anyhow!("the store has no code {code}"))
    }

    /// Compiles the actor with this code, unless it is compiled. `None` when `store` does not have it.
    ///
    /// # Errors
    /// When the store fails or the code is not what the VM runs.
    pub(crate) fn prepare<S: Blockstore>(&self, code: &Cid, store: &S) -> anyhow::Result<Option<Arc<Prepared>>> {
        let code = self.redirects.get(code).unwrap_or(code);
        self.modules.get_or_make(code, || {
            let wasm = store.get(code).context("looking up an actor's code").map_err(NodeFailure)?;
            let Some(wasm) = wasm else { return Ok(None) };
            let prepared =
                self.compiler.compile(&wasm).with_context(|| format!("preparing the actor with code {code}"))?;
            Ok(Some(Arc::new(prepared)))
        })
    }

    /// The wasmtime engine underneath, whose pool and modules belong to this one.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// How often the answer of an expensive system call was known.
    pub fn memo_counts(&self) -> MemoCounts {
        self.memo.counts()
    }

    /// Forgets the answers of expensive system calls: for measurements, in which the same block runs again and again.
    pub fn forget_answers(&self) {
        self.memo.clear();
    }

    pub(crate) fn memo(&self) -> &Memo {
        &self.memo
    }

    pub(crate) fn prices(&self) -> WasmPrices {
        self.prices
    }

    /// A number that no other running message has, for [`WasmEngine::slot`].
    pub(crate) fn next_message(&self) -> u64 {
        self.messages.0.fetch_add(1, Ordering::Relaxed)
    }

    /// A place for one more instance of `message`.
    pub(crate) fn slot(&self, message: u64) -> Slot<'_> {
        self.slots.0.take(message)
    }
}
