//! Value on its way down.

use actor_runtime::SendReturn;
use actor_runtime::mock::code;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::Digest;
use subnet_types::SubnetId;
use subnet_types::actors::{EnqueueReturn, FundParams, RegisterChildParams, checkpoint, gateway};
use subnet_types::cross::{CrossKind, message_id};

use crate::world::{ALICE, CHILD, ETHAN, ROBOT, RawOrUnit, World, child, child_address, f1, fil};

fn to(subnet: SubnetId, to: Address) -> FundParams {
    FundParams { subnet, to }
}

#[test]
fn fund_is_queued_and_locked_with_the_child() {
    let world = World::root_with_child();
    let first = world.fund(5);
    let second = world.fund(7);
    assert_eq!((first.nonce.get(), second.nonce.get()), (0, 1));
    assert_ne!(first.id, second.id);
    assert_eq!(first.id, message_id(&Digest([7; 32]), &f1("alice"), 0));

    let queued = world.queued();
    assert_eq!(queued.len(), 2);
    assert_eq!((&queued[1].value, &queued[1].kind), (&fil(7), &CrossKind::Transfer));
    assert_eq!((&queued[1].origin.address, &queued[1].destination.address), (&f1("alice"), &f1("bob")));
    let locked: Vec<_> = world.sends().into_iter().filter(|(_, method, _)| *method == checkpoint::LOCK).collect();
    let lock = |value| (Address::new_id(CHILD), checkpoint::LOCK, fil(value));
    assert_eq!(locked, vec![lock(5), lock(7)]);
}

#[test]
fn origin_is_the_key_the_ethereum_address_or_the_id() {
    let world = World::root_with_child();
    let expected = [
        (ALICE, f1("alice")),
        (ETHAN, Address::new_delegated(10, &[0xee; 20]).unwrap()),
        (ROBOT, Address::new_id(ROBOT)),
    ];
    for (caller, origin) in expected {
        world.ok::<EnqueueReturn>(caller, 1, gateway::FUND, &to(child(), f1("bob")));
        assert_eq!(world.queued().last().unwrap().origin.address, origin);
    }
}

#[test]
fn fund_without_value_or_for_an_id_is_refused() {
    let world = World::root_with_child();
    assert_eq!(world.error(ALICE, 0, gateway::FUND, &to(child(), f1("bob"))).exit_code, ExitCode::new(48));
    let error = world.error(ALICE, 1, gateway::FUND, &to(child(), Address::new_id(100)));
    assert_eq!(error.exit_code, ExitCode::new(51));
}

#[test]
fn fund_reaches_children_of_this_chain_only() {
    let world = World::root_with_child();
    let error = |subnet| world.error(ALICE, 1, gateway::FUND, &to(subnet, f1("bob"))).exit_code;
    let grandchild = child().child(Address::new_actor(b"grandchild")).unwrap();
    let unknown = SubnetId::root(314).child(Address::new_actor(b"unknown")).unwrap();
    for subnet in [grandchild, unknown, SubnetId::root(314), SubnetId::root(315).child(child_address()).unwrap()] {
        assert_eq!(error(subnet.clone()), ExitCode::new(50), "{subnet}");
    }
    // An actor that exists but is no child.
    let robot = SubnetId::root(314).child(Address::new_actor(b"robot")).unwrap();
    assert_eq!(error(robot), ExitCode::USR_FORBIDDEN);
}

#[test]
fn fund_waits_until_the_child_has_a_genesis() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    world.ok::<RawOrUnit>(
        CHILD,
        0,
        gateway::REGISTER_CHILD,
        &RegisterChildParams { actor: child_address(), cross_gas_price: fvm_shared::econ::TokenAmount::default() },
    );
    assert_eq!(world.error(ALICE, 1, gateway::FUND, &to(child(), f1("bob"))).exit_code, ExitCode::new(44));
    world.call(CHILD, 0, gateway::ACTIVATE_CHILD, None).unwrap();
    world.fund(1);
}

#[test]
fn fund_that_cannot_be_locked_leaves_no_message() {
    let world = World::root_with_child();
    world.rt.answer_with(|_, sent| {
        (sent.method == checkpoint::LOCK).then(|| SendReturn::failed(ExitCode::USR_ILLEGAL_STATE))
    });
    let error = world.error(ROBOT, 5, gateway::FUND, &to(child(), f1("bob")));
    assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_STATE);
    assert!(world.queued().is_empty());
}
