//! `bundle.toml`: what the bundle was built from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::sources::{BUNDLE_PACKAGES, SourcesError, locked_dependencies, sources_digest, used_dependencies};

/// What the bundle holds and what it was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// CID of the manifest.
    pub manifest: String,
    /// Digest of the actors' sources, in hexadecimal.
    pub sources: String,
    /// Compiler and linker.
    pub toolchain: String,
    /// Packages from the registry that are in the code: name, version and checksum.
    pub dependencies: Vec<String>,
    /// The actors in the order of type numbers.
    pub actors: Vec<RecordedActor>,
}

/// One actor of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedActor {
    /// Name in the manifest.
    pub name: String,
    /// CID of the code.
    pub code: String,
    /// Size of the code.
    pub bytes: usize,
}

/// How the bundle disagrees with the sources next to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Record and CAR are not of one build.
    #[error("bundle.toml describes manifest {recorded}, bundle.car holds {actual}")]
    Car {
        /// In the record.
        recorded: String,
        /// In the CAR.
        actual: String,
    },
    /// An actor's code is not the recorded one.
    #[error("actor {name}: bundle.toml says {recorded:?}, bundle.car holds {actual:?}")]
    Actor {
        /// Which.
        name: String,
        /// In the record.
        recorded: Option<RecordedActor>,
        /// In the CAR.
        actual: Option<RecordedActor>,
    },
    /// Sources changed since.
    #[error("the actors' sources have digest {actual}, the bundle was built from {recorded}")]
    Sources {
        /// In the record.
        recorded: String,
        /// Of the sources.
        actual: String,
    },
    /// A package changed its version since.
    #[error("the bundle was built with {dependency}, which Cargo.lock no longer has")]
    Dependency {
        /// Name, version and checksum.
        dependency: String,
    },
}

impl Record {
    /// The record of `archive`, built from the sources in `root` with `toolchain`. `packages` lists all packages in
    /// the code, one `name version` each; those that are not from the registry count as sources.
    ///
    /// # Errors
    /// When sources or Cargo.lock cannot be read.
    pub fn new(archive: &Archive, root: &Path, toolchain: &str, packages: &[String]) -> Result<Self, SourcesError> {
        Ok(Self {
            manifest: archive.manifest.to_string(),
            sources: sources_digest(root, &BUNDLE_PACKAGES)?.to_string(),
            toolchain: toolchain.to_owned(),
            dependencies: used_dependencies(root, packages)?,
            actors: recorded_actors(archive),
        })
    }

    /// All that `archive` and the sources in `root` have otherwise than this record; nothing when the bundle is fresh.
    ///
    /// # Errors
    /// When sources or Cargo.lock cannot be read.
    pub fn mismatches(&self, archive: &Archive, root: &Path) -> Result<Vec<Mismatch>, SourcesError> {
        let mut found = Vec::new();
        let actual = archive.manifest.to_string();
        if actual != self.manifest {
            found.push(Mismatch::Car { recorded: self.manifest.clone(), actual });
        }
        let actors = recorded_actors(archive);
        for index in 0..actors.len().max(self.actors.len()) {
            let (recorded, actual) = (self.actors.get(index).cloned(), actors.get(index).cloned());
            if recorded != actual {
                let name = actual.as_ref().or(recorded.as_ref()).map_or_else(String::new, |actor| actor.name.clone());
                found.push(Mismatch::Actor { name, recorded, actual });
            }
        }
        let actual = sources_digest(root, &BUNDLE_PACKAGES)?.to_string();
        if actual != self.sources {
            found.push(Mismatch::Sources { recorded: self.sources.clone(), actual });
        }
        let locked = locked_dependencies(root)?;
        let gone = self.dependencies.iter().filter(|dependency| !locked.contains(*dependency));
        found.extend(gone.map(|dependency| Mismatch::Dependency { dependency: dependency.clone() }));
        Ok(found)
    }
}

fn recorded_actors(archive: &Archive) -> Vec<RecordedActor> {
    let record = |(name, code): &(String, cid::Cid)| RecordedActor {
        name: name.clone(),
        code: code.to_string(),
        bytes: archive.blocks.get(code).map_or(0, Vec::len),
    };
    archive.actors.iter().map(record).collect()
}
