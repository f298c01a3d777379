//! Whether the kernel may be asked which pages of an instance were touched.
//!
//! With the answer, clearing an instance for the next one writes those pages instead of unmapping them all. An answer
//! that leaves a page out hands an actor the memory of another, and this node alone computes something else. wasmtime
//! asks for pages that are in memory, so one that has been swapped out is left out (bytecodealliance/wasmtime#14357, open
//! for the version in use). Hence no scan where there is swap, nor where it does not do what it should when it is tried.

use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use wasmtime::{Engine, Extern, Instance, Module, Store};

/// The kernel's list of places that it swaps to: a line of titles, and one for each.
const SWAPS: &str = "/proc/swaps";

/// An actor with 64 KiB of memory, called `m`, and nothing else.
const MEMORY_ONLY: [u8; 20] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, b'm', 2, 0];

/// Bytes between two that are written when the scan is tried: some pages are touched and some are not.
const STRIDE: usize = 3 * 4096 + 5;

/// Instances that are made and cleared when the scan is tried.
const TRIES: u8 = 8;

/// Whether this machine has no swap. Where that cannot be told it is taken to have some.
pub(super) fn stay_in_memory() -> bool {
    has_no_swap(Path::new(SWAPS))
}

fn has_no_swap(list: &Path) -> bool {
    std::fs::read_to_string(list).is_ok_and(|list| list.lines().skip(1).all(|line| line.trim().is_empty()))
}

/// Fills the memory of one instance after another and looks whether the next one is empty.
///
/// # Errors
/// When one is not, or none can be made.
pub(super) fn are_cleared(engine: &Engine) -> anyhow::Result<()> {
    let failed = |error: wasmtime::Error| anyhow!("{error:#}");
    let module = Module::new(engine, MEMORY_ONLY).map_err(failed)?;
    for fill in 1..=TRIES {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).map_err(failed)?;
        let memory = instance.get_export(&mut store, "m").and_then(Extern::into_memory).context("no memory")?;
        let data = memory.data_mut(&mut store);
        let dirty = data.iter().position(|byte| *byte != 0);
        ensure!(dirty.is_none(), "byte {} of a cleared memory is not zero", dirty.unwrap_or_default());
        data.iter_mut().step_by(STRIDE).for_each(|byte| *byte = fill);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Enabled;

    #[test]
    fn swap_is_seen_and_an_unreadable_list_counts_as_swap() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("swaps");
        assert!(!has_no_swap(&list));
        std::fs::write(&list, "Filename Type Size Used Priority\n").unwrap();
        assert!(has_no_swap(&list));
        std::fs::write(&list, "Filename Type Size Used Priority\n/dev/sda2 partition 8388604 0 -2\n").unwrap();
        assert!(!has_no_swap(&list));
    }

    #[test]
    fn memories_are_cleared_with_and_without_the_scan() {
        let network = fvm::machine::NetworkConfig::new(fvm_shared::version::NetworkVersion::V21);
        let mut config = fvm::engine::EngineConfig::from(&network);
        config.concurrency = 1;
        config.max_call_depth = 4;
        for scan in [Enabled::No, Enabled::Auto] {
            are_cleared(&Engine::new(&super::super::config::wasmtime_config(&config, scan)).unwrap()).unwrap();
        }
    }
}
