//! What the node counts, in Prometheus' form.

mod lanes;
mod serve;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use engine_api::Verdict;
use fvm_exec::{BlockOutput, Totals};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use subnet_types::Height;

pub use serve::{MetricsError, MetricsServer, serve};

use self::lanes::LaneMetrics;
use crate::storage::BlockCommit;

/// From a fifth of the shortest block interval up to a minute, in seconds.
const SECONDS_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 20.0, 60.0];

/// A result as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// All metrics of one node. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    /// Blocks.
    pub chain: ChainMetrics,
    /// Checkpoints on their way to the parent.
    pub checkpoint: CheckpointMetrics,
    /// What is read of the parent.
    pub parent: ParentMetrics,
    /// Network and mempool, looked at now and then.
    pub gauges: NodeGauges,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that have counted nothing.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("subnet");
        let chain = ChainMetrics::register(registry.sub_registry_with_prefix("chain"));
        let checkpoint = CheckpointMetrics::register(registry.sub_registry_with_prefix("checkpoint"));
        let parent = ParentMetrics::register(registry.sub_registry_with_prefix("parent"));
        let gauges = NodeGauges::register(&mut registry);
        Self { registry: Arc::new(Mutex::new(registry)), chain, checkpoint, parent, gauges }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry.lock())
            .expect("writing to a string cannot fail");
        text
    }
}

/// Blocks.
#[derive(Clone, Default)]
pub struct ChainMetrics {
    height: Gauge,
    messages: Counter,
    messages_failed: Counter,
    gas: Counter,
    interval: Seconds,
    build: Seconds,
    judge: Seconds,
    decision: Seconds,
    execution: Seconds,
    flush: Total,
    signatures: Total,
    signatures_checked: Counter,
    wait: Seconds,
    store: Seconds,
    commit: Seconds,
    /// Executions ahead of decisions.
    pub speculation: SpeculationMetrics,
    /// Blocks executed before they are proposed.
    pub draft: DraftMetrics,
    verdicts: Family<ResultLabel, Counter>,
    parent_updates: Family<ResultLabel, Counter>,
    cross_messages: Counter,
    parent_height: Gauge,
    lanes: LaneMetrics,
    last: Arc<Mutex<Option<u64>>>,
}

impl ChainMetrics {
    fn register(registry: &mut Registry) -> Self {
        let speculation = SpeculationMetrics::register(registry.sub_registry_with_prefix("speculation"));
        let lanes = LaneMetrics::register(registry.sub_registry_with_prefix("lanes"));
        let draft = DraftMetrics::register(registry.sub_registry_with_prefix("draft"));
        let metrics = Self { speculation, draft, lanes, ..Self::default() };
        registry.register("height", "Last committed height", metrics.height.clone());
        registry.register("messages", "Signed messages executed", metrics.messages.clone());
        registry.register(
            "messages_failed",
            "Of those, with another exit code than 0",
            metrics.messages_failed.clone(),
        );
        registry.register("gas", "Gas used by signed messages", metrics.gas.clone());
        metrics.interval.register(registry, "block_interval_seconds", "Time between blocks by their timestamps");
        metrics.build.register(registry, "build_seconds", "Time to build a block");
        metrics.judge.register(registry, "judge_seconds", "Time to judge a proposal by the rules of all nodes");
        metrics.decision.register(registry, "decision_seconds", "Time from a block's timestamp to its decision");
        metrics.execution.register(registry, "execution_seconds", "Time to execute a block, its writing included");
        metrics.wait.register(registry, "execution_wait_seconds", "Part of it that the decision had to wait for");
        metrics.store.register(registry, "store_seconds", "Time to write a block to disk");
        metrics.commit.register(registry, "commit_seconds", "Time from a decision until the block is on disk");
        metrics.flush.register(registry, "flush_seconds", "Part of executions that wrote states into memory");
        metrics.signatures.register(registry, "signature_seconds", "Time to check signatures, over all threads");
        registry.register("signatures_checked", "Signatures checked", metrics.signatures_checked.clone());
        registry.register("verdicts", "Judgements of proposals", metrics.verdicts.clone());
        registry.register("parent_updates", "Parent updates executed", metrics.parent_updates.clone());
        registry.register("cross_messages", "Messages of the parent applied", metrics.cross_messages.clone());
        registry.register("parent_height", "Parent height that the chain follows", metrics.parent_height.clone());
        metrics
    }

