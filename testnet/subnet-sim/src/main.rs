//! Runs seeds until time is up, and says in one line how it went.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use fvm_exec::Engine;
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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.figure { figure(&arguments) } else { seeds(&arguments) };
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
        let outcome = run(options_of(seed), arguments.turns, engine.clone()).map_err(|error| {
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

fn print(seed: u64, outcome: &Outcome) {
    let Outcome { tally, chains, accepted, down, up, journeys, ends, history, .. } = outcome;
    println!(
        "seed {seed}: {chains} chains, {} blocks, {} messages ({} failed), {journeys} cross messages, {accepted} checkpoints, \
         {down} down, {up} up, {} stops, {} lies ({} proofs dropped, {} refused in blocks), ends {ends:?}, history {history}",
        tally.blocks, tally.messages, tally.failed, tally.stopped, tally.lies, tally.dropped, tally.forged
    );
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
    for _ in 0..chains * arguments.blocks {
        world.step()?;
    }
    let took = started.elapsed();
    let (blocks, messages) = (world.tally.blocks - before.blocks, world.tally.messages - before.messages);
    let each = took.as_secs_f64() * 1000.0 / blocks.max(1) as f64;
    Ok(format!(
        "sim: {chains} chains made in {:.1} s; {blocks} blocks with {messages} messages in {:.1} s, {each:.2} ms each",
        made.as_secs_f64(),
        took.as_secs_f64()
    ))
}
