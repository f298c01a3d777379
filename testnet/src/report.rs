//! The report of a demo: figures and verdicts, for people and for machines.
//!
//! The keys are a contract with whoever reads the file. A figure that was not reached because the demo ended early is
//! `null`; `ok` is true only when every step's own check passed.

use std::io;
use std::path::Path;

use serde::Serialize;

/// Everything a demo has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Whether every step's check passed.
    pub ok: bool,
    /// Root first.
    pub chains: Vec<ChainFigures>,
    /// The way down.
    pub fund: FundFigures,
    /// Payments inside the child.
    pub transfers: TransferFigures,
    /// The validator that was killed.
    pub restart: RestartFigures,
    /// The way up.
    pub release: ReleaseFigures,
    /// Checkpoints of the child on the root.
    pub checkpoints: CheckpointFigures,
    /// Value over both chains.
    pub supply: SupplyFigures,
    /// Longest time from starting a node's process until its RPC answered, restarts included.
    pub node_start_ms_max: Option<u64>,
    /// Most memory that any node process ever had resident, in megabytes (10⁶ bytes), rounded up.
    pub memory_mb_max: Option<u64>,
    /// Whether all nodes of each chain had the same blocks and state roots at all common heights.
    pub state_roots_agree: bool,
    /// All that was done, in the order in which it ended.
    pub steps: Vec<StepFigures>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepFigures {
    /// What was done.
    pub step: String,
    /// What came of it.
    pub outcome: String,
    /// When it ended, from the launcher's start.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// One chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChainFigures {
    /// Its name.
    pub subnet: String,
    /// How many validators.
    pub validators: usize,
    /// Last height seen.
    pub height: u64,
    /// Median time between the timestamps of consecutive blocks.
    pub block_interval_ms_p50: Option<u64>,
    /// Median time from a block's timestamp, set when it is proposed, until a node serves it as final.
    pub finality_ms_p50: Option<u64>,
}

/// The way down.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FundFigures {
    /// From sending the message on the root until the child's account holds the value.
    pub latency_ms: Option<u64>,
    /// Child blocks from the root's finality of the message to the block that applied it, that one included.
    pub child_blocks: Option<u64>,
}

/// Payments inside the child.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TransferFigures {
    /// Signed messages handed to the nodes.
    pub sent: u64,
    /// Of these, found in blocks with exit code 0.
    pub included: u64,
    /// Included ones per second, from the first one sent until the last one was final.
    pub tps: Option<f64>,
}

/// The validator that was killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RestartFigures {
    /// From starting its process again until it was level with the other validators.
    pub caught_up_ms: Option<u64>,
}

/// The way up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReleaseFigures {
    /// From sending the message in the child until the root's account was paid.
    pub latency_ms: Option<u64>,
}

/// Checkpoints of the child on the root.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckpointFigures {
    /// How many the root accepted.
    pub accepted: u64,
    /// Median gas of the accepting messages.
    pub gas_p50: Option<u64>,
    /// Median size of the accepting messages as they stand in blocks, signature included.
    pub bytes_p50: Option<u64>,
    /// Median number of the root's blocks from the moment at which the child's block that certifies a checkpoint was final
    /// to the block that accepted it, that one included.
    pub parent_blocks_p50: Option<u64>,
}

/// Value over both chains, as decimal strings in attoFIL.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SupplyFigures {
    /// What the checkpoint actor holds for the child: custody, and what waits for delivery.
    pub root_custody: String,
    /// What all accounts and actors of the child hold.
    pub child_circulating: String,
    /// On its way, down and up.
    pub in_flight: String,
    /// Burned in the child and not yet taken from custody.
    pub burned: String,
    /// Whether custody is exactly the sum of the other three, and all else holds that [`crate::supply`] checks.
    pub conserved: bool,
}

impl Report {
    /// Writes the report in one step, so that a reader never sees half of it.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_json(self, path)
    }
}

/// Writes a report in one step.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_json(report: &impl Serialize, path: &Path) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text + "\n")?;
    std::fs::rename(partial, path)
}

/// The median, or the lower one of the two middle values; `None` without values.
pub fn p50(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn report_has_exactly_the_agreed_keys() {
        let (chains, steps) = (vec![ChainFigures::default()], vec![StepFigures::default()]);
        let report = Report { chains, steps, ..Report::default() };
        let value = serde_json::to_value(&report).expect("serializes");
        let expected = [
            "chains",
            "checkpoints",
            "fund",
            "memory_mb_max",
            "node_start_ms_max",
            "ok",
            "release",
            "restart",
            "state_roots_agree",
            "steps",
            "supply",
            "transfers",
        ];
        assert_eq!(keys(&value), expected);
        let chain = ["block_interval_ms_p50", "finality_ms_p50", "height", "subnet", "validators"];
        assert_eq!(keys(&value["chains"][0]), chain);
        assert_eq!(keys(&value["fund"]), ["child_blocks", "latency_ms"]);
        assert_eq!(keys(&value["transfers"]), ["included", "sent", "tps"]);
        assert_eq!(keys(&value["restart"]), ["caught_up_ms"]);
        assert_eq!(keys(&value["release"]), ["latency_ms"]);
        assert_eq!(keys(&value["checkpoints"]), ["accepted", "bytes_p50", "gas_p50", "parent_blocks_p50"]);
        assert_eq!(keys(&value["steps"][0]), ["at_ms", "outcome", "step", "took_ms"]);
        let supply = ["burned", "child_circulating", "conserved", "in_flight", "root_custody"];
        assert_eq!(keys(&value["supply"]), supply);
    }

    #[test]
    fn a_report_that_was_not_filled_is_not_ok() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("testnet/report.json");
        Report::default().write(&path).expect("writes");
        let read: Value = serde_json::from_slice(&std::fs::read(&path).expect("reads")).expect("parses");
        assert_eq!((&read["ok"], &read["supply"]["conserved"]), (&Value::Bool(false), &Value::Bool(false)));
        assert_eq!(std::fs::read_dir(path.parent().expect("has one")).expect("reads").count(), 1);
    }

    #[test]
    fn median_of_none_one_and_many() {
        assert_eq!(p50(vec![]), None);
        assert_eq!(p50(vec![7]), Some(7));
        assert_eq!(p50(vec![9, 1, 5]), Some(5));
        assert_eq!(p50(vec![9, 1, 5, 7]), Some(5));
    }
}