    /// A block was executed.
    pub fn executed(&self, output: &BlockOutput, parent_height: Option<Height>) {
        match &output.parent_update {
            Some(Ok(applied)) => {
                self.parent_updates.get_or_create(&ResultLabel { result: "applied" }).inc();
                self.cross_messages.inc_by(applied.outcomes.len() as u64);
                if let Some(height) = parent_height {
                    self.parent_height.set(gauge(height.get()));
                }
            }
            Some(Err(_)) => {
                self.parent_updates.get_or_create(&ResultLabel { result: "failed" }).inc();
            }
            None => {}
        }
    }

    /// A block is on disk.
    pub fn committed(&self, commit: &BlockCommit, took: Duration) {
        let header = &commit.block.header;
        self.height.set(gauge(header.height.get()));
        let count = commit.message_cids.len();
        let failed = commit.receipts.iter().skip(1).take(count).filter(|receipt| !receipt.exit_code.is_success());
        self.messages.inc_by(count as u64);
        self.messages_failed.inc_by(failed.count() as u64);
        self.gas.inc_by(commit.results.gas_used);
        self.commit.observe(took);
        if let Some(before) = self.last.lock().replace(header.timestamp.get()) {
            self.interval.observe(Duration::from_millis(header.timestamp.get().saturating_sub(before)));
        }
    }

    /// This node built a block.
    pub fn built(&self, took: Duration) {
        self.build.observe(took);
    }

    /// A proposal was checked against the rules of all nodes.
    pub fn checked(&self, took: Duration) {
        self.judge.observe(took);
    }

    /// A block was decided so long after its timestamp, as this node's clock has it.
    pub fn decision(&self, after_ms: u64) {
        self.decision.observe(Duration::from_millis(after_ms));
    }

    /// What signature checks and executions have cost since the start.
    pub fn worked(&self, (signatures, checking): (u64, Duration), executions: &Totals) {
        self.signatures_checked.inc_by(signatures.saturating_sub(self.signatures_checked.get()));
        self.signatures.reach(checking);
        self.flush.reach(executions.flush);
        self.lanes.reach(executions);
    }

    /// What a decided block makes is known: after so long in the VM, for some of which the decision had to wait.
    pub fn decided(&self, executed: Duration, waited: Duration) {
        self.execution.observe(executed);
        self.wait.observe(waited);
    }

    /// A block was written to disk.
    pub fn stored(&self, took: Duration) {
        self.store.observe(took);
    }

    /// A proposal was judged.
    pub fn judged(&self, verdict: &Verdict) {
        let result = match verdict {
            Verdict::Accept => "accept",
            Verdict::Reject(_) => "reject",
            Verdict::NotYet(_) => "not_yet",
        };
        self.verdicts.get_or_create(&ResultLabel { result }).inc();
    }
}

/// Time spent since the start.
#[derive(Clone, Default)]
struct Total(Counter<f64, AtomicU64>);

impl Total {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.0.clone());
    }

    /// It is so much now. Told by one thread at a time.
    fn reach(&self, total: Duration) {
        self.0.inc_by((total.as_secs_f64() - self.0.get()).max(0.0));
    }
}

/// Durations.
#[derive(Clone)]
struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Self(Histogram::new(SECONDS_BUCKETS))
    }
}

impl Seconds {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.0.clone());
    }

    fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// Executions ahead of decisions.
#[derive(Clone, Default)]
pub struct SpeculationMetrics {
    begun: Counter,
    taken: Counter,
    thrown_away: Counter,
    saved: Counter<f64, AtomicU64>,
}

impl SpeculationMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("begun", "Executions begun ahead of a decision", metrics.begun.clone());
        registry.register("taken", "Of those, taken at the decision", metrics.taken.clone());
        registry.register("thrown_away", "Of those, failed or in vain", metrics.thrown_away.clone());
        registry.register("saved_seconds", "Time that decisions did not have to wait", metrics.saved.clone());
        metrics
    }

    /// One runs.
    pub fn begun(&self) {
        self.begun.inc();
    }

    /// One was of use, and saved so much time.
    pub fn taken(&self, saved: Duration) {
        self.taken.inc();
        self.saved.inc_by(saved.as_secs_f64());
    }

    /// So many failed, or another block was decided.
    pub fn thrown_away(&self, count: usize) {
        self.thrown_away.inc_by(count as u64);
    }

    /// Begun, taken, thrown away.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.begun.get(), self.taken.get(), self.thrown_away.get())
    }
}

/// Blocks executed before they are proposed.
#[derive(Clone, Default)]
pub struct DraftMetrics {
    begun: Counter,
    proposed: Counter,
    hinted: Counter,
    dropped: Counter,
}

