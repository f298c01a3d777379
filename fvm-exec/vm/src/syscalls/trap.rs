//! What ended an actor, from what wasmtime says.

use anyhow::anyhow;
use fvm::syscalls::Abort;
use fvm_shared::error::ExitCode;
use wasmtime::Trap;

/// The abort behind an error of wasmtime: one that a syscall has raised, or a trap of the actor.
///
/// # Errors
/// The same error when it is neither, so that nothing the actor does is behind it.
pub(crate) fn abort_of(error: wasmtime::Error) -> wasmtime::Result<Abort> {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Ok(match trap {
            Trap::MemoryOutOfBounds
            | Trap::TableOutOfBounds
            | Trap::IndirectCallToNull
            | Trap::BadSignature
            | Trap::IntegerOverflow
            | Trap::IntegerDivisionByZero
            | Trap::BadConversionToInteger
            | Trap::UnreachableCodeReached
            | Trap::HeapMisaligned
            | Trap::AtomicWaitNonSharedMemory
            | Trap::StackOverflow => Abort::Exit(ExitCode::SYS_ILLEGAL_INSTRUCTION, trap.to_string(), 0),
            _ => Abort::Fatal(anyhow!("wasmtime trapped in a way that actors cannot cause: {trap}")),
        });
    }
    error.downcast::<Abort>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborts_come_through_and_traps_are_the_actors_fault() {
        let exit = Abort::Exit(ExitCode::new(33), "why".to_owned(), 4);
        assert!(matches!(abort_of(exit.into()), Ok(Abort::Exit(code, _, 4)) if code.value() == 33));
        assert!(matches!(abort_of(Abort::OutOfGas.into()), Ok(Abort::OutOfGas)));
        let trap = abort_of(Trap::IntegerDivisionByZero.into());
        assert!(matches!(trap, Ok(Abort::Exit(ExitCode::SYS_ILLEGAL_INSTRUCTION, _, 0))));
        assert!(matches!(abort_of(Trap::OutOfFuel.into()), Ok(Abort::Fatal(_))));
        assert!(abort_of(wasmtime::Error::msg("odd")).is_err());
    }
}
