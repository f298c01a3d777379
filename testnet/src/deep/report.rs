//! The report of the deep demo: what became of a message on every route and of every kind of failure.
//!
//! The keys are a contract with whoever reads the file; see [`crate::report`] for how a figure that was not reached
//! looks.

use std::path::Path;

use serde::Serialize;

use crate::report::{StepFigures, SupplyFigures, write_json};

/// Everything the deep demo has to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeepReport {
    /// Whether every message ended as it had to, and supply is conserved.
    pub ok: bool,
    /// Whether every edge was conserved each time it was reckoned.
    pub conserved: bool,
    /// The chains, parents first.
    pub chains: Vec<DeepChain>,
    /// One entry for each message.
    pub routes: Vec<RouteFigures>,
    /// The calls over one edge, until their receipts are back.
    pub one_hop_calls: Vec<CallFigures>,
    /// Every edge at the end.
    pub supply: Vec<EdgeReport>,
    /// Every edge while messages were on their way.
    pub supply_on_the_way: Vec<EdgeReport>,
    /// Most memory that any node process ever had resident, in megabytes (10⁶ bytes), rounded up.
    pub memory_mb_max: Option<u64>,
    /// All that was done, in the order in which it ended.
    pub steps: Vec<StepFigures>,
}

/// One chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeepChain {
    /// Its name in the topology.
    pub name: String,
    /// Its name in the protocol.
    pub subnet: String,
    /// How many validators.
    pub validators: usize,
    /// Blocks between its checkpoints; absent on the root.
    pub checkpoint_period_blocks: Option<u64>,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RouteFigures {
    /// Where it went, as its sender sees it: `parent`, `child`, `sibling`, `cousin`, `grandparent` or `grandchild`.
    pub route: String,
    /// `transfer`, `call`, or the failure that it was to meet.
    pub kind: String,
    /// From this chain.
    pub from: String,
    /// To that one.
    pub to: String,
    /// `delivered` or `refused`; `null` when neither happened in time.
    pub outcome: Option<String>,
    /// Zero, or why it was refused.
    pub exit_code: Option<u32>,
    /// The same in words.
    pub reason: Option<String>,
    /// From the block that took it to the one in which it arrived or, when it must be answered, in which its answer counted.
    pub latency_ms: Option<u64>,
    /// Edges that it crossed.
    pub hops: usize,
    /// Whether the answer came back; `null` for a transfer that is delivered and so not answered.
    pub settled: Option<bool>,
    /// Whether it ended as it had to: outcome, code and the recipient's balance.
    pub ok: bool,
}

/// A call over one edge, by the clocks of the chains.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallFigures {
    /// `parent` or `child`.
    pub route: String,
    /// From the block that took the call to the one in which its receipt counted.
    pub receipt_ms: Option<u64>,
    /// Two checkpoint periods and four blocks.
    pub goal_ms: u64,
    /// Whether it was reached.
    pub within_goal: bool,
}

/// The equation of one edge, as decimal strings in attoFIL.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EdgeFigures {
    /// What the upper chain's checkpoint actor holds for the lower one: custody, and what waits for delivery.
    pub custody: String,
    /// What all accounts and actors of the lower chain hold.
    pub circulating: String,
    /// On its way, down and up.
    pub in_flight: String,
    /// Burned in the lower chain and not yet taken from custody.
    pub burned: String,
    /// Whether custody is exactly the sum of the other three, and all else holds that [`crate::supply`] checks.
    pub conserved: bool,
}

impl From<SupplyFigures> for EdgeFigures {
    fn from(figures: SupplyFigures) -> Self {
        let SupplyFigures { root_custody, child_circulating, in_flight, burned, conserved } = figures;
        Self { custody: root_custody, circulating: child_circulating, in_flight, burned, conserved }
    }
}

/// One edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EdgeReport {
    /// Name of the lower chain in the topology.
    pub child: String,
    /// The equation.
    #[serde(flatten)]
    pub figures: EdgeFigures,
    /// What does not hold.
    pub violations: Vec<String>,
}

impl DeepReport {
    /// Writes the report in one step.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        write_json(self, path)
    }

    /// Whether everything that was to be shown was shown and ended as it had to.
    pub fn is_complete(&self, expected: usize) -> bool {
        self.conserved
            && self.routes.len() == expected
            && self.routes.iter().all(|route| route.ok)
            && self.one_hop_calls.iter().all(|call| call.within_goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn report_has_the_agreed_keys() {
        let report = DeepReport {
            routes: vec![RouteFigures::default()],
            supply: vec![EdgeReport::default()],
            ..DeepReport::default()
        };
        let value = serde_json::to_value(&report).expect("serializes");
        for key in ["ok", "conserved", "routes"] {
            assert!(keys(&value).contains(&key), "{key}");
        }
        for key in ["route", "kind", "outcome", "latency_ms"] {
            assert!(keys(&value["routes"][0]).contains(&key), "{key}");
        }
        let edge = keys(&value["supply"][0]);
        let expected = ["burned", "child", "circulating", "conserved", "custody", "in_flight", "violations"];
        assert_eq!(edge, expected, "an edge may be far below the root");
    }

    #[test]
    fn a_report_is_complete_when_all_is_there_and_well() {
        let good = RouteFigures { ok: true, ..RouteFigures::default() };
        let report = DeepReport { conserved: true, routes: vec![good; 2], ..DeepReport::default() };
        assert!(report.is_complete(2));
        assert!(!report.is_complete(3), "one was not sent");
        let mut bad = report.clone();
        bad.routes[1].ok = false;
        assert!(!bad.is_complete(2));
        assert!(!DeepReport { conserved: false, ..report }.is_complete(2));
    }
}
