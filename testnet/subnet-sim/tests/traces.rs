//! What the model finds when a rule is broken, the real code does not have.
#![allow(clippy::unwrap_used)]

use fvm_exec::Engine;
use subnet_model::{Config, FORMAT, Mutation, Step, Trace, check, example};
use subnet_sim::faults::Bug;
use subnet_sim::replay::replay;

/// The shortest trace that shows a broken rule.
fn counterexample(mutation: Mutation) -> Trace {
    let (property, config) = mutation.shows_in();
    let mut outcome = check(Config::named(config).unwrap().broken(mutation), 2, Some(property));
    outcome.counterexamples.remove(property).unwrap()
}

fn is_honest(config: &str) -> bool {
    let config = Config::named(config).unwrap();
    !config.ids().any(|id| config.is_corrupt(id))
}

#[test]
fn the_real_code_takes_the_way_of_every_counterexample_and_keeps_the_rule() {
    let engine = Engine::new(2).unwrap();
    let (mut refused, mut replayed) = (0, 0);
    for mutation in Mutation::ALL.into_iter().filter(|mutation| is_honest(mutation.shows_in().1)) {
        let trace = counterexample(mutation);
        let done = replay(&trace, engine.clone(), None).unwrap_or_else(|error| panic!("{mutation}: {error:#}"));
        assert!(done.taken > 0, "{mutation}: {done:?}");
        refused += done.refused;
        replayed += 1;
    }
    assert!(replayed >= 15, "{replayed} counterexamples");
    assert!(refused >= 5, "only {refused} packets were refused");
}

#[test]
fn the_real_code_settles_where_the_model_does() {
    let engine = Engine::new(2).unwrap();
    for name in ["one-child", "batch", "two-children", "three-levels", "fees"] {
        let trace = example(Config::named(name).unwrap()).unwrap();
        let done = replay(&trace, engine.clone(), None).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!((done.taken, done.passed_over, done.refused), (trace.steps.len(), 0, 0), "{name}");
        assert!(done.accepted > 1, "{name}: {done:?}");
    }
}

#[test]
fn a_world_with_the_fault_of_the_trace_is_found_out() {
    let engine = Engine::new(2).unwrap();
    let trace = counterexample(Mutation::QuorumUnchecked);
    assert_eq!(replay(&trace, engine.clone(), None).unwrap().refused, 1);
    let found = format!("{:#}", replay(&trace, engine, Some(Bug::MinorityCounts)).unwrap_err());
    assert!(found.contains("checker Acceptance"), "{found}");
}

#[test]
fn traces_that_are_not_ours_or_of_corrupt_chains_are_refused() {
    let engine = Engine::new(2).unwrap();
    let trace = Trace { steps: Vec::<Step>::new(), ..counterexample(Mutation::QuorumUnchecked) };
    let refused = |trace: &Trace| format!("{:#}", replay(trace, engine.clone(), None).unwrap_err());
    assert!(refused(&Trace { format: FORMAT + 1, ..trace.clone() }).contains("no configuration `one-child`"));
    assert!(
        refused(&Trace { config: "elsewhere".to_owned(), ..trace.clone() }).contains("no configuration `elsewhere`")
    );
    assert!(refused(&Trace { config: "corrupt-child".to_owned(), ..trace }).contains("all corrupt"));
}
