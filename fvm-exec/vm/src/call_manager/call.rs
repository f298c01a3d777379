//! One call: limits around it, its receiver, the transfer, and what comes of it.

use fvm::call_manager::{
    CallManager as _, Entrypoint, INVOKE_FUNC_NAME, InvocationResult, UPGRADE_FUNC_NAME, backtrace,
};
use fvm::gas::Gas;
use fvm::kernel::{
    Block, BlockId, BlockRegistry, ClassifyResult as _, Context as _, ExecutionError, Result, SyscallError,
};
use fvm::machine::Machine;
use fvm::machine::limiter::MemoryLimiter;
use fvm::syscall_error;
use fvm::syscalls::Abort;
use fvm::trace::ExecutionEvent;
use fvm_ipld_encoding::{CBOR, to_vec};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::{ErrorNumber, ExitCode};
use fvm_shared::{ActorID, METHOD_CONSTRUCTOR, METHOD_SEND, MethodNum};
use num_traits::Zero as _;

use super::LaneCallManager;
use super::actors::NO_BLOCK;
use super::run::{Entry, Run};
use crate::access::Fields;
use crate::machine::VmMachine;
use crate::state::INIT_ACTOR_ID;

/// The method number that an actor sees while it is upgraded.
const METHOD_UPGRADE: MethodNum = 932_083;

/// A call to an address.
pub(super) struct Call<'a> {
    pub(super) from: ActorID,
    pub(super) to: Address,
    pub(super) entrypoint: Entrypoint,
    pub(super) params: Option<Block>,
    pub(super) value: &'a TokenAmount,
    pub(super) read_only: bool,
}

/// A call to an actor.
pub(super) struct ResolvedCall<'a> {
    pub(super) from: ActorID,
    pub(super) to: ActorID,
    pub(super) entrypoint: Entrypoint,
    pub(super) params: Option<Block>,
    pub(super) value: &'a TokenAmount,
    pub(super) read_only: bool,
}

impl<M: VmMachine> LaneCallManager<M> {
    /// Makes a call under the limits of depth and, if there is one, of gas.
    pub(super) fn call(&mut self, call: Call<'_>, gas_limit: Option<Gas>) -> Result<InvocationResult> {
        let traces = self.is_tracing() && matches!(call.entrypoint, Entrypoint::Invoke(_));
        if traces {
            self.trace_call(&call, gas_limit);
        }
        if let Some(limit) = gas_limit {
            self.gas.push_limit(limit);
        }
        let mut result = self.one_deeper(|deeper| deeper.call_address(call));
        if gas_limit.is_some() {
            self.gas.pop_limit()?;
        }
        // Only the limit of this call has run out: the caller goes on.
        if matches!(result, Err(ExecutionError::OutOfGas)) && !self.gas.gas_available().is_zero() {
            result = Ok(InvocationResult { exit_code: ExitCode::SYS_OUT_OF_GAS, value: None });
        }
        if traces {
            self.trace_return(&result);
        }
        result
    }

    fn trace_call(&mut self, call: &Call<'_>, gas_limit: Option<Gas>) {
        let Entrypoint::Invoke(method) = call.entrypoint else { return };
        let asked = gas_limit.unwrap_or(Gas::from_milligas(u64::MAX));
        let gas_limit = asked.round_up().min(self.gas.gas_available().round_up());
        self.trace(ExecutionEvent::Call {
            from: call.from,
            to: call.to,
            method,
            params: call.params.as_ref().map(Into::into),
            value: call.value.clone(),
            gas_limit,
            read_only: call.read_only,
        });
    }

    fn trace_return(&mut self, result: &Result<InvocationResult>) {
        self.trace(match result {
            Ok(done) => ExecutionEvent::CallReturn(done.exit_code, done.value.as_ref().map(Into::into)),
            Err(ExecutionError::OutOfGas) => ExecutionEvent::CallReturn(ExitCode::SYS_OUT_OF_GAS, None),
            Err(ExecutionError::Fatal(_)) => {
                ExecutionEvent::CallError(SyscallError::new(ErrorNumber::Forbidden, "fatal"))
            }
            Err(ExecutionError::Syscall(error)) => ExecutionEvent::CallError(error.clone()),
        });
    }

