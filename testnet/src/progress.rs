//! What a person follows while the launcher works: each step with its time.
//!
//! On a terminal the step at work turns a spinner; elsewhere (a pipe, a log) only finished steps are printed, one
//! line each, and now and then how far a long one is. With `--json` every line on standard output is one JSON object
//! instead. All steps are kept for the report.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::report::StepFigures;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// How often a step that takes long says so where there is no spinner.
const NOTE_INTERVAL: Duration = Duration::from_secs(15);

/// Outcome of a step that was begun and not done.
const UNFINISHED: &str = "not finished";

/// Prints steps and keeps them.
pub struct Progress {
    started: Instant,
    json: bool,
    bar: Option<ProgressBar>,
    steps: Mutex<Vec<StepFigures>>,
}

/// A step at work.
pub struct Step<'a> {
    progress: &'a Progress,
    title: String,
    started: Instant,
    noted: Cell<Instant>,
    is_done: bool,
}

impl Progress {
    /// Starts the clock.
    pub fn new(json: bool) -> Self {
        let bar = (!json && std::io::stdout().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{spinner:.cyan}          {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { started: Instant::now(), json, bar, steps: Mutex::default() }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says a line that belongs to no step.
    pub fn say(&self, text: &str) {
        if self.json {
            self.line(&json!({ "event": "note", "text": text }).to_string());
        } else {
            self.line(text);
        }
    }

    /// Says something to machines only.
    pub fn emit(&self, event: &Value) {
        if self.json {
            self.line(&event.to_string());
        }
    }

    /// Whether machines read along.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Begins a step.
    pub fn step(&self, title: impl Into<String>) -> Step<'_> {
        let title = title.into();
        if let Some(bar) = &self.bar {
            bar.set_message(title.clone());
        }
        let started = Instant::now();
        Step { progress: self, title, started, noted: Cell::new(started), is_done: false }
    }

    /// All steps so far, in the order in which they ended.
    pub fn steps(&self) -> Vec<StepFigures> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StepFigures>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the spinner.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => {
                // Whoever closed the pipe does not want to read on; the work is not worth less for it.
                let mut out = std::io::stdout().lock();
                let _ = writeln!(out, "{text}").and_then(|()| out.flush());
            }
        }
    }
}

impl Step<'_> {
    /// Says how far the step is: at once on a terminal, elsewhere when nothing was said for a while.
    pub fn note(&self, text: &str) {
        if let Some(bar) = &self.progress.bar {
            bar.set_message(format!("{}: {text}", self.title));
        } else if self.noted.get().elapsed() >= NOTE_INTERVAL {
            self.noted.set(Instant::now());
            self.progress.say(&format!("             {}: {text}", self.title));
        }
    }

    /// Ends the step and says what came of it.
    pub fn done(mut self, outcome: &str) {
        self.is_done = true;
        let (step, at, took) = self.keep(outcome);
        if self.progress.json {
            let mut event = json!({ "event": "step" });
            if let (Value::Object(event), Ok(Value::Object(figures))) = (&mut event, serde_json::to_value(step)) {
                event.extend(figures);
            }
            self.progress.line(&event.to_string());
        } else {
            self.progress.line(&step_line(at, took, &self.title, outcome));
        }
        if let Some(bar) = &self.progress.bar {
            bar.set_message("");
        }
    }

    fn keep(&self, outcome: &str) -> (StepFigures, Duration, Duration) {
        let (at, took) = (self.progress.elapsed(), self.started.elapsed());
        let step = StepFigures {
            step: self.title.clone(),
            outcome: outcome.to_owned(),
            at_ms: millis(at),
            took_ms: millis(took),
        };
        self.progress.lock().push(step.clone());
        (step, at, took)
    }
}

impl Drop for Step<'_> {
    /// A step that is dropped failed or was interrupted: the error is said elsewhere, but the report shows where.
    fn drop(&mut self) {
        if !self.is_done {
            self.keep(UNFINISHED);
        }
    }
}

/// A duration in whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn step_line(at: Duration, took: Duration, title: &str, outcome: &str) -> String {
    let separator = if outcome.is_empty() { "" } else { ": " };
    format!("{:7.1} s  ✓ {title}{separator}{outcome}  ({:.1} s)", at.as_secs_f64(), took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_line_tells_when_what_and_how_long() {
        let line = step_line(Duration::from_millis(12_340), Duration::from_millis(2_000), "root up", "4 validators");
        assert_eq!(line, "   12.3 s  ✓ root up: 4 validators  (2.0 s)");
        assert!(step_line(Duration::ZERO, Duration::ZERO, "root up", "").ends_with("root up  (0.0 s)"));
    }

    #[test]
    fn every_step_is_kept_also_one_that_failed() {
        let progress = Progress::new(true);
        progress.step("root up").done("4 validators");
        drop(progress.step("child up"));
        let steps = progress.steps();
        let told: Vec<_> = steps.iter().map(|step| (step.step.as_str(), step.outcome.as_str())).collect();
        assert_eq!(told, [("root up", "4 validators"), ("child up", UNFINISHED)]);
        assert!(steps.iter().all(|step| step.took_ms <= step.at_ms));
    }
}
