//! What a benchmark of the network has to say, for people and for machines. The keys are a contract with whoever reads
//! the file.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::scrape::Totals;

/// One workload on one chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// What the messages did.
    pub workload: &'static str,
    /// Validators, each a process.
    pub validators: usize,
    /// Cores that each of them used for a block.
    pub lanes: u32,
    /// Messages of the burst, all in blocks with exit code 0.
    pub messages: u64,
    /// Of these, included in each second, from the first submission until the last was seen as final.
    pub transactions_per_second: f64,
    /// Messages that were submitted in each second while finality was measured.
    pub paced_transactions_per_second: f64,
    /// Median time from a message's submission until a node served its block as final.
    pub finality_ms_p50: u64,
    /// The same for the slowest message but one in a hundred.
    pub finality_ms_p99: u64,
    /// Mean time between blocks of the burst.
    pub block_interval_ms: f64,
    /// Where the time of a block of the burst goes.
    pub per_block: PerBlock,
}

/// Means over the blocks of the burst and all nodes.
///
/// `consensus_ms`, `waited_ms`, `storage_ms` and `rest_ms` follow each other and make the block interval. The others are
/// work that goes on meanwhile: in other threads, or inside `consensus_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PerBlock {
    /// Messages.
    pub messages: f64,
    /// From a block's timestamp, taken before it is built, until it is decided: building, sending, judging, voting.
    pub consensus_ms: f64,
    /// How long the decision then waited for the execution that began ahead of it.
    pub waited_ms: f64,
    /// Writing to disk, synced.
    pub storage_ms: f64,
    /// What is left of the interval: taking the block out of the pool, and the pause before the next block.
    pub rest_ms: f64,
    /// Building, on the one node that proposes.
    pub building_ms: f64,
    /// Judging, on the others.
    pub judging_ms: f64,
    /// Checking signatures, over all threads: mostly when messages arrive.
    pub signatures_ms: f64,
    /// Executing messages.
    pub execution_ms: f64,
    /// Writing the state after them into memory.
    pub flush_ms: f64,
}

impl PerBlock {
    pub(super) fn of(totals: &Totals) -> Self {
        let per_block = |seconds: f64| tenth(ratio(seconds * 1000.0, totals.blocks));
        let following = totals.decision + totals.wait + totals.store;
        Self {
            messages: tenth(ratio(totals.messages, totals.blocks)),
            consensus_ms: per_block(totals.decision),
            waited_ms: per_block(totals.wait),
            storage_ms: per_block(totals.store),
            rest_ms: tenth((totals.interval_ms() - ratio(following * 1000.0, totals.blocks)).max(0.0)),
            building_ms: tenth(ratio(totals.build * 1000.0, totals.built)),
            judging_ms: tenth(ratio(totals.judge * 1000.0, totals.judged)),
            signatures_ms: per_block(totals.signatures),
            execution_ms: per_block((totals.execution - totals.flush).max(0.0)),
            flush_ms: per_block(totals.flush),
        }
    }
}

/// Zero of nothing.
pub(super) fn ratio(sum: f64, count: f64) -> f64 {
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Rounded to one digit behind the point.
pub(super) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Writes all figures in one step, so that a reader never sees half of them.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write(figures: &[Figures], path: &Path) -> io::Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text + "\n")?;
    std::fs::rename(partial, path)
}

/// All figures as a table for people.
pub fn table(figures: &[Figures]) -> String {
    let mut lines = vec![format!(
        "{:<15}{:>6}{:>8}{:>11}{:>11}{:>11}  {}",
        "workload", "lanes", "tx/s", "final p50", "final p99", "interval", "ms of a block"
    )];
    for row in figures {
        let block = row.per_block;
        lines.push(format!(
            "{:<15}{:>6}{:>8.0}{:>8} ms{:>8} ms{:>8.0} ms  {:.0} messages: consensus {:.0} + waited {:.0} + storage {:.0} + rest {:.0}",
            row.workload,
            row.lanes,
            row.transactions_per_second,
            row.finality_ms_p50,
            row.finality_ms_p99,
            row.block_interval_ms,
            block.messages,
            block.consensus_ms,
            block.waited_ms,
            block.storage_ms,
            block.rest_ms,
        ));
        lines.push(format!(
            "{:<64}meanwhile: building {:.0}, judging {:.0}, signatures {:.0}, execution {:.0}, flush {:.0}",
            "", block.building_ms, block.judging_ms, block.signatures_ms, block.execution_ms, block.flush_ms,
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals() -> Totals {
        Totals {
            blocks: 10.0,
            messages: 5000.0,
            interval: 5.0,
            intervals: 10.0,
            decision: 2.0,
            wait: 0.5,
            store: 0.25,
            build: 0.2,
            built: 5.0,
            judge: 0.3,
            judged: 10.0,
            signatures: 1.5,
            execution: 1.0,
            flush: 0.4,
            failed: 0.0,
        }
    }

    #[test]
    fn parts_that_follow_each_other_make_the_interval() {
        let block = PerBlock::of(&totals());
        assert_eq!(block.consensus_ms + block.waited_ms + block.storage_ms + block.rest_ms, totals().interval_ms());
        assert_eq!((block.messages, block.rest_ms), (500.0, 225.0));
        assert_eq!((block.building_ms, block.judging_ms), (40.0, 30.0), "each by those who did it");
        assert_eq!((block.execution_ms, block.flush_ms, block.signatures_ms), (60.0, 40.0, 150.0));
        assert_eq!(PerBlock::of(&Totals::default()), PerBlock::default(), "no block, no time");
    }

    #[test]
    fn file_has_exactly_the_agreed_keys() {
        let figures = Figures {
            workload: "send",
            validators: 4,
            lanes: 2,
            messages: 5000,
            transactions_per_second: 1000.0,
            paced_transactions_per_second: 500.0,
            finality_ms_p50: 700,
            finality_ms_p99: 1200,
            block_interval_ms: 500.0,
            per_block: PerBlock::of(&totals()),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench/net.json");
        write(std::slice::from_ref(&figures), &path).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let expected = [
            "block_interval_ms",
            "finality_ms_p50",
            "finality_ms_p99",
            "lanes",
            "messages",
            "paced_transactions_per_second",
            "per_block",
            "transactions_per_second",
            "validators",
            "workload",
        ];
        assert_eq!(keys(&read[0]), expected);
        let expected = [
            "building_ms",
            "consensus_ms",
            "execution_ms",
            "flush_ms",
            "judging_ms",
            "messages",
            "rest_ms",
            "signatures_ms",
            "storage_ms",
            "waited_ms",
        ];
        assert_eq!(keys(&read[0]["per_block"]), expected);
        assert!(table(&[figures]).contains("consensus 200 + waited 50 + storage 25 + rest 225"));
    }
}
