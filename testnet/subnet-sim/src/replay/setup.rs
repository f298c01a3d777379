//! The hierarchy of a configuration, at rest: nothing is on its way, every checkpoint is accepted, and from here on nothing
//! happens by itself.

use std::sync::Arc;

use anyhow::ensure;
use fvm_exec::Engine;
use fvm_shared::econ::TokenAmount;
use subnet_model::Config;

use crate::world::{Options, World};

/// Parameter of the calls: what is added, or the code that is failed with.
pub(super) const CALL_ARGUMENT: u64 = 17;
/// As many as the model's power: three of four are a quorum, two are not.
const NODES: usize = subnet_model::POWER_TOTAL as usize;
/// Longer than all steps of a trace take on one chain, so that a period ends where the trace says so.
const PERIOD: u64 = 40;
/// What the sender has on every subnet, in whole FIL.
const USER_FIL: u64 = 50;
/// Turns in which a chain's checkpoint is accepted.
const TURNS_MAX: u64 = 1_000;

/// The chains of `config`, by their positions.
pub(super) fn world(config: &Config, engine: Arc<Engine>) -> anyhow::Result<World> {
    let price_atto = u64::try_from(config.cross_gas_price)?;
    let options = Options { nodes: NODES, period: PERIOD, price_atto, check_every: PERIOD, ..Options::default() };
    let mut world = World::new(options, engine)?;
    for id in config.children() {
        let parent = config.parent(id).map_or(0, |parent| parent.index());
        let made = world.create_child(parent)?;
        ensure!(made == id.index(), "chain {made} was made in the place of {}", id.index());
    }
    for chain in 1..world.chains.len() {
        world.provide(chain, TokenAmount::from_whole(USER_FIL))?;
    }
    let turns_max = TURNS_MAX * world.chains.len() as u64;
    world.run_until("everything arrives", turns_max, World::is_at_rest)?;
    // From the leaves up, since accepting a checkpoint takes blocks of the parent.
    for at in (0..world.checks.edges.len()).rev() {
        let (child, parent) = (world.checks.edges[at].child, world.checks.edges[at].parent);
        loop {
            world.turn(child)?;
            let height = world.chains[child].reader()?.tip().height;
            if height.get() % PERIOD == 1 {
                break;
            }
        }
        let is_behind = |world: &World| {
            let edge = &world.checks.edges[at];
            edge.cuts.last_key_value().is_some_and(|(last, _)| edge.accepted < *last)
        };
        for _ in 0..TURNS_MAX {
            if !is_behind(&world) {
                break;
            }
            world.turn(parent)?;
        }
        ensure!(!is_behind(&world), "the checkpoints of chain {child} are not accepted");
    }
    ensure!(world.is_at_rest()?, "something is still on its way");
    world.submitters.are_idle = true;
    world.set_deaf(true);
    Ok(world)
}
