//! Failures of this node alone: no memory, no place in the pool, a disk that does not answer.
//!
//! The other nodes do not have them, so they must never become a receipt: this node would go on with a state of its
//! own. They stop the execution of the message, and with it the block (see `LaneCallManager::fail`).

use std::error::Error;
use std::fmt;
use std::io;

use wasmtime::{OutOfMemory, PoolConcurrencyLimitError};

/// A failure that other nodes do not have, as it stands in an error on its way up.
#[derive(Debug)]
pub(crate) struct NodeFailure(pub(crate) anyhow::Error);

impl fmt::Display for NodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl Error for NodeFailure {}

/// Whether wasmtime says by the kind of its error that the machine is at fault: the kernel has refused something, or
/// there is no memory or no place in the pool.
pub(crate) fn is_of_the_machine(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<rustix::io::Errno>()
            || cause.is::<io::Error>()
            || cause.is::<OutOfMemory>()
            || cause.is::<PoolConcurrencyLimitError>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_is_told_from_the_actor() {
        let errno = || wasmtime::Error::from(rustix::io::Errno::NOMEM);
        assert!(is_of_the_machine(&errno()));
        assert!(is_of_the_machine(&errno().context("growing").context("a memory")));
        assert!(is_of_the_machine(&io::Error::from(io::ErrorKind::OutOfMemory).into()));
        assert!(is_of_the_machine(&OutOfMemory::new(8).into()));
        assert!(!is_of_the_machine(&wasmtime::Error::msg("Memory maximum size exceeded")));
        assert!(!is_of_the_machine(&wasmtime::Trap::MemoryOutOfBounds.into()));
    }
}
