//! The supply of a whole hierarchy, edge by edge.
//!
//! The equation of an edge is [`client::supply`]'s, which `subnet-node doctor --supply` uses too. Around it stands what
//! only a testnet can afford: circulation is the sum of every single balance and not a node's word, all balances of a
//! chain sum to what its genesis made, and the stake that the parent counts is what its blocks say that validators
//! joined with. So a mistake in an actor's or a node's book-keeping cannot hide itself.

use std::collections::BTreeMap;

use client::Client;
use client::supply::{EdgeFigures, EdgeSupply, read, reckon};
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{BURNT_FUNDS_ID, SYSTEM_ID};
use subnet_types::genesis::mint_reserve;

use crate::ledger::ParentLedger;
use crate::network::Chain;
use crate::read::{balances, ledger};
use crate::report::SupplyFigures;

/// An edge, reckoned.
pub struct Reckoned {
    /// Heights and both sides.
    pub figures: EdgeFigures,
    /// The equation.
    pub supply: EdgeSupply,
    /// What the parent's blocks say of the child.
    pub ledger: ParentLedger,
}

/// Reads and reckons the edge between two running chains.
///
/// # Errors
/// When a node cannot be read or contradicts itself. That supply is not conserved is no error but stands in the
/// result.
pub async fn edge(parent: &Chain, child: &Chain) -> anyhow::Result<Reckoned> {
    let [above, below] = [parent, child].map(|chain| Client::connect(chain.remote().url()));
    let figures = read(&above?, &below?, &child.subnet).await?;
    let ledger = ledger(parent.remote(), &child.subnet, figures.parent_height).await?;
    let held = balances(child.remote(), figures.child_height).await?;
    let mut supply = reckon(&figures.parent_side, &figures.child_side);
    supply.violations.extend(contradictions(&figures, &ledger, &held));
    Ok(Reckoned { figures, supply, ledger })
}

/// Everything in which balances and blocks say something else than counters.
fn contradictions(figures: &EdgeFigures, ledger: &ParentLedger, held: &BTreeMap<ActorID, TokenAmount>) -> Vec<String> {
    let held_by = |id: ActorID| held.get(&id).cloned().unwrap_or_default();
    let total: TokenAmount = held.values().sum();
    let circulating = &total - held_by(SYSTEM_ID) - held_by(BURNT_FUNDS_ID);
    let pairs = [
        ("the child's circulation", &figures.child_side.circulating, "the sum of its balances", &circulating),
        ("the sum of all balances of the child", &total, "their sum at genesis", &mint_reserve()),
        ("the stake that the parent counts", &figures.parent_side.stake, "what joined", &ledger.staked),
    ];
    let differing = pairs.into_iter().filter(|(_, value, _, expected)| value != expected);
    differing
        .map(|(left, value, right, expected)| {
            format!("{left} is {} attoFIL, {right} is {}", value.atto(), expected.atto())
        })
        .collect()
}

/// Whether all balances of a root sum to what its genesis gave out.
///
/// # Errors
/// When the node cannot be read.
pub async fn root_violations(root: &Chain) -> anyhow::Result<Vec<String>> {
    let height = root.remote().height().await?;
    let total: TokenAmount = balances(root.remote(), height).await?.values().sum();
    let issued: TokenAmount =
        root.spec.accounts.iter().map(|account| TokenAmount::from_whole(account.balance_fil)).sum();
    if total == issued {
        return Ok(Vec::new());
    }
    let (total, issued) = (total.atto(), issued.atto());
    Ok(vec![format!("the root's balances sum to {total} attoFIL, its genesis gave out {issued}")])
}

impl Reckoned {
    /// The figures for the report.
    pub fn figures(&self) -> SupplyFigures {
        let text = |amount: &TokenAmount| amount.atto().to_string();
        SupplyFigures {
            root_custody: text(&self.supply.custody),
            child_circulating: text(&self.supply.circulating),
            in_flight: text(&self.supply.in_flight),
            burned: text(&self.supply.burned),
            conserved: self.supply.violations.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::supply::{ChildFigures, ParentFigures};
    use subnet_types::{Height, SubnetId};

    fn atto(amount: u64) -> TokenAmount {
        TokenAmount::from_atto(amount)
    }

    /// 550 in circulation and 50 burned, of 600 minted; a stake of 40.
    fn sides() -> (EdgeFigures, ParentLedger, BTreeMap<ActorID, TokenAmount>) {
        let figures = EdgeFigures {
            child: SubnetId::root(1),
            parent_height: Height::new(3),
            child_height: Height::new(5),
            parent_side: ParentFigures { stake: atto(40), ..Default::default() },
            child_side: ChildFigures { circulating: atto(550), ..Default::default() },
        };
        let held = BTreeMap::from([
            (SYSTEM_ID, mint_reserve() - atto(600)),
            (BURNT_FUNDS_ID, atto(50)),
            (100, atto(543)),
            (101, atto(7)),
        ]);
        (figures, ParentLedger { staked: atto(40), ..Default::default() }, held)
    }

    fn violations((figures, ledger, held): &(EdgeFigures, ParentLedger, BTreeMap<ActorID, TokenAmount>)) -> usize {
        contradictions(figures, ledger, held).len()
    }

    #[test]
    fn what_agrees_is_not_named() {
        assert_eq!(violations(&sides()), 0);
    }

    #[test]
    fn a_node_that_misreports_its_circulation_is_found() {
        let mut sides = sides();
        sides.0.child_side.circulating += atto(1);
        assert_eq!(violations(&sides), 1);
    }

    #[test]
    fn value_out_of_nothing_is_found_and_value_out_of_the_reserve_too() {
        let mut sides = sides();
        *sides.2.entry(100).or_default() += atto(5);
        assert_eq!(violations(&sides), 2, "neither the reserve nor the node knows of it");
        *sides.2.entry(SYSTEM_ID).or_default() -= atto(5);
        assert_eq!(violations(&sides), 1, "the node does not know of it");
    }

    #[test]
    fn stake_that_nobody_joined_with_is_found() {
        let mut sides = sides();
        sides.0.parent_side.stake += atto(1);
        assert_eq!(violations(&sides), 1);
    }
}
