//! The code of an f4 address that has been sent to before anything was created there.
//!
//! The VM makes such actors by itself, without a constructor, and replaces the code when the address's owner signs its
//! first message or a contract is created there. Until then every call succeeds and does nothing, as a call to an
//! address without code does on Ethereum.

/// The VM calls this; block 0 means "no return".
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn invoke(_: u32) -> u32 {
    0
}
