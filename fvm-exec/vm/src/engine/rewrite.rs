//! Moves the gas counter of an instrumented module from an import into the module itself.
//!
//! Instrumentation counts gas in a global that it imports. An import belongs to one store, so a module with one has to
//! be linked anew for every call. As a global of its own, exported, linking happens once per module; reading and
//! writing it from compiled code is cheaper too.
//!
//! ```text
//! import  (global "gas" "gas_counter" (mut i64))   →   —
//! global  —                                        →   (global (mut i64) (i64.const 0))    index 0 before and after
//! export  —                                        →   the counter, the start function
//! start   $f                                       →   —
//! ```
//!
//! The start function would run while the module is instantiated, when nobody has filled the counter yet. It becomes
//! an export that the engine calls first thing.

use anyhow::Context as _;
use fvm_wasm_instrument::gas_metering::GAS_COUNTER_NAME;
use wasmparser::{Parser, Payload, TypeRef};

/// Name of the module that the instrumented code imports its counter from.
pub(super) const GAS_MODULE: &str = "gas";

const SECTION_IMPORT: u8 = 2;
const SECTION_GLOBAL: u8 = 6;
const SECTION_EXPORT: u8 = 7;
const HEADER_BYTES: usize = 8;
const KIND_FUNCTION: u8 = 0;
const KIND_GLOBAL: u8 = 3;

/// `(global (mut i64) (i64.const 0))`.
const COUNTER: [u8; 5] = [0x7e, 0x01, 0x42, 0x00, 0x0b];

/// A module with a gas counter of its own.
pub(super) struct Rewritten {
    /// The module.
    pub(super) wasm: Vec<u8>,
    /// Under which name it exports the counter.
    pub(super) gas_export: String,
    /// Under which name it exports the function that was to run at its start.
    pub(super) start_export: Option<String>,
}

/// What the rewriting has to know of a module beforehand.
#[derive(Default)]
struct Survey {
    globals_imported: u32,
    names: Vec<String>,
    start: Option<u32>,
    has_globals: bool,
    has_exports: bool,
}

impl Survey {
    fn of(wasm: &[u8]) -> anyhow::Result<Self> {
        let mut survey = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        survey.globals_imported += u32::from(matches!(import?.ty, TypeRef::Global(_)));
                    }
                }
                Payload::GlobalSection(_) => survey.has_globals = true,
                Payload::ExportSection(exports) => {
                    survey.has_exports = true;
                    for export in exports {
                        survey.names.push(export?.name.to_owned());
                    }
                }
                Payload::StartSection { func, .. } => survey.start = Some(func),
                _ => {}
            }
        }
        Ok(survey)
    }

    /// A name that the module does not export yet.
    fn free_name(&self, wish: &str) -> String {
        let mut name = wish.to_owned();
        while self.names.contains(&name) {
            name.push('\'');
        }
        name
    }
}

/// Rewrites an instrumented module. `None` for one that cannot be linked anyway: it imports other globals, of which
/// the VM offers none, or exports nothing.
///
/// # Errors
/// When `wasm` is no module.
pub(super) fn own_the_counter(wasm: &[u8]) -> anyhow::Result<Option<Rewritten>> {
    let survey = Survey::of(wasm)?;
    if survey.globals_imported != 1 || !survey.has_exports {
        return Ok(None);
    }
    let gas_export = survey.free_name("vm.gas");
    let start_export = survey.start.map(|_| survey.free_name("vm.start"));

    let mut out = wasm.get(..HEADER_BYTES).context("no module header")?.to_vec();
    let mut needs_globals = !survey.has_globals;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else { continue };
        // Exports are the section after globals, and there is one.
        if id == SECTION_EXPORT && needs_globals {
            section(&mut out, SECTION_GLOBAL, &list(1, &[&COUNTER]));
            needs_globals = false;
        }
        match payload {
            Payload::ImportSection(imports) => {
                let (count, end) = (imports.count(), imports.range().end);
                let mut starts = Vec::new();
                let mut counter = None;
                for (index, item) in imports.into_imports_with_offsets().enumerate() {
                    let (offset, import) = item?;
                    starts.push(offset);
                    if import.module == GAS_MODULE && import.name == GAS_COUNTER_NAME {
                        counter = Some(index);
                    }
                }
                let counter = counter.context("no gas counter among the imports")?;
                let after = starts.get(counter + 1).copied().unwrap_or(end);
                let (before, rest) = (&wasm[starts[0]..starts[counter]], &wasm[after..end]);
                section(&mut out, SECTION_IMPORT, &list(count - 1, &[before, rest]));
            }
            Payload::GlobalSection(globals) => {
                let items = &wasm[globals.original_position()..range.end];
                section(&mut out, SECTION_GLOBAL, &list(globals.count() + 1, &[&COUNTER, items]));
            }
            Payload::ExportSection(exports) => {
                let items = &wasm[exports.original_position()..range.end];
                let mut added = export(&gas_export, KIND_GLOBAL, 0);
                if let (Some(name), Some(function)) = (&start_export, survey.start) {
                    added.extend(export(name, KIND_FUNCTION, function));
                }
                let more = 1 + u32::from(start_export.is_some());
                section(&mut out, SECTION_EXPORT, &list(exports.count() + more, &[items, &added]));
            }
            Payload::StartSection { .. } => {}
            _ => section(&mut out, id, &wasm[range]),
        }
    }
    Ok(Some(Rewritten { wasm: out, gas_export, start_export }))
}

fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    number(out, length(content));
    out.extend_from_slice(content);
}

/// A vector: how many items, and their bytes.
fn list(count: u32, items: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, count);
    for item in items {
        out.extend_from_slice(item);
    }
    out
}

fn export(name: &str, kind: u8, index: u32) -> Vec<u8> {
    let mut out = Vec::new();
    number(&mut out, length(name.as_bytes()));
    out.extend_from_slice(name.as_bytes());
    out.push(kind);
    number(&mut out, index);
    out
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a part of a module is not longer than its 32-bit sections can be")
}

/// Unsigned LEB128.
fn number(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Rewritten {
        own_the_counter(&wat::parse_str(text).unwrap()).unwrap().unwrap()
    }

    fn valid(wasm: &[u8]) {
        wasmparser::Validator::new().validate_all(wasm).unwrap();
    }

    #[test]
    fn counter_moves_in_and_keeps_its_index() {
        let module = rewritten(
            r#"(module
                (import "vm" "exit" (func (param i32)))
                (import "gas" "gas_counter" (global (mut i64)))
                (import "vm" "other" (func))
                (global $own (mut i32) (i32.const 7))
                (func (export "invoke") (result i64 i32) global.get 0 global.get 1)
                (memory (export "memory") 1))"#,
        );
        valid(&module.wasm);
        let survey = Survey::of(&module.wasm).unwrap();
        assert_eq!(survey.globals_imported, 0);
        assert_eq!(survey.names, ["invoke", "memory", "vm.gas"]);
        assert!(module.start_export.is_none());
    }

    #[test]
    fn start_function_becomes_an_export() {
        let module = rewritten(
            r#"(module
                (import "gas" "gas_counter" (global (mut i64)))
                (func $begin)
                (memory (export "memory") 1)
                (start $begin))"#,
        );
        valid(&module.wasm);
        let survey = Survey::of(&module.wasm).unwrap();
        assert_eq!(survey.start, None);
        assert_eq!(survey.names, ["memory", "vm.gas", "vm.start"]);
        assert_eq!(module.start_export.as_deref(), Some("vm.start"));
    }

    #[test]
    fn names_that_are_taken_are_not_taken_twice() {
        let module = rewritten(
            r#"(module
                (import "gas" "gas_counter" (global (mut i64)))
                (func (export "vm.gas"))
                (memory (export "memory") 1))"#,
        );
        valid(&module.wasm);
        assert_eq!(module.gas_export, "vm.gas'");
    }

    #[test]
    fn module_with_other_imported_globals_is_left_alone() {
        let wasm = wat::parse_str(
            r#"(module
                (import "env" "base" (global i32))
                (import "gas" "gas_counter" (global (mut i64)))
                (memory (export "memory") 1))"#,
        )
        .unwrap();
        assert!(own_the_counter(&wasm).unwrap().is_none());
    }

    #[test]
    fn numbers_of_every_length() {
        for (value, bytes) in
            [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (u32::MAX, vec![255, 255, 255, 255, 15])]
        {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, bytes);
        }
    }
}
