//! Runs seeds until time is up, and says in one line how it went.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use fvm_exec::Engine;
use subnet_model::Trace;
use subnet_sim::faults::Bug;
use subnet_sim::replay::{Replayed, replay};
use subnet_sim::run::{Outcome, options_of, run};
use subnet_sim::world::{Options, World};

/// Simulates whole hierarchies on one thread: real application, actors and execution, with a simulated engine, network and
/// clock. One seed decides everything; a seed that fails is printed with the command that replays it.
#[derive(Debug, Parser)]
#[command(name = "subnet-sim")]
struct Arguments {
    /// First seed. Each world takes the next one.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// After how many seconds no new seed is begun. With 0 the first seed is the only one.
    #[arg(long, env = "SECONDS_MAX", default_value_t = 60)]
    seconds_max: u64,
    /// Turns of each chain before everything has to come to rest.
    #[arg(long, env = "TURNS", default_value_t = 150)]
    turns: u64,
    /// Breaks a rule, to see that it is found.
    #[arg(long, env = "SIM_BUG", value_enum)]
    bug: Option<Bug>,
    /// Folder that keeps compiled actors, which otherwise take seconds at every start.
    #[arg(long, env = "SIM_CACHE")]
    cache: Option<PathBuf>,
    /// Instead of seeds: runs one hierarchy without faults and says how long its blocks take.
    #[arg(long)]
    figure: bool,
    /// Levels below the root, for --figure.
    #[arg(long, default_value_t = 1)]
    levels: u32,
    /// Children of each chain, for --figure.
    #[arg(long, default_value_t = 3)]
    children: u32,
    /// Blocks of each chain, for --figure.
    #[arg(long, default_value_t = 1000)]
    blocks: u64,
    /// Without users, for --figure: what blocks take that hold nothing.
    #[arg(long)]
    empty: bool,
    /// Instead of seeds: takes the steps of a trace that `subnet-model` has written.
    #[arg(long, value_name = "FILE", conflicts_with = "figure")]
    trace: Option<PathBuf>,
}

/// Of the times in `/proc`, on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.trace {
        Some(file) => trace(&arguments, file),
        None if arguments.figure => figure(&arguments),
        None => seeds(&arguments),
    };
    match done {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("sim: failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn engine(arguments: &Arguments) -> anyhow::Result<Arc<Engine>> {
    Ok(match &arguments.cache {
        Some(folder) => Engine::with_cache(2, folder)?,
        None => Engine::new(2)?,
    })
}

fn seeds(arguments: &Arguments) -> anyhow::Result<String> {
    let (started, time) = (Instant::now(), Duration::from_secs(arguments.seconds_max));
    let engine = engine(arguments)?;
    let (mut seed, mut blocks, mut sums) = (arguments.seed, 0, 0);
    loop {
        let options = Options { bug: arguments.bug, ..options_of(seed) };
        let outcome = run_or_panic(options, arguments.turns, &engine).map_err(|error| {
            let replay = format!("make sim SEED={seed} SECONDS_MAX=0 TURNS={}", arguments.turns);
            error.context(format!("seed {seed}, replay: {replay}"))
        })?;
        print(seed, &outcome);
        blocks += outcome.tally.blocks;
        sums += outcome.sums;
        seed = seed.wrapping_add(1);
        if started.elapsed() >= time {
            break;
        }
    }
    let (first, last, took) = (arguments.seed, seed.wrapping_sub(1), started.elapsed().as_secs());
    Ok(format!("sim: ok, seeds {first} to {last}, {blocks} blocks, value added up {sums} times, {took} s"))
}

/// A run that panics has failed as well, and has a seed to replay.
fn run_or_panic(options: Options, turns: u64, engine: &Arc<Engine>) -> anyhow::Result<Outcome> {
    let run = || run(options, turns, engine.clone());
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        bail!("it panicked: {}", said.unwrap_or("without a word"))
    })
}

fn print(seed: u64, outcome: &Outcome) {
    let Outcome { tally, chains, accepted, configurations, down, up, journeys, ends, history, .. } = outcome;
    println!(
        "seed {seed}: {chains} chains, {} blocks, {} messages ({} failed), {journeys} cross messages, {accepted} checkpoints, \
         {configurations} configurations, {down} down, {up} up, {} stops, {} lies ({} proofs dropped, {} refused in blocks), ends {ends:?}, history {history}",
        tally.blocks, tally.messages, tally.failed, tally.stopped, tally.lies, tally.dropped, tally.forged
    );
}

fn trace(arguments: &Arguments, file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let trace: Trace =
        serde_json::from_str(&text).with_context(|| format!("{} is no trace of subnet-model", file.display()))?;
    let Replayed { taken, passed_over, accepted, refused, blocks } = replay(&trace, engine(arguments)?, arguments.bug)?;
    let broken = trace.mutation.map(|mutation| format!(" with {mutation}")).unwrap_or_default();
    Ok(format!(
        "sim: ok, trace of {}{broken}: {taken} steps taken, {passed_over} passed over, {accepted} packets accepted, \
         {refused} refused, {blocks} blocks, everything settled",
        trace.config
    ))
}

fn figure(arguments: &Arguments) -> anyhow::Result<String> {
    let options = Options {
        seed: arguments.seed,
        levels: arguments.levels,
        children: arguments.children,
        period: 10,
        check_every: 100,
        ..Options::default()
    };
    let mut world = World::new(options, engine(arguments)?)?;
    let making = Instant::now();
    world.grow()?;
    let made = making.elapsed();
    world.has_workload = !arguments.empty;
    let (chains, before, started) = (world.chains.len() as u64, world.tally.clone(), Instant::now());
    let before_used = processor_time()?;
    for _ in 0..chains * arguments.blocks {
        world.step()?;
    }
    let (took, used) = (started.elapsed(), processor_time()? - before_used);
    let (blocks, messages) = (world.tally.blocks - before.blocks, world.tally.messages - before.messages);
    let each = took.as_secs_f64() * 1000.0 / blocks.max(1) as f64;
    Ok(format!(
        "sim: {chains} chains made in {:.1} s; {blocks} blocks with {messages} messages in {:.1} s, {each:.2} ms each; \
         {used:.1} s of processor time",
        made.as_secs_f64(),
        took.as_secs_f64()
    ))
}

/// What this process has used of processors so far, on all its threads, in seconds. Other programs on the machine change
/// it far less than they change what passes on a clock.
fn processor_time() -> anyhow::Result<f64> {
    // Behind the command in parentheses; user and system are the 14th and 15th field of all.
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let fields = stat.rsplit(')').next().context("a command in parentheses")?.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).collect::<Result<Vec<u64>, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}
