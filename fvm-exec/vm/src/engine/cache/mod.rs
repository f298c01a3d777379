//! Compiled actors on disk, so that a process need not compile what one before it has.
//!
//! ```text
//! <directory>            0700, the user's own
//!   <key>.actor          key │ digest │ compiled code      (file.rs)
//!   <key>.<number>.new   one being written; renamed when it is whole
//!   turn                 locked by the process that compiles
//! ```
//!
//! The key is a hash of everything that the compiled code is a function of (key.rs). Whatever changes makes another key,
//! and the old file is never asked for again.
//!
//! Loading trusts the code to be what wasmtime wrote. Files are therefore read only when they belong to the user of
//! this process, nobody else can write to them or to their directory, and their digest is right. The digest is there
//! for broken disks; against somebody who can write as this user there is no defence, here or elsewhere.
//!
//! Nothing here can fail a caller: without a cache actors are compiled, as they are without a file.

mod file;
mod key;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};

pub(super) use file::Compiled;
pub(super) use key::{Key, Keys};

/// Bytes that a cache may hold. A chain's actors compile to about 10 MB.
const BYTES_MAX: u64 = 256 << 20;

/// How long to wait for another process to compile, which is longer than any actor takes. One that takes longer has
/// stopped, and is not waited for.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often to look whether it is done.
const TURN_POLL: Duration = Duration::from_millis(5);

/// Age at which a file that is still not whole is taken to be left over by a process that died.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3_600);

/// Bits of a mode that let others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

const ENDING: &str = "actor";
const ENDING_NEW: &str = "new";
const TURN: &str = "turn";

/// A directory of compiled actors. Several processes may have the same one.
pub(super) struct Cache {
    directory: PathBuf,
    /// Whose files are read: the user of this process.
    owner: u32,
    bytes_max: u64,
    written: AtomicU64,
}

/// The right to compile while other processes wait. Ends when dropped.
pub(super) struct Turn {
    _lock: Option<File>,
}

impl Cache {
    /// The cache in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be made, is not the user's own, or others can write to it.
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        Self::open_with(directory, BYTES_MAX)
    }

    fn open_with(directory: &Path, bytes_max: u64) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).context("making the directory")?;
        let owner = rustix::process::geteuid().as_raw();
        // The name itself, not where it leads: whoever owns a link decides where that is.
        let metadata = fs::symlink_metadata(directory).context("looking at the directory")?;
        ensure!(metadata.is_dir(), "not a directory");
        ensure!(metadata.uid() == owner, "the directory belongs to user {}, not to {owner}", metadata.uid());
        ensure!(
            metadata.mode() & WRITABLE_BY_OTHERS == 0,
            "others can write to the directory, whose mode is {:o}",
            metadata.mode() & 0o7777
        );
        Ok(Self { directory: directory.to_owned(), owner, bytes_max, written: AtomicU64::new(0) })
    }

    /// The code under `key`. One that is not as it was written is removed.
    pub(super) fn load(&self, key: Key) -> Option<Compiled> {
        match self.read(&self.path(key), key) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.discard(key, &error);
                None
            }
        }
    }

    fn read(&self, path: &Path, key: Key) -> anyhow::Result<Option<Compiled>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.context("opening it")?,
        };
        let metadata = file.metadata().context("looking at it")?;
        ensure!(metadata.is_file(), "it is no file");
        ensure!(metadata.uid() == self.owner, "it belongs to user {}", metadata.uid());
        ensure!(metadata.mode() & WRITABLE_BY_OTHERS == 0, "others can write to it");
        ensure!(metadata.len() <= self.bytes_max, "it has {} bytes", metadata.len());
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len())?);
        file.read_to_end(&mut bytes).context("reading it")?;
        let compiled = file::decode(key, bytes)?;
        // What is used stays longest. It does not matter when this fails.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(compiled))
    }

    /// Keeps `compiled` under `key`, and removes the oldest of what is too much then.
    pub(super) fn store(&self, key: Key, compiled: &Compiled) {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(format!("{}.{}-{number}.{ENDING_NEW}", key.name(), std::process::id()));
        let result = self.write(&temporary, key, compiled).and_then(|()| self.trim());
        if let Err(error) = result {
            // It may not exist.
            let _ = fs::remove_file(&temporary);
            self.warn(key, "a compiled actor cannot be kept", &error);
        }
    }

    fn write(&self, temporary: &Path, key: Key, compiled: &Compiled) -> anyhow::Result<()> {
        let bytes = file::encode(key, compiled)?;
        let length = bytes.len() as u64;
        ensure!(length <= self.bytes_max, "it has {length} bytes, more than the cache may hold");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(&bytes)?;
        // Whole before it has its name, and its name before anyone relies on it.
        file.sync_all()?;
        fs::rename(temporary, self.path(key))?;
        File::open(&self.directory)?.sync_all()?;
        Ok(())
    }

    /// Removes the code under `key`, for this reason.
    pub(super) fn discard(&self, key: Key, reason: &anyhow::Error) {
        self.warn(key, "a compiled actor is not as it was written, and is removed", reason);
        // When it cannot be removed it will be found again, and ignored again.
        let _ = fs::remove_file(self.path(key));
    }

    fn warn(&self, key: Key, what: &str, error: &anyhow::Error) {
        tracing::warn!(directory = %self.directory.display(), key = %key.name(), reason = %format!("{error:#}"), "{what}");
    }

    /// Removes the oldest files until the rest is not too much, and what dead processes have left.
    fn trim(&self) -> anyhow::Result<()> {
        let now = SystemTime::now();
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Other processes remove files too.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let modified = metadata.modified()?;
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(ENDING) => kept.push((modified, metadata.len(), path)),
                Some(ENDING_NEW) if now.duration_since(modified).is_ok_and(|age| age > LEFT_OVER_AFTER) => {
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        kept.sort();
        let mut bytes: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in kept {
            if bytes <= self.bytes_max {
                break;
            }
            let _ = fs::remove_file(path);
            bytes -= size;
        }
        Ok(())
    }

    /// Waits until no other process compiles, or one has made what `key` stands for.
    ///
    /// Processes that start together would else all compile the same. Who waited looks again before it compiles.
    pub(super) fn turn(&self, key: Key) -> Turn {
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.directory.join(TURN));
        let lock = lock.ok().filter(|lock| self.wait(lock, key));
        Turn { _lock: lock }
    }

    /// Whether the lock was got.
    fn wait(&self, lock: &File, key: Key) -> bool {
        let begin = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return true,
                Err(TryLockError::Error(_)) => return false,
                Err(TryLockError::WouldBlock) => {}
            }
            if begin.elapsed() > TURN_WAIT_MAX || self.path(key).exists() {
                return false;
            }
            std::thread::sleep(TURN_POLL);
        }
    }

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(format!("{}.{ENDING}", key.name()))
    }
}

#[cfg(test)]
mod tests;
