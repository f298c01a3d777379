//! Reading files whose paths come from people: regular files only, and no more of them than they may have.
//!
//! A named pipe would hold up whoever opens it until somebody writes, and a device never ends. Neither happens here:
//! what was opened is looked at before anything is read, and the reading stops one byte after the limit.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc::O_NONBLOCK;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A folder, a pipe, a device, a socket.
    #[error("it is {actual}, expected a regular file")]
    Kind {
        /// What it is.
        actual: &'static str,
    },
    /// More than whoever reads it can use.
    #[error("it has more than {max} bytes")]
    TooLarge {
        /// The most.
        max: usize,
    },
}

/// The content of a regular file that has at most `bytes_max` bytes.
///
/// # Errors
/// When there is none, it is something else, or it has more.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    // Without this flag, opening a named pipe waits for a writer. It changes nothing for a regular file.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    // Of the opened file, so that nobody can put another one in its place in between.
    if let Some(actual) = other_kind(&file)? {
        return Err(ReadError::Kind { actual });
    }
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(ReadError::TooLarge { max: bytes_max });
    }
    Ok(bytes)
}

/// What an opened file is when it is no regular one.
fn other_kind(file: &File) -> std::io::Result<Option<&'static str>> {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = file.metadata()?.file_type();
    Ok(match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() => Some("a named pipe"),
        () if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        () => Some("something else"),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Paths of what must not be read in place of a file: a named pipe that nobody writes to, a device without an end, a
    /// folder, and a file with one byte too many that takes no room on the disk.
    pub(crate) fn unfit(folder: &Path, bytes_max: usize) -> Vec<PathBuf> {
        let pipe = folder.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let giant = folder.join("giant");
        File::create(&giant).unwrap().set_len(bytes_max as u64 + 1).unwrap();
        vec![pipe, PathBuf::from("/dev/zero"), folder.to_owned(), giant]
    }

    #[test]
    fn only_regular_files_are_read_and_only_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [1, 2, 3]).unwrap();
        assert_eq!(read(&path, 3).unwrap(), [1, 2, 3]);
        assert!(matches!(read(&path, 2), Err(ReadError::TooLarge { max: 2 })));
        assert!(matches!(read(&folder.path().join("none"), 3), Err(ReadError::Io(_))));
        let reasons: Vec<String> =
            unfit(folder.path(), 3).iter().map(|path| read(path, 3).unwrap_err().to_string()).collect();
        let kind = |what: &str| format!("it is {what}, expected a regular file");
        let expected =
            [kind("a named pipe"), kind("a device"), kind("a folder"), "it has more than 3 bytes".to_owned()];
        assert_eq!(reasons, expected);
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        assert_eq!(read(&folder.path().join("link"), 3).unwrap(), [1, 2, 3], "a link to a file is one");
    }
}
