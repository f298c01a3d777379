//! A fixed number of seeds, each a hierarchy of its own with everything at once.
#![allow(clippy::unwrap_used)]

use fvm_exec::Engine;
use subnet_sim::run::{options_of, run};

/// Turns of each chain.
const TURNS: u64 = 60;

#[test]
fn seeds_keep_every_invariant_and_come_to_rest() {
    let engine = Engine::new(2).unwrap();
    let (mut faults, mut changes) = (0, 0);
    for seed in 1..=8 {
        let outcome = run(options_of(seed), TURNS, engine.clone()).unwrap_or_else(|error| {
            panic!("seed {seed}: {error:#}; replay: make sim SEED={seed} SECONDS_MAX=0 TURNS={TURNS}")
        });
        assert!(outcome.accepted > 0 && outcome.down > 0 && outcome.up > 0, "nothing happened: {outcome:?}");
        changes += outcome.configurations - (outcome.chains as u64 - 1);
        faults += outcome.tally.stopped.min(outcome.tally.dropped).min(outcome.tally.forged);
    }
    assert!(faults > 0, "no seed stopped a node, had a parent lie and a false proof refused");
    assert!(changes > 0, "no seed had a validator join or leave");
}

#[test]
fn a_seed_replays_to_the_same_blocks_and_another_does_not() {
    let engine = Engine::new(2).unwrap();
    let seed = (1..).find(|seed| options_of(*seed).has_faults).unwrap();
    let first = run(options_of(seed), TURNS, engine.clone()).unwrap();
    assert_eq!(first, run(options_of(seed), TURNS, engine.clone()).unwrap());
    let mut other = options_of(seed);
    other.seed += 1;
    assert_ne!(first.history, run(other, TURNS, engine).unwrap().history);
}
