//! What the nodes' metrics say.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::figures::ratio;
use crate::network::Node;

/// How long a node may take to tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer. A node's metrics have some thousand lines at most.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Sums over nodes; times in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) blocks: f64,
    pub(super) messages: f64,
    pub(super) interval: f64,
    pub(super) intervals: f64,
    pub(super) decision: f64,
    pub(super) wait: f64,
    pub(super) store: f64,
    pub(super) build: f64,
    pub(super) built: f64,
    pub(super) judge: f64,
    pub(super) judged: f64,
    pub(super) signatures: f64,
    pub(super) execution: f64,
    pub(super) flush: f64,
    pub(super) failed: f64,
}

impl Totals {
    /// The sums since the nodes' start.
    ///
    /// # Errors
    /// When a node does not tell.
    pub(super) async fn of(nodes: &[Node]) -> anyhow::Result<Self> {
        let texts = nodes.iter().map(async |node| {
            let text = timeout(PATIENCE, read(node.metrics())).await.context("no answer in time")?;
            text.with_context(|| format!("{}: reading its metrics", node.name))
        });
        let mut sum = Self::default();
        for text in try_join_all(texts).await? {
            let totals = Self::parse(&text)?;
            sum = sum.zip(&totals, |sum, more| sum + more);
        }
        Ok(sum)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let value = |name: &str| -> anyhow::Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let line = line.with_context(|| format!("the metrics lack {name}"))?;
            line.trim().parse().with_context(|| format!("{name} is {line:?}, no number"))
        };
        Ok(Self {
            blocks: value("subnet_chain_commit_seconds_count")?,
            messages: value("subnet_chain_messages_total")?,
            interval: value("subnet_chain_block_interval_seconds_sum")?,
            intervals: value("subnet_chain_block_interval_seconds_count")?,
            decision: value("subnet_chain_decision_seconds_sum")?,
            wait: value("subnet_chain_execution_wait_seconds_sum")?,
            store: value("subnet_chain_store_seconds_sum")?,
            build: value("subnet_chain_build_seconds_sum")?,
            built: value("subnet_chain_build_seconds_count")?,
            judge: value("subnet_chain_judge_seconds_sum")?,
            judged: value("subnet_chain_judge_seconds_count")?,
            signatures: value("subnet_chain_signature_seconds_total")?,
            execution: value("subnet_chain_execution_seconds_sum")?,
            flush: value("subnet_chain_flush_seconds_total")?,
            failed: value("subnet_chain_messages_failed_total")?,
        })
    }

    /// What came since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        self.zip(earlier, |now, then| now - then)
    }

    /// Mean time between blocks.
    pub(super) fn interval_ms(&self) -> f64 {
        ratio(self.interval * 1000.0, self.intervals)
    }

    fn zip(&self, other: &Self, join: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            blocks: join(self.blocks, other.blocks),
            messages: join(self.messages, other.messages),
            interval: join(self.interval, other.interval),
            intervals: join(self.intervals, other.intervals),
            decision: join(self.decision, other.decision),
            wait: join(self.wait, other.wait),
            store: join(self.store, other.store),
            build: join(self.build, other.build),
            built: join(self.built, other.built),
            judge: join(self.judge, other.judge),
            judged: join(self.judged, other.judged),
            signatures: join(self.signatures, other.signatures),
            execution: join(self.execution, other.execution),
            flush: join(self.flush, other.flush),
            failed: join(self.failed, other.failed),
        }
    }
}

/// One request; the node closes the connection behind its answer.
async fn read(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the answer's head")?;
    ensure!(head.contains(" 200 "), "it answers {:?}", head.lines().next().unwrap_or_default());
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 15] = [
        "subnet_chain_commit_seconds_count",
        "subnet_chain_messages_total",
        "subnet_chain_block_interval_seconds_sum",
        "subnet_chain_block_interval_seconds_count",
        "subnet_chain_decision_seconds_sum",
        "subnet_chain_execution_wait_seconds_sum",
        "subnet_chain_store_seconds_sum",
        "subnet_chain_build_seconds_sum",
        "subnet_chain_build_seconds_count",
        "subnet_chain_judge_seconds_sum",
        "subnet_chain_judge_seconds_count",
        "subnet_chain_signature_seconds_total",
        "subnet_chain_execution_seconds_sum",
        "subnet_chain_flush_seconds_total",
        "subnet_chain_messages_failed_total",
    ];

    fn text(factor: f64) -> String {
        let line = |(index, name): (usize, &&str)| format!("# HELP {name} x\n{name} {}\n", index as f64 * factor);
        NAMES.iter().enumerate().map(line).collect()
    }

    #[test]
    fn sums_are_found_by_their_whole_names_and_subtracted() {
        let (then, now) = (Totals::parse(&text(1.0)).unwrap(), Totals::parse(&text(2.5)).unwrap());
        assert_eq!((then.blocks, then.messages, then.failed), (0.0, 1.0, 14.0));
        assert_eq!(now.since(&then), Totals::parse(&text(1.5)).unwrap());
        assert_eq!(now.interval_ms(), 2000.0 / 3.0);
    }

    #[test]
    fn missing_metric_and_garbage_are_named() {
        for name in NAMES {
            let error = Totals::parse(&text(1.0).replace(&format!("\n{name} "), "\nother ")).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = Totals::parse(&text(1.0).replace("messages_total 1\n", "messages_total one\n")).unwrap_err();
        assert!(error.to_string().contains("messages_total"), "{error}");
    }
}
