//! What an instance with a large memory leaves behind for the next one in its place.
//!
//! A place keeps the largest size that a memory in it ever had, so that no pages have to be protected again. Clearing it
//! looks at the page tables of all of that, and they stay although the pages are gone: one message could make every later
//! one slow. So what is large is mapped anew, which takes the tables away.

use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use wasmtime::{AsContext, Memory};

/// Bytes up to which a memory is left as it is. Looking at the tables of this much takes a microsecond or two.
const LEFT_BYTES: usize = 8 << 20;

/// Empties what a memory has grown by, beyond a common size. Nothing may use the memory afterwards: its instance is about
/// to go.
pub(crate) fn shed(store: impl AsContext, memory: Memory) {
    let store = store.as_context();
    let bytes = memory.data_size(&store);
    if bytes <= LEFT_BYTES {
        return;
    }
    // What it started with may be mapped to the module's data, and is wasmtime's to restore.
    let start = usize::try_from(memory.ty(&store).minimum().saturating_mul(memory.page_size(&store)));
    let kept = start.unwrap_or(bytes).max(LEFT_BYTES);
    if bytes <= kept {
        return;
    }
    // SAFETY: the range lies in the memory, which is anonymous, private and writable there, as it is afterwards. Its
    // instance does not run, and never will again; nobody has a reference into it.
    let mapped = unsafe {
        mmap_anonymous(
            memory.data_ptr(&store).add(kept).cast(),
            bytes - kept,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
        )
    };
    if mapped.unwrap_or(ptr::null_mut()).is_null() {
        // There may be a hole now that other memory would be put into, within reach of actors.
        tracing::error!("the kernel has refused to map memory in place of other memory");
        std::process::abort();
    }
}
