//! Checks the configurations of the model and tells what was found.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Parser};
use subnet_model::properties::name::ALL_SETTLED;
use subnet_model::{Config, Mutation, Outcome, Trace, check, example};

/// Goes through every order of events on a small hierarchy: messages sent, checkpoints cut, packets lost, doubled, late
/// and forged, nodes killed. In each world that comes of it, it checks what the cross-net protocol promises.
///
/// With a rule broken on purpose (`--mutation`) it must find a counterexample, and prints the shortest one as a trace.
#[derive(Parser)]
#[command(group(ArgGroup::new("one").args(["config", "mutation"]).multiple(true)), after_help = "\
Examples:
  subnet-model                                        every configuration
  subnet-model --config two-children                  one of them
  subnet-model --config one-child --mutation cursor-after-delivery
  subnet-model --config three-levels --trace out.json the shortest way to have everything settled
  subnet-model --mutation slice-unproved --trace out.json
  subnet-model --list                                 configurations and mutations

Ends with 0 when all properties hold (with --mutation: when the one that must fail does), otherwise with 1.")]
struct Options {
    /// Which configuration; all of them when it is not given
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// Break this rule; without --config in the configuration where it shows
    #[arg(long, value_name = "NAME")]
    mutation: Option<Mutation>,
    /// Write the trace of the counterexample, or of the example when all holds, to this file. Needs --config or --mutation
    #[arg(long, value_name = "FILE", requires = "one")]
    trace: Option<PathBuf>,
    /// Threads that search
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Name configurations and mutations and end
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let name = options.config.as_deref().or(options.mutation.map(|mutation| mutation.shows_in().1));
    let mut configs = match name {
        None => Config::all(),
        Some(name) => {
            vec![Config::named(name).with_context(|| format!("no configuration is called `{name}`; see --list"))?]
        }
    };
    let expected = options.mutation.map(|mutation| mutation.shows_in().0);
    if let Some(mutation) = options.mutation {
        configs = configs.into_iter().map(|config| config.broken(mutation)).collect();
    }
    let mut is_ok = true;
    for config in configs {
        println!("{}: {}", config.name, config.about);
        let outcome = check(config.clone(), options.threads.max(1), expected);
        report(&outcome, expected.is_some());
        is_ok &= match expected {
            Some(property) => outcome.counterexamples.contains_key(property),
            None => outcome.is_ok(),
        };
        let found = match expected {
            Some(property) => outcome.counterexamples.get(property),
            None => outcome.counterexamples.values().next(),
        };
        if let Some(trace) = found {
            println!("{}", serde_json::to_string(trace)?);
        }
        if let Some(path) = &options.trace {
            let trace = found.cloned().or_else(|| example(config)).context("no trace was found")?;
            write(path, &trace)?;
        }
    }
    println!("model: {}", if is_ok { "ok" } else { "failed" });
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list() {
    for config in Config::all() {
        println!("config   {:<26} {}", config.name, config.about);
    }
    for mutation in Mutation::ALL {
        let (property, config) = mutation.shows_in();
        println!("mutation {:<26} shows in {config}: not {property}", mutation.to_string());
    }
}

fn report(outcome: &Outcome, is_partial: bool) {
    let Outcome { states, steps, depth, elapsed, .. } = outcome;
    let extent = if is_partial { "until the first counterexample" } else { "all there are" };
    println!("  {states} worlds ({extent}), {steps} steps, depth {depth}, {:.1} s", elapsed.as_secs_f64());
    for property in &outcome.properties {
        let result = if let Some(trace) = outcome.counterexamples.get(property) {
            format!("FAILS after {} steps", trace.steps.len())
        } else if outcome.missing.contains(property) {
            if is_partial { "not reached so far" } else { "NEVER" }.to_owned()
        } else if *property == ALL_SETTLED {
            "reached".to_owned()
        } else if is_partial {
            "not violated so far".to_owned()
        } else {
            "holds".to_owned()
        };
        println!("  {property:<52} {result}");
    }
}

fn write(path: &PathBuf, trace: &Trace) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(trace)?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
