//! From an actor's wasm, as it lies in the store, to the module that runs.

use anyhow::{Context as _, anyhow};
use fvm::call_manager::{INVOKE_FUNC_NAME, UPGRADE_FUNC_NAME};
use fvm::engine::EngineConfig;
use fvm_wasm_instrument::{gas_metering, stack_limiter};
use wasmtime::{Engine, ExternType, Module, ModuleExport};

use super::compile::Compiler;
use super::rewrite::{GAS_MODULE, own_the_counter};

const PAGE_BYTES: u64 = 64 << 10;

/// A compiled actor.
pub(crate) struct Prepared {
    /// The compiled module.
    pub(crate) module: Module,
    /// Bytes that its memory starts with; `None` when it exports no memory, which it has to.
    pub(crate) memory_bytes: Option<usize>,
    /// Elements that its exported table starts with.
    pub(crate) table_elements: Option<u64>,
    /// Its gas counter; `None` for a module that cannot be linked.
    pub(crate) gas: Option<ModuleExport>,
    /// Its memory.
    pub(crate) memory: Option<ModuleExport>,
    /// What it wants to run before anything else.
    pub(crate) start: Option<ModuleExport>,
    /// Where messages enter.
    pub(crate) invoke: Option<ModuleExport>,
    /// Where an upgrade enters.
    pub(crate) upgrade: Option<ModuleExport>,
}

/// Checks, instruments and compiles an actor. Everything but the last step is the reference's, and in its order: the
/// gas that code uses is written into it here, also when the compiled code is known already.
///
/// # Errors
/// When `wasm` is not valid under the VM's rules, or uses an instruction that has no price.
pub(crate) fn prepare(
    engine: &Engine,
    compiler: &Compiler,
    config: &EngineConfig,
    wasm: &[u8],
) -> anyhow::Result<Prepared> {
    Module::validate(engine, wasm).map_err(|error| anyhow!("{error:#}")).context("validating the actor's wasm")?;
    // Stack counting first: it adds code to calls, and that code must be paid for as in the reference.
    let wasm = stack_limiter::inject(wasm, config.max_wasm_stack).map_err(anyhow::Error::msg)?;
    let wasm = gas_metering::inject(&wasm, config.wasm_prices, GAS_MODULE).context("injecting the gas counter")?;

    let rewritten = own_the_counter(&wasm).context("moving the gas counter")?;
    let module = compiler
        .compile(engine, rewritten.as_ref().map_or(&wasm, |rewritten| &rewritten.wasm))
        .context("compiling the actor's wasm")?;

    let memory_bytes = match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => Some(usize::try_from(memory.minimum() * PAGE_BYTES)?),
        _ => None,
    };
    let table_elements = match module.get_export("table") {
        Some(ExternType::Table(table)) => Some(table.minimum()),
        _ => None,
    };
    Ok(Prepared {
        memory_bytes,
        table_elements,
        gas: rewritten.as_ref().and_then(|rewritten| module.get_export_index(&rewritten.gas_export)),
        start: rewritten.and_then(|rewritten| module.get_export_index(rewritten.start_export.as_deref()?)),
        memory: module.get_export_index("memory"),
        invoke: module.get_export_index(INVOKE_FUNC_NAME),
        upgrade: module.get_export_index(UPGRADE_FUNC_NAME),
        module,
    })
}
