//! Runs an actor, in wasm or natively.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use cid::Cid;
use fvm::Kernel as _;
use fvm::call_manager::{Entrypoint, backtrace};
use fvm::kernel::{BlockId, BlockRegistry};
use fvm::syscalls::Abort;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use wasmtime::{Extern, Instance, Store, Trap};

use super::LaneCallManager;
use super::actors::NO_BLOCK;
use crate::engine::{Code, NodeFailure, Ready, shed};
use crate::invocation::{Invocation, adopt, charge, refill};
use crate::kernel::LaneKernel;
use crate::machine::VmMachine;
use crate::syscalls::abort_of;

/// An actor about to run.
pub(super) struct Run {
    pub(super) from: ActorID,
    pub(super) to: ActorID,
    pub(super) code: Cid,
    pub(super) method: MethodNum,
    pub(super) value: TokenAmount,
    pub(super) read_only: bool,
    pub(super) entry: Entry,
}

/// Where it is entered, and with which blocks.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) entrypoint: Entrypoint,
    pub(super) params: BlockId,
    /// What an upgrade is told besides its parameters.
    pub(super) upgrade: Option<BlockId>,
}

/// The block that an actor returns, or its abort; the failed syscall that came last; the blocks it has made.
type Ran = (Result<BlockId, Abort>, Option<backtrace::Cause>, BlockRegistry);

impl<M: VmMachine> LaneCallManager<M> {
    /// Runs an actor on a kernel of its own, which has this call manager meanwhile.
    pub(super) fn run(&mut self, run: Run, blocks: BlockRegistry) -> Ran {
        let Run { from, to, code, method, value, read_only, entry } = run;
        let native = self.machine.natives().get(&code);
        let actors = self.machine.code().clone();
        let message = self.message;

        let mut kernel = LaneKernel::new(Self(self.0.take()), blocks, from, to, method, value, read_only);
        let (result, last_error, kernel) = match native {
            Some(actor) => {
                let result = catch(|| actor.run(&mut kernel, entry.entrypoint, entry.params)).flatten();
                (result, None, kernel)
            }
            None => run_wasm(&actors, message, &code, kernel, entry),
        };
        let (this, blocks) = kernel.into_inner();
        *self = this;
        (result, last_error, blocks)
    }
}

/// A panic becomes a fatal error, as long as it leaves something to go on with.
fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Abort> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| Abort::Fatal(anyhow!("an actor panicked: {}", reason(&*panic))))
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn run_wasm<M: VmMachine>(
    actors: &Arc<Code<M>>,
    message: u64,
    code: &Cid,
    kernel: LaneKernel<M>,
    entry: Entry,
) -> (Result<BlockId, Abort>, Option<backtrace::Cause>, LaneKernel<M>) {
    let engine = actors.engine();
    // Held until the store is gone, and the instance with it.
    let _slot = engine.slot(message);
    let mut store = Store::new(engine.wasmtime(), Invocation::new(kernel, engine.prices()));
    store.limiter(|invocation| invocation.kernel.call_manager.limiter());
    let result = instantiate(&mut store, actors, code).and_then(|(instance, actor)| {
        let result = enter(&mut store, instance, &actor, entry)?;
        // Running out of gas goes before whatever else has ended the actor: it is why the code trapped.
        charge(&mut store)?;
        result.map_err(|error| ended(&mut store, error))
    });
    if let Some(memory) = store.data().memory {
        shed(&store, memory);
    }
    let Invocation { kernel, last_error, .. } = store.into_data();
    (result, last_error, kernel)
}

