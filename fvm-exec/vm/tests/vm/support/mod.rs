//! A small chain state with actors made for the purpose, and both executors on it.

pub mod actors;
pub mod compare;
pub mod random;
pub mod script;
pub mod world;

/// Runs `work` on a thread with the stack that the VM asks for.
pub fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
