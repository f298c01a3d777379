//! The three things a person can ask for: a network that stays up, the demo, and the end of either.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::{self, Plan};
use crate::binary;
use crate::cli::{NodeCli, PASSWORD, PASSWORD_VARIABLE};
use crate::deep;
use crate::deep::report::DeepReport;
use crate::fleet::Fleet;
use crate::folder::{Folder, FolderLock};
use crate::network::{Additions, Network};
use crate::progress::{Progress, millis};
use crate::report::Report;
use crate::story;
use crate::topology::Topology;

/// Longest time that a benchmark takes, the ends of its nodes apart.
const BENCH_TIME_MAX: Duration = Duration::from_secs(285);

/// Where and how to work.
#[derive(Clone, Debug)]
pub struct Options {
    /// The testnet's folder.
    pub folder: PathBuf,
    /// The node's program; by default the launcher's neighbour.
    pub node: Option<PathBuf>,
    /// JSON lines instead of text.
    pub is_json: bool,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As asked.
    Done,
    /// By Ctrl-C or SIGTERM.
    Interrupted,
}

/// A launcher's stage: folder, processes and how to tell a person.
struct Stage {
    folder: Folder,
    _lock: FolderLock,
    fleet: Fleet,
    network: Network,
    progress: Progress,
}

impl Stage {
    fn set(options: &Options) -> anyhow::Result<Self> {
        let program = binary::find(options.node.as_deref())?;
        let folder = Folder::open(&options.folder)?;
        let lock = folder.lock()?;
        // A launcher that was killed left no process behind, but perhaps its list of them.
        folder.end_left(&lock)?;
        folder.write_run(vec![])?;
        folder.clear(&lock)?;
        let fleet = Fleet::new(folder.clone());
        let network = Network::new(folder.clone(), NodeCli::new(program), fleet.clone());
        Ok(Self { folder, _lock: lock, fleet, network, progress: Progress::new(options.is_json) })
    }

    /// Ends all nodes and says so.
    fn clear(&self) {
        let step = self.progress.step("all nodes ended");
        let killed = self.fleet.stop_all();
        step.done(&if killed == 0 { String::new() } else { format!("{killed} had to be killed") });
        self.progress.finish();
    }
}

/// Resolves at Ctrl-C or SIGTERM.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Starts a topology and keeps it running until it is asked to end.
///
/// # Errors
/// When something does not come up, or a node ends by itself.
pub async fn up(options: &Options, topology: &Topology) -> anyhow::Result<Ending> {
    let mut stage = Stage::set(options)?;
    let Stage { network, progress, fleet, folder, .. } = &mut stage;
    let run = async {
        network.start(topology, &Additions::default(), progress).await?;
        announce(network, progress, folder);
        std::future::pending::<anyhow::Result<()>>().await
    };
    let ending = tokio::select! {
        outcome = run => outcome.map(|()| Ending::Done),
        outcome = fleet.watch() => outcome.map(|()| Ending::Done),
        outcome = interrupted() => outcome.map(|()| Ending::Interrupted),
    };
    stage.clear();
    ending
}

/// Plays the demo, then ends everything. The report is written however it ends.
///
/// # Errors
/// With the first expectation that was missed.
pub async fn demo(options: &Options, topology: &Topology, transfers: usize) -> anyhow::Result<Ending> {
    let mut stage = Stage::set(options)?;
    let mut report = Report::default();
    // Whoever looks at the report while the demo runs, or after it was killed, must not see an older one's success.
    report.write(&stage.folder.report()).context("writing the report")?;
    let Stage { network, progress, fleet, .. } = &mut stage;
    let ending = tokio::select! {
        outcome = story::play(network, topology, transfers, progress, &mut report) => outcome.map(|()| Ending::Done),
        outcome = fleet.watch() => outcome.map(|()| Ending::Done),
        outcome = interrupted() => outcome.map(|()| Ending::Interrupted),
    };
    report.ok = matches!(ending, Ok(Ending::Done)) && report.supply.conserved && report.state_roots_agree;
    report.memory_mb_max = Some(stage.fleet.memory_max().div_ceil(1_000_000));
    report.node_start_ms_max = stage.network.start_max().map(millis);
    stage.clear();
    report.steps = stage.progress.steps();
    report.write(&stage.folder.report()).context("writing the report")?;
    summarize(&stage.progress, &stage.folder, &report);
    ending
}

/// Plays the deep demo, then ends everything. The report is written however it ends.
///
/// # Errors
/// With what went wrong first.
pub async fn demo_deep(options: &Options, topology: &Topology) -> anyhow::Result<Ending> {
    let mut stage = Stage::set(options)?;
    let mut report = DeepReport::default();
    // As for the demo: nobody must see an older one's success.
    report.write(&stage.folder.deep_report()).context("writing the report")?;
    let Stage { network, progress, fleet, .. } = &mut stage;
    let ending = tokio::select! {
        outcome = deep::play(network, topology, progress, &mut report) => outcome.map(|()| Ending::Done),
        outcome = fleet.watch() => outcome.map(|()| Ending::Done),
        outcome = interrupted() => outcome.map(|()| Ending::Interrupted),
    };
    report.ok = report.ok && matches!(ending, Ok(Ending::Done));
    report.memory_mb_max = Some(stage.fleet.memory_max().div_ceil(1_000_000));
    stage.clear();
    report.steps = stage.progress.steps();
    report.write(&stage.folder.deep_report()).context("writing the report")?;
    summarize_deep(&stage.progress, &stage.folder, &report);
    ending
}

