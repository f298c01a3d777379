//! All entrants on the same blocks in turn.
//!
//! Each round executes one block with every entrant, in one order and the next time in the opposite one (stock, ours,
//! ours, stock…), so that whatever else the machine does meets all of them. What they make of the block must be the same.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cid::Cid;

use crate::agreement::{Outcome, check};
use crate::contender::{Contender, Counters, Engines, Entrant};
use crate::process;
use crate::workload::{BlockMessage, Workload};

/// Whether a machine knows the state when a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warmth {
    /// Every block has a new machine, whose making is measured with it, on the state before the first block.
    Cold,
    /// One machine for all blocks, each of which goes on from the one before.
    Warm,
}

impl Warmth {
    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds that count, at most.
    pub pairs_max: usize,
    /// Rounds that count, at least, however long they take.
    pub pairs_min: usize,
    /// After so long no further round begins.
    pub time_max: Duration,
    /// Rounds before those that count; the first one compiles the actors.
    pub rounds_before: usize,
}

/// What one block has cost one entrant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Execution.
    pub exec: Duration,
    /// Writing the state.
    pub flush: Duration,
    /// Processor time of both on all threads.
    pub cpu: Duration,
    /// Most memory that the process had meanwhile, in megabytes; everything in it counts, also the other entrants.
    pub peak_rss_mb: f64,
    /// What the entrant says.
    pub counters: Counters,
}

impl Cost {
    /// Execution and writing the state.
    pub fn total(&self) -> Duration {
        self.exec + self.flush
    }
}

/// The costs of one block, in the order of the entrants.
pub type Round = Vec<Cost>;

/// Measures the entrants on a workload, which is at its beginning. The first one is the reference of all.
///
/// # Errors
/// When an entrant cannot execute a block, or makes something else of it than the first.
pub fn measure(
    engines: &Engines,
    entrants: &[Entrant],
    workload: &mut Workload,
    warmth: Warmth,
    effort: Effort,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Vec<Round>> {
    let begun = Instant::now();
    let mut kept: Vec<Option<(Box<dyn Contender>, Cid)>> = entrants.iter().map(|_| None).collect();
    let first_block = workload.next_block();
    let predictions = workload.predictions();
    let mut rounds = Vec::new();
    for round in 0.. {
        let counted = rounds.len();
        if counted >= effort.pairs_max || (counted >= effort.pairs_min && begun.elapsed() >= effort.time_max) {
            break;
        }
        let block = match warmth {
            Warmth::Warm if round > 0 => workload.next_block(),
            _ => first_block.clone(),
        };
        let mut order: Vec<usize> = (0..entrants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        let mut results: Vec<Option<(Outcome, Cost)>> = entrants.iter().map(|_| None).collect();
        for index in order {
            let start = || engines.start(entrants[index], &workload.world);
            let forget = || engines.forget_answers();
            let ran = run(start, forget, kept[index].take(), block.clone(), predictions.as_deref());
            let (contender, outcome, cost) = ran
                .with_context(|| format!("{:?} on {} {}", entrants[index], workload.shape().name(), warmth.as_str()))?;
            if warmth == Warmth::Warm {
                kept[index] = Some((contender, outcome.root));
            }
            results[index] = Some((outcome, cost));
        }
        let results: Vec<(Outcome, Cost)> = results.into_iter().flatten().collect();
        compare(&block, &results, entrants, workload)?;
        if round >= effort.rounds_before {
            rounds.push(results.into_iter().map(|(_, cost)| cost).collect());
        }
        progress(rounds.len());
    }
    Ok(rounds)
}

/// Executes one block on the contender that is there, or on a new one. What happens `between` its making and the block does
/// not count.
fn run(
    start: impl FnOnce() -> anyhow::Result<Box<dyn Contender>>,
    between: impl FnOnce(),
    kept: Option<(Box<dyn Contender>, Cid)>,
    block: Vec<BlockMessage>,
    predictions: Option<&[u32]>,
) -> anyhow::Result<(Box<dyn Contender>, Outcome, Cost)> {
    process::reset_peak_rss();
    let cpu_before = process::cpu_time();
    let begun = Instant::now();
    let mut contender = match kept {
        None => start()?,
        Some((mut contender, root)) => {
            contender.resume(root)?;
            contender
        }
    };
    let (begun_for, cpu_begun) = (begun.elapsed(), process::cpu_time());
    contender.prepare(&block)?;
    between();
    let (goes_on, cpu_prepared) = (Instant::now(), process::cpu_time().saturating_sub(cpu_begun));
    let results = contender.execute(block, predictions)?;
    let executed = goes_on.elapsed();
    let root = contender.flush()?;
    let flush = goes_on.elapsed() - executed;
    let exec = begun_for + executed;
    let cpu = process::cpu_time().saturating_sub(cpu_before).saturating_sub(cpu_prepared);
    let peak_rss_mb = process::peak_rss_mb().unwrap_or_default();
    let counters = contender.counters();
    Ok((contender, Outcome { results, root }, Cost { exec, flush, cpu, peak_rss_mb, counters }))
}

fn compare(
    block: &[BlockMessage],
    results: &[(Outcome, Cost)],
    entrants: &[Entrant],
    workload: &Workload,
) -> anyhow::Result<()> {
    let Some(((reference, _), others)) = results.split_first() else { return Ok(()) };
    for ((outcome, _), entrant) in others.iter().zip(&entrants[1..]) {
        let (name, first) = (workload.shape().name(), entrants[0]);
        check(block, reference, outcome).with_context(|| format!("{entrant:?} against {first:?} on {name}"))?;
    }
    if workload.shape().succeeds() {
        let failed = reference.results.iter().position(|result| !result.msg_receipt.exit_code.is_success());
        if let Some(index) = failed {
            let (message, result) = (&block[index].message, &reference.results[index]);
            anyhow::bail!("message {index} of {} was to succeed: {message:#?}\n{result:#?}", workload.shape().name());
        }
    }
    Ok(())
}
