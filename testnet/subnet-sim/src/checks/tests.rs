//! Each checker is shown a fact that is not so, and it alone finds it.

use fvm_exec::Engine;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::CrossAddress;
use subnet_types::hash::encode;

use super::*;
use crate::world::{Options, World, message};

const SUBNET: usize = 1;
/// Turns in which what a test waits for happens.
const TURNS_MAX: usize = 100;

/// A block that was just committed, and what the checks knew before it.
struct Seen {
    world: World,
    before: Checks,
    number: usize,
}

/// A root with a subnet, which has something and has just sent some of it to an account on the root.
fn world() -> World {
    let mut world = World::new(Options { check_every: 1, ..Options::default() }, Engine::new(2).unwrap()).unwrap();
    world.create_child(0).unwrap();
    world.provide(SUBNET, TokenAmount::from_whole(7)).unwrap();
    let to = CrossAddress { subnet: world.chains[0].name.clone(), address: world.checks.sinks[0] };
    let send = SendParams { to, call: None, fee: TokenAmount::default(), expires: None, wants_receipt: false };
    let (gateway, value) = (Address::new_id(GATEWAY_ID), TokenAmount::from_whole(2));
    let send = message(gateway, gateway::SEND, encode(&send), value, 300_000_000);
    world.send_as_user(SUBNET, 0, send).unwrap();
    world
}

/// Goes on to a block of chain `number` after which something is so that was not before it.
fn until(mut world: World, number: usize, is_so: fn(&Edge, &Edge) -> bool) -> Seen {
    for _ in 0..TURNS_MAX {
        let before = world.checks.clone();
        if world.step().unwrap() == number && is_so(&before.edges[0], &world.checks.edges[0]) {
            return Seen { world, before, number };
        }
    }
    panic!("not after {TURNS_MAX} turns");
}

impl Seen {
    /// Who finds something after `change`.
    fn found(&self, change: impl FnOnce(&mut Checks)) -> Vec<Checker> {
        let mut checks = self.before.clone();
        change(&mut checks);
        let found = checks.findings(&self.world.chains, self.number, true).unwrap();
        found.iter().map(|error| *error.downcast_ref::<Checker>().unwrap()).collect()
    }

    /// Whether `checker` finds each of the changes, nobody else does, and there is nothing to find without one.
    fn is_found_by(&self, checker: Checker, changes: &[fn(&mut Checks)]) {
        assert_eq!(self.found(|_| {}), []);
        for (number, change) in changes.iter().enumerate() {
            assert_eq!(self.found(change), [checker], "change {number}");
        }
    }
}

fn is_quiet(before: &Edge, after: &Edge) -> bool {
    let counts = |edge: &Edge| {
        (
            edge.down.queued.len(),
            edge.down.arrived,
            edge.up.queued.len(),
            edge.up.arrived,
            edge.accepted,
            edge.cuts.len(),
        )
    };
    counts(before) == counts(after)
}

fn atto() -> TokenAmount {
    TokenAmount::from_atto(1)
}

fn nobodys() -> Queued {
    Queued { id: Digest::ZERO, amount: TokenAmount::default() }
}

#[test]
fn a_message_that_is_not_next_is_found_by_the_order() {
    let seen = until(world(), 0, |before, after| after.up.arrived > before.up.arrived);
    let changes: [fn(&mut Checks); 2] =
        [|checks| checks.edges[0].up.queued[0].id = Digest::ZERO, |checks| checks.edges[0].up.arrived += 1];
    seen.is_found_by(Checker::Order, &changes);
}

#[test]
fn a_message_that_nobody_sent_is_found_by_the_journeys() {
    let seen = until(world(), 0, |before, after| after.up.arrived > before.up.arrived);
    seen.is_found_by(Checker::Journeys, &[|checks| checks.journeys = Journeys::default()]);
}

