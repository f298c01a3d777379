//! Makes a wasm import of a function on the kernel.

use std::mem;

use anyhow::Context as _;
use fvm::call_manager::backtrace::Cause;
use fvm::kernel::SyscallError;
use fvm::syscalls::{Abort, Context, ControlFlow, IntoControlFlow, Memory};
use fvm_shared::error::ErrorNumber;
use wasmtime::{Caller, Linker, WasmTy};

use super::Ctx;
use crate::invocation::{Invocation, charge, refill};
use crate::machine::VmMachine;

/// A function that can be a syscall. `Signature` is its result and its arguments.
pub(super) trait Bind<M: VmMachine, Signature> {
    /// Binds the function to the name that actors import it by.
    fn bind(self, linker: &mut Linker<Invocation<M>>, module: &'static str, name: &'static str)
    -> wasmtime::Result<()>;
}

/// What every syscall does first.
fn begin<M: VmMachine>(caller: &mut Caller<'_, Invocation<M>>) -> Result<(), Abort> {
    charge(caller)?;
    caller.data().charge_syscall()
}

/// The actor's memory and the rest of its invocation.
fn parts<'a, M: VmMachine>(
    caller: &'a mut Caller<'_, Invocation<M>>,
) -> Result<(&'a mut Memory, &'a mut Invocation<M>), Abort> {
    // Only a start function can come here without: instantiation is not over then.
    let memory = caller.data().memory.context("a syscall before the actor was instantiated").map_err(Abort::Fatal)?;
    let (bytes, invocation) = memory.data_and_store_mut(caller);
    Ok((Memory::new(bytes), invocation))
}

/// Whether a value of so many bytes has room at `at`.
fn has_room(memory: &Memory, at: u32, bytes: usize) -> bool {
    memory.len().checked_sub(at as usize).is_some_and(|room| room >= bytes)
}

macro_rules! bind {
    ($($arg:ident)*) => {
        #[allow(non_snake_case)]
        impl<M, F, Ret, $($arg,)*> Bind<M, (Ret, $($arg,)*)> for F
        where
            M: VmMachine,
            F: Fn(Ctx<'_, M> $(, $arg)*) -> Ret + Send + Sync + 'static,
            Ret: IntoControlFlow,
            $($arg: WasmTy,)*
        {
            fn bind(
                self,
                linker: &mut Linker<Invocation<M>>,
                module: &'static str,
                name: &'static str,
            ) -> wasmtime::Result<()> {
                if mem::size_of::<Ret::Value>() == 0 {
                    // Without a value to return there is no place to return it to.
                    linker.func_wrap(module, name, move |mut caller: Caller<'_, Invocation<M>> $(, $arg: $arg)*| {
                        begin(&mut caller)?;
                        let (memory, invocation) = parts(&mut caller)?;
                        let context = Context { kernel: &mut invocation.kernel, memory };
                        let result = match self(context $(, $arg)*).into_control_flow() {
                            ControlFlow::Return(_) => {
                                invocation.last_error = None;
                                Ok(0)
                            }
                            ControlFlow::Error(error) => Ok(fail(invocation, module, name, error)),
                            ControlFlow::Abort(abort) => Err(wasmtime::Error::from(abort)),
                        };
                        refill(&mut caller)?;
                        result
                    })?;
                } else {
                    linker.func_wrap(module, name, move |mut caller: Caller<'_, Invocation<M>>, at: u32 $(, $arg: $arg)*| {
                        begin(&mut caller)?;
                        let (memory, invocation) = parts(&mut caller)?;
                        if !has_room(memory, at, mem::size_of::<Ret::Value>()) {
                            let error = SyscallError::new(ErrorNumber::IllegalArgument, "no space for the return value");
                            // The reference leaves the counter alone here, so what was charged above is charged
                            // again with the next syscall. It is part of the protocol.
                            return Ok(fail(invocation, module, name, error));
                        }
                        let context = Context { kernel: &mut invocation.kernel, memory: &mut *memory };
                        let result = match self(context $(, $arg)*).into_control_flow() {
                            ControlFlow::Return(value) => {
                                // SAFETY: the value fits at `at`, by the check above; the memory cannot have shrunk
                                // or moved since, as it is borrowed. The write needs no alignment, and the types that
                                // `IntoControlFlow` allows (`SyscallSafe`) have no padding.
                                unsafe { memory.as_mut_ptr().add(at as usize).cast::<Ret::Value>().write_unaligned(value) };
                                invocation.last_error = None;
                                Ok(0)
                            }
                            ControlFlow::Error(error) => Ok(fail(invocation, module, name, error)),
                            ControlFlow::Abort(abort) => Err(wasmtime::Error::from(abort)),
                        };
                        refill(&mut caller)?;
                        result
                    })?;
                }
                Ok(())
            }
        }
    };
}

/// Notes a failed syscall, and returns the number that the actor sees.
fn fail<M: VmMachine>(
    invocation: &mut Invocation<M>,
    module: &'static str,
    name: &'static str,
    error: SyscallError,
) -> u32 {
    let number = error.1 as u32;
    invocation.last_error = Some(Cause::from_syscall(module, name, error));
    number
}

bind!();
bind!(A);
bind!(A B);
bind!(A B C);
bind!(A B C D);
bind!(A B C D E);
bind!(A B C D E G);
bind!(A B C D E G H);
bind!(A B C D E G H I);
