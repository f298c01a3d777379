//! The code at manifest positions of Filecoin actors that this chain does not have.
//!
//! The position in the manifest is an actor's type number, and Filecoin's numbers must not shift when some of its
//! actors are missing. The bundle puts this code there, once for each missing actor and marked with its name, so that
//! no two types share a code. No actor with this code is ever created; if one were, it would refuse every call.

/// The VM calls this; it always aborts.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn invoke(_: u32) -> u32 {
    const MESSAGE: &str = "this chain does not have this actor";
    let code = fvm_shared::error::ExitCode::USR_UNHANDLED_MESSAGE.value();
    let length = MESSAGE.len() as u32;
    // SAFETY: the pointer and the length are those of a static string.
    // The bare system call, because the wrapper brings 19 KB for errors that cannot happen here, nine times over.
    unsafe { fvm_sdk::sys::vm::exit(code, fvm_sdk::NO_DATA_BLOCK_ID, MESSAGE.as_ptr(), length) }
}
