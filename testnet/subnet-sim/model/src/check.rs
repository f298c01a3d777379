//! Runs the checker over a configuration.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::config::Config;
use crate::properties::name;
use crate::shortest::shortest;
use crate::system::System;
use crate::trace::Trace;
use crate::world::World;

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Different worlds seen.
    pub states: usize,
    /// Steps taken between them.
    pub steps: usize,
    /// The longest way on which the checker came to a world.
    pub depth: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Each property that was checked.
    pub properties: Vec<&'static str>,
    /// For each property that does not hold, the shortest trace that shows it.
    pub counterexamples: BTreeMap<&'static str, Trace>,
    /// Examples that were looked for in vain.
    pub missing: Vec<&'static str>,
}

impl Outcome {
    /// Whether every property holds and every example exists.
    pub fn is_ok(&self) -> bool {
        self.counterexamples.is_empty() && self.missing.is_empty()
    }
}

/// Checks all worlds of `config` on `threads` threads. With `until`, ends soon after that property has failed; others may
/// have failed by then, too.
pub fn check(config: Config, threads: usize, until: Option<&'static str>) -> Outcome {
    let begun = Instant::now();
    let mut builder = System::new(config).checker().threads(threads);
    // Without a property to wait for, nothing that is found ends the search: the figures are of all worlds.
    builder = builder.finish_when(HasDiscoveries::AnyOf(until.into_iter().collect()));
    let checker = builder.spawn_bfs().join();
    let mut outcome = Outcome {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        elapsed: Duration::ZERO,
        properties: Vec::new(),
        counterexamples: BTreeMap::new(),
        missing: Vec::new(),
    };
    let system = checker.model();
    for property in system.properties() {
        outcome.properties.push(property.name);
        let is_found = checker.discovery(property.name).is_some();
        match (property.expectation == Expectation::Sometimes, is_found) {
            (true, false) => outcome.missing.push(property.name),
            (false, true) => {
                let is_violated = |world: &World| !(property.condition)(system, world);
                outcome.counterexamples.extend(trace(system, property.name, is_violated));
            }
            (true, true) | (false, false) => {}
        }
    }
    outcome.elapsed = begun.elapsed();
    outcome
}

/// The shortest trace of `config` that ends with everything sent and settled; `None` when there is none.
pub fn example(config: Config) -> Option<Trace> {
    let system = System::new(config);
    let property = system.property(name::ALL_SETTLED);
    let (_, trace) = trace(&system, property.name, |world| (property.condition)(&system, world))?;
    Some(trace)
}

fn trace(system: &System, property: &'static str, is_sought: impl Fn(&World) -> bool) -> Option<(&'static str, Trace)> {
    let (steps, end) = shortest(system, is_sought)?;
    Some((property, Trace::new(system, property, steps, &end)))
}
