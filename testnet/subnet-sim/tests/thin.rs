//! The thin line: a root, one subnet, one transfer down and one up.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fvm_exec::Engine;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_sim::checks::supply::{check_edge, edge_value};
use subnet_sim::world::{Options, World, message};
use subnet_types::Digest;
use subnet_types::actors::{GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::CrossAddress;
use subnet_types::hash::encode;

fn story(engine: Arc<Engine>) -> Digest {
    let mut world = World::new(Options { check_every: 1, ..Options::default() }, engine).unwrap();
    let child = world.create_child(0).unwrap();
    world.provide(child, TokenAmount::from_whole(7)).unwrap();
    let user = world.user(0);
    assert_eq!(world.chains[child].account(&user).unwrap().balance, TokenAmount::from_whole(7));

    let receiver = world.user(1);
    let before = world.chains[0].account(&receiver).unwrap().balance;
    let to = CrossAddress { subnet: world.chains[0].name.clone(), address: receiver };
    let send = SendParams { to, call: None, fee: TokenAmount::default(), expires: None, wants_receipt: false };
    let (gateway, value) = (Address::new_id(GATEWAY_ID), TokenAmount::from_whole(2));
    let send = message(gateway, gateway::SEND, encode(&send), value, 300_000_000);
    world.send_as_user(child, 0, send).unwrap();
    let after = before + TokenAmount::from_whole(2);
    world
        .run_until("what was sent up arrives", 200, |world| Ok(world.chains[0].account(&receiver)?.balance == after))
        .unwrap();
    let edge = &world.checks.edges[0];
    let (parent, subnet) = (world.chains[0].reader().unwrap(), world.chains[child].reader().unwrap());
    let value = edge_value(edge, parent, subnet).unwrap();
    assert_eq!(value.custody, &value.circulating + &value.burned, "nothing is in flight: {value:?}");
    assert_eq!((edge.down.arrived, edge.up.arrived), (1, 1));
    // The check sees a single attoFIL.
    check_edge(edge, &world.chains).unwrap();
    let mut other = edge.clone();
    other.burned_reported += TokenAmount::from_atto(1);
    assert!(check_edge(&other, &world.chains).is_err());
    assert!(world.checks.sums > 10);
    world.history()
}

#[test]
fn value_goes_down_and_up_and_two_runs_make_the_same_blocks() {
    let engine = Engine::new(2).unwrap();
    assert_eq!(story(engine.clone()), story(engine));
}