    /// Runs `f` one call deeper. Memory that is in use below is free again afterwards.
    fn one_deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.machine.context().max_call_depth {
            return Err(syscall_error!(LimitExceeded, "calls are nested too deeply").into());
        }
        self.depth += 1;
        let result = <M as Machine>::Limiter::with_stack_frame(self, |this| this.limiter.limits(), f);
        self.depth -= 1;
        result
    }

    fn call_address(&mut self, call: Call<'_>) -> Result<InvocationResult> {
        let Call { from, to, entrypoint, params, value, read_only } = call;
        let to = match self.resolve(&to)? {
            Some(id) => id,
            None => self.create_receiver(&to, read_only)?,
        };
        self.call_stack.push((to, function_name(&entrypoint)));
        let result = self.call_resolved(ResolvedCall { from, to, entrypoint, params, value, read_only });
        self.call_stack.pop();
        result
    }

    /// Calls an actor: moves the value and, unless that was all, runs the actor.
    pub(super) fn call_resolved(&mut self, call: ResolvedCall<'_>) -> Result<InvocationResult> {
        let ResolvedCall { from, to, entrypoint, params, value, read_only } = call;
        let is_send = matches!(entrypoint, Entrypoint::Invoke(METHOD_SEND));
        let traces = self.is_tracing() && matches!(entrypoint, Entrypoint::Invoke(_));
        let fields = match (traces, is_send) {
            // The trace shows all of it.
            (true, _) => Fields::ALL,
            (false, true) => Fields::PRESENT,
            (false, false) => Fields::CODE,
        };
        // Its code is about to read its map, or the trace to show it.
        if to == INIT_ACTOR_ID && fields != Fields::PRESENT {
            self.settle_addresses()?;
        }
        let actor = self.load(to, fields)?.ok_or_else(|| syscall_error!(NotFound; "actor {} does not exist", to))?;
        let code = actor.code;
        if traces {
            self.trace(ExecutionEvent::InvokeActor { id: to, state: actor });
        }

        if !value.is_zero() {
            self.charge_gas(self.price_list().on_value_transfer())?;
            self.move_funds(from, to, value)?;
        }
        if is_send {
            return Ok(InvocationResult::default());
        }

        let (size, links) = params.as_ref().map_or((0, 0), |params| (params.size(), params.links().len()));
        self.charge_gas(self.price_list().on_method_invocation(size, links))?;

        let mut blocks = BlockRegistry::default();
        let params = params.map_or(Ok(NO_BLOCK), |params| blocks.put_reachable(params))?;
        let upgrade = self.upgrade_params(&entrypoint, &mut blocks)?;
        self.invocations += 1;

        let entry = Entry { entrypoint, params, upgrade };
        let run = Run { from, to, code, method: method_number(&entrypoint), value: value.clone(), read_only, entry };
        let (result, last_error, blocks) = self.run(run, blocks);
        self.conclude(to, &entrypoint, result, last_error, &blocks)
    }

    fn upgrade_params(&self, entrypoint: &Entrypoint, blocks: &mut BlockRegistry) -> Result<Option<BlockId>> {
        let Entrypoint::Upgrade(info) = entrypoint else { return Ok(None) };
        let info = to_vec(info).or_fatal().context("encoding the parameters of an upgrade")?;
        blocks.put_reachable(Block::new(CBOR, info, Vec::new())).map(Some)
    }

    /// What a call returns: the block it names, or its abort. Charges for a returned block.
    fn conclude(
        &mut self,
        id: ActorID,
        entrypoint: &Entrypoint,
        result: std::result::Result<BlockId, Abort>,
        last_error: Option<backtrace::Cause>,
        blocks: &BlockRegistry,
    ) -> Result<InvocationResult> {
        let returned = result.and_then(|block| match block {
            NO_BLOCK => Ok(None),
            block => blocks.get(block).map(|block| Some(block.clone())).map_err(|_| {
                Abort::Exit(ExitCode::SYS_MISSING_RETURN, "returned a block that does not exist".to_owned(), NO_BLOCK)
            }),
        });
        let result = match returned {
            Ok(value) => Ok(InvocationResult { exit_code: ExitCode::OK, value }),
            Err(abort) => {
                let (code, message, result) = unwind(abort, blocks);
                if let (false, Entrypoint::Invoke(method)) = (code.is_success(), *entrypoint) {
                    if let Some(cause) = last_error {
                        self.backtrace.begin(cause);
                    }
                    self.backtrace.push_frame(backtrace::Frame { source: id, method, code, message });
                }
                result
            }
        };
        // Here and not at the caller's: the gas limit of this call covers its return.
        if let Ok(InvocationResult { value: Some(block), .. }) = &result {
            self.charge_gas(self.price_list().on_method_return(self.depth, block.size(), block.links().len()))?;
        }
        result
    }
}

/// Exit code and message for the backtrace, and what an abort means to the caller.
fn unwind(abort: Abort, blocks: &BlockRegistry) -> (ExitCode, String, Result<InvocationResult>) {
    match abort {
        Abort::Exit(exit_code, message, NO_BLOCK) => {
            (exit_code, message, Ok(InvocationResult { exit_code, value: None }))
        }
        Abort::Exit(exit_code, message, block) => match blocks.get(block) {
            Ok(block) => (exit_code, message, Ok(InvocationResult { exit_code, value: Some(block.clone()) })),
            Err(error) => (
                ExitCode::SYS_MISSING_RETURN,
                "aborted with a block that does not exist".to_owned(),
                Err(ExecutionError::Fatal(error.into())),
            ),
        },
        Abort::OutOfGas => (ExitCode::SYS_OUT_OF_GAS, "out of gas".to_owned(), Err(ExecutionError::OutOfGas)),
        Abort::Fatal(error) => {
            (ExitCode::SYS_ASSERTION_FAILED, "fatal error".to_owned(), Err(ExecutionError::Fatal(error)))
        }
    }
}

fn method_number(entrypoint: &Entrypoint) -> MethodNum {
    match entrypoint {
        Entrypoint::ImplicitConstructor => METHOD_CONSTRUCTOR,
        Entrypoint::Invoke(method) => *method,
        Entrypoint::Upgrade(_) => METHOD_UPGRADE,
    }
}

fn function_name(entrypoint: &Entrypoint) -> &'static str {
    match entrypoint {
        Entrypoint::ImplicitConstructor | Entrypoint::Invoke(_) => INVOKE_FUNC_NAME,
        Entrypoint::Upgrade(_) => UPGRADE_FUNC_NAME,
    }
}
