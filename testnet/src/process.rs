//! One child process: started so that it cannot outlive the launcher, watched, killed and started again.
//!
//! Two nets under every node: `Drop` kills what is left, and the kernel kills the node when the launcher dies without
//! running `Drop` (kill −9). A node has its own process group, so that Ctrl-C on the terminal reaches only the
//! launcher, which then ends the nodes in order.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::record::{ProcessRecord, started_ticks};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

/// How often a process that was asked to end is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name in messages, for instance `child-2`.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to the launcher's own environment.
    pub environment: Vec<(String, String)>,
    /// Where standard output and error go, appended.
    pub log: PathBuf,
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub resident_max: u64,
}

/// Why a process could not be started, watched or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It did not start.
    #[error("cannot start {name} ({path}): {reason}")]
    Start {
        /// Which.
        name: String,
        /// The executable.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It ended although nobody asked it to.
    #[error("{name} ended by itself with {status}; its log {log} ends with:\n{tail}")]
    Ended {
        /// Which.
        name: String,
        /// Exit code or signal.
        status: String,
        /// Its log file.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It is not running where it has to.
    #[error("{name} is not running")]
    NotRunning {
        /// Which.
        name: String,
    },
    /// The system refused to tell or to signal.
    #[error("cannot {action} {name}: {reason}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Which process.
        name: String,
        /// What the system said.
        reason: String,
    },
}

/// A program and, while it runs, its process.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Option<Child>,
}

impl Process {
    /// A process that is not started yet.
    pub fn new(program: Program) -> Self {
        Self { program, child: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.program.log
    }

    /// Starts it, or starts it again after it ended.
    ///
    /// The kernel ends the process when the *thread* that calls this ends (see [`end_with_launcher`]).
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be run.
    pub fn start(&mut self) -> Result<(), ProcessError> {
        debug_assert!(self.child.is_none(), "{} runs already", self.program.name);
        let failed = |error: io::Error| ProcessError::Start {
            name: self.program.name.clone(),
            path: self.program.path.display().to_string(),
            reason: error.to_string(),
        };
        let log = open_log(&self.program.log).map_err(failed)?;
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.arguments)
            .envs(self.program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        end_with_launcher(&mut command);
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Whether it was started, and not ended by the launcher since.
    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Checks that a started process still runs.
    ///
    /// # Errors
    /// With the end of its log when it ended by itself.
    pub fn check(&mut self) -> Result<(), ProcessError> {
        let name = self.program.name.clone();
        let child = self.child.as_mut().ok_or(ProcessError::NotRunning { name: name.clone() })?;
        let status = child.try_wait().map_err(|error| ProcessError::System {
            action: "look at",
            name: name.clone(),
            reason: error.to_string(),
        })?;
        match status {
            None => Ok(()),
            Some(status) => Err(ProcessError::Ended {
                name,
                status: status.to_string(),
                log: self.program.log.display().to_string(),
                tail: log_tail(&self.program.log),
            }),
        }
    }

    /// How to find the process again from another program.
    pub fn record(&self) -> Option<ProcessRecord> {
        let pid = self.pid()?;
        let started_ticks = started_ticks(pid)?;
        Some(ProcessRecord { name: self.program.name.clone(), pid: pid.as_raw(), started_ticks })
    }

    /// Memory it uses and used at most; `None` when it does not run.
    pub fn memory(&self) -> Option<Memory> {
        parse_memory(&std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?)
    }

    /// Kills it at once, as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run or cannot be signalled.
    pub fn kill_hard(&mut self) -> Result<(), ProcessError> {
        let name = self.program.name.clone();
        let mut child = self.child.take().ok_or(ProcessError::NotRunning { name: name.clone() })?;
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|error| ProcessError::System { action: "kill", name, reason: error.to_string() })
    }

    /// Asks it to end. [`Self::finish`] waits for it.
    pub fn ask_to_end(&self) {
        if let Some(pid) = self.pid() {
            // A process that is gone already is what was wanted.
            let _ = kill(pid, Signal::SIGTERM);
        }
    }

    /// Waits until `deadline` for a process that was asked to end, then kills it. Returns how it ended; `None` when
    /// it did not run.
    pub fn finish(&mut self, deadline: Instant) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
                _ => {
                    let _ = child.kill();
                    return child.wait().ok();
                }
            }
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).map(Pid::from_raw)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Gives what `command` starts a process group of its own, so that Ctrl-C on the terminal is for the launcher alone, and
/// has the kernel kill it when the launcher dies.
///
/// To the kernel the launcher is the *thread* that starts the command, so start it from one that lives as long as the
/// process should: the main thread.
pub fn end_with_launcher(command: &mut Command) {
    command.process_group(0);
    let launcher = Pid::this();
    // SAFETY: between fork and exec only `prctl` and `getppid` run, both async-signal-safe and without allocation.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The launcher may have died before the line above; then nobody would ever end this process.
            if getppid() == launcher { Ok(()) } else { Err(io::Error::from_raw_os_error(nix::libc::ESRCH)) }
        });
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log, for an error message.
pub fn log_tail(path: &Path) -> String {
    const LINES: usize = 15;
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn parse_memory(status: &str) -> Option<Memory> {
    let kibibytes = |field: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: kibibytes("VmRSS:")?, resident_max: kibibytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path, script: &str) -> Process {
        Process::new(Program {
            name: "sleeper".to_owned(),
            path: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("GREETING".to_owned(), "hello".to_owned())],
            log: folder.join("logs/sleeper.log"),
        })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_killed_process_is_gone_and_starts_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = sleeper(folder.path(), "exec sleep 60");
        process.start().expect("starts");
        let first = process.record().expect("runs");
        assert_eq!(first.find().map(Pid::as_raw), Some(first.pid));
        process.kill_hard().expect("is killed");
        assert_eq!(first.find(), None);
        assert!(matches!(process.check(), Err(ProcessError::NotRunning { .. })));
        process.start().expect("starts again");
        process.check().expect("runs");
        assert!(process.memory().expect("runs").resident_max > 0);
    }

    #[test]
    fn a_dropped_process_does_not_survive() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = sleeper(folder.path(), "exec sleep 60");
        process.start().expect("starts");
        let record = process.record().expect("runs");
        drop(process);
        assert_eq!(record.find(), None);
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = sleeper(folder.path(), "trap '' TERM; echo ready; while :; do sleep 0.1; done");
        process.start().expect("starts");
        while !log_tail(process.log()).contains("ready") {
            assert!(process.is_running());
            std::thread::sleep(POLL);
        }
        process.ask_to_end();
        let status = process.finish(Instant::now() + Duration::from_millis(200)).expect("ran");
        assert!(!status.success());
        assert!(!process.is_running());
    }

    #[test]
    fn a_process_that_ends_by_itself_is_reported_with_its_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = sleeper(folder.path(), "echo $GREETING; exit 3");
        process.start().expect("starts");
        let deadline = soon();
        while process.is_running() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let error = process.check().expect_err("it ended").to_string();
        assert!(error.contains("hello") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = sleeper(folder.path(), "");
        process.program.path = "/nowhere/subnet-node".into();
        assert!(process.start().expect_err("there is none").to_string().contains("/nowhere/subnet-node"));
    }

    #[test]
    fn memory_of_half_a_status_is_none() {
        assert_eq!(parse_memory("VmRSS:\t   10 kB\n"), None);
        let memory = parse_memory("VmHWM:\t   20 kB\nVmRSS:\t   10 kB\n").expect("both fields");
        assert_eq!((memory.resident, memory.resident_max), (10 * 1024, 20 * 1024));
    }
}