/// Makes the actor's instance, its start function included.
fn instantiate<M: VmMachine>(
    store: &mut Store<Invocation<M>>,
    actors: &Code<M>,
    code: &Cid,
) -> Result<(Instance, Arc<Ready<M>>), Abort> {
    let actor = actors
        .get(code, store.data().kernel.machine().blockstore())
        .and_then(|actor| actor.with_context(|| format!("there is no code {code}")));
    let actor = match actor {
        Ok(actor) => actor,
        Err(error) if error.is::<NodeFailure>() => return Err(fail(store, error)),
        Err(error) => return Err(Abort::Fatal(error)),
    };
    store.data_mut().charge_start(&actor.prepared)?;
    let linked = actor.linked.as_ref().map_err(|error| Abort::Fatal(anyhow!("linking the actor: {error}")))?;

    refill(store)?;
    store.data_mut().kernel.call_manager.limiter().take_refusal();
    let result = match linked.instantiate(&mut *store) {
        Ok(instance) => {
            let counter = actor.prepared.gas.as_ref().and_then(|gas| instance.get_module_export(&mut *store, gas));
            let counter = counter.and_then(Extern::into_global).context("no gas counter").map_err(Abort::Fatal)?;
            adopt(store, counter)?;
            catch(|| run_start(store, instance, &actor))?.map(|()| instance)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &result
        && !is_of_the_actor(store, error)
    {
        fail(store, anyhow!("instantiating an actor: {error:#}"));
    }
    charge(store)?;
    let instance = result.map_err(|error| {
        Abort::Exit(ExitCode::SYS_ILLEGAL_INSTRUCTION, format!("instantiating the actor: {error:#}"), NO_BLOCK)
    })?;

    let memory = actor.prepared.memory.as_ref().and_then(|memory| instance.get_module_export(&mut *store, memory));
    let memory = memory.and_then(Extern::into_memory).context("the actor exports no memory").map_err(Abort::Fatal)?;
    store.data_mut().memory = Some(memory);
    Ok((instance, actor))
}

/// Whether an actor is not instantiated by its own doing: segments or its start function trap, or it wants more memory
/// than the machine's limit. It has linked, so nothing else is to be said against it.
fn is_of_the_actor<M: VmMachine>(store: &mut Store<Invocation<M>>, error: &wasmtime::Error) -> bool {
    let has_refused = store.data_mut().kernel.call_manager.limiter().take_refusal();
    has_refused || error.is::<Trap>() || error.is::<Abort>()
}

/// Why an actor has ended that was running.
fn ended<M: VmMachine>(store: &mut Store<Invocation<M>>, error: wasmtime::Error) -> Abort {
    abort_of(error).unwrap_or_else(|error| fail(store, anyhow!("running an actor: {error:#}")))
}

/// Ends the call and the message, because this node alone has failed.
fn fail<M: VmMachine>(store: &mut Store<Invocation<M>>, failure: anyhow::Error) -> Abort {
    let abort = Abort::Fatal(anyhow!("{failure:#}"));
    store.data_mut().kernel.call_manager.fail(failure);
    abort
}

fn run_start<M: VmMachine>(
    store: &mut Store<Invocation<M>>,
    instance: Instance,
    actor: &Ready<M>,
) -> wasmtime::Result<()> {
    let start = actor.prepared.start.as_ref().and_then(|start| instance.get_module_export(&mut *store, start));
    match start.and_then(Extern::into_func) {
        Some(start) => start.typed::<(), ()>(&*store)?.call(store, ()),
        None => Ok(()),
    }
}

/// Calls the instance. What the actor does is in the inner result.
fn enter<M: VmMachine>(
    store: &mut Store<Invocation<M>>,
    instance: Instance,
    actor: &Ready<M>,
    entry: Entry,
) -> Result<wasmtime::Result<BlockId>, Abort> {
    let export = match entry.upgrade {
        Some(_) => &actor.prepared.upgrade,
        None => &actor.prepared.invoke,
    };
    let export = export.as_ref().and_then(|export| instance.get_module_export(&mut *store, export));
    let Some(function) = export.and_then(Extern::into_func) else {
        let message = format!("the actor has no entry for {}", entry.entrypoint);
        return Err(Abort::Exit(ExitCode::SYS_INVALID_RECEIVER, message, NO_BLOCK));
    };
    refill(store)?;
    // Of the actor's making, unlike other errors that are no trap.
    let mistyped = |error: wasmtime::Error| Abort::Fatal(anyhow!("the actor's entry: {error:#}"));
    catch(|| match entry.upgrade {
        Some(upgrade) => {
            function.typed::<(u32, u32), u32>(&*store).map_err(mistyped)?.call(store, (entry.params, upgrade))
        }
        None => function.typed::<u32, u32>(&*store).map_err(mistyped)?.call(store, entry.params),
    })
}
