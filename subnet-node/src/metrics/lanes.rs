//! How blocks were executed.

use fvm_exec::Totals;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Total;

/// A decision of the gate as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
}

/// Executions in lanes, those ahead of decisions included.
#[derive(Clone, Default)]
pub(super) struct LaneMetrics {
    blocks: Family<DecisionLabel, Counter>,
    messages: Counter,
    committed: Counter,
    conflicts: Counter,
    reexecutions: Counter,
    misled: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    execution: Total,
    busy: Total,
}

impl LaneMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("blocks", "Executions of blocks by how the gate has decided", metrics.blocks.clone());
        registry.register("messages", "Signed messages of these blocks", metrics.messages.clone());
        registry.register("committed", "Of those, committed as a lane has run them", metrics.committed.clone());
        registry.register("conflicts", "Outcomes of lanes that did not hold", metrics.conflicts.clone());
        registry.register("reexecutions", "Messages executed twice", metrics.reexecutions.clone());
        registry.register("misled", "Executions of blocks whose waypoints were wrong", metrics.misled.clone());
        registry.register("state_cache_hits", "Actors and addresses that were known", metrics.cache_hits.clone());
        registry.register("state_cache_misses", "Those that had to be read", metrics.cache_misses.clone());
        metrics.execution.register(registry, "execution_seconds", "Time to execute signed messages");
        metrics.busy.register(registry, "busy_seconds", "Time that lanes were running messages, over all lanes");
        metrics
    }

    /// What executions have come to since the start. Told by one thread at a time.
    pub(super) fn reach(&self, totals: &Totals) {
        let reach = |counter: &Counter, total: u64| counter.inc_by(total.saturating_sub(counter.get()));
        for (decision, blocks) in &totals.blocks {
            reach(&self.blocks.get_or_create(&DecisionLabel { decision }), *blocks);
        }
        reach(&self.messages, totals.messages);
        reach(&self.committed, totals.committed);
        reach(&self.conflicts, totals.conflicts);
        reach(&self.reexecutions, totals.reexecutions);
        reach(&self.misled, totals.misled);
        reach(&self.cache_hits, totals.cache_hits);
        reach(&self.cache_misses, totals.cache_misses);
        self.execution.reach(totals.execution);
        self.busy.reach(totals.lanes_busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn counters_reach_the_totals_and_no_further() {
        let mut registry = Registry::default();
        let metrics = LaneMetrics::register(&mut registry);
        let totals = Totals {
            blocks: [("lanes", 3)].into(),
            conflicts: 2,
            lanes_busy: Duration::from_secs(5),
            ..Totals::default()
        };
        metrics.reach(&totals);
        metrics.reach(&totals);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in ["blocks_total{decision=\"lanes\"} 3", "conflicts_total 2", "busy_seconds_total 5.0"] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
