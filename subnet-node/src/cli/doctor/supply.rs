//! `doctor --supply`: whether a running hierarchy holds exactly the value that it should, edge by edge.

use client::api::JsonAmount;
use client::supply::{self, EdgeFigures};
use serde::Serialize;
use subnet_types::{Height, SubnetId};

use crate::cli::context::Context;
use crate::cli::cross::{Chains, EndpointArgs};
use crate::cli::error::CliError;
use crate::cli::genesis::fil;
use crate::cli::output::columns;

/// One edge, reckoned.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edge {
    child: SubnetId,
    parent_height: Height,
    child_height: Height,
    custody: JsonAmount,
    circulating: JsonAmount,
    in_flight: JsonAmount,
    burned: JsonAmount,
    conserved: bool,
    violations: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reckoning {
    conserved: bool,
    edges: Vec<Edge>,
    /// Children of which no node was named.
    not_asked: Vec<SubnetId>,
}

impl From<EdgeFigures> for Edge {
    fn from(figures: EdgeFigures) -> Self {
        let EdgeFigures { child, parent_height, child_height, parent_side, child_side } = figures;
        let supply = supply::reckon(&parent_side, &child_side);
        Self {
            child,
            parent_height,
            child_height,
            custody: supply.custody.into(),
            circulating: supply.circulating.into(),
            in_flight: supply.in_flight.into(),
            burned: supply.burned.into(),
            conserved: supply.violations.is_empty(),
            violations: supply.violations,
        }
    }
}

/// Reckons every edge of which both ends are known.
pub(in crate::cli) async fn run(context: &Context, endpoints: &EndpointArgs) -> Result<(), CliError> {
    let chains = Chains::ask(context, endpoints).await?;
    let (mut edges, mut not_asked) = (Vec::new(), Vec::new());
    for (_, parent) in chains.iter() {
        for child in parent.children().await?.into_iter().filter(|child| child.is_active && !child.has_exited) {
            let Some(client) = chains.get(&child.subnet) else {
                not_asked.push(child.subnet);
                continue;
            };
            let figures = supply::read(parent, client, &child.subnet).await;
            edges.push(Edge::from(figures.map_err(|error| CliError::failure(error.to_string()))?));
        }
    }
    if edges.is_empty() {
        return Err(CliError::usage("no edge has a known node at both ends")
            .hint("name a node of the child, or of the parent, with --endpoint URL"));
    }
    let reckoning = Reckoning { conserved: edges.iter().all(|edge| edge.conserved), edges, not_asked };
    context.output.result(&reckoning, || reckoning.text());
    if reckoning.conserved {
        return Ok(());
    }
    let wrong = reckoning.edges.iter().filter(|edge| !edge.conserved).count();
    Err(CliError::reported(format!("supply is not conserved on {wrong} of {} edges", reckoning.edges.len())))
}

impl Reckoning {
    fn text(&self) -> String {
        let rows: Vec<[String; 6]> = self.edges.iter().map(Edge::row).collect();
        let header = ["CHILD", "CUSTODY", "= CIRCULATING", "+ IN FLIGHT", "+ BURNED", "CONSERVED"];
        let mut parts = vec![columns(header, &rows)];
        for edge in &self.edges {
            parts.extend(edge.violations.iter().map(|violation| format!("{}: {violation}", edge.child)));
        }
        parts.extend(self.not_asked.iter().map(|child| format!("{child}: not reckoned, no node of it was named")));
        parts.join("\n")
    }
}

impl Edge {
    fn row(&self) -> [String; 6] {
        [
            self.child.to_string(),
            fil(&self.custody.0),
            fil(&self.circulating.0),
            fil(&self.in_flight.0),
            fil(&self.burned.0),
            if self.conserved { "yes" } else { "NO" }.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::supply::{ChildFigures, ParentFigures};
    use fvm_shared::econ::TokenAmount;

    #[test]
    fn a_violated_edge_is_named_and_the_rest_is_not() {
        let one = TokenAmount::from_whole(1);
        let figures = |circulating: TokenAmount| EdgeFigures {
            child: SubnetId::root(1).child(fvm_shared::address::Address::new_actor(b"child")).unwrap(),
            parent_height: Height::new(7),
            child_height: Height::new(9),
            parent_side: ParentFigures { custody: one.clone(), actor_balance: one.clone(), ..Default::default() },
            child_side: ChildFigures { circulating, ..Default::default() },
        };
        let good = Edge::from(figures(one.clone()));
        assert!(good.conserved && good.row()[5] == "yes");
        let bad = Edge::from(figures(TokenAmount::from_whole(2)));
        assert!(!bad.conserved && bad.violations.len() == 1);
        let text = Reckoning { conserved: false, edges: vec![good, bad], not_asked: vec![SubnetId::root(5)] }.text();
        assert!(text.contains("NO") && text.contains("circulating + in flight + burned"), "{text}");
        assert!(text.contains("/r5: not reckoned"), "{text}");
    }
}
