//! What ended an actor, from what wasmtime says.

use anyhow::anyhow;
use fvm::syscalls::Abort;
use fvm_shared::error::ExitCode;
use wasmtime::Trap;

/// The abort behind an error of wasmtime: one that a syscall has raised, a trap of the actor, or a fault of the engine.
pub(crate) fn abort_of(error: wasmtime::Error) -> Abort {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
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
        };
    }
    error.downcast::<Abort>().unwrap_or_else(|error| Abort::Fatal(anyhow!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborts_come_through_and_traps_are_the_actors_fault() {
        let exit = Abort::Exit(ExitCode::new(33), "why".to_owned(), 4);
        assert!(matches!(abort_of(exit.into()), Abort::Exit(code, _, 4) if code.value() == 33));
        assert!(matches!(abort_of(Abort::OutOfGas.into()), Abort::OutOfGas));
        let trap = abort_of(Trap::IntegerDivisionByZero.into());
        assert!(matches!(trap, Abort::Exit(ExitCode::SYS_ILLEGAL_INSTRUCTION, _, 0)));
        assert!(matches!(abort_of(Trap::OutOfFuel.into()), Abort::Fatal(_)));
        assert!(matches!(abort_of(wasmtime::Error::msg("odd")), Abort::Fatal(_)));
    }
}
