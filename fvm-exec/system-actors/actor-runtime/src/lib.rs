//! What an on-chain actor may ask of the VM.
//!
//! An actor's methods are written against [`Runtime`] and end up in one `dispatch` function. On chain, [`entry!`] makes
//! that function the wasm module's entry over the VM's system calls. In native tests the same function runs over
//! [`mock::MockRuntime`], with the same rules for money, addresses and aborts.
//!
//! ```text
//! VM ── invoke(params) ── entry! ── dispatch(rt, method, params) ── State methods
//!                                        │
//!                       SyscallRuntime (wasm32)  or  MockRuntime (native)
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod builtin;
mod check;
mod error;
mod params;
mod runtime;

#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

pub use check::{EXPORTED_METHOD_FIRST, is_exported, require_caller, require_caller_type};
pub use error::{ActorError, ResultExt};
pub use params::{decode_params, encode_params, encode_return, require_no_params};
pub use runtime::{Runtime, SendReturn};

/// Makes `dispatch` the entry of the actor's wasm module.
///
/// `dispatch` is `fn<R: Runtime>(&R, MethodNum, Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError>`. Natively
/// the macro expands to nothing, so that several actors can live in one binary.
#[macro_export]
macro_rules! entry {
    ($dispatch:path) => {
        /// The VM calls this with the block id of the parameters and takes the block id of the return.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(no_mangle)]
        pub extern "C" fn invoke(params: u32) -> u32 {
            $crate::wasm::run(params, $dispatch)
        }
    };
}
