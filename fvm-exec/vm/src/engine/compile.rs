//! From instrumented wasm to a module: compiled, or compiled before and read from disk.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use wasmtime::{Engine, Module};

use super::cache::{Cache, Key};
use super::failure::{NodeFailure, is_of_the_machine};

/// Makes modules, with or without a cache on disk.
#[derive(Default)]
pub(crate) struct Compiler {
    cache: Option<Cache>,
    compiled: AtomicU64,
    loaded: AtomicU64,
}

/// Where an engine's modules came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleCounts {
    /// Compiled by this engine.
    pub compiled: u64,
    /// Read from the cache on disk.
    pub loaded: u64,
}

impl Compiler {
    /// A compiler that keeps what it makes in `directory`. Where that cannot be, it warns and keeps nothing.
    pub(super) fn with_cache(directory: &Path) -> Self {
        let cache = Cache::open(directory)
            .inspect_err(|error| {
                let reason = format!("{error:#}");
                tracing::warn!(directory = %directory.display(), %reason, "compiled actors are not kept");
            })
            .ok();
        Self { cache, ..Self::default() }
    }

    /// How many modules it has made.
    pub(super) fn counts(&self) -> ModuleCounts {
        ModuleCounts { compiled: self.compiled.load(Ordering::Relaxed), loaded: self.loaded.load(Ordering::Relaxed) }
    }

    /// The module of `wasm`, which is instrumented.
    ///
    /// # Errors
    /// When `wasm` cannot be compiled or is larger than an instance may be; a [`NodeFailure`] when this machine fails.
    pub(super) fn compile(&self, engine: &Engine, wasm: &[u8]) -> anyhow::Result<Module> {
        let Some(cache) = &self.cache else { return Ok(self.make(engine, wasm)?.0) };
        let key = Key::of(engine, wasm);
        if let Some(module) = self.find(engine, cache, key) {
            return Ok(module);
        }
        let _turn = cache.turn(key);
        // Whoever had the turn before may have made it.
        if let Some(module) = self.find(engine, cache, key) {
            return Ok(module);
        }
        let (module, code) = self.make(engine, wasm)?;
        cache.store(key, &code);
        Ok(module)
    }

    fn find(&self, engine: &Engine, cache: &Cache, key: Key) -> Option<Module> {
        let code = cache.load(key)?;
        // SAFETY: the cache gives what a process of this user has stored there under this key, unchanged: it comes out
        // of `make` below, for a wasmtime of this version and configuration on a processor with these features.
        match unsafe { Module::deserialize(engine, &code) } {
            Ok(module) => {
                self.loaded.fetch_add(1, Ordering::Relaxed);
                Some(module)
            }
            Err(error) => {
                cache.discard(key, &anyhow!("{error:#}"));
                None
            }
        }
    }

    /// Compiles. The module is made of the code that is kept, so it is the same one later.
    fn make(&self, engine: &Engine, wasm: &[u8]) -> anyhow::Result<(Module, Vec<u8>)> {
        let code = engine.precompile_module(wasm).map_err(classify)?;
        // SAFETY: this is what wasmtime has just compiled.
        let module = unsafe { Module::deserialize(engine, &code) }.map_err(classify).context("loading it")?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok((module, code))
    }
}

fn classify(error: wasmtime::Error) -> anyhow::Error {
    let is_of_the_machine = is_of_the_machine(&error);
    let error = anyhow!("{error:#}");
    if is_of_the_machine { NodeFailure(error).into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_wasmtime_does_not_know_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let wasm = wat::parse_str("(module (func (export \"f\")))").unwrap();
        let key = Key::of(&engine, &wasm);
        Cache::open(home.path()).unwrap().store(key, b"as written, but no code");
        for expected in [ModuleCounts { compiled: 1, loaded: 0 }, ModuleCounts { compiled: 0, loaded: 1 }] {
            let compiler = Compiler::with_cache(home.path());
            let module = compiler.compile(&engine, &wasm).unwrap();
            assert!(module.get_export("f").is_some());
            assert_eq!(compiler.counts(), expected);
        }
    }

    #[test]
    fn wasm_that_does_not_compile_is_not_this_nodes_fault() {
        let home = tempfile::tempdir().unwrap();
        let compiler = Compiler::with_cache(home.path());
        let error = compiler.compile(&Engine::default(), b"no wasm").unwrap_err();
        assert!(!error.is::<NodeFailure>());
        assert_eq!(compiler.counts(), ModuleCounts::default());
        let failure = classify(rustix::io::Errno::NOMEM.into()).context("somewhere");
        assert!(failure.is::<NodeFailure>());
    }
}