#[test]
fn cursors_that_are_not_where_the_events_say_are_found() {
    let changes: [fn(&mut Checks); 2] =
        [|checks| checks.edges[0].down.arrived -= 1, |checks| checks.edges[0].up.queued.push(nobodys())];
    until(world(), SUBNET, is_quiet).is_found_by(Checker::Cursors, &changes);
    let changes: [fn(&mut Checks); 2] =
        [|checks| checks.edges[0].up.arrived += 1, |checks| checks.edges[0].down.queued.push(nobodys())];
    until(world(), 0, is_quiet).is_found_by(Checker::Cursors, &changes);
}

#[test]
fn a_cut_that_says_what_is_not_so_is_found() {
    let with_a_message = |before: &Edge, after: &Edge| {
        let last = after.cuts.last_key_value().map_or(0, |(_, (cut, _))| cut.messages.count);
        after.cuts.len() > before.cuts.len() && last > 0
    };
    until(world(), SUBNET, with_a_message)
        .is_found_by(Checker::Cut, &[|checks| checks.edges[0].up.queued[0].amount += atto()]);
    let after_another = |before: &Edge, after: &Edge| after.cuts.len() > before.cuts.len() && !before.cuts.is_empty();
    let changes: [fn(&mut Checks); 2] = [
        |checks| drop(checks.edges[0].cuts.pop_last()),
        |checks| checks.edges[0].cuts.last_entry().unwrap().get_mut().1 = Digest::ZERO,
    ];
    until(world(), SUBNET, after_another).is_found_by(Checker::Cut, &changes);
}

#[test]
fn an_accepted_checkpoint_that_is_not_the_subnets_next_is_found() {
    let changes: [fn(&mut Checks); 4] = [
        |checks| checks.edges[0].accepted = Sequence::new(7),
        |checks| checks.edges[0].digest = Digest::ZERO,
        |checks| checks.edges[0].confirmed = checks.edges[0].confirmed.next(),
        |checks| checks.edges[0].cuts.values_mut().for_each(|(cut, _)| cut.burned += atto()),
    ];
    until(world(), 0, |before, after| after.accepted > before.accepted).is_found_by(Checker::Acceptance, &changes);
}

#[test]
fn counters_of_an_actor_that_are_not_what_went_over_its_edge_are_found() {
    let changes: [fn(&mut Checks); 3] = [
        |checks| checks.edges[0].up.accepted_total += atto(),
        |checks| checks.edges[0].accepted = Sequence::new(7),
        |checks| checks.edges[0].digest = Digest::ZERO,
    ];
    until(world(), 0, is_quiet).is_found_by(Checker::Counters, &changes);
}

#[test]
fn an_edge_with_other_value_above_than_below_is_found() {
    let changes: [fn(&mut Checks); 2] =
        [|checks| checks.edges[0].down.arrived_total += atto(), |checks| checks.edges[0].up.queued_total -= atto()];
    until(world(), SUBNET, is_quiet).is_found_by(Checker::Value, &changes);
}

#[test]
fn an_account_that_has_what_nobody_delivered_is_found() {
    let seen = until(world(), 0, |before, after| after.up.arrived > before.up.arrived);
    let user = seen.world.user(1);
    assert_eq!(seen.found(|_| {}), []);
    assert_eq!(seen.found(|checks| checks.sinks.push(user)), [Checker::Sinks]);
}

#[test]
fn a_supply_that_is_not_what_genesis_issued_is_found() {
    let seen = until(world(), 0, is_quiet);
    let changes: [fn(&mut Checks); 2] =
        [|checks| *checks.issued.as_mut().unwrap() += atto(), |checks| *checks.issued.as_mut().unwrap() -= atto()];
    seen.is_found_by(Checker::Total, &changes);
}

#[test]
fn a_finding_names_its_checker_chain_and_block() {
    let mut seen = until(world(), 0, is_quiet);
    seen.before.edges[0].up.accepted_total += atto();
    let found = seen.before.committed(&seen.world.chains, 0, true).unwrap_err().to_string();
    let height = seen.world.chains[0].reader().unwrap().tip().height;
    let place = format!("(chain 0) after block {height}: checker Counters: ");
    assert!(found.contains(&place), "{found}");
}
