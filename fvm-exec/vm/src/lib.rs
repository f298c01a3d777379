//! The project's own wasm engine, call manager and executor of Filecoin VM messages.
//!
//! It gives the same receipts, events and state roots as the stock executor of the `fvm` crate, to the milligas, and
//! differs in what it is built for: many messages at once. All lanes share one engine that neither locks nor unmaps
//! memory while actors start and end; every access of a message is known; and actors can be native.
//!
//! ```text
//! LaneExecutor<M>          preflight, run, settlement of one message
//!   └─ LaneCallManager<M>  the call stack: receivers, transfers, charges, events       ── access log
//!        └─ LaneKernel<M>  the operations of actors: the reference's own
//!             ├─ WasmEngine  wasmtime, compiled actors, syscalls
//!             └─ NativeActor
//! M: VmMachine             the state, e.g. LaneMachine over a blockstore
//! ```
//!
//! The semantics stay with the `fvm` crate wherever it lets us have them: operations of the kernel, prices, the gas
//! tracker, blocks, the state tree. Written anew is what it keeps to itself.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
mod call_manager;
mod engine;
mod executor;
mod invocation;
mod kernel;
mod machine;
mod memo;
pub mod native;
mod prices;
pub mod state;
mod syscalls;

pub use call_manager::LaneCallManager;
pub use engine::{Code, ModuleCounts, WasmEngine, stock_engine};
pub use executor::LaneExecutor;
pub use kernel::LaneKernel;
pub use machine::{LaneMachine, VmMachine};
pub use memo::MemoCounts;
