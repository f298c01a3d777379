//! Proofs as files: for a subnet whose nodes reach no parent node, and for operators who want to see what they bring.
//!
//! A file holds one parent update, in its canonical encoding. `subnet-node parent proof` writes one; a node reads those
//! in the folder `parent-proofs` of its home. They are verified as any other.

use std::path::{Path, PathBuf};

use subnet_types::ParentUpdate;
use subnet_types::block::decode_canonical;
use subnet_types::hash::encode;
use subnet_types::limits::BLOCK_INFO_BYTES_MAX;

use crate::regular::{self, ReadError};

/// How the names of proofs end.
pub const EXTENSION: &str = "proof";

/// Files that are looked at, the first by name.
pub const FILES_MAX: usize = 64;

/// Why a file brings no update.
#[derive(Debug, thiserror::Error)]
pub enum ProofFileError {
    /// The system.
    #[error("{path}: {reason}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// No regular file, or larger than any update may be.
    #[error("{path} is no proof: {reason}")]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ReadError,
    },
    /// It holds something else.
    #[error("{path} holds no parent update: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
}

/// Writes `update`, in place of what is there.
///
/// # Errors
/// What the system said.
pub fn write(path: &Path, update: &ParentUpdate) -> Result<usize, ProofFileError> {
    let bytes = encode(update);
    // A node may read the folder at any time, so the file appears whole or not at all.
    let partial = path.with_extension("partial");
    std::fs::write(&partial, &bytes).map_err(|error| io(&partial, &error))?;
    std::fs::rename(&partial, path).map_err(|error| io(path, &error))?;
    Ok(bytes.len())
}

/// Reads an update. Nothing of it is verified.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<ParentUpdate, ProofFileError> {
    let bytes = regular::read(path, BLOCK_INFO_BYTES_MAX).map_err(|error| match error {
        ReadError::Io(error) => io(path, &error),
        reason => ProofFileError::Unfit { path: path.to_owned(), reason },
    })?;
    decode_canonical(&bytes).map_err(|reason| ProofFileError::Malformed { path: path.to_owned(), reason })
}

/// The proofs in a folder, by name. None where there is no folder.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, ProofFileError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(folder, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    paths.truncate(FILES_MAX);
    Ok(paths)
}

fn io(path: &Path, error: &std::io::Error) -> ProofFileError {
    ProofFileError::Io { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::world::parent_update;

    #[test]
    fn proof_is_read_as_it_was_written_and_other_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let update = parent_update(60, vec![]);
        write(&path("b.proof"), &update).unwrap();
        assert_eq!(read(&path("b.proof")).unwrap(), update);
        std::fs::write(path("a.proof"), b"no proof").unwrap();
        std::fs::write(path("notes.txt"), b"no proof").unwrap();
        assert!(matches!(read(&path("a.proof")), Err(ProofFileError::Malformed { .. })));
        assert!(matches!(read(&path("c.proof")), Err(ProofFileError::Io { .. })));
        let other = tempfile::tempdir().unwrap();
        for unfit in regular::tests::unfit(other.path(), BLOCK_INFO_BYTES_MAX) {
            assert!(matches!(read(&unfit), Err(ProofFileError::Unfit { .. })), "{}", unfit.display());
        }
        assert_eq!(list(folder.path()).unwrap(), ["a.proof", "b.proof"].map(path));
        assert!(list(&path("nowhere")).unwrap().is_empty());
    }
}
