//! Syscalls bound to one kind of machine, and modules linked with them.

use std::sync::Arc;

use anyhow::anyhow;
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use wasmtime::{InstancePre, Linker};

use super::failure::{NodeFailure, is_of_the_machine};
use super::modules::Once;
use super::{Prepared, WasmEngine};
use crate::invocation::Invocation;
use crate::machine::VmMachine;
use crate::syscalls;

/// The code that machines of type `M` run. Get it from [`WasmEngine::code`].
pub struct Code<M: VmMachine> {
    engine: Arc<WasmEngine>,
    linker: Linker<Invocation<M>>,
    ready: Once<Arc<Ready<M>>>,
}

/// An actor that can be instantiated.
pub(crate) struct Ready<M: VmMachine> {
    pub(crate) prepared: Arc<Prepared>,
    /// What is left to do is instantiate it; or why it cannot be linked.
    pub(crate) linked: Result<InstancePre<Invocation<M>>, String>,
}

impl<M: VmMachine> Code<M> {
    pub(super) fn new(engine: Arc<WasmEngine>) -> anyhow::Result<Self> {
        let mut linker = Linker::new(engine.wasmtime());
        syscalls::link(&mut linker).map_err(|error| anyhow!("binding syscalls: {error:#}"))?;
        Ok(Self { engine, linker, ready: Once::default() })
    }

    /// The engine underneath.
    pub fn engine(&self) -> &Arc<WasmEngine> {
        &self.engine
    }

    /// Compiles and links the actors with these codes, unless they are.
    ///
    /// # Errors
    /// When the store fails or lacks one of them, or one is not what the VM runs.
    pub fn preload<'a, S: Blockstore>(
        &self,
        store: &S,
        codes: impl IntoIterator<Item = &'a Cid>,
    ) -> anyhow::Result<()> {
        for code in codes {
            self.get(code, store)?.ok_or_else(|| anyhow!("the store has no code {code}"))?;
        }
        Ok(())
    }

    /// The actor with this code; `None` when `store` does not have it.
    pub(crate) fn get<S: Blockstore>(&self, code: &Cid, store: &S) -> anyhow::Result<Option<Arc<Ready<M>>>> {
        self.ready.get_or_make(code, || {
            let Some(prepared) = self.engine.prepare(code, store)? else { return Ok(None) };
            let linked = match self.linker.instantiate_pre(&prepared.module) {
                Err(error) if is_of_the_machine(&error) => return Err(NodeFailure(anyhow!("{error:#}")).into()),
                linked => linked.map_err(|error| format!("{error:#}")),
            };
            Ok(Some(Arc::new(Ready { prepared, linked })))
        })
    }
}
