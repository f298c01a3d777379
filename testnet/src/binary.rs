//! Finds the `subnet-node` program that the launcher starts.
//!
//! It lies beside the launcher, where one build puts both. `cargo run -p testnet` builds only the launcher, so when
//! cargo started it, cargo is asked for the node as well; that is quick when nothing changed and keeps an old node from
//! being run with a new launcher.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The node's file name.
const NAME: &str = "subnet-node";

/// Why there is no program to start.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It is not where it should be.
    #[error("there is no {path}; build it with `cargo build --release -p subnet-node`, or name it with `--node`")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// Cargo could not build it.
    #[error("cargo could not build subnet-node ({status}); its messages stand above")]
    Build {
        /// How cargo ended.
        status: String,
    },
}

/// The program to start: `chosen` where a person named one, otherwise the launcher's neighbour.
///
/// # Errors
/// When there is none, or cargo fails to build it.
pub fn find(chosen: Option<&Path>) -> Result<PathBuf, BinaryError> {
    if let Some(path) = chosen {
        return existing(path);
    }
    let launcher = std::env::current_exe().unwrap_or_default();
    let folder = launcher.parent().unwrap_or(Path::new(""));
    if let Some(cargo) = std::env::var_os("CARGO") {
        build(Path::new(&cargo), folder)?;
    }
    existing(&folder.join(NAME))
}

fn existing(path: &Path) -> Result<PathBuf, BinaryError> {
    match path.canonicalize() {
        Ok(found) if found.is_file() => Ok(found),
        _ => Err(BinaryError::Missing { path: path.display().to_string() }),
    }
}

fn build(cargo: &Path, folder: &Path) -> Result<(), BinaryError> {
    let failed = |status: String| BinaryError::Build { status };
    let mut command = Command::new(cargo);
    command.args(["build", "--package", NAME, "--bin", NAME]);
    if folder.file_name().is_some_and(|profile| profile == "release") {
        command.arg("--release");
    }
    if let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(manifest);
    }
    let status = command.status().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = find(Some(&folder.path().join(NAME))).expect_err("is not there").to_string();
        assert!(error.contains("subnet-node") && error.contains("--node"), "{error}");
        assert!(find(Some(folder.path())).is_err(), "a folder is no program");
    }

    #[test]
    fn a_chosen_program_is_found_by_its_full_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(NAME);
        std::fs::write(&path, "").expect("writes");
        assert_eq!(find(Some(&path)).expect("is there"), path.canonicalize().expect("is there"));
    }
}
