//! What a person follows while the launcher works: each step with its time.
//!
//! On a terminal the step at work turns a spinner; elsewhere (a pipe, a log) only finished steps are printed, one
//! line each. With `--json` every line on standard output is one JSON object instead.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Prints steps.
pub struct Progress {
    started: Instant,
    json: bool,
    bar: Option<ProgressBar>,
}

/// A step at work.
pub struct Step<'a> {
    progress: &'a Progress,
    title: String,
    started: Instant,
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
        Self { started: Instant::now(), json, bar }
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
        Step { progress: self, title, started: Instant::now() }
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
    /// Says how far the step is; seen on a terminal only.
    pub fn note(&self, text: &str) {
        if let Some(bar) = &self.progress.bar {
            bar.set_message(format!("{}: {text}", self.title));
        }
    }

    /// Ends the step and says what came of it.
    pub fn done(self, outcome: &str) {
        let (at, took) = (self.progress.elapsed(), self.started.elapsed());
        if self.progress.json {
            let event = json!({
                "event": "step",
                "step": self.title,
                "outcome": outcome,
                "at_ms": at.as_millis() as u64,
                "took_ms": took.as_millis() as u64,
            });
            self.progress.line(&event.to_string());
        } else {
            self.progress.line(&step_line(at, took, &self.title, outcome));
        }
        if let Some(bar) = &self.progress.bar {
            bar.set_message("");
        }
    }
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
}
