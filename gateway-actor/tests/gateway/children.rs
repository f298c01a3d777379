//! Registration, activation, the change log and committed checkpoints.

use actor_runtime::Runtime;
use actor_runtime::mock::{code, foreign_code};
use actor_runtime::{decode_params, encode_params};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{
    CommitCheckpointParams, CommitCheckpointReturn, RegisterChildParams, RegisterChildReturn, gateway,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::genesis::ParentAnchor;
use subnet_types::limits::SUBNET_DEPTH_MAX;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};
use subnet_types::{Digest, SubnetId};

use crate::world::{ALICE, CHILD, ROBOT, RawOrUnit, World, child, child_address, fil, set, validator};

fn registering(actor: Address) -> RegisterChildParams {
    RegisterChildParams { actor, cross_gas_price: fvm_shared::econ::TokenAmount::default() }
}

fn report(nonce: u64, configuration: u64) -> CommitCheckpointParams {
    CommitCheckpointParams {
        top_down_applied: TopDownApplied { nonce: Nonce::new(nonce), parent_height: Height::new(1) },
        configuration: ConfigurationNumber::new(configuration),
    }
}

fn change(number: u64) -> MembershipChange {
    MembershipChange { number: ConfigurationNumber::new(number), validator: validator(4, 10) }
}

fn log(world: &World, number: u64) {
    world.call(CHILD, 0, gateway::LOG_CHANGE, encode_params(&change(number)).unwrap()).unwrap();
}

#[test]
fn checkpoint_actor_is_registered_under_its_robust_address() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    let named: RegisterChildReturn = world.ok(CHILD, 0, gateway::REGISTER_CHILD, &registering(child_address()));
    assert_eq!(named, RegisterChildReturn { subnet: child(), parent: Digest([7; 32]) });
    assert!(!world.child().is_active);
    let found = world.state().child_by_subnet(world.rt.store(), &child()).unwrap().unwrap();
    assert_eq!(found, (CHILD, world.child()));

    let again = world.error(CHILD, 0, gateway::REGISTER_CHILD, &registering(child_address()));
    assert_eq!(again.exit_code, ExitCode::new(42), "{again}");
}

#[test]
fn actor_with_other_code_or_under_anothers_address_is_not_registered() {
    let world = World::root();
    world.rt.add_actor(CHILD, foreign_code(b"impostor"), Some(child_address()));
    let error = world.error(CHILD, 0, gateway::REGISTER_CHILD, &registering(child_address()));
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);

    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    for address in [Address::new_actor(b"robot"), Address::new_actor(b"unknown")] {
        let error = world.error(CHILD, 0, gateway::REGISTER_CHILD, &registering(address));
        assert_eq!(error.exit_code, ExitCode::new(40), "{error}");
    }
    let error = world.error(CHILD, 0, gateway::REGISTER_CHILD, &registering(Address::new_id(CHILD)));
    assert_eq!(error.exit_code, ExitCode::new(41), "an id is no name: {error}");
}

#[test]
fn child_below_the_deepest_level_is_refused() {
    let world = World::root();
    let mut state = world.state();
    state.subnet = SubnetId::new(314, vec![child_address(); SUBNET_DEPTH_MAX - 1]).unwrap();
    let error = state.register_child(world.rt.store(), CHILD, child_address(), Default::default()).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::new(41), "{error}");
}

#[test]
fn activation_says_where_this_chain_is_and_happens_once() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    let stranger = world.error(ROBOT, 0, gateway::ACTIVATE_CHILD, &());
    assert_eq!(stranger.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT, "it takes no parameters");
    let stranger = world.call(ROBOT, 0, gateway::ACTIVATE_CHILD, None).unwrap_err();
    assert_eq!(stranger.exit_code, ExitCode::USR_FORBIDDEN);

    world.ok::<RawOrUnit>(CHILD, 0, gateway::REGISTER_CHILD, &registering(child_address()));
    let anchor: ParentAnchor = decode_params(world.call(CHILD, 0, gateway::ACTIVATE_CHILD, None).unwrap()).unwrap();
    assert_eq!((anchor.identity, anchor.height.get()), (Digest([7; 32]), 5));
    assert_eq!((anchor.timestamp.get(), anchor.validators), (1_000_000, set(1, &[(1, 10), (2, 10), (3, 10)])));
    assert!(world.child().is_active);
    let again = world.call(CHILD, 0, gateway::ACTIVATE_CHILD, None).unwrap_err();
    assert_eq!(again.exit_code, ExitCode::new(43));
}

