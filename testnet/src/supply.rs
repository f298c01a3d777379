//! The supply equation of one edge, by plain addition over what was read from both chains.
//!
//! ```text
//! root_custody = child_circulating + in_flight + burned
//! ```
//!
//! Nothing here asks an actor for a counter it keeps: custody is the checkpoint actor's balance less the stakes that
//! were seen going in, circulation is the sum of every single balance in the child, and what moves is summed over the
//! messages in the blocks of both chains. So a mistake in an actor's book-keeping cannot hide itself.

use std::collections::BTreeMap;

use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{BURNT_FUNDS_ID, SYSTEM_ID};
use subnet_types::genesis::mint_reserve;

use crate::report::SupplyFigures;

/// What was read from the parent, up to one height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentSide {
    /// Balance of the child's checkpoint actor.
    pub actor_balance: TokenAmount,
    /// Sum of the stakes that validators joined with.
    pub staked: TokenAmount,
    /// Sum of what was funded.
    pub funded: TokenAmount,
    /// Sum of what accepted checkpoints paid out.
    pub delivered: TokenAmount,
    /// Sum of the fees that accepted checkpoints reported as burned.
    pub burned_reported: TokenAmount,
}

/// What was read from the child, up to one height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildSide {
    /// Every actor's balance.
    pub balances: BTreeMap<ActorID, TokenAmount>,
    /// Sum of what parent updates brought in.
    pub applied: TokenAmount,
    /// Sum of what was released.
    pub released: TokenAmount,
}

/// The equation's four terms, and what else was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// What the checkpoint actor holds for the child.
    pub root_custody: TokenAmount,
    /// What all actors of the child hold, but for the reserve and what was burned.
    pub child_circulating: TokenAmount,
    /// Funded and not applied, or released and not paid out.
    pub in_flight: TokenAmount,
    /// Burned as fees and not reported.
    pub burned: TokenAmount,
    /// Sum of all balances in the child, which no message can change.
    pub child_total: TokenAmount,
}

impl Supply {
    /// Adds up both sides.
    pub fn reckon(parent: &ParentSide, child: &ChildSide) -> Self {
        let balance = |id: ActorID| child.balances.get(&id).cloned().unwrap_or_default();
        let child_total: TokenAmount = child.balances.values().sum();
        let child_circulating = &child_total - balance(SYSTEM_ID) - balance(BURNT_FUNDS_ID);
        let down = &parent.funded - &child.applied;
        let up = &child.released - &parent.delivered;
        Self {
            root_custody: &parent.actor_balance - &parent.staked,
            child_circulating,
            in_flight: down + up,
            // A release ends in the burnt funds actor too, and must not count twice.
            burned: balance(BURNT_FUNDS_ID) - &child.released - &parent.burned_reported,
            child_total,
        }
    }

    /// Every way in which the supply is not conserved; empty when it is.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let sum = &self.child_circulating + &self.in_flight + &self.burned;
        if self.root_custody != sum {
            found.push(format!(
                "root custody {} is not circulating {} + in flight {} + burned {} = {} attoFIL",
                self.root_custody.atto(),
                self.child_circulating.atto(),
                self.in_flight.atto(),
                self.burned.atto(),
                sum.atto()
            ));
        }
        if self.child_total != mint_reserve() {
            found.push(format!(
                "all balances of the child sum to {} attoFIL, at genesis they were {}",
                self.child_total.atto(),
                mint_reserve().atto()
            ));
        }
        let terms = [
            ("root custody", &self.root_custody),
            ("circulating", &self.child_circulating),
            ("in flight", &self.in_flight),
            ("burned", &self.burned),
        ];
        for (name, amount) in terms {
            if amount.is_negative() {
                found.push(format!("{name} is {} attoFIL, below zero", amount.atto()));
            }
        }
        found
    }

    /// The figures for the report.
    pub fn figures(&self) -> SupplyFigures {
        SupplyFigures {
            root_custody: self.root_custody.atto().to_string(),
            child_circulating: self.child_circulating.atto().to_string(),
            in_flight: self.in_flight.atto().to_string(),
            burned: self.burned.atto().to_string(),
            conserved: self.violations().is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atto(amount: u64) -> TokenAmount {
        TokenAmount::from_atto(amount)
    }

    /// 1000 funded, 900 of them applied; 300 released, 200 of them paid; 50 burned as fees, 20 of them reported.
    fn sides() -> (ParentSide, ChildSide) {
        let parent = ParentSide {
            actor_balance: atto(40 + 1000 - 200 - 20),
            staked: atto(40),
            funded: atto(1000),
            delivered: atto(200),
            burned_reported: atto(20),
        };
        let circulating = 900 - 300 - 50;
        let balances = BTreeMap::from([
            (SYSTEM_ID, mint_reserve() - atto(900)),
            (BURNT_FUNDS_ID, atto(300 + 50)),
            (100, atto(circulating - 7)),
            (101, atto(7)),
        ]);
        (parent, ChildSide { balances, applied: atto(900), released: atto(300) })
    }

    #[test]
    fn supply_with_something_in_every_place_is_conserved() {
        let (parent, child) = sides();
        let supply = Supply::reckon(&parent, &child);
        assert_eq!(supply.violations(), Vec::<String>::new());
        let figures = supply.figures();
        assert_eq!(
            [&figures.root_custody, &figures.child_circulating, &figures.in_flight, &figures.burned],
            ["780", "550", "200", "30"]
        );
        assert!(figures.conserved);
    }

    #[test]
    fn value_minted_twice_is_found() {
        let (parent, mut child) = sides();
        *child.balances.entry(100).or_default() += atto(5);
        let supply = Supply::reckon(&parent, &child);
        assert_eq!(supply.violations().len(), 2, "{:?}", supply.violations());
        assert!(!supply.figures().conserved);
    }

    #[test]
    fn value_minted_from_the_reserve_without_a_message_is_found() {
        let (parent, mut child) = sides();
        *child.balances.entry(100).or_default() += atto(5);
        *child.balances.entry(SYSTEM_ID).or_default() -= atto(5);
        assert_eq!(Supply::reckon(&parent, &child).violations().len(), 1);
    }

    #[test]
    fn value_paid_out_twice_is_found() {
        let (mut parent, child) = sides();
        parent.actor_balance -= atto(100);
        assert_eq!(Supply::reckon(&parent, &child).violations().len(), 1);
        parent.delivered += atto(201);
        assert!(Supply::reckon(&parent, &child).violations().iter().any(|text| text.contains("below zero")));
    }
}
