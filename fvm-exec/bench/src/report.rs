//! What came of it, as a table and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

/// One line: our executor on so many lanes beside the stock one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Name of the workload.
    pub workload: &'static str,
    /// Its parameters, and those of the measurement.
    pub params: BTreeMap<String, Value>,
    /// Lanes of ours.
    pub lanes: usize,
    /// Time of the stock executor divided by ours, execution alone: the median of the pairs.
    pub ratio_exec: f64,
    /// The same with writing the state.
    pub ratio_with_flush: f64,
    /// Lower end of the 95 % interval of `ratio_exec`.
    pub ci95_low: f64,
    /// Upper end of it.
    pub ci95_high: f64,
    /// Our time on one lane divided by ours on these, and by their number; execution alone.
    pub efficiency: Option<f64>,
    /// Our execution, in microseconds for each message.
    pub us_per_message: f64,
    /// Messages of a block whose speculative result did not hold; the median.
    pub conflicts: f64,
    /// Messages of a block that ran again; the median.
    pub reexecutions: f64,
    /// Processor time of ours divided by that of the stock executor, with writing the state.
    pub cpu_seconds_ratio: Option<f64>,
    /// The most memory that the process had while ours ran, in megabytes: base state, both engines and all that is
    /// kept warm are in it.
    pub peak_rss_mb: Option<f64>,
    /// Computed from times of one lane instead of measured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
}

/// Writes the records, and makes the folder for it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, records: &[Record]) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(records)?;
    json.push('\n');
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(path, json).with_context(|| format!("writing {}", path.display()))
}

/// The heading of the table.
pub fn heading() -> String {
    format!(
        "{:<15}{:<6}{:<28}{:>5} {:>7} {:>13} {:>7} {:>6} {:>9} {:>9} {:>6} {:>6} {:>6} {:>7}",
        "workload",
        "state",
        "parameter",
        "lanes",
        "exec",
        "95 %",
        "+flush",
        "eff.",
        "µs stock",
        "µs ours",
        "confl.",
        "again",
        "cpu",
        "MB"
    )
}

impl Record {
    /// Its line in the table.
    pub fn line(&self) -> String {
        let text = |key: &str| self.params.get(key).map_or(String::new(), plain);
        let parameter = ["mode", "accounts", "exponent", "tokens", "pools", "messages_of", "latency_us", "contention"]
            .iter()
            .filter_map(|key| self.params.get(*key).map(|value| format!("{}={}", short(key), plain(value))))
            .collect::<Vec<_>>()
            .join(" ");
        let optional = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
        format!(
            "{:<15}{:<6}{:<28}{:>5} {:>7.2} {:>6.2}–{:<6.2} {:>7.2} {:>6} {:>9} {:>9.1} {:>6.0} {:>6.0} {:>6} {:>7}",
            self.workload,
            text("baseline"),
            parameter,
            format!("{}{}", self.lanes, if self.simulated { "*" } else { "" }),
            self.ratio_exec,
            self.ci95_low,
            self.ci95_high,
            self.ratio_with_flush,
            optional(self.efficiency, 2),
            text("stock_us_per_message"),
            self.us_per_message,
            self.conflicts,
            self.reexecutions,
            optional(self.cpu_seconds_ratio, 2),
            optional(self.peak_rss_mb, 0),
        )
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn short(key: &str) -> &str {
    match key {
        "messages_of" => "of",
        "latency_us" => "µs",
        "contention" => "c",
        other => other,
    }
}
