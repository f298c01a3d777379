//! What a command prints: text for people, or one JSON object for programs.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use client::Waiting;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::error::CliError;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object on standard output instead of text.
    pub is_json: bool,
}

impl Output {
    /// Prints a command's result.
    pub fn result<T: Serialize>(self, value: &T, text: impl FnOnce() -> String) {
        let text = if self.is_json {
            serde_json::to_string_pretty(value).expect("results are plain data with text keys")
        } else {
            text()
        };
        // A reader that goes away, as `| head` does, is no failure of the command.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    }

    /// Prints a failure: to standard error, or as the one JSON object.
    pub fn error(self, error: &CliError) {
        if self.is_json {
            // One object and no more.
            if !error.is_reported {
                self.result(&error.json(), String::new);
            }
            return;
        }
        let mut stderr = std::io::stderr();
        let _ = writeln!(stderr, "error: {}", error.message);
        if let Some(hint) = &error.hint {
            let _ = writeln!(stderr, "  → {hint}");
        }
    }

    /// Says something in passing, to people only.
    pub fn note(self, note: &str) {
        if !self.is_json {
            let _ = writeln!(std::io::stderr(), "{note}");
        }
    }

    /// A line that lives while something is waited for; shown on a terminal only.
    pub fn progress(self, what: &str) -> Progress {
        if self.is_json || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), what: what.to_owned() };
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress { bar, what: what.to_owned() }
    }
}

/// A line on the terminal that goes away when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: String,
}

impl Progress {
    /// Shows where the matter stands.
    pub fn tell(&self, waiting: &Waiting) {
        self.bar.set_message(format!("{}: {} ({} s)", self.what, waiting.stage, waiting.elapsed.as_secs()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Lines of `name  value`, the names padded to one width.
pub fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("{name:<width$}  {value}");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Columns under a header, each as wide as its widest cell.
pub fn columns<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str()))));
    lines.join("\n")
}

/// The first part of a long name, enough to tell two apart.
pub fn short(text: &str) -> String {
    const CHARS: usize = 16;
    if text.chars().count() <= CHARS { text.to_owned() } else { text.chars().take(CHARS).chain(['…']).collect() }
}
