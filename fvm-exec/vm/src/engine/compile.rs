//! From an actor's wasm to a module: compiled, or compiled before and read from disk.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use fvm::engine::EngineConfig;
use wasmtime::{Engine, Module};

use super::cache::{Cache, Compiled, Key, Keys};
use super::failure::{NodeFailure, is_of_the_machine};
use super::instrument::{AddedExports, instrument};
use super::prepare::Prepared;

/// Makes modules for one engine, with or without a cache on disk.
pub(crate) struct Compiler {
    engine: Engine,
    config: EngineConfig,
    cache: Option<(Cache, Keys)>,
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
    /// A compiler that keeps what it makes in `directory`, if there is one. Where that cannot be, it warns and keeps
    /// nothing.
    pub(super) fn new(engine: Engine, config: EngineConfig, directory: Option<&Path>) -> Self {
        let cache = directory.and_then(|directory| {
            let cache = Cache::open(directory).and_then(|cache| Ok((cache, Keys::of(&engine, &config)?)));
            let warn = |error: &anyhow::Error| {
                let reason = format!("{error:#}");
                tracing::warn!(directory = %directory.display(), %reason, "compiled actors are not kept");
            };
            cache.inspect_err(warn).ok()
        });
        Self { engine, config, cache, compiled: AtomicU64::new(0), loaded: AtomicU64::new(0) }
    }

    /// How many modules it has made.
    pub(super) fn counts(&self) -> ModuleCounts {
        ModuleCounts { compiled: self.compiled.load(Ordering::Relaxed), loaded: self.loaded.load(Ordering::Relaxed) }
    }

    /// The actor whose code is `wasm`.
    ///
    /// # Errors
    /// When `wasm` is not what the VM runs, cannot be compiled, or is larger than an instance may be; a
    /// [`NodeFailure`] when this machine fails.
    pub(super) fn compile(&self, wasm: &[u8]) -> anyhow::Result<Prepared> {
        let Some((cache, keys)) = &self.cache else { return self.make(wasm).map(|(prepared, _)| prepared) };
        let key = keys.key(wasm);
        if let Some(prepared) = self.find(cache, key) {
            return Ok(prepared);
        }
        let _turn = cache.turn(key);
        // Whoever had the turn before may have made it.
        if let Some(prepared) = self.find(cache, key) {
            return Ok(prepared);
        }
        let (prepared, compiled) = self.make(wasm)?;
        cache.store(key, &compiled);
        Ok(prepared)
    }

    fn find(&self, cache: &Cache, key: Key) -> Option<Prepared> {
        let compiled = cache.load(key)?;
        // SAFETY: the cache gives what a process of this user has stored there under this key, unchanged: it comes out
        // of `make` below, for a wasmtime of this version and configuration on a processor with these features.
        match unsafe { self.revive(&compiled.code, &compiled.added) } {
            Ok(prepared) => {
                self.loaded.fetch_add(1, Ordering::Relaxed);
                Some(prepared)
            }
            Err(error) => {
                cache.discard(key, &error);
                None
            }
        }
    }

    /// Compiles. The module is made of the code that is kept, so it is the same one later.
    fn make(&self, wasm: &[u8]) -> anyhow::Result<(Prepared, Compiled)> {
        let instrumented = instrument(&self.engine, &self.config, wasm)?;
        let code = self
            .engine
            .precompile_module(&instrumented.wasm)
            .map_err(classify)
            .context("compiling the actor's wasm")?;
        // SAFETY: this is what wasmtime has just compiled.
        let prepared = unsafe { self.revive(&code, &instrumented.added) }?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        Ok((prepared, Compiled { code, added: instrumented.added }))
    }

    /// The actor with this code.
    ///
    /// # Safety
    /// `code` must be what an equal wasmtime has compiled: it will be run.
    unsafe fn revive(&self, code: &[u8], added: &AddedExports) -> anyhow::Result<Prepared> {
        // SAFETY: as our caller says.
        let module = unsafe { Module::deserialize(&self.engine, code) };
        Prepared::of(module.map_err(classify).context("loading the compiled actor")?, added)
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
    use fvm::machine::NetworkConfig;
    use fvm_shared::version::NetworkVersion;

    fn compiler(directory: &Path) -> Compiler {
        let config = EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29));
        Compiler::new(Engine::default(), config, Some(directory))
    }

    #[test]
    fn code_that_wasmtime_does_not_know_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let wasm = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "invoke")))"#).unwrap();
        let first = compiler(home.path());
        let (cache, keys) = first.cache.as_ref().unwrap();
        let nonsense = Compiled { code: b"as written, but no code".to_vec(), added: AddedExports::default() };
        cache.store(keys.key(&wasm), &nonsense);
        for expected in [ModuleCounts { compiled: 1, loaded: 0 }, ModuleCounts { compiled: 0, loaded: 1 }] {
            let compiler = compiler(home.path());
            let prepared = compiler.compile(&wasm).unwrap();
            assert!(prepared.gas.is_some() && prepared.invoke.is_some() && prepared.start.is_none());
            assert_eq!(prepared.memory_bytes, Some(0x1_0000));
            assert_eq!(compiler.counts(), expected);
        }
    }

    #[test]
    fn wasm_that_does_not_compile_is_not_this_nodes_fault() {
        let home = tempfile::tempdir().unwrap();
        let compiler = compiler(home.path());
        let error = compiler.compile(b"no wasm").map(drop).unwrap_err();
        assert!(!error.is::<NodeFailure>());
        assert_eq!(compiler.counts(), ModuleCounts::default());
        let failure = classify(rustix::io::Errno::NOMEM.into()).context("somewhere");
        assert!(failure.is::<NodeFailure>());
    }
}