#[test]
fn changes_are_logged_by_the_child_without_a_gap() {
    let world = World::root_with_child();
    log(&world, 2);
    log(&world, 3);
    for wrong in [1, 3, 5] {
        assert_eq!(world.error(CHILD, 0, gateway::LOG_CHANGE, &change(wrong)).exit_code, ExitCode::new(45));
    }
    assert_eq!(world.error(ALICE, 0, gateway::LOG_CHANGE, &change(4)).exit_code, ExitCode::USR_FORBIDDEN);
    let logged = world.state().changes(world.rt.store(), CHILD, ConfigurationNumber::new(3), 10).unwrap();
    assert_eq!(logged, vec![change(3)]);
}

#[test]
fn nothing_is_logged_or_committed_before_activation() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    world.ok::<RawOrUnit>(CHILD, 0, gateway::REGISTER_CHILD, &registering(child_address()));
    assert_eq!(world.error(CHILD, 0, gateway::LOG_CHANGE, &change(2)).exit_code, ExitCode::new(44));
    assert_eq!(world.error(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(0, 1)).exit_code, ExitCode::new(44));
}

#[test]
fn commit_prunes_what_is_applied_and_says_what_waits_longest() {
    let world = World::root_with_child();
    for height in [11, 12, 13] {
        world.rt.set_block(height, 0);
        world.fund(1);
    }
    world.rt.set_block(14, 0);
    log(&world, 2);

    let oldest = |nonce, configuration| {
        let answer: CommitCheckpointReturn =
            world.ok(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(nonce, configuration));
        answer.oldest_unapplied.map(Height::get)
    };
    assert_eq!(oldest(0, 1), Some(11));
    assert_eq!(oldest(2, 1), Some(13), "the third message waits longer than the change");
    assert_eq!(world.queued().len(), 1);
    assert_eq!(oldest(3, 1), Some(14), "only the change waits");
    assert_eq!(oldest(3, 2), None);
    assert!(world.queued().is_empty());
}

#[test]
fn commit_going_back_or_beyond_what_was_queued_or_logged_is_refused() {
    let world = World::root_with_child();
    world.fund(1);
    world.fund(1);
    log(&world, 2);
    let refused = |nonce, configuration| {
        world.error(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(nonce, configuration)).exit_code
    };
    assert_eq!(refused(3, 1), ExitCode::new(46));
    assert_eq!(refused(u64::MAX, 1), ExitCode::new(46));
    assert_eq!(refused(0, 3), ExitCode::new(47));
    world.ok::<RawOrUnit>(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(1, 2));
    assert_eq!(refused(0, 2), ExitCode::new(46), "what was fine before goes back now");
    assert_eq!(refused(1, 1), ExitCode::new(47));
    let stranger = world.error(ROBOT, 0, gateway::COMMIT_CHECKPOINT, &report(1, 2));
    assert_eq!(stranger.exit_code, ExitCode::USR_FORBIDDEN);
}

#[test]
fn pruning_is_bounded_and_catches_up() {
    let world = World::root_with_child();
    for _ in 0..100 {
        world.fund(1);
    }
    world.ok::<RawOrUnit>(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(100, 1));
    assert_eq!(world.child().pruned_below.get(), 32);
    world.fund(1);
    assert_eq!(world.child().pruned_below.get(), 34);
    for _ in 0..3 {
        world.ok::<RawOrUnit>(CHILD, 0, gateway::COMMIT_CHECKPOINT, &report(100, 1));
    }
    assert_eq!((world.child().pruned_below.get(), world.queued().len()), (100, 1));
    let gone = world.state().top_down(world.rt.store(), CHILD, Nonce::new(99), 10).unwrap();
    assert!(gone.is_empty(), "a pruned range is not answered with what comes after it");
}

#[test]
fn subnets_have_children_too() {
    let world = World::subnet();
    let actor = Address::new_actor(b"grandchild");
    world.add_child(CHILD, actor, 0);
    assert_eq!(world.child().subnet, child().child(actor).unwrap());
}

#[test]
fn price_of_the_edge_is_kept_and_is_not_negative() {
    let world = World::root();
    world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
    let at_price = |price| RegisterChildParams { cross_gas_price: price, ..registering(child_address()) };
    let error = world.error(CHILD, 0, gateway::REGISTER_CHILD, &at_price(-fil(1)));
    assert_eq!(error.exit_code, ExitCode::new(73), "{error}");
    world.ok::<RawOrUnit>(CHILD, 0, gateway::REGISTER_CHILD, &at_price(fil(3)));
    assert_eq!(world.child().cross_gas_price, fil(3));
    assert_eq!(World::subnet_at(4).state().parent.unwrap().cross_gas_price, fil(4));
}
