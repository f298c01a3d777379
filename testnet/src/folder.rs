//! The folder of one testnet: where everything lies, who works in it, and which processes were started from it.
//!
//! ```text
//! <folder>/report.json           figures of the last demo
//! <folder>/deep-report.json      figures of the last deep demo
//! <folder>/logs/<chain>-<n>.log  what each node printed
//! <folder>/nodes/<chain>-<n>/    each node's home
//! <folder>/accounts/<chain>/     keys of the named accounts
//! <folder>/run.json              the launcher at work and its nodes, for `down`
//! <folder>/lock                  held by the launcher at work
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::process::{POLL, ProcessError};
use crate::record::ProcessRecord;

/// How long `down` waits for a process that it asked to end, and for a launcher that has the lock to write itself down.
/// A launcher needs as long as its slowest node.
const PATIENCE: Duration = Duration::from_secs(20);

/// Name of the launcher in the run file.
const LAUNCHER: &str = "the launcher";

/// Bytes of a run file. One with every process of the largest topology stays far below.
const RUN_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a folder cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another launcher works in it.
    #[error("another testnet runs in {path}; `testnet down` ends it, `--dir` chooses another folder")]
    Busy {
        /// Which folder.
        path: String,
    },
    /// Somebody holds the lock who does not say who it is.
    #[error("somebody holds {path}/lock but is not in {path}/run.json; look for a testnet with `ps`")]
    Unknown {
        /// Which folder.
        path: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {reason}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The run file is not one.
    #[error("{path} does not list processes: {reason}; look for them with `ps`, then remove the file")]
    RunFile {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A process could not be ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The processes of a running testnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The launcher, which ends the nodes when it is asked to end.
    pub launcher: Option<ProcessRecord>,
    /// The nodes.
    pub nodes: Vec<ProcessRecord>,
}

/// Paths below one testnet's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// The right to work in a folder; given back when dropped, also by the kernel when the launcher dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: Flock<File>,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.display().to_string();
    move |error| FolderError::Io { action, path, reason: error.to_string() }
}

