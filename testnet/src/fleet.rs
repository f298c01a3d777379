//! All node processes of a launcher: started by name, watched together, ended together.
//!
//! Whoever starts a process must stay on the main thread (see [`Process::start`]); the fleet is shared by tasks of that
//! thread, never held across a pause.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::folder::Folder;
use crate::process::{Process, Program};

/// How often the processes are looked after.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// How long nodes get to end by themselves. Each closes its database and its write-ahead log.
const PATIENCE: Duration = Duration::from_secs(15);

/// The processes. Clones share them.
#[derive(Clone, Debug)]
pub struct Fleet {
    folder: Folder,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    processes: BTreeMap<String, Process>,
    memory_max: u64,
}

impl Inner {
    fn get(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        self.processes.get_mut(name).with_context(|| format!("there is no node {name}"))
    }

    fn look_at_memory(&mut self) {
        let peaks = self.processes.values().filter_map(|process| Some(process.memory()?.resident_max));
        self.memory_max = peaks.fold(self.memory_max, u64::max);
    }
}

impl Fleet {
    /// No processes yet; those to come are written down in `folder`.
    pub fn new(folder: Folder) -> Self {
        Self { folder, inner: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere must not keep the processes from being ended.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts a new process.
    ///
    /// # Errors
    /// When it cannot be started or written down.
    pub fn launch(&self, program: Program) -> anyhow::Result<()> {
        let name = program.name.clone();
        self.lock().processes.insert(name.clone(), Process::new(program));
        self.start(&name)
    }

    /// Starts a process again that was killed.
    ///
    /// # Errors
    /// When it cannot be started or written down.
    pub fn start(&self, name: &str) -> anyhow::Result<()> {
        self.lock().get(name)?.start()?;
        self.write_down()
    }

    /// Kills a process as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_hard(&self, name: &str) -> anyhow::Result<()> {
        let mut inner = self.lock();
        inner.look_at_memory();
        inner.get(name)?.kill_hard()?;
        drop(inner);
        self.write_down()
    }

    fn write_down(&self) -> anyhow::Result<()> {
        let nodes = self.lock().processes.values().filter_map(Process::record).collect();
        Ok(self.folder.write_run(nodes)?)
    }

    /// Returns only when a process ended that nobody asked to end.
    ///
    /// # Errors
    /// Always: with that process and the end of its log.
    pub async fn watch(&self) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let mut inner = self.lock();
            inner.look_at_memory();
            for process in inner.processes.values_mut().filter(|process| process.is_started()) {
                process.check()?;
            }
        }
    }

    /// The most memory that any of them ever had resident, in bytes.
    pub fn memory_max(&self) -> u64 {
        let mut inner = self.lock();
        inner.look_at_memory();
        inner.memory_max
    }

    /// Ends all processes: asks all, waits for all, kills what is left. Returns how many had to be killed.
    pub fn stop_all(&self) -> usize {
        let mut inner = self.lock();
        inner.look_at_memory();
        inner.processes.values().for_each(Process::ask_to_end);
        let deadline = Instant::now() + PATIENCE;
        let ended = inner.processes.values_mut().map(|process| process.finish(deadline));
        let killed = ended.flatten().filter(|status| std::os::unix::process::ExitStatusExt::signal(status) == Some(9));
        let killed = killed.count();
        inner.processes.clear();
        drop(inner);
        // The processes are gone; a file that cannot be removed misleads nobody, since their start times are in it.
        let _ = self.folder.remove_run();
        killed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Each process kills itself when dropped; asking all first lets them end side by side.
        self.processes.values().for_each(Process::ask_to_end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Folder, name: &str, script: &str) -> Program {
        Program {
            name: name.to_owned(),
            path: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![],
            log: folder.log(name),
        }
    }

    #[tokio::test]
    async fn a_node_that_ends_by_itself_is_noticed_and_one_that_was_killed_is_not() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path()).expect("opens");
        let fleet = Fleet::new(folder.clone());
        fleet.launch(program(&folder, "root-0", "exec sleep 60")).expect("starts");
        fleet.kill_hard("root-0").expect("is killed");
        assert!(fleet.memory_max() > 0);
        let quiet = tokio::time::timeout(Duration::from_millis(600), fleet.watch()).await;
        assert!(quiet.is_err(), "a node that is down on purpose is no alarm");
        fleet.start("root-0").expect("starts again");
        fleet.launch(program(&folder, "root-1", "echo disk full; exit 1")).expect("starts");
        let error = fleet.watch().await.expect_err("one ended").to_string();
        assert!(error.contains("root-1") && error.contains("disk full"), "{error}");
        assert_eq!(fleet.stop_all(), 0);
    }

    #[test]
    fn what_ignores_the_request_is_killed_with_the_others() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path()).expect("opens");
        let fleet = Fleet::new(folder.clone());
        fleet.launch(program(&folder, "root-0", "exec sleep 60")).expect("starts");
        let record = fleet.lock().get("root-0").expect("is there").record().expect("runs");
        assert!(fleet.kill_hard("root-9").is_err());
        drop(fleet);
        assert_eq!(record.find(), None);
    }
}
