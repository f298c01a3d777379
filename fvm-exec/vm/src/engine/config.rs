//! How wasmtime is set up: the reference's language and limits, and memory that is cheap to hand out again.

use fvm::engine::EngineConfig;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

/// Elements that an actor's table may have; the reference's limit.
const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Native stack of one invocation. Instrumentation stops an actor at 16 KiB of its own stack, so nothing comes near.
const STACK_BYTES_MAX: usize = 4 << 20;

/// Memory of an instance that stays in place for the next one, which is cleared by writing instead of by unmapping.
/// Unmapping interrupts every other core; an actor rarely touches more than this.
const KEEP_BYTES: usize = 256 << 10;

/// Instances beyond a full call stack that a lane is expected to need.
const SLOTS_PER_LANE: u32 = 20;

/// Few machines can reserve address space for more instances than this.
const SLOTS_MAX: u32 = 48 << 10;

/// Instances that can exist at once: one full call stack, and what lanes commonly need.
pub(super) fn slots(config: &EngineConfig) -> u32 {
    config.max_call_depth.saturating_add(SLOTS_PER_LANE.saturating_mul(config.concurrency)).min(SLOTS_MAX)
}

/// The language: WebAssembly 2.0 without what instrumentation cannot price. Everything else is off, whatever wasmtime
/// switches on by itself in a later version.
fn features() -> WasmFeatures {
    // References are to functions only, so there is nothing to collect.
    WasmFeatures::WASM2 - WasmFeatures::SIMD - WasmFeatures::MULTI_VALUE - WasmFeatures::GC_TYPES
}

/// wasmtime's configuration for the reference's `config`.
pub(super) fn wasmtime_config(config: &EngineConfig, scan_pages: Enabled) -> Config {
    let slots = slots(config);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_component_instances(0)
        .max_component_instance_size(0)
        .max_core_instances_per_component(0)
        .max_memories_per_component(0)
        .max_tables_per_component(0)
        .max_memory_size(usize::try_from(config.max_inst_memory_bytes).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_BYTES)
        .table_keep_resident(KEEP_BYTES)
        .pagemap_scan(scan_pages);

    let mut c = Config::default();
    c.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));

    c.wasm_features(WasmFeatures::all(), false);
    c.wasm_features(features(), true);

    // Every node must compute the same bits.
    c.cranelift_nan_canonicalization(true);
    c.relaxed_simd_deterministic(true);
    c.cranelift_opt_level(OptLevel::Speed);

    // Instrumentation counts gas and stack; wasmtime's own means would only slow it down.
    c.async_stack_size(STACK_BYTES_MAX);
    c.max_wasm_stack(STACK_BYTES_MAX);
    c.consume_fuel(false);
    c.epoch_interruption(false);

    // Instances share the pages of their module's data until they write to them.
    c.memory_init_cow(true);
    c.memory_may_move(false);

    // Bounds are compared and not guarded by pages that fault. Guards would have to follow the size of the memory: nearly
    // every actor grows its own, and taking the pages back for the next one interrupts all other cores. The reservation
    // stays at 4 GiB, which no address of 32 bits leaves.
    c.signals_based_traps(false);
    c.memory_guard_size(0);

    // Instrumentation loses debug information, and traps are told by their kind alone.
    c.debug_info(false);
    c.generate_address_map(false);
    c.native_unwind_info(false);
    c.wasm_backtrace_max_frames(None);
    c.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    c.parallel_compilation(true);
    c
}
