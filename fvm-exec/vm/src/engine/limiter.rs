//! Tells the machine's limiter of memory what wasmtime hands out.

use fvm::machine::limiter::MemoryLimiter;

/// A machine's limiter, as wasmtime calls it.
#[repr(transparent)]
pub(crate) struct Limiter<L>(L);

impl<L: MemoryLimiter> Limiter<L> {
    /// The same limiter under this type.
    pub(crate) fn wrap(limiter: &mut L) -> &mut Self {
        // SAFETY: `Self` is a transparent wrapper, so both have the same layout, and the lifetime is kept.
        unsafe { &mut *std::ptr::from_mut(limiter).cast::<Self>() }
    }
}

impl<L: MemoryLimiter + Send> wasmtime::ResourceLimiter for Limiter<L> {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.0.grow_instance_memory(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.0.grow_instance_table(current, desired))
    }

    // A store has the one instance it was made for.
    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm::machine::limiter::DefaultMemoryLimiter;
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn memory_counts_bytes_and_tables_eight_for_an_element() {
        let mut limiter = DefaultMemoryLimiter::new(100);
        let wrapped = Limiter::wrap(&mut limiter);
        assert!(wrapped.memory_growing(0, 40, None).unwrap());
        assert!(wrapped.table_growing(1, 6, None).unwrap());
        assert!(!wrapped.memory_growing(40, 61, None).unwrap());
        assert!(!wrapped.table_growing(6, 7, Some(6)).unwrap());
        assert!(wrapped.memory_growing(40, 60, Some(60)).unwrap());
        assert_eq!(limiter.memory_used(), 100);
    }
}
