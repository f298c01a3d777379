//! What compiled code is a function of.
//!
//! ```text
//! wasmtime          its version, its configuration, and the features of this processor: its own hash of them
//! instrumentation   the prices and the limit of the stack, and what it makes of a module with something of everything
//! wasm              as it lies in the store
//! ```
//!
//! Instrumenting takes six times as long as all else about loading, so it is not done to compute a key.

use std::hash::{Hash, Hasher};

use blake2b_simd::{Params, State};
use fvm::engine::EngineConfig;

use crate::engine::instrument::{PROBE, instrument};

/// Names the code of one actor for one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Key(pub(super) [u8; 32]);

impl Key {
    pub(super) fn name(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The keys of one engine.
pub(in crate::engine) struct Keys {
    /// Of everything but the wasm.
    engine: Blake,
}

impl Keys {
    /// The keys of code that `engine` compiles, instrumented as `config` says.
    ///
    /// # Errors
    /// When `config` has no price for a common instruction.
    pub(in crate::engine) fn of(engine: &wasmtime::Engine, config: &EngineConfig) -> anyhow::Result<Self> {
        let probed = instrument(engine, config, PROBE)?.wasm;
        Ok(Self::over(engine, &format!("{:?}", config.wasm_prices), config.max_wasm_stack, &probed))
    }

    fn over(engine: &wasmtime::Engine, prices: &str, max_wasm_stack: u32, probed: &[u8]) -> Self {
        let mut hasher = Blake(Params::new().hash_length(32).personal(b"compiled actor 1").to_state());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.part(prices.as_bytes());
        hasher.part(&max_wasm_stack.to_le_bytes());
        hasher.part(probed);
        Self { engine: hasher }
    }

    /// The key of the actor whose code is `wasm`.
    pub(in crate::engine) fn key(&self, wasm: &[u8]) -> Key {
        let mut hasher = self.engine.clone();
        hasher.part(wasm);
        Key(digest_of(&hasher.0))
    }
}

/// A hasher of the standard library's kind that keeps all it is told.
#[derive(Clone)]
struct Blake(State);

impl Blake {
    /// Bytes that do not run into what comes next.
    fn part(&mut self, bytes: &[u8]) {
        self.write_u64(bytes.len() as u64);
        self.write(bytes);
    }
}

impl Hasher for Blake {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Sixty-four bits of it; nobody asks.
    fn finish(&self) -> u64 {
        self.0.finalize().as_bytes().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
    }
}

/// What a state with a digest of 32 bytes has come to.
pub(super) fn digest_of(state: &State) -> [u8; 32] {
    let hash = state.finalize();
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.as_bytes());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm::machine::NetworkConfig;
    use fvm_shared::version::NetworkVersion;

    fn engine(change: impl FnOnce(&mut wasmtime::Config)) -> wasmtime::Engine {
        let mut config = wasmtime::Config::new();
        change(&mut config);
        wasmtime::Engine::new(&config).unwrap()
    }

    #[test]
    fn key_depends_on_everything() {
        let key = |engine: &wasmtime::Engine, prices: &str, stack: u32, probed: &[u8], wasm: &[u8]| {
            Keys::over(engine, prices, stack, probed).key(wasm)
        };
        let plain = engine(|_| {});
        let nan = engine(|config| {
            config.cranelift_nan_canonicalization(true);
        });
        // Another processor: one of the same kind with nothing but what all of them have.
        let plainest = engine(|config| {
            config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
        });
        let keys = [
            key(&plain, "prices", 1, b"probed", b"wasm"),
            key(&nan, "prices", 1, b"probed", b"wasm"),
            key(&plainest, "prices", 1, b"probed", b"wasm"),
            key(&plain, "price", 1, b"probed", b"wasm"),
            key(&plain, "prices", 2, b"probed", b"wasm"),
            key(&plain, "prices", 1, b"probe", b"wasm"),
            key(&plain, "prices", 1, b"probed", b"wasn"),
            key(&plain, "prices", 1, b"probe", b"dwasm"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{index}");
        }
        assert_eq!(keys[0], key(&engine(|_| {}), "prices", 1, b"probed", b"wasm"));
    }

    #[test]
    fn engines_of_the_same_rules_have_the_same_keys() {
        let keys = |stack: u32| {
            let mut rules = EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29));
            rules.max_wasm_stack = stack;
            Keys::of(&engine(|_| {}), &rules).unwrap().key(b"wasm")
        };
        assert_eq!(keys(1_000), keys(1_000));
        assert_ne!(keys(1_000), keys(1_001));
    }
}
