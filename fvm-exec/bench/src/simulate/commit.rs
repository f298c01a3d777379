//! What it costs to add a message's effects to a state.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use hamt::Nodes;
use lanes::commit;
use vm::access::Access;
use vm::state::{LaneState, Snapshot};

use crate::contender::Engines;
use crate::statistics::median;
use crate::workload::{BlockMessage, World};

const REPETITIONS: usize = 3;

/// Nodes of the state that are kept.
const NODES_BYTES_MAX: usize = 64 << 20;

/// Commits `accesses`, those of `block` after `before`, to a state that knows all their actors, and returns the time of
/// each.
pub(super) fn seconds_per_message(
    engines: &Engines,
    world: &World,
    [before, block]: [&[BlockMessage]; 2],
    accesses: &[Access],
) -> anyhow::Result<f64> {
    let mut lane = engines.one_lane(world)?;
    lane.execute_all(before.to_vec())?;
    let root = lane.flush()?;
    // As in a node, what lanes have written on the way is there.
    lane.execute_all(block.to_vec())?;
    let snapshot = Arc::new(Snapshot::open(lane.written(), &root, Arc::new(Nodes::new(NODES_BYTES_MAX)))?);
    let mut times = Vec::new();
    for _ in 0..REPETITIONS {
        let mut state = LaneState::new(Arc::clone(&snapshot));
        for access in accesses {
            for id in access.actors.keys() {
                state.actor(*id)?;
            }
            for address in access.resolved.keys() {
                state.resolve(address)?;
            }
        }
        let begun = Instant::now();
        for access in accesses {
            // They come from the same block, one message after another.
            ensure!(commit::is_valid(access, &mut state)?, "an access does not hold where it was made");
            commit::apply(access, &mut state)?;
        }
        times.push(begun.elapsed().as_secs_f64() / accesses.len().max(1) as f64);
    }
    median(&times).context("no commit was measured")
}