impl DraftMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("begun", "Blocks that were executed before they could be proposed", metrics.begun.clone());
        registry.register("proposed", "Of those, proposed", metrics.proposed.clone());
        registry.register("hinted", "Of those, with hints for others", metrics.hinted.clone());
        registry.register("dropped", "Drafts that were not proposed", metrics.dropped.clone());
        metrics
    }

    /// There is one.
    pub fn begun(&self) {
        self.begun.inc();
    }

    /// It was proposed.
    pub fn proposed(&self, is_hinted: bool) {
        self.proposed.inc();
        self.hinted.inc_by(u64::from(is_hinted));
    }

    /// It was not.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    /// Begun, proposed, proposed with hints, dropped.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> [u64; 4] {
        [self.begun.get(), self.proposed.get(), self.hinted.get(), self.dropped.get()]
    }
}

/// Checkpoints on their way to the parent.
#[derive(Clone, Default)]
pub struct CheckpointMetrics {
    /// The last one that this node saw certified.
    pub certified: Gauge,
    /// The last one that the parent accepted.
    pub accepted: Gauge,
    submissions: Family<ResultLabel, Counter>,
    /// Accepted messages that still wait for delivery on the parent.
    pub undelivered: Gauge,
    /// Whether the parent accepted another checkpoint than this chain made.
    pub foreign_history: Gauge,
}

impl CheckpointMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("certified_sequence", "Last certified checkpoint", metrics.certified.clone());
        registry.register("accepted_sequence", "Last accepted checkpoint", metrics.accepted.clone());
        registry.register("submissions", "Attempts of this node to submit or deliver", metrics.submissions.clone());
        registry.register("undelivered", "Accepted messages that wait on the parent", metrics.undelivered.clone());
        registry.register(
            "foreign_history",
            "1 while the parent's last checkpoint is another than this chain made",
            metrics.foreign_history.clone(),
        );
        metrics
    }

    /// This node tried to submit; `result` is one of a few fixed words.
    pub fn submitted(&self, result: &'static str) {
        self.submissions.get_or_create(&ResultLabel { result }).inc();
    }
}

/// What is read of the parent.
#[derive(Clone, Default)]
pub struct ParentMetrics {
    /// Height of the newest header this node could prove.
    pub height: Gauge,
    reads: Family<ResultLabel, Counter>,
}

impl ParentMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("seen_height", "Newest parent height read and verified", metrics.height.clone());
        registry.register("reads", "Requests to parent endpoints", metrics.reads.clone());
        metrics
    }

    /// A request ended; `result` is one of a few fixed words.
    pub fn read(&self, result: &'static str) {
        self.reads.get_or_create(&ResultLabel { result }).inc();
    }
}

/// Network and mempool.
#[derive(Clone, Default)]
pub struct NodeGauges {
    /// Peers in consensus.
    pub consensus_peers: Gauge,
    /// Round that is being decided.
    pub consensus_round: Gauge,
    /// Peers in gossip.
    pub gossip_peers: Gauge,
    /// Messages that wait.
    pub mempool_messages: Gauge,
    /// Their bytes.
    pub mempool_bytes: Gauge,
}

impl NodeGauges {
    fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register("consensus_peers", "Peers connected to consensus", gauges.consensus_peers.clone());
        registry.register("consensus_round", "Round being decided", gauges.consensus_round.clone());
        registry.register("gossip_peers", "Peers connected to gossip", gauges.gossip_peers.clone());
        registry.register("mempool_messages", "Messages that wait for a block", gauges.mempool_messages.clone());
        registry.register("mempool_bytes", "Bytes of those messages", gauges.mempool_bytes.clone());
        gauges
    }
}

/// A count as a gauge's number.
pub fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_appear_under_their_names() {
        let metrics = Metrics::new();
        metrics.chain.judged(&Verdict::NotYet("clock".to_owned()));
        metrics.checkpoint.submitted("accepted");
        metrics.parent.height.set(7);
        let executions = Totals { flush: Duration::from_millis(250), ..Totals::default() };
        metrics.chain.worked((3, Duration::from_millis(500)), &executions);
        metrics.chain.worked((5, Duration::from_millis(1500)), &executions);
        metrics.chain.speculation.taken(Duration::from_secs(2));
        let text = metrics.render();
        for line in [
            "subnet_chain_verdicts_total{result=\"not_yet\"} 1",
            "subnet_checkpoint_submissions_total{result=\"accepted\"} 1",
            "subnet_parent_seen_height 7",
            "subnet_chain_signatures_checked_total 5",
            "subnet_chain_signature_seconds_total 1.5",
            "subnet_chain_flush_seconds_total 0.25",
            "subnet_chain_speculation_saved_seconds_total 2.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
