//! Tells the machine's limiter of memory what wasmtime hands out, and keeps what went wrong with it.

use anyhow::anyhow;
use fvm::machine::limiter::MemoryLimiter;

use super::failure::is_of_the_machine;

/// The limiter of one message, as wasmtime asks it.
///
/// What is refused here is refused on every node. What is granted and then fails has failed on this node alone, and
/// the actor must not go on with it.
pub(crate) struct Limiter<L> {
    limits: L,
    has_refused: bool,
    failure: Option<anyhow::Error>,
}

impl<L: MemoryLimiter> Limiter<L> {
    /// Asks `limits`.
    pub(crate) fn new(limits: L) -> Self {
        Self { limits, has_refused: false, failure: None }
    }

    /// The machine's limiter.
    pub(crate) fn limits(&mut self) -> &mut L {
        &mut self.limits
    }

    /// Whether something was refused since this was last asked.
    pub(crate) fn take_refusal(&mut self) -> bool {
        std::mem::take(&mut self.has_refused)
    }

    /// Notes that this node alone has failed. The first failure counts.
    pub(crate) fn fail(&mut self, failure: anyhow::Error) {
        self.failure.get_or_insert(failure);
    }

    /// What has failed on this node alone while the message ran.
    pub(crate) fn into_failure(self) -> Option<anyhow::Error> {
        self.failure
    }

    fn grant(&mut self, is_granted: bool) -> wasmtime::Result<bool> {
        self.has_refused |= !is_granted;
        Ok(is_granted)
    }

    /// A growth that was granted has failed. The actor would only be told so and go on, unlike on other nodes, if an
    /// error here did not end it. Other reasons than the machine's are limits of memories, the same everywhere.
    fn judge(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if !is_of_the_machine(&error) {
            return Ok(());
        }
        self.fail(anyhow!("growing an actor's memory: {error:#}"));
        Err(error)
    }
}

impl<L: MemoryLimiter + Send> wasmtime::ResourceLimiter for Limiter<L> {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = maximum.is_none_or(|maximum| desired <= maximum);
        let is_granted = fits && self.limits.grow_instance_memory(current, desired);
        self.grant(is_granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.judge(error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = maximum.is_none_or(|maximum| desired <= maximum);
        let is_granted = fits && self.limits.grow_instance_table(current, desired);
        self.grant(is_granted)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.judge(error)
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
        let mut limiter = Limiter::new(DefaultMemoryLimiter::new(100));
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(limiter.table_growing(1, 6, None).unwrap());
        assert!(!limiter.take_refusal());
        assert!(!limiter.memory_growing(40, 61, None).unwrap());
        assert!(limiter.take_refusal() && !limiter.take_refusal());
        assert!(!limiter.table_growing(6, 7, Some(6)).unwrap());
        assert!(limiter.take_refusal());
        assert!(limiter.memory_growing(40, 60, Some(60)).unwrap());
        assert_eq!(limiter.limits().memory_used(), 100);
        assert!(limiter.into_failure().is_none());
    }

    #[test]
    fn growth_that_the_machine_refuses_is_a_failure_and_a_limit_is_none() {
        let mut limiter = Limiter::new(DefaultMemoryLimiter::new(100));
        limiter.memory_grow_failed(wasmtime::Error::msg("Memory maximum size exceeded")).unwrap();
        limiter.table_grow_failed(wasmtime::Error::msg("Table maximum size exceeded")).unwrap();
        assert!(limiter.failure.is_none());
        limiter.memory_grow_failed(rustix::io::Errno::NOMEM.into()).unwrap_err();
        limiter.table_grow_failed(rustix::io::Errno::AGAIN.into()).unwrap_err();
        let failure = limiter.into_failure().unwrap().to_string();
        assert!(failure.contains("growing an actor's memory"), "{failure}");
        assert!(failure.contains(&rustix::io::Errno::NOMEM.to_string()), "{failure}");
    }
}