fn summarize_deep(progress: &Progress, folder: &Folder, report: &DeepReport) {
    progress.emit(&json!({ "event": "report", "report": report }));
    if progress.is_json() {
        return;
    }
    progress.say("");
    for route in &report.routes {
        progress.say(&format!("  {} {}", if route.ok { "✓" } else { "✗" }, route.line()));
    }
    for call in &report.one_hop_calls {
        let took = call.receipt_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
        progress.say(&format!("  call to {}: receipt after {took}, goal {} ms", call.route, call.goal_ms));
    }
    let verdict = if report.ok { "ok" } else { "NOT OK" };
    progress.say(&format!("{verdict}: {}", shown(&folder.deep_report())));
}

/// Measures what a chain does, on one chain after another, and writes the figures to `out` when all of them are there.
///
/// # Errors
/// With the first expectation that was missed, or when it takes longer than [`BENCH_TIME_MAX`].
pub async fn bench(options: &Options, plan: &Plan, out: &Path) -> anyhow::Result<Ending> {
    let (deadline, mut figures) = (Instant::now() + BENCH_TIME_MAX, Vec::new());
    for lanes in &plan.lanes {
        let mut stage = Stage::set(options)?;
        let Stage { network, progress, fleet, .. } = &mut stage;
        let ending = tokio::select! {
            outcome = bench::run(network, plan, *lanes, progress) => outcome.map(|measured| {
                figures.extend(measured);
                Ending::Done
            }),
            outcome = fleet.watch() => outcome.map(|()| Ending::Done),
            outcome = interrupted() => outcome.map(|()| Ending::Interrupted),
            () = tokio::time::sleep_until(deadline.into()) => {
                Err(anyhow::anyhow!("the benchmark takes longer than {} s", BENCH_TIME_MAX.as_secs()))
            }
        };
        stage.clear();
        if ending? == Ending::Interrupted {
            return Ok(Ending::Interrupted);
        }
    }
    bench::figures::write(&figures, out).with_context(|| format!("writing {}", out.display()))?;
    let progress = Progress::new(options.is_json);
    progress.emit(&json!({ "event": "figures", "figures": figures }));
    if !progress.is_json() {
        progress.say(&bench::figures::table(&figures));
        progress.say(&shown(&out.canonicalize()?));
    }
    progress.finish();
    Ok(Ending::Done)
}

/// Ends the processes of a testnet that was started from the folder, and nothing else.
///
/// # Errors
/// When the list of processes cannot be read or one cannot be ended.
pub fn down(options: &Options) -> anyhow::Result<()> {
    let progress = Progress::new(options.is_json);
    let ended = Folder::open(&options.folder)?.end_all()?;
    progress.emit(&json!({ "event": "down", "ended": ended }));
    if !progress.is_json() {
        let said = if ended.is_empty() { "nothing ran".to_owned() } else { format!("ended: {}", ended.join(", ")) };
        progress.say(&said);
    }
    progress.finish();
    Ok(())
}

fn announce(network: &Network, progress: &Progress, folder: &Folder) {
    let chains: Vec<_> = network
        .chains()
        .iter()
        .map(|chain| {
            let nodes: Vec<_> = chain
                .nodes
                .iter()
                .map(|node| json!({ "name": node.name, "rpc": node.remote.url(), "home": node.home, "log": node.log }))
                .collect();
            let accounts: Vec<_> = chain
                .accounts
                .iter()
                .map(|(name, key)| json!({ "name": name, "address": key.address.to_string(), "key": key.path }))
                .collect();
            json!({ "name": chain.spec.name, "subnet": chain.subnet, "nodes": nodes, "accounts": accounts })
        })
        .collect();
    progress.emit(&json!({ "event": "ready", "chains": chains }));
    if progress.is_json() {
        return;
    }
    for chain in network.chains() {
        progress.say(&format!("\n{}  {}", chain.spec.name, chain.subnet));
        for node in &chain.nodes {
            progress.say(&format!("  {:<12} {}  {}", node.name, node.remote.url(), node.log.display()));
        }
        for (name, key) in &chain.accounts {
            progress.say(&format!("  {name:<12} {}  --from {}", key.address, key.path.display()));
        }
    }
    progress.say(&format!(
        "\nKeys open with {PASSWORD_VARIABLE}={PASSWORD}. Ctrl-C here, or `testnet down --dir {}`, ends it.",
        folder.path().display()
    ));
}

fn summarize(progress: &Progress, folder: &Folder, report: &Report) {
    progress.emit(&json!({ "event": "report", "report": report }));
    if progress.is_json() {
        return;
    }
    let known = |figure: Option<u64>| figure.map_or_else(|| "–".to_owned(), |figure| figure.to_string());
    for chain in &report.chains {
        progress.say(&format!(
            "  {}: {} validators, height {}, block interval {} ms, finality {} ms (medians)",
            chain.subnet,
            chain.validators,
            chain.height,
            known(chain.block_interval_ms_p50),
            known(chain.finality_ms_p50)
        ));
    }
    progress.say(&format!(
        "  checkpoints: {} accepted {} root blocks after their certificate, {} gas and {} bytes each (medians)",
        report.checkpoints.accepted,
        known(report.checkpoints.parent_blocks_p50),
        known(report.checkpoints.gas_p50),
        known(report.checkpoints.bytes_p50)
    ));
    progress.say(&format!(
        "  nodes: {} MB of memory for the largest, {} ms from start to RPC for the slowest",
        known(report.memory_mb_max),
        known(report.node_start_ms_max)
    ));
    let verdict = if report.ok { "ok" } else { "NOT OK" };
    progress.say(&format!("{verdict}: {}", shown(&folder.report())));
}

/// A path as a person looks for it: from here, where it lies below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
