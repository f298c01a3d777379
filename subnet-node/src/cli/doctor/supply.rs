//! `doctor --supply`: whether a running hierarchy holds exactly the value that it should, edge by edge.

use client::api::JsonAmount;
use client::supply::{self, EdgeFigures};
use serde::Serialize;
use subnet_types::{Height, SubnetId};

use crate::cli::context::Context;
use crate::cli::cross::{Chains, EndpointArgs};
use crate::cli::error::{CliError, Exit};
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
    /// Every edge below the chains that were asked is reckoned and conserved.
    conserved: bool,
    /// Every edge below the chains that were asked is reckoned.
    complete: bool,
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
    let reckoning = Reckoning::of(edges, not_asked);
    context.output.result(&reckoning, || reckoning.text());
    reckoning.verdict()
}

impl Reckoning {
    fn of(edges: Vec<Edge>, not_asked: Vec<SubnetId>) -> Self {
        let complete = not_asked.is_empty();
        let conserved = complete && edges.iter().all(|edge| edge.conserved);
        Self { conserved, complete, edges, not_asked }
    }

    /// A failed check weighs more than one that was not made.
    fn verdict(&self) -> Result<(), CliError> {
        let wrong = self.edges.iter().filter(|edge| !edge.conserved).count();
        if wrong > 0 {
            return Err(CliError::reported(format!(
                "supply is not conserved on {wrong} of {} edges",
                self.edges.len()
            )));
        }
        if !self.complete {
            let (missing, all) = (self.not_asked.len(), self.not_asked.len() + self.edges.len());
            let problem = format!("incomplete: {missing} of {all} edges are not reckoned, the others are conserved");
            return Err(CliError { exit: Exit::Usage, ..CliError::reported(problem) }
                .hint("name a node of each of these children with --endpoint URL"));
        }
        Ok(())
    }

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
        let reckoning = Reckoning::of(vec![good, bad], vec![SubnetId::root(5)]);
        assert_eq!(reckoning.verdict().unwrap_err().exit, Exit::Failure);
        let text = reckoning.text();
        assert!(text.contains("NO") && text.contains("circulating + in flight + burned"), "{text}");
        assert!(text.contains("/r5: not reckoned"), "{text}");

        let reckoning = Reckoning::of(vec![Edge::from(figures(one.clone()))], vec![SubnetId::root(5)]);
        assert!(!reckoning.conserved && !reckoning.complete, "nobody knows");
        let error = reckoning.verdict().unwrap_err();
        assert!(error.exit == Exit::Usage && error.message.contains("incomplete: 1 of 2"), "{}", error.message);
        let whole = Reckoning::of(vec![Edge::from(figures(one.clone()))], vec![]);
        assert!(whole.conserved && whole.complete && whole.verdict().is_ok());
    }
}
