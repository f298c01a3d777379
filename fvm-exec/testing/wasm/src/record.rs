//! `record.toml`: what the modules were built from.

use std::path::Path;

use actor_bundle::archive::code_cid;
use actor_bundle::sources::{SourcesError, locked_dependencies, sources_digest, used_dependencies};
use serde::{Deserialize, Serialize};

/// Folders of the packages that end up in the code.
const PACKAGES: [&str; 6] = [
    "fvm-exec/system-actors/actor-runtime",
    "fvm-exec/testing/cross-caller",
    "fvm-exec/testing/pool",
    "fvm-exec/testing/token",
    "gateway-actor/client",
    "proto/subnet-types",
];

/// What the modules were built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Digest of the actors' sources, in hexadecimal.
    pub sources: String,
    /// Compiler and linker.
    pub toolchain: String,
    /// Packages from the registry that are in the code: name, version and checksum.
    pub dependencies: Vec<String>,
    /// The modules by name.
    pub modules: Vec<RecordedModule>,
}

/// One module of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedModule {
    /// Name of its package.
    pub name: String,
    /// CID of the code block.
    pub code: String,
    /// Size of the code block.
    pub bytes: usize,
}

impl RecordedModule {
    /// What a record says of this code.
    pub fn of(name: &str, wasm: &[u8]) -> Self {
        Self { name: name.to_owned(), code: code_cid(wasm).to_string(), bytes: wasm.len() }
    }
}

impl Record {
    /// The record of `modules`, built from the sources in `root` with `toolchain`. `packages` lists all packages in the
    /// code, one `name version` each.
    ///
    /// # Errors
    /// When sources or Cargo.lock cannot be read.
    pub fn new(
        root: &Path,
        modules: Vec<RecordedModule>,
        toolchain: &str,
        packages: &[String],
    ) -> Result<Self, SourcesError> {
        Ok(Self {
            sources: sources_digest(root, &PACKAGES)?.to_string(),
            toolchain: toolchain.to_owned(),
            dependencies: used_dependencies(root, packages)?,
            modules,
        })
    }

    /// All that `modules` and the sources in `root` have otherwise than this record, each with what was compared;
    /// nothing when the modules are fresh.
    ///
    /// # Errors
    /// When sources or Cargo.lock cannot be read.
    pub fn mismatches(&self, root: &Path, modules: &[RecordedModule]) -> Result<Vec<String>, SourcesError> {
        let mut found = Vec::new();
        let sources = sources_digest(root, &PACKAGES)?.to_string();
        if sources != self.sources {
            found.push(format!("the sources have digest {sources}, the modules were built from {}", self.sources));
        }
        let locked = locked_dependencies(root)?;
        let gone = self.dependencies.iter().filter(|dependency| !locked.contains(*dependency));
        found.extend(gone.map(|dependency| format!("built with {dependency}, which Cargo.lock no longer has")));
        if modules != self.modules {
            found.push(format!("the modules are {modules:?}, recorded are {:?}", self.modules));
        }
        Ok(found)
    }
}
