//! `event`: what an actor announces.

use anyhow::Context as _;
use fvm::kernel::prelude::EventOps as _;
use fvm::kernel::{ClassifyResult as _, Result};
use fvm_shared::sys::EventEntry;

use super::Ctx;
use crate::machine::VmMachine;

const ENTRY_BYTES: u32 = size_of::<EventEntry>() as u32;

// Entries lie in the actor's memory packed, wherever it likes.
const _: () = assert!(align_of::<EventEntry>() == 1 && ENTRY_BYTES == 24);

/// Emits an event: a table of `count` entries, and the bytes of their keys and values one after the other.
pub(super) fn emit_event<M: VmMachine>(
    ctx: Ctx<'_, M>,
    entries: u32,
    count: u32,
    keys: u32,
    keys_len: u32,
    values: u32,
    values_len: u32,
) -> Result<()> {
    let bytes = count.checked_mul(ENTRY_BYTES).context("too many entries").or_illegal_argument()?;
    let entries = ctx.memory.try_slice(entries, bytes)?;
    // SAFETY: the slice has the bytes of `count` entries, which need no alignment. An entry is made of integers
    // (its flags are bits in one), so any bytes are one.
    let entries = unsafe { std::slice::from_raw_parts(entries.as_ptr().cast::<EventEntry>(), count as usize) };
    let keys = ctx.memory.try_slice(keys, keys_len)?;
    let values = ctx.memory.try_slice(values, values_len)?;
    ctx.kernel.emit_event(entries, keys, values)
}
