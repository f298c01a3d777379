//! The launcher as its users run it: whatever ends it, and whenever, no process is left.
//!
//! Every scene runs in a folder of its own, on ports of its own, and ends its launcher when it is dropped; the nodes end
//! with that. Patience is generous, because nothing here is about speed.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use testnet::folder::Folder;
use testnet::process::{Process, Program, log_tail};
use testnet::record::{ProcessRecord, started_ticks};

const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

/// Exit code after Ctrl-C, as shells know it.
const INTERRUPTED: Option<i32> = Some(130);

const ONE_VALIDATOR: &str = r#"
[[chain]]
name = "root"
chain_id = 31415926
validators = 1

[[chain.account]]
name = "faucet"
balance_fil = 1000
"#;

/// A node whose every command says who it is and never ends.
const STUCK_NODE: &str = "#!/bin/sh\necho $$ > \"$0.pid\"\nexec sleep 3600\n";

/// A launcher at work. Dropped in this order, so that its folder outlives it.
struct Scene {
    launcher: Process,
    place: tempfile::TempDir,
}

impl Scene {
    fn start(command: &[&str], node: impl FnOnce(&Path) -> PathBuf) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let node = node(place.path());
        let mut arguments: Vec<String> = command.iter().map(|argument| (*argument).to_owned()).collect();
        if command == ["up"] {
            let topology = place.path().join("topology.toml");
            std::fs::write(&topology, ONE_VALIDATOR).expect("writes");
            arguments.push(topology.display().to_string());
        }
        let (folder, node) = (testnet_folder(place.path()), node.display().to_string());
        arguments.extend(["--json", "--dir", &folder, "--node", &node].map(str::to_owned));
        let mut launcher = Process::new(Program {
            name: "the launcher".to_owned(),
            path: env!("CARGO_BIN_EXE_testnet").into(),
            arguments,
            environment: vec![],
            log: place.path().join("launcher.log"),
        });
        launcher.start().expect("starts");
        Self { launcher, place }
    }

    fn folder(&self) -> Folder {
        Folder::open(Path::new(&testnet_folder(self.place.path()))).expect("opens")
    }

    /// Asks until `ask` brings something, as long as the launcher runs.
    fn until<T>(&mut self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask() {
                return found;
            }
            self.launcher.check().unwrap_or_else(|error| panic!("waiting for {what}: {error}"));
            assert!(Instant::now() < deadline, "{what} did not happen; {}", log_tail(self.launcher.log()));
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the launcher has printed an event that is `wanted`.
    fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let log = self.launcher.log().to_owned();
        self.until(what, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).find(|event| wanted(event))
        })
    }

    /// Waits until the launcher has printed its endpoints. Returns that of the one node, and the node's process.
    fn ready(&mut self) -> (SocketAddr, ProcessRecord) {
        let ready = self.event("the endpoints", |event| event["event"] == "ready");
        let rpc = ready["chains"][0]["nodes"][0]["rpc"].as_str().expect("an endpoint");
        let endpoint = rpc.trim_start_matches("http://").parse().expect("a socket address");
        let run = self.folder().read_run().expect("reads");
        let [node] = &run.nodes[..] else { panic!("one node was asked for: {run:?}") };
        assert!(node.is_alive() && TcpStream::connect(endpoint).is_ok(), "the node serves its endpoint");
        (endpoint, node.clone())
    }

    /// Waits until the stuck node's command runs.
    fn stuck(&mut self) -> ProcessRecord {
        let file = self.place.path().join("stuck-node.pid");
        self.until("a command of the launcher", || {
            let pid = Pid::from_raw(std::fs::read_to_string(&file).ok()?.trim().parse().ok()?);
            let started_ticks = started_ticks(pid)?;
            Some(ProcessRecord { name: "command".to_owned(), pid: pid.as_raw(), started_ticks })
        })
    }

    fn interrupt(&self) {
        let launcher = self.launcher.record().expect("runs");
        kill(Pid::from_raw(launcher.pid), Signal::SIGINT).expect("is ours");
    }

    fn down(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testnet"));
        command.args(["down", "--json", "--dir", &testnet_folder(self.place.path())]).output().expect("runs")
    }

    /// Waits until the launcher has ended by itself. Returns its exit code.
    fn ended(&mut self) -> Option<i32> {
        self.launcher.finish(Instant::now() + PATIENCE).expect("was started").code()
    }

    fn assert_nothing_is_written_down(&self) {
        let run = self.folder().read_run().expect("reads");
        assert!(run.launcher.is_none() && run.nodes.is_empty(), "{run:?}");
    }
}

