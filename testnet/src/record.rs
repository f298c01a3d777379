//! Processes as another program finds them again: by pid and start time, since a pid alone may have been reused.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::process::{POLL, ProcessError};

/// A process as it can be found again later: the pid alone may have been reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Name in messages.
    pub name: String,
    /// Process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot, as `/proc/<pid>/stat` says.
    pub started_ticks: u64,
}

impl ProcessRecord {
    /// The running process this names; `None` when it is gone or another process has its pid now.
    pub fn find(&self) -> Option<Pid> {
        let pid = Pid::from_raw(self.pid);
        (self.pid > 1 && started_ticks(pid) == Some(self.started_ticks)).then_some(pid)
    }

    /// This process.
    ///
    /// # Errors
    /// When the system does not say when it started.
    pub fn own(name: &str) -> Result<Self, ProcessError> {
        let pid = Pid::this();
        let started_ticks = started_ticks(pid).ok_or_else(|| ProcessError::System {
            action: "read the start time of",
            name: format!("{name} (pid {pid})"),
            reason: "/proc does not have it".to_owned(),
        })?;
        Ok(Self { name: name.to_owned(), pid: pid.as_raw(), started_ticks })
    }

    /// Ends the process this names: asks first, and kills it after `patience`. Returns whether there was one.
    ///
    /// # Errors
    /// When the process is there but cannot be signalled.
    pub fn end(&self, patience: Duration) -> Result<bool, ProcessError> {
        let refused = |action, error: nix::Error| ProcessError::System {
            action,
            name: format!("{} (pid {})", self.name, self.pid),
            reason: error.to_string(),
        };
        let Some(pid) = self.find().filter(|_| self.is_alive()) else { return Ok(false) };
        kill(pid, Signal::SIGTERM).map_err(|error| refused("end", error))?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && self.is_alive() {
            std::thread::sleep(POLL);
        }
        if self.is_alive() {
            kill(pid, Signal::SIGKILL).map_err(|error| refused("kill", error))?;
        }
        Ok(true)
    }

    /// Whether the process this names still runs. One that ended is no longer alive, even before its parent waits for it.
    pub fn is_alive(&self) -> bool {
        let Some(pid) = self.find() else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_ended = |after_name: &str| after_name.trim_start().starts_with(['Z', 'X']);
        // The first thread may be done with before the others, which hold the process's files and ports until they are.
        !stat.rsplit_once(')').is_some_and(|(_, after_name)| is_ended(after_name)) || threads(pid) > 1
    }
}

/// Threads of a process that are not gone yet, the first one included; zero when there is no such process.
fn threads(pid: Pid) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// When a process started, in clock ticks since boot; `None` when there is no such process.
pub fn started_ticks(pid: Pid) -> Option<u64> {
    parse_started_ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

// Field 22 of the line. The second field is the program's name in brackets and may itself hold spaces and brackets,
// so counting starts after the last bracket.
fn parse_started_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, Program};

    #[test]
    fn a_reused_pid_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Process::new(Program {
            name: "sleeper".to_owned(),
            path: "/bin/sleep".into(),
            arguments: vec!["60".to_owned()],
            environment: vec![],
            log: folder.path().join("sleeper.log"),
        });
        process.start().expect("starts");
        let record = process.record().expect("runs");
        let other = ProcessRecord { started_ticks: record.started_ticks + 1, ..record.clone() };
        assert!(!other.end(Duration::ZERO).expect("nothing to do"));
        process.check().expect("still runs");
        let nobody = ProcessRecord { pid: -1, ..record.clone() };
        assert!(!nobody.end(Duration::ZERO).expect("nothing to do"));
        assert!(record.end(Duration::from_secs(5)).expect("ends"));
        assert!(!process.is_running());
    }

    #[test]
    fn start_time_is_read_behind_any_program_name() {
        let fields = (4..=30).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse_started_ticks(&format!("77 (a) b) (c) S {fields}")), Some(22));
        assert_eq!(parse_started_ticks("77 no brackets"), None);
    }
}
