//! The command line of the benchmark.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use exec_bench::contender::{Engines, Entrant};
use exec_bench::measure::{Effort, Warmth, measure};
use exec_bench::report::{Record, heading, write_json};
use exec_bench::simulate::Model;
use exec_bench::summary::Subject;
use exec_bench::workload::{Name, Shape, Size, Workload, World};
use exec_bench::{deep, process};

/// Executes the same blocks on the stock executor of the fvm crate and on ours, in turn, and compares time and result.
///
/// Every ratio is the stock executor's time divided by ours: above 1, ours is faster. Each pair of runs is of the same
/// block at nearly the same time; the ratio is the median of the pairs, with a bootstrap interval. "cold" means a new
/// machine for each block on the same state, "warm" one machine that goes on from block to block. Both executors must
/// give the same receipts, events and state root for every block; otherwise the benchmark ends with the message that
/// differs.
///
/// Figures of 4, 8 and 16 lanes are simulated and marked with a star: messages are timed on one thread, then put on
/// lanes by what they touch. They are given with and without the slowdown (c) that two threads were measured to have.
#[derive(Parser, Debug)]
#[command(
    name = "exec-bench",
    version,
    max_term_width = 110,
    after_help = "Exit codes:\n  0  done\n  1  the executors disagree, or something failed, and was said\n  \
        2  the command line is wrong\n\n\
        Try it:\n  exec-bench --quick                              everything, small and imprecise, in two minutes\n  \
        exec-bench --workload disjoint_sends            one workload\n  \
        exec-bench --workload token_disjoint,swap_pairs --lanes 1,2 --pairs 31\n\n\
        Workloads:\n  disjoint_sends, hot_receiver, hot_sender, uniform_sends, zipf_sends, token_disjoint, token_shared,\n  \
        swap_shared, swap_pairs, creation_storm, deploy_storm, storage_mix, hybrid, adversarial, wrong_hints, slow_store"
)]
struct Arguments {
    /// Workloads to run, with commas between. Default: all
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    workload: Vec<Name>,
    /// Numbers of lanes to run ours on
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2")]
    lanes: Vec<NonZeroUsize>,
    /// Pairs of runs for each figure, at most
    #[arg(long, value_name = "N", default_value_t = 31)]
    pairs: usize,
    /// Begin no further pair of a figure after so many seconds, once there are five
    #[arg(long, value_name = "SECONDS", default_value_t = 6)]
    time: u64,
    /// Accounts in the base state
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    actors: u64,
    /// Messages of a block; the state must have two accounts for each
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    messages: u64,
    /// Where blocks come from: the same number gives the same blocks
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Leave out the figures of 4, 8 and 16 lanes that are computed from the times of one
    #[arg(long)]
    no_simulation: bool,
    /// Where the figures go
    #[arg(long, value_name = "PATH", default_value = "target/bench/parallel.json")]
    json: PathBuf,
    /// Few pairs, small blocks, a small state: to see that it works
    #[arg(long, conflicts_with_all = ["pairs", "time", "actors", "messages"])]
    quick: bool,
}

/// Pairs that a figure needs, however long they take.
const PAIRS_MIN: usize = 5;
/// Rounds before those that count.
const ROUNDS_BEFORE: usize = 1;

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.quick {
        (arguments.pairs, arguments.time, arguments.actors, arguments.messages) = (PAIRS_MIN, 1, 5_000, 200);
    }
    let done = deep(|| run(&arguments)).map_err(anyhow::Error::from).and_then(|done| done);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exec-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::sleep_precisely();
    let begun = Instant::now();
    let mut lanes = arguments.lanes.clone();
    lanes.sort_unstable();
    lanes.dedup();
    let ours = lanes.iter().map(|lanes| Entrant::Ours { lanes: *lanes });
    let validators = lanes.iter().filter(|lanes| lanes.get() > 1).map(|lanes| Entrant::Validator { lanes: *lanes });
    let proposers: Vec<_> = std::iter::once(Entrant::Stock).chain(ours).collect();
    let all: Vec<_> = proposers.iter().copied().chain(validators).collect();
    let engines = Engines::new(lanes.last().copied().unwrap_or(NonZeroUsize::MIN))?;
    let world = World::new(arguments.actors)?;
    println!("{} accounts made in {:.1} s", arguments.actors, begun.elapsed().as_secs_f64());
    println!("{}", heading());

    let names = if arguments.workload.is_empty() { Name::ALL } else { &arguments.workload };
    let mut records = Vec::new();
    for shape in names.iter().flat_map(|name| Shape::of(*name)) {
        // Waypoints are for what everybody calls; elsewhere they would only lengthen the run.
        let entrants = if shape.name() == Name::SwapShared { &all } else { &proposers };
        records.extend(run_shape(arguments, &engines, entrants, &world, &shape)?);
        // What was measured so far is there if the rest is interrupted.
        write_json(&arguments.json, &records)?;
    }
    println!("{} figures in {} after {:.0} s", records.len(), arguments.json.display(), begun.elapsed().as_secs_f64());
    Ok(())
}

fn run_shape(
    arguments: &Arguments,
    engines: &Engines,
    entrants: &[Entrant],
    world: &World,
    shape: &Shape,
) -> anyhow::Result<Vec<Record>> {
    let size = Size { messages: arguments.messages, seed: arguments.seed };
    let effort = Effort {
        pairs_max: arguments.pairs,
        pairs_min: PAIRS_MIN,
        time_max: Duration::from_secs(arguments.time),
        rounds_before: ROUNDS_BEFORE,
    };
    let mut records = Vec::new();
    for warmth in [Warmth::Cold, Warmth::Warm] {
        // What is kept warm is not read, so a slow store would change nothing.
        if warmth == Warmth::Warm && shape.name() == Name::SlowStore {
            continue;
        }
        let mut workload = Workload::new(shape.clone(), world, size)?;
        let shows = std::io::stderr().is_terminal();
        let progress = |rounds| {
            if shows {
                eprint!("\r{} {}: {rounds} pairs ", shape.name(), warmth.as_str());
            }
        };
        let rounds = measure(engines, entrants, &mut workload, warmth, effort, progress)?;
        if shows {
            eprint!("\r{:60}\r", "");
        }
        let subject = Subject::new(&workload, warmth);
        let mut measured = subject.records(entrants, &rounds);
        if warmth == Warmth::Warm && !arguments.no_simulation {
            let mut again = Workload::new(shape.clone(), world, size)?;
            let model = Model::measure(engines, &mut again, effort.time_max / 2)?;
            measured.extend(subject.simulated(entrants, &rounds, &model));
        }
        measured.iter().for_each(|record| println!("{}", record.line()));
        records.extend(measured);
    }
    Ok(records)
}
