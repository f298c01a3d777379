//! The supply equation of one edge, by plain addition over what was read from both chains.
//!
//! ```text
//! root_custody = child_circulating + in_flight + burned
//! ```
//!
//! What the checkpoint actor counts as the child's stands on the left; nothing on the right asks an actor for a counter:
//! circulation is the sum of every single balance in the child, and what moves is summed over the messages in the blocks
//! of both chains. So a mistake in an actor's book-keeping cannot hide itself.
//!
//! Nobody can break the equation by giving value away. What a stranger gives the checkpoint actor enters no counter, so
//! its balance must cover the counters and may exceed them. What a stranger gives the child's system actor, which holds
//! the mint reserve, is in a message and as lost as what goes to the burnt funds actor: both are reported and taken from
//! custody like fees.

use std::collections::BTreeMap;

use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{BURNT_FUNDS_ID, SYSTEM_ID};
use subnet_types::genesis::mint_reserve;

use crate::report::SupplyFigures;

/// What the child's checkpoint actor counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Locked for the child.
    pub custody: TokenAmount,
    /// Of accepted checkpoints, and not delivered yet.
    pub reserved: TokenAmount,
    /// What its validators joined with.
    pub stake: TokenAmount,
}

/// What was read from the parent, up to one height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentSide {
    /// What the child's checkpoint actor counts.
    pub counters: Counters,
    /// Its balance.
    pub actor_balance: TokenAmount,
    /// Sum of the stakes that validators joined with.
    pub staked: TokenAmount,
    /// Sum of what was queued for the child: funded, or refused and on its way back.
    pub queued: TokenAmount,
    /// Sum of what was delivered of accepted checkpoints, whether the destination took it or it went back.
    pub delivered: TokenAmount,
    /// Sum of what accepted checkpoints reported as burned.
    pub burned_reported: TokenAmount,
}

/// What was read from the child, up to one height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildSide {
    /// Every actor's balance.
    pub balances: BTreeMap<ActorID, TokenAmount>,
    /// Sum of what parent updates brought in.
    pub applied: TokenAmount,
    /// Sum of what was released, or refused and on its way back.
    pub released: TokenAmount,
    /// Sum of what anybody gave to the system actor.
    pub given_to_system: TokenAmount,
}

