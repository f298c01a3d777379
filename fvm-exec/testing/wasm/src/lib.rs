//! The compiled actors of tests and benchmarks, and the record of what they were compiled from.
//!
//! They are built by `scripts/build-test-actors.sh` and kept in the repository, so that tests need no wasm toolchain. The
//! bundle does not have them: what uses them puts their code into a state, or into a bundle, itself.

pub mod record;

use actor_bundle::archive::code_cid;
use cid::Cid;

/// An actor's wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Name of its package.
    pub name: &'static str,
    /// The code block.
    pub wasm: &'static [u8],
}

impl Module {
    /// CID of the code block.
    pub fn code(&self) -> Cid {
        code_cid(self.wasm)
    }
}

/// The FRC-46 token.
pub const TOKEN: Module = Module { name: "token-actor", wasm: include_bytes!("../token-actor.wasm") };
/// The swap pool.
pub const POOL: Module = Module { name: "pool-actor", wasm: include_bytes!("../pool-actor.wasm") };
/// The caller and callee of calls between chains.
pub const CROSS_CALLER: Module = Module { name: "cross-caller", wasm: include_bytes!("../cross-caller.wasm") };
/// All of them.
pub const MODULES: [Module; 3] = [TOKEN, POOL, CROSS_CALLER];

/// The record that belongs to [`MODULES`], as TOML.
pub const RECORD: &str = include_str!("../record.toml");
