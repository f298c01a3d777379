//! A compiled actor, and what there is to know of it before it runs.

use fvm::call_manager::{INVOKE_FUNC_NAME, UPGRADE_FUNC_NAME};
use wasmtime::{ExternType, Module, ModuleExport};

use super::instrument::AddedExports;

const PAGE_BYTES: u64 = 64 << 10;

/// A compiled actor.
pub(crate) struct Prepared {
    /// The compiled module.
    pub(crate) module: Module,
    /// Bytes that its memory starts with; `None` when it exports no memory, which it has to.
    pub(crate) memory_bytes: Option<usize>,
    /// Elements that its exported table starts with.
    pub(crate) table_elements: Option<u64>,
    /// Its gas counter; `None` for a module that cannot be linked.
    pub(crate) gas: Option<ModuleExport>,
    /// Its memory.
    pub(crate) memory: Option<ModuleExport>,
    /// What it wants to run before anything else.
    pub(crate) start: Option<ModuleExport>,
    /// Where messages enter.
    pub(crate) invoke: Option<ModuleExport>,
    /// Where an upgrade enters.
    pub(crate) upgrade: Option<ModuleExport>,
}

impl Prepared {
    /// What there is to know of `module`, to which instrumentation has added these exports.
    ///
    /// # Errors
    /// When its memory is larger than this machine can address.
    pub(super) fn of(module: Module, added: &AddedExports) -> anyhow::Result<Self> {
        let memory_bytes = match module.get_export("memory") {
            Some(ExternType::Memory(memory)) => Some(usize::try_from(memory.minimum() * PAGE_BYTES)?),
            _ => None,
        };
        let table_elements = match module.get_export("table") {
            Some(ExternType::Table(table)) => Some(table.minimum()),
            _ => None,
        };
        let export = |name: &Option<String>| module.get_export_index(name.as_deref()?);
        Ok(Self {
            memory_bytes,
            table_elements,
            gas: export(&added.gas),
            start: export(&added.start),
            memory: module.get_export_index("memory"),
            invoke: module.get_export_index(INVOKE_FUNC_NAME),
            upgrade: module.get_export_index(UPGRADE_FUNC_NAME),
            module,
        })
    }
}