/// The equation's four terms, and what else must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// What the checkpoint actor counts as the child's.
    pub root_custody: TokenAmount,
    /// What all actors of the child hold, but for the reserve and what was burned.
    pub child_circulating: TokenAmount,
    /// Queued and not applied, or released and not delivered.
    pub in_flight: TokenAmount,
    /// Fees and gifts that nobody holds any more, and no checkpoint reported.
    pub burned: TokenAmount,
    /// Pairs that must be equal, with their names.
    equal: Vec<[(&'static str, TokenAmount); 2]>,
    /// What the checkpoint actor holds.
    actor_balance: TokenAmount,
    /// What its counters say it must hold at least.
    actor_owes: TokenAmount,
}

impl Supply {
    /// Adds up both sides.
    pub fn reckon(parent: &ParentSide, child: &ChildSide) -> Self {
        let balance = |id: ActorID| child.balances.get(&id).cloned().unwrap_or_default();
        let child_total: TokenAmount = child.balances.values().sum();
        let child_circulating = &child_total - balance(SYSTEM_ID) - balance(BURNT_FUNDS_ID);
        let root_custody = &parent.counters.custody + &parent.counters.reserved;
        let in_flight = (&parent.queued - &child.applied) + (&child.released - &parent.delivered);
        let burned = balance(BURNT_FUNDS_ID) + &child.given_to_system - &parent.burned_reported;
        // What is applied comes out of the reserve, and what goes up or back returns there.
        let reserve = mint_reserve() - &child.applied + &child.released + &child.given_to_system;
        let equal = vec![
            [
                ("root custody", root_custody.clone()),
                ("circulating + in flight + burned", &child_circulating + &in_flight + &burned),
            ],
            [("the stake that the root counts", parent.counters.stake.clone()), ("what joined", parent.staked.clone())],
            [("the sum of all balances of the child", child_total), ("their sum at genesis", mint_reserve())],
            [("the child's mint reserve", balance(SYSTEM_ID)), ("what its blocks leave in it", reserve)],
        ];
        Self {
            actor_owes: &root_custody + &parent.counters.stake,
            actor_balance: parent.actor_balance.clone(),
            root_custody,
            child_circulating,
            in_flight,
            burned,
            equal,
        }
    }

    /// Every way in which the supply is not conserved; empty when it is.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for [(left, value), (right, expected)] in &self.equal {
            if value != expected {
                found.push(format!("{left} is {} attoFIL, {right} is {}", value.atto(), expected.atto()));
            }
        }
        if self.actor_balance < self.actor_owes {
            let (held, owed) = (self.actor_balance.atto(), self.actor_owes.atto());
            found.push(format!("the checkpoint actor holds {held} attoFIL, custody and stake are {owed}"));
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

    /// 1000 queued, 900 of them applied; 300 released, 200 of them delivered, 60 accepted and waiting; 50 burned as fees, 20
    /// of them reported.
    fn sides() -> (ParentSide, ChildSide) {
        let custody = 1000 - 200 - 60 - 20;
        let parent = ParentSide {
            counters: Counters { custody: atto(custody), reserved: atto(60), stake: atto(40) },
            actor_balance: atto(custody + 60 + 40),
            staked: atto(40),
            queued: atto(1000),
            delivered: atto(200),
            burned_reported: atto(20),
        };
        let circulating = 900 - 300 - 50;
        let balances = BTreeMap::from([
            (SYSTEM_ID, mint_reserve() - atto(900 - 300)),
            (BURNT_FUNDS_ID, atto(50)),
            (100, atto(circulating - 7)),
            (101, atto(7)),
        ]);
        (parent, ChildSide { balances, applied: atto(900), released: atto(300), given_to_system: atto(0) })
    }

    fn violations((parent, child): &(ParentSide, ChildSide)) -> Vec<String> {
        Supply::reckon(parent, child).violations()
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
    fn a_stranger_who_gives_value_away_breaks_nothing() {
        let mut sides = sides();
        sides.0.actor_balance += atto(1);
        let move_to = |child: &mut ChildSide, id: ActorID| {
            *child.balances.entry(100).or_default() -= atto(1);
            *child.balances.entry(id).or_default() += atto(1);
        };
        move_to(&mut sides.1, BURNT_FUNDS_ID);
        assert_eq!(violations(&sides), Vec::<String>::new());
        move_to(&mut sides.1, SYSTEM_ID);
        assert_eq!(violations(&sides).len(), 2, "nothing comes to the reserve without a message");
        sides.1.given_to_system += atto(1);
        assert_eq!(violations(&sides), Vec::<String>::new());
    }

    #[test]
    fn a_message_that_is_refused_is_conserved_both_ways() {
        let (mut parent, mut child) = sides();
        // The parent refuses 30 that came up: out of custody, and locked again with a receipt.
        parent.counters.reserved -= atto(30);
        parent.counters.custody += atto(30);
        parent.delivered += atto(30);
        parent.queued += atto(30);
        // The child refuses 10 that came down: out of the reserve and back, on its way up with a receipt.
        child.applied += atto(10);
        child.released += atto(10);
        assert_eq!(violations(&(parent, child)), Vec::<String>::new());
    }

    #[test]
    fn a_counter_that_lies_is_found() {
        let mut sides = sides();
        sides.0.counters.custody += atto(1);
        assert_eq!(violations(&sides).len(), 2, "the messages say less, and the actor does not hold it");
        sides.0.actor_balance += atto(1);
        assert_eq!(violations(&sides).len(), 1);
        sides.0.counters.custody -= atto(1);
        sides.0.counters.stake += atto(1);
        assert_eq!(violations(&sides).len(), 1);
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
        let mut sides = sides();
        *sides.1.balances.entry(100).or_default() += atto(5);
        *sides.1.balances.entry(SYSTEM_ID).or_default() -= atto(5);
        assert_eq!(violations(&sides).len(), 2);
        // Not even a counter that was raised by the same amount hides it.
        sides.0.counters.custody += atto(5);
        sides.0.actor_balance += atto(5);
        assert_eq!(violations(&sides).len(), 1);
    }

    #[test]
    fn value_paid_out_twice_is_found() {
        let mut sides = sides();
        sides.0.actor_balance -= atto(100);
        assert_eq!(violations(&sides).len(), 1, "it is not there any more");
        sides.0.delivered += atto(201);
        assert!(violations(&sides).iter().any(|text| text.contains("below zero")));
    }
}
