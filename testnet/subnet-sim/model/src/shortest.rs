//! The shortest way to a world. The checker names a way, not the shortest one, and people have to read it.

use std::collections::{HashSet, VecDeque};

use stateright::Model;

use crate::fair::digest;
use crate::message::Step;
use crate::system::System;
use crate::world::World;

/// A shortest list of steps from the start to a world that `is_sought`, with that world; `None` when there is none.
pub(crate) fn shortest(system: &System, is_sought: impl Fn(&World) -> bool) -> Option<(Vec<Step>, World)> {
    let start = World::start(&system.config);
    let mut seen = HashSet::from([digest(&start)]);
    // Each world by the one it came from and the step that led to it.
    let mut ways: Vec<Option<(usize, Step)>> = vec![None];
    let mut waiting = VecDeque::from([(0, start)]);
    while let Some((at, world)) = waiting.pop_front() {
        if is_sought(&world) {
            return Some((steps_to(&ways, at), world));
        }
        for (step, next) in system.next_steps(&world) {
            if seen.insert(digest(&next)) {
                waiting.push_back((ways.len(), next));
                ways.push(Some((at, step)));
            }
        }
    }
    None
}

fn steps_to(ways: &[Option<(usize, Step)>], mut at: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((before, step)) = &ways[at] {
        steps.push(step.clone());
        at = *before;
    }
    steps.reverse();
    steps
}
