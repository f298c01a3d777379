//! Measures the execution of blocks: our executor beside the stock one of the `fvm` crate, and makes the blocks for it.
//!
//! ```text
//! workload/    a state and blocks of messages on it, from a seed    no clock in here: tests use it, too
//! contender/   who executes them: stock, ours on so many lanes
//! measure      both on the same blocks in turn; whoever differs in a root or a receipt ends the run
//! simulate/    what more lanes would give, from times measured on one
//! summary      medians, ratios and their intervals
//! report       the table and the JSON
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod agreement;
pub mod contender;
pub mod measure;
pub mod process;
pub mod report;
pub mod simulate;
pub mod statistics;
pub mod summary;
pub mod workload;

/// Stack that nested calls of actors need.
const STACK_BYTES: usize = 64 << 20;

/// Runs `work` on a thread with the stack that the VM asks for.
///
/// # Errors
/// When the thread cannot be started.
///
/// # Panics
/// When `work` does.
pub fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