impl Folder {
    /// The folder at `root`, made absolute, because nodes get their paths on their command lines.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        std::fs::create_dir_all(root).map_err(io_error("create", root))?;
        let root = root.canonicalize().map_err(io_error("find", root))?;
        Ok(Self { root })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The report of the last demo.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.json")
    }

    /// The report of the last deep demo.
    pub fn deep_report(&self) -> PathBuf {
        self.root.join("deep-report.json")
    }

    /// All logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Log of node `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Home of node `name`.
    pub fn home(&self, name: &str) -> PathBuf {
        self.root.join("nodes").join(name)
    }

    /// Keys of the named accounts of a chain.
    pub fn accounts(&self, chain: &str) -> PathBuf {
        self.root.join("accounts").join(chain)
    }

    fn run_file(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// Takes the right to work here.
    ///
    /// # Errors
    /// When another launcher has it.
    pub fn lock(&self) -> Result<FolderLock, FolderError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(FolderLock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(FolderError::Busy { path: self.root.display().to_string() }),
            Err((_, error)) => Err(io_error("lock", &path)(error.into())),
        }
    }

    /// Removes what an earlier testnet left, but for its last report. The caller holds the lock.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn clear(&self, _lock: &FolderLock) -> Result<(), FolderError> {
        for part in ["logs", "nodes", "accounts"] {
            let path = self.root.join(part);
            match std::fs::remove_dir_all(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("remove", &path)(error)),
            }
        }
        Ok(())
    }

    /// Writes down this launcher and the nodes that it has started so far. The first time is before the first node, so
    /// that `down` finds a launcher that is still setting up.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_run(&self, nodes: Vec<ProcessRecord>) -> Result<(), FolderError> {
        self.replace_run(&RunFile { launcher: Some(ProcessRecord::own(LAUNCHER)?), nodes })
    }

    fn replace_run(&self, run: &RunFile) -> Result<(), FolderError> {
        let path = self.run_file();
        let partial = path.with_extension("partial");
        let text = serde_json::to_string_pretty(run).expect("names and numbers have a JSON form");
        std::fs::write(&partial, text).map_err(io_error("write", &partial))?;
        std::fs::rename(&partial, &path).map_err(io_error("write", &path))
    }

    /// Forgets the processes; they have ended.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove_run(&self) -> Result<(), FolderError> {
        let path = self.run_file();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// The processes that are written down.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_run(&self) -> Result<RunFile, FolderError> {
        let path = self.run_file();
        let wrong = |reason: String| FolderError::RunFile { path: path.display().to_string(), reason };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RunFile::default()),
            Err(error) => return Err(io_error("read", &path)(error)),
            Ok(found) if found.len() > RUN_FILE_BYTES_MAX => {
                return Err(wrong(format!("it has {} bytes, at most {RUN_FILE_BYTES_MAX} are allowed", found.len())));
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(&path).map_err(io_error("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// Ends the launcher at work and the processes that were written down, and nothing else. Returns the names of those
    /// that ran.
    ///
    /// It is done when nobody holds the lock: a launcher takes it before it does anything, and writes itself down next.
    ///
    /// # Errors
    /// When the file cannot be read, a process cannot be ended, or whoever holds the lock is not written down.
    pub fn end_all(&self) -> Result<Vec<String>, FolderError> {
        let deadline = Instant::now() + PATIENCE;
        let mut ended = self.end_written_down()?;
        let lock = loop {
            match self.lock() {
                Ok(lock) => break lock,
                Err(FolderError::Busy { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(POLL);
                    ended.extend(self.end_written_down()?);
                }
                Err(FolderError::Busy { path }) => return Err(FolderError::Unknown { path }),
                Err(error) => return Err(error),
            }
        };
        self.end_left(&lock)?;
        Ok(ended)
    }

    /// Ends what an earlier launcher left and forgets it. The caller holds the lock, so that launcher is gone.
    ///
    /// # Errors
    /// When the file cannot be read or removed or a process cannot be ended.
    pub fn end_left(&self, _lock: &FolderLock) -> Result<(), FolderError> {
        self.end_written_down()?;
        self.remove_run()
    }

    fn end_written_down(&self) -> Result<Vec<String>, FolderError> {
        let run = self.read_run()?;
        let mut ended = Vec::new();
        // The launcher first: it ends its nodes in order. What is left then lost its launcher.
        for record in run.launcher.iter().chain(&run.nodes) {
            if record.end(PATIENCE)? {
                ended.push(record.name.clone());
            }
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, Program};

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&place.path().join("testnet")).expect("opens");
        (place, folder)
    }

    #[test]
    fn two_launchers_cannot_work_in_one_folder() {
        let (_place, folder) = folder();
        let lock = folder.lock().expect("is free");
        let error = folder.lock().expect_err("is held").to_string();
        assert!(error.contains("testnet down"), "{error}");
        drop(lock);
        folder.lock().expect("is free again");
    }

    #[test]
    fn down_ends_what_was_written_down_and_forgets_it() {
        let (_place, folder) = folder();
        let mut process = Process::new(Program {
            name: "root-0".to_owned(),
            path: "/bin/sleep".into(),
            arguments: vec!["60".to_owned()],
            environment: vec![],
            log: folder.log("root-0"),
        });
        process.start().expect("starts");
        let record = process.record().expect("runs");
        let reused = ProcessRecord { name: "other".to_owned(), pid: std::process::id() as i32, started_ticks: 1 };
        folder.replace_run(&RunFile { launcher: None, nodes: vec![record, reused] }).expect("writes");
        assert_eq!(folder.end_all().expect("ends"), ["root-0"]);
        assert!(!process.is_running());
        assert_eq!(folder.end_all().expect("nothing is left"), Vec::<String>::new());
    }

    #[test]
    fn a_launcher_is_written_down_with_its_nodes() {
        let (_place, folder) = folder();
        folder.write_run(vec![]).expect("writes");
        let run = folder.read_run().expect("reads");
        let launcher = run.launcher.expect("is written down");
        assert_eq!((launcher.pid, run.nodes), (std::process::id() as i32, vec![]));
        assert!(launcher.is_alive());
    }

    #[test]
    fn down_waits_for_whoever_holds_the_lock() {
        let (_place, folder) = folder();
        let lock = folder.lock().expect("is free");
        let (seen, release) = std::sync::mpsc::channel();
        let other = folder.clone();
        let down = std::thread::spawn(move || {
            seen.send(()).expect("is heard");
            other.end_all()
        });
        release.recv().expect("it works");
        // A launcher between taking the lock and writing itself down, which goes away by itself.
        std::thread::sleep(POLL * 5);
        assert!(!down.is_finished(), "nothing is written down yet");
        drop(lock);
        assert_eq!(down.join().expect("no panic").expect("ends"), Vec::<String>::new());
    }

    #[test]
    fn a_run_file_of_garbage_is_refused_and_kept() {
        let (_place, folder) = folder();
        for garbage in ["", "[1, 2", "{\"nodes\": [{\"pid\": \"all\"}]}"] {
            std::fs::write(folder.run_file(), garbage).expect("writes");
            let error = folder.end_all().expect_err(garbage).to_string();
            assert!(error.contains("run.json"), "{error}");
            assert!(folder.run_file().exists());
        }
        std::fs::write(folder.run_file(), vec![b' '; RUN_FILE_BYTES_MAX as usize + 1]).expect("writes");
        assert!(matches!(folder.end_all(), Err(FolderError::RunFile { .. })));
    }

    #[test]
    fn clearing_keeps_the_report() {
        let (_place, folder) = folder();
        let lock = folder.lock().expect("is free");
        std::fs::write(folder.report(), "{}").expect("writes");
        std::fs::create_dir_all(folder.home("root-0")).expect("creates");
        folder.clear(&lock).expect("clears");
        assert!(folder.report().exists() && !folder.home("root-0").exists());
        folder.clear(&lock).expect("clears nothing");
    }
}
