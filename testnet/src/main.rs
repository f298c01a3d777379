//! The launcher's command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use testnet::bench::Plan;
use testnet::commands::{Ending, Options, bench, demo, demo_deep, down, up};
use testnet::topology::{TWO_CHAINS, Topology};

/// Transfers of the demo, at most: they are signed and followed one by one.
const TRANSFERS_MAX: u64 = 100_000;

/// Exit code after Ctrl-C, as shells know it.
const INTERRUPTED: u8 = 130;

/// Runs whole subnet networks on this machine: every validator a process of its own, with real consensus, real
/// networking and real checkpoints between the chains.
///
/// Nothing is left behind: the nodes end with the launcher, however it ends. Their logs, homes and the report stay in
/// the folder (--dir) until the next start.
#[derive(Parser, Debug)]
#[command(
    name = "testnet",
    version,
    max_term_width = 110,
    after_help = "Exit codes:\n  0    done; for demo: every step's check passed\n  1    something failed, and was said\n  \
        2    the command line or topology is wrong\n  130  interrupted\n\n\
        Try it:\n  testnet demo                 two chains of four validators, about two minutes\n  \
        testnet demo-deep            five chains on three levels, about two minutes\n  \
        testnet up                   the same two chains, to play with\n  \
        subnet-node chain head --rpc http://127.0.0.1:<port that `up` printed>\n  \
        testnet bench                how much a chain does\n  \
        testnet down                 end them from another terminal"
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Global {
    /// Folder for homes, keys, logs and the report
    #[arg(long, global = true, value_name = "DIR", default_value = "target/testnet")]
    dir: PathBuf,
    /// The subnet-node program. Default: the one beside this program; under cargo it is built first
    #[arg(long, global = true, value_name = "FILE")]
    node: Option<PathBuf>,
    /// Print one JSON object per line: steps as they end, then what came of it
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start a topology and keep it running; prints every node's address
    ///
    /// The topology is a small TOML file: chains, their validators, block intervals, checkpoint periods and accounts.
    /// The first chain is the root; each other one names its parent and is created on it by real messages. Without a
    /// file, a root and one child of four validators each.
    #[command(after_help = "Examples:\n  testnet up\n  testnet up --example > my.toml && testnet up my.toml")]
    Up {
        /// The topology
        topology: Option<PathBuf>,
        /// Print an example topology with every field explained, and do nothing else
        #[arg(long)]
        example: bool,
    },
    /// Play the story: value goes down into a child, is spent there while a validator dies, and comes back
    ///
    /// Every step is checked and printed with its time; the figures are written to DIR/report.json. Afterwards all nodes
    /// are ended, also on Ctrl-C.
    #[command(after_help = "Example:\n  testnet demo --block-interval-ms 200 --json")]
    Demo {
        /// Signed transfers between accounts of the child
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..=TRANSFERS_MAX))]
        transfers: u64,
        /// Target time between blocks of both chains, 200 to 60000
        #[arg(long, value_name = "MS")]
        block_interval_ms: Option<u64>,
    },
    /// Play the deep story: five chains on three levels, messages on every kind of route and into every kind of failure
    ///
    /// Every message is followed to its end, and the value of all chains is added up, edge by edge, while they are on their
    /// way and afterwards; the figures are written to DIR/deep-report.json. Then all nodes are ended, also on Ctrl-C.
    #[command(after_help = "Example:\n  testnet demo-deep --block-interval-ms 500")]
    DemoDeep {
        /// Target time between blocks of all chains, 200 to 60000
        #[arg(long, value_name = "MS")]
        block_interval_ms: Option<u64>,
    },
    /// Measure messages a second, finality and where the time of a block goes, on chains of four validators
    ///
    /// For each number of lanes a chain of its own; on each, plain transfers and transfers of an FRC-46 token. Takes at
    /// most five minutes. Afterwards all nodes are ended, also on Ctrl-C.
    #[command(after_help = "Example:\n  testnet bench --dir target/bench/net --lanes 1 --lanes 2")]
    Bench {
        /// Cores that each node uses for a block, 1 to 64; repeatable
        #[arg(long = "lanes", value_name = "COUNT", default_values_t = [1, 2], value_parser = clap::value_parser!(u32).range(1..=64))]
        lanes: Vec<u32>,
        /// How long to send in each part, 1 to 30 seconds
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=30))]
        seconds: u64,
        /// Target time between blocks, 200 to 60000
        #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(200..=60_000))]
        block_interval_ms: u64,
        /// Where to write the figures
        #[arg(long, value_name = "FILE", default_value = "target/bench/net.json")]
        out: PathBuf,
    },
    /// End what `up`, `demo`, `demo-deep` or `bench` started in this folder
    ///
    /// Ends only processes that were written down when they started, and only if pid and start time still agree.
    Down,
}

fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    let options = Options { folder: global.dir, node: global.node, is_json: global.json };
    // Nodes end with the thread that starts them (see `process`), and the future below runs on this one.
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&options, &error.into()),
    };
    let outcome = match command {
        Command::Down => down(&options).map(|()| Ending::Done),
        Command::Up { example: true, .. } => {
            print!("{TWO_CHAINS}");
            return ExitCode::SUCCESS;
        }
        Command::Up { topology, .. } => {
            let topology = match topology {
                Some(path) => Topology::load(&path),
                None => Topology::parse(TWO_CHAINS),
            };
            match topology {
                Ok(topology) => runtime.block_on(up(&options, &topology)),
                Err(error) => return misused(&options, &error.into()),
            }
        }
        Command::Demo { transfers, block_interval_ms } => match Topology::two_chains(block_interval_ms) {
            Ok(topology) => {
                let transfers = usize::try_from(transfers).expect("the limit fits memory");
                runtime.block_on(demo(&options, &topology, transfers))
            }
            Err(error) => return misused(&options, &error.into()),
        },
        Command::DemoDeep { block_interval_ms } => match Topology::deep(block_interval_ms) {
            Ok(topology) => runtime.block_on(demo_deep(&options, &topology)),
            Err(error) => return misused(&options, &error.into()),
        },
        Command::Bench { lanes, seconds, block_interval_ms, out } => {
            let plan = Plan { lanes, time: Duration::from_secs(seconds), block_interval_ms };
            runtime.block_on(bench(&options, &plan, &out))
        }
    };
    match outcome {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => failed(&options, &error),
    }
}

fn failed(options: &Options, error: &anyhow::Error) -> ExitCode {
    say(options, error);
    ExitCode::FAILURE
}

fn misused(options: &Options, error: &anyhow::Error) -> ExitCode {
    say(options, error);
    ExitCode::from(2)
}

fn say(options: &Options, error: &anyhow::Error) {
    if options.is_json {
        println!("{}", serde_json::json!({ "event": "error", "error": format!("{error:#}") }));
    } else {
        eprintln!("error: {error:#}");
    }
}
