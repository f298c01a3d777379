//! Times of our executor of single messages.

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use vm::access::Access;

use crate::contender::Engines;
use crate::statistics::median;
use crate::workload::{BlockMessage, World};
use crate::{STACK_BYTES, process};

/// Repetitions that a message's time is the median of, if there is time.
const REPETITIONS: usize = 5;
/// Repetitions of writing the state.
const FLUSHES: usize = 3;

/// The messages of a block, one by one.
pub(super) struct Samples {
    /// Time of each with accesses logged, as lanes run it.
    pub seconds: Vec<f64>,
    /// Time of each without, as one lane runs it.
    pub plain_seconds: Vec<f64>,
    /// What each has touched.
    pub accesses: Vec<Access>,
}

/// Runs `block` after `before`, each time on a new machine, with accesses logged and without in turn. What disturbs
/// single messages is not in the medians of either.
pub(super) fn record(
    engines: &Engines,
    world: &World,
    before: &[BlockMessage],
    block: &[BlockMessage],
    time_max: Duration,
) -> anyhow::Result<Samples> {
    let begun = Instant::now();
    let mut times: Vec<[Vec<f64>; 2]> = block.iter().map(|_| Default::default()).collect();
    let mut accesses = Vec::new();
    for repetition in 0..REPETITIONS {
        if repetition > 0 && begun.elapsed() >= time_max {
            break;
        }
        let mut order = [true, false];
        if repetition % 2 == 1 {
            order.reverse();
        }
        for is_logged in order {
            let mut lane = engines.one_lane(world)?;
            lane.execute_all(before.to_vec())?;
            if is_logged {
                accesses.clear();
            }
            for (message, times) in block.iter().cloned().zip(&mut times) {
                let begun = Instant::now();
                let access = if is_logged {
                    Some(lane.execute_recorded(message)?.1)
                } else {
                    lane.execute_one(message)?;
                    None
                };
                times[usize::from(is_logged)].push(begun.elapsed().as_secs_f64());
                accesses.extend(access);
            }
        }
    }
    let medians = |which: usize| {
        let medians = times.iter().map(|times| median(&times[which]).context("a message was not measured"));
        medians.collect::<anyhow::Result<Vec<_>>>()
    };
    Ok(Samples { seconds: medians(1)?, plain_seconds: medians(0)?, accesses })
}

/// How long so many threads take to write what `block` has changed.
pub(super) fn flush_seconds(
    engines: &Engines,
    world: &World,
    before: &[BlockMessage],
    block: &[BlockMessage],
    threads: usize,
) -> anyhow::Result<f64> {
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    let mut times = Vec::new();
    for _ in 0..FLUSHES {
        let mut lane = engines.one_lane(world)?.with_flush_threads(threads)?;
        lane.execute_all(before.to_vec())?;
        lane.flush()?;
        lane.execute_all(block.to_vec())?;
        let begun = Instant::now();
        lane.flush()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    median(&times).context("no flush was measured")
}

/// How much longer a block takes on a thread while another one executes blocks of the same kind on a machine of its own:
/// alone, both, both, alone. The first of `blocks` only warms up.
pub(super) fn contention(engines: &Engines, world: &World, blocks: [&Vec<BlockMessage>; 5]) -> anyhow::Result<f64> {
    let barrier = Barrier::new(2);
    let times = std::thread::scope(|scope| {
        let lane = |is_first: bool| {
            let barrier = &barrier;
            let work = move || -> anyhow::Result<[f64; 2]> {
                process::sleep_precisely();
                let lane = engines.one_lane(world);
                // Whatever fails, the other thread must not wait for this one.
                let mut failed = lane.as_ref().err().map(|error| anyhow::anyhow!("{error:#}"));
                let mut lane = lane.ok();
                let mut spent = [0.0; 2];
                for (index, block) in blocks.into_iter().enumerate() {
                    let is_alone = index == 1 || index == 4;
                    let block = block.clone();
                    barrier.wait();
                    if is_alone && !is_first {
                        continue;
                    }
                    let begun = Instant::now();
                    if let Some(lane) = &mut lane
                        && let Err(error) = lane.execute_all(block)
                    {
                        failed.get_or_insert(error);
                    }
                    if index > 0 {
                        spent[usize::from(is_alone)] += begun.elapsed().as_secs_f64();
                    }
                }
                failed.map_or(Ok(spent), Err)
            };
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)
        };
        let threads = [lane(true)?, lane(false)?];
        let times = threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        anyhow::Ok(times)
    })?;
    let [first, second] = times;
    let ([both, alone], [both_other, _]) = (first?, second?);
    Ok(((both + both_other) / 2.0 / alone).max(1.0))
}
