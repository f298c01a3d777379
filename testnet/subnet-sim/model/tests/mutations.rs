//! Each broken rule is found, and what is found can be replayed.

use std::collections::BTreeSet;

use stateright::Model;
use subnet_model::properties::name;
use subnet_model::{Config, FORMAT, Mutation, ReplayError, System, Trace, check};

fn counterexample(mutation: Mutation) -> Trace {
    let (property, config) = mutation.shows_in();
    let config = Config::named(config).expect("is a configuration").broken(mutation);
    let mut outcome = check(config, 2, Some(property));
    let found: Vec<_> = outcome.counterexamples.keys().copied().collect();
    outcome.counterexamples.remove(property).unwrap_or_else(|| panic!("{mutation}: no `{property}` among {found:?}"))
}

#[test]
fn each_broken_rule_has_a_counterexample_that_replays() {
    for mutation in Mutation::ALL {
        let trace = counterexample(mutation);
        let text = serde_json::to_string(&trace).expect("a trace has an encoding");
        let read: Trace = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(read, trace);

        let (system, end) = read.replay().expect("every step can be taken");
        let property = system.property(mutation.shows_in().0);
        assert!(!(property.condition)(&system, &end), "{mutation}: `{}` holds at the end of its trace", property.name);

        // The same steps with the rule kept: where they can be taken at all, nothing is violated.
        if let Ok((system, end)) = (Trace { mutation: None, ..read }).replay() {
            for property in system.properties().iter().filter(|property| property.name != name::ALL_SETTLED) {
                assert!((property.condition)(&system, &end), "{mutation}: `{}` fails without it", property.name);
            }
        }
    }
}

#[test]
fn each_property_is_what_some_broken_rule_violates() {
    let violated: BTreeSet<_> = Mutation::ALL.iter().map(|mutation| mutation.shows_in().0).collect();
    let system = System::new(Config::named("one-child").expect("is a configuration"));
    for property in system.properties().iter().filter(|property| property.name != name::ALL_SETTLED) {
        assert!(violated.contains(property.name), "no mutation violates `{}`", property.name);
    }
}

#[test]
fn mutations_are_read_as_they_are_written() {
    for mutation in Mutation::ALL {
        assert_eq!(mutation.to_string().parse::<Mutation>().expect("is a mutation"), mutation);
    }
    assert!("no-such-rule".parse::<Mutation>().is_err());
}

#[test]
fn trace_of_another_version_or_with_an_impossible_step_is_refused() {
    let trace = counterexample(Mutation::EmptyRangeTrusted);
    let other = Trace { format: FORMAT + 1, ..trace.clone() };
    let unknown = ReplayError::Unknown { config: trace.config.clone() };
    assert_eq!(other.replay().map(drop).map_err(|error| error.to_string()), Err(unknown.to_string()));
    let mut twice = trace;
    twice.steps.insert(0, twice.steps[0].clone());
    let impossible = ReplayError::Impossible { at: 1 };
    assert_eq!(twice.replay().map(drop).map_err(|error| error.to_string()), Err(impossible.to_string()));
}
