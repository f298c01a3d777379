//! Every configuration holds, in every order of events.

use subnet_model::properties::name;
use subnet_model::{Config, Step, check, example};

fn holds(name: &str, packets_max: usize, worlds_min: usize) {
    let config = Config { packets_max, ..Config::named(name).expect("is a configuration") };
    let outcome = check(config, 2, None);
    for (property, trace) in &outcome.counterexamples {
        println!("{property}: {}", serde_json::to_string(trace).expect("a trace has an encoding"));
    }
    assert!(outcome.is_ok(), "{name}: {:?}, missing {:?}", outcome.counterexamples.keys(), outcome.missing);
    assert_eq!(outcome.properties.len(), 12);
    // A search that ends early would hold, too.
    assert!(outcome.states >= worlds_min, "{name}: {} worlds", outcome.states);
}

#[test]
fn one_child_holds() {
    holds("one-child", 2, 4_000);
}

#[test]
fn batch_holds() {
    holds("batch", 2, 30_000);
}

#[test]
fn two_children_hold() {
    holds("two-children", 2, 12_000);
}

#[test]
fn three_levels_hold() {
    holds("three-levels", 2, 50_000);
}

#[test]
fn fees_hold() {
    holds("fees", 2, 6_000);
}

#[test]
fn corrupt_child_takes_no_more_than_its_own() {
    holds("corrupt-child", 1, 47_000);
}

#[test]
fn example_ends_with_the_supply_of_the_start_and_nothing_pending() {
    let trace = example(Config::named("one-child").expect("is a configuration")).expect("can settle");
    assert_eq!(trace.property, name::ALL_SETTLED);
    assert!(!trace.steps.iter().any(|step| matches!(step, Step::Lose { .. } | Step::Crash { .. })));
    let total = |chains: &[subnet_model::TraceChain]| {
        let root = &chains[0];
        root.balances.values().chain(root.unclaimed.values()).sum::<i16>() + chains[1].custody
    };
    assert_eq!(total(&trace.chains), total(&trace.ends));
    // The call that succeeded moved one unit down; the one that failed moved nothing in the end.
    assert_eq!(trace.ends[1].custody, trace.chains[1].custody + 1);
}
