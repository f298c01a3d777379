//! What a cache of compiled actors saves: every actor of the bundle compiled, and read from the cache.
//!
//! Both contain checking and instrumenting the wasm, which is always done. Printed are milliseconds and bytes; the last
//! line is all actors together. `VM_BENCH_RUNS` sets how often each is done; the medians are printed.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cid::Cid;
use fvm::machine::NetworkConfig;
use fvm_exec::NETWORK_VERSION;
use fvm_ipld_blockstore::{Blockstore as _, MemoryBlockstore};
use vm::WasmEngine;

const RUNS: usize = 5;

/// An engine that reserves little: nothing is run on it.
fn engine(directory: &Path) -> Arc<WasmEngine> {
    let mut network = NetworkConfig::new(NETWORK_VERSION);
    network.max_call_depth = 1;
    WasmEngine::with_cache(&network, 1, directory).unwrap()
}

fn millis(engine: &WasmEngine, code: &Cid, store: &MemoryBlockstore) -> f64 {
    let begin = Instant::now();
    engine.compile(code, store).unwrap();
    begin.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let runs = std::env::var("VM_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let store = MemoryBlockstore::default();
    store.put_many_keyed(actor_bundle::blocks().iter().map(|(cid, block)| (*cid, block))).unwrap();
    let mut sums = (0.0, 0.0);
    println!("{:<20}{:>12}{:>12}{:>12}{:>8}", "ms", "wasm bytes", "compiled", "loaded", "ratio");
    for (name, code) in actor_bundle::actors() {
        let (mut compiled, mut loaded) = (vec![], vec![]);
        for _ in 0..runs {
            let home = tempfile::tempdir().unwrap();
            compiled.push(millis(&engine(home.path()), code, &store));
            loaded.push(millis(&engine(home.path()), code, &store));
        }
        let (compiled, loaded) = (median(compiled), median(loaded));
        let bytes = store.get(code).unwrap().unwrap().len();
        println!("{name:<20}{bytes:>12}{compiled:>12.1}{loaded:>12.1}{:>8.1}", compiled / loaded);
        sums = (sums.0 + compiled, sums.1 + loaded);
    }
    println!("{:<20}{:>12}{:>12.1}{:>12.1}{:>8.1}", "all", "", sums.0, sums.1, sums.0 / sums.1);
}
