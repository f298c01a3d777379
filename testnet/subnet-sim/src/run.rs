//! One run: a world from a seed, some time of everything at once, and then everything must come to rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use fvm_exec::Engine;
use fvm_shared::econ::TokenAmount;
use subnet_types::{Digest, Sequence};

use crate::checks::Edge;
use crate::prng::Prng;
use crate::world::{Options, Tally, World};

/// Turns of each chain in which everything has to come to rest.
const REST_TURNS: u64 = 400;
/// What each chain's first users get before the workload begins, in whole FIL.
const START_FIL: u64 = 50;

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened.
    pub tally: Tally,
    /// Chains there were.
    pub chains: usize,
    /// Checkpoints accepted.
    pub accepted: u64,
    /// Configurations that checkpoints confirmed, the first ones included.
    pub configurations: u64,
    /// Messages applied from above.
    pub down: u64,
    /// Messages delivered from below.
    pub up: u64,
    /// Cross messages sent.
    pub journeys: u64,
    /// How many of them, answers apart, ended with which exit code.
    pub ends: BTreeMap<u32, u64>,
    /// How often an edge's value was added up.
    pub sums: u64,
    /// [`World::history`] at the end.
    pub history: Digest,
}

/// The world that a seed stands for, in the ranges that a test machine runs in seconds.
pub fn options_of(seed: u64) -> Options {
    let mut prng = Prng::new(seed ^ 0x5eed);
    // Depth with the root, children of each chain. Together never more than a handful of chains.
    let shapes = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (4, 1)];
    let (levels, children) = shapes[prng.index(shapes.len())];
    let nodes = if prng.permille(500) { 1 } else { 4 };
    Options {
        seed,
        levels,
        children,
        nodes,
        spares: if prng.permille(500) { 0 } else { 1 + prng.index(2) },
        period: 2 + prng.below(9),
        users: 3 + prng.index(6),
        bug: None,
        has_faults: nodes > 1,
        price_atto: if prng.permille(500) { 0 } else { 1 + prng.below(1_000) },
        check_every: 5,
    }
}

/// Runs a world for `turns` turns of each chain, then lets it come to rest.
///
/// # Errors
/// What did not hold.
pub fn run(options: Options, turns: u64, engine: Arc<Engine>) -> anyhow::Result<Outcome> {
    let mut world = World::new(options, engine)?;
    world.grow().context("while the chains are made")?;
    for chain in 1..world.chains.len() {
        world.provide(chain, TokenAmount::from_whole(START_FIL)).context("while the users are funded")?;
    }
    world.has_workload = true;
    world.faults.is_active = true;
    for _ in 0..turns * world.chains.len() as u64 {
        world.step()?;
    }
    world.has_workload = false;
    world.faults.is_active = false;
    let turns_max = REST_TURNS * world.chains.len() as u64;
    let rests = world.run_until("everything arrives", turns_max, World::is_at_rest);
    rests.with_context(|| format!("at the end: {}", world.unrest().join(", ")))?;
    Ok(world.outcome())
}

impl World {
    /// Whether nothing waits anywhere.
    ///
    /// # Errors
    /// Never; in the form that [`Self::run_until`] asks for.
    pub fn is_at_rest(&self) -> anyhow::Result<bool> {
        Ok(self.unrest().is_empty())
    }

    /// What still waits, in words.
    pub fn unrest(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.is_nothing_posted() {
            found.push("messages are on their way to chains".to_owned());
        }
        for chain in &self.chains {
            let (number, waiting) = (chain.number, chain.waiting());
            let stopped = chain.nodes.iter().filter(|node| !node.is_running()).count();
            if waiting > 0 || stopped > 0 {
                found.push(format!("chain {number} has {waiting} messages in its pool and {stopped} nodes stopped"));
            }
        }
        for Edge { child, down, up, cuts, accepted, .. } in &self.checks.edges {
            if down.arrived < down.queued.len() || up.arrived < up.queued.len() {
                let (came, went) = (down.arrived, down.queued.len());
                let (delivered, covered, sent) = (up.arrived, up.accepted, up.queued.len());
                let cut = cuts.last_key_value().map_or(Sequence::ZERO, |(last, _)| *last);
                found.push(format!(
                    "the edge to chain {child} has {came} of {went} applied, {delivered} of {sent} delivered \
                     ({covered} accepted), checkpoint {accepted} of {cut} accepted"
                ));
            }
        }
        if !self.checks.journeys.are_over() {
            found.push(format!("{} cross messages have not ended", self.checks.journeys.open()));
        }
        found
    }

    /// What happened so far.
    pub fn outcome(&self) -> Outcome {
        let edges = &self.checks.edges;
        let views = self.chains.iter().flat_map(|chain| &chain.nodes).filter_map(|node| node.parent.as_ref());
        Outcome {
            tally: Tally { dropped: views.map(|view| view.dropped()).sum(), ..self.tally.clone() },
            chains: self.chains.len(),
            accepted: edges.iter().map(|edge| edge.accepted.get()).sum(),
            configurations: edges.iter().map(|edge| edge.confirmed.get()).sum(),
            down: edges.iter().map(|edge| edge.down.arrived as u64).sum(),
            up: edges.iter().map(|edge| edge.up.arrived as u64).sum(),
            journeys: self.checks.journeys.count(),
            ends: self.checks.journeys.ends().clone(),
            sums: self.checks.sums,
            history: self.history(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Queued;

    #[test]
    fn what_is_still_on_its_way_is_found_when_everything_should_rest() {
        let mut world = World::new(Options::default(), Engine::new(2).unwrap()).unwrap();
        world.create_child(0).unwrap();
        world.run_until("everything arrives", 100, World::is_at_rest).unwrap();
        let nobodys = || Queued { id: Digest::ZERO, amount: TokenAmount::default() };
        world.checks.edges[0].down.queued.push(nobodys());
        assert!(!world.is_at_rest().unwrap(), "a message waits for the subnet");
        world.checks.edges[0].down.queued.clear();
        world.checks.edges[0].up.queued.push(nobodys());
        assert!(!world.is_at_rest().unwrap(), "a message waits for the parent");
        world.checks.edges[0].up.queued.clear();
        assert!(world.is_at_rest().unwrap());
        world.chains[1].nodes[0].stop();
        assert!(!world.is_at_rest().unwrap(), "a node is stopped");
    }
}