fn testnet_folder(place: &Path) -> String {
    place.join("testnet").display().to_string()
}

/// The node beside the launcher, where one build puts both.
fn real_node(_place: &Path) -> PathBuf {
    let node = Path::new(env!("CARGO_BIN_EXE_testnet")).with_file_name("subnet-node");
    assert!(node.is_file(), "there is no {}: `make test` builds it with the tests", node.display());
    node
}

fn stuck_node(place: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = place.join("stuck-node");
    std::fs::write(&path, STUCK_NODE).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("is ours");
    path
}

/// Waits for the kernel to end what lost its launcher.
fn assert_ends(process: &ProcessRecord) {
    let deadline = Instant::now() + PATIENCE;
    while process.is_alive() {
        assert!(Instant::now() < deadline, "{process:?} outlived its launcher");
        std::thread::sleep(POLL);
    }
}

fn ended_by(down: &Output) -> Vec<Value> {
    assert!(down.status.success(), "{down:?}");
    let event: Value = serde_json::from_slice(&down.stdout).expect("one JSON object");
    event["ended"].as_array().expect("a list").clone()
}

#[test]
fn ctrl_c_ends_the_launcher_and_its_node() {
    let mut scene = Scene::start(&["up"], real_node);
    let (endpoint, node) = scene.ready();
    scene.interrupt();
    assert_eq!(scene.ended(), INTERRUPTED);
    assert!(!node.is_alive() && TcpStream::connect(endpoint).is_err());
    scene.assert_nothing_is_written_down();
}

#[test]
fn down_ends_the_launcher_and_its_node() {
    let mut scene = Scene::start(&["up"], real_node);
    let (endpoint, node) = scene.ready();
    assert_eq!(ended_by(&scene.down()), ["the launcher"]);
    assert!(!node.is_alive() && TcpStream::connect(endpoint).is_err());
    assert_eq!(scene.ended(), INTERRUPTED);
    scene.assert_nothing_is_written_down();
    assert_eq!(ended_by(&scene.down()), Vec::<Value>::new());
}

#[test]
fn a_node_does_not_survive_a_launcher_that_is_killed() {
    let mut scene = Scene::start(&["up"], real_node);
    let (endpoint, node) = scene.ready();
    scene.launcher.kill_hard().expect("is killed");
    assert_ends(&node);
    assert!(TcpStream::connect(endpoint).is_err());
    assert_eq!(ended_by(&scene.down()), Vec::<Value>::new());
    scene.assert_nothing_is_written_down();
}

#[test]
fn down_ends_a_launcher_that_is_still_setting_up() {
    let mut scene = Scene::start(&["up"], stuck_node);
    let command = scene.stuck();
    assert_eq!(ended_by(&scene.down()), ["the launcher"]);
    assert_eq!(scene.ended(), INTERRUPTED);
    assert_ends(&command);
    scene.assert_nothing_is_written_down();
}

#[test]
fn a_command_does_not_survive_a_launcher_that_is_killed() {
    let mut scene = Scene::start(&["up"], stuck_node);
    let command = scene.stuck();
    scene.launcher.kill_hard().expect("is killed");
    assert_ends(&command);
}

#[test]
fn ctrl_c_during_the_demo_leaves_a_report_and_no_process() {
    let mut scene = Scene::start(&["demo"], real_node);
    let is_up = |event: &Value| event["step"].as_str().is_some_and(|step| step.ends_with("validators up"));
    scene.event("the root", is_up);
    let nodes = scene.folder().read_run().expect("reads").nodes;
    assert!(nodes.len() >= 4 && nodes.iter().all(ProcessRecord::is_alive), "{nodes:?}");
    scene.interrupt();
    assert_eq!(scene.ended(), INTERRUPTED);
    assert!(!nodes.iter().any(ProcessRecord::is_alive), "{nodes:?}");
    scene.assert_nothing_is_written_down();

    let report = std::fs::read(scene.folder().report()).expect("is written");
    let report: Value = serde_json::from_slice(&report).expect("parses");
    assert_eq!(report["ok"], false);
    let steps = report["steps"].as_array().expect("a list");
    assert!(steps.iter().any(is_up), "what was done is told: {steps:?}");
    assert!(steps.iter().any(|step| step["outcome"] == "not finished"), "and what was not: {steps:?}");
    for figure in ["memory_mb_max", "node_start_ms_max"] {
        assert!(report[figure].as_u64().is_some_and(|value| value > 0), "{figure} is {}", report[figure]);
    }
}
