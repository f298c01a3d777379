//! Members that leave, and when their stake comes back.

use actor_runtime::ActorError;
use fvm_shared::address::Address;
use subnet_types::actors::{OwnerParams, SetPowerParams, checkpoint, gateway};
use subnet_types::genesis::MembershipMode;
use subnet_types::quantity::Power;

use crate::keys::Keys;
use crate::world::{NANO, OWNER, STRANGER, UNBONDING, VALIDATOR, World, atto};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ActorError>, code: u32) {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code.value(), code, "{error}");
}

fn stake(of: u64) -> fvm_shared::econ::TokenAmount {
    atto(of * NANO)
}

#[test]
fn before_activation_the_stake_comes_back_at_once_and_the_keys_stay_taken() {
    let world = World::registered(MembershipMode::Collateral, 3);
    world.join(1, 10 * NANO).unwrap();
    world.join(2, 20 * NANO).unwrap();
    let owner = Keys::of(1).owner;
    world.leave(1).unwrap();
    assert_eq!(world.holds(&owner), stake(10));
    let state = world.state();
    assert_eq!((state.stake_total, state.member_count, state.voting_members), (stake(20), 1, 1));
    refused(world.leave(1), 190);
    refused(world.withdraw(1), 192);
    refused(world.join(1, 10 * NANO), 132);
    world.join(3, 10 * NANO).unwrap();
    world.join(4, 10 * NANO).unwrap();
    assert_eq!(world.state().configuration_last.get(), 1, "whoever has left is not in the genesis");
}

#[test]
fn after_activation_the_stake_waits_from_the_checkpoint_that_confirms_the_removal() {
    let world = World::of_four();
    world.leave(1).unwrap();
    let logged = world.rt.take_sends();
    assert_eq!(logged.iter().map(|sent| sent.method).collect::<Vec<_>>(), [gateway::LOG_CHANGE]);
    let state = world.state();
    assert_eq!((state.stake_total, state.unbonding_total), (stake(30), stake(10)));
    assert_eq!((state.configuration_last.get(), state.configuration_confirmed.get()), (2, 1));

    // A long time means nothing as long as it is still in charge.
    world.at(10_000);
    refused(world.withdraw(1), 193);
    world.settle(&world.next(&[]), &[]).unwrap();
    refused(world.withdraw(1), 193);

    world.confirm(&[1, 2, 3]);
    world.at(10_000 + UNBONDING - 1);
    refused(world.withdraw(1), 187);
    refused(world.join(1, 10 * NANO), 191);
    world.at(10_000 + UNBONDING);
    world.withdraw(1).unwrap();
    assert_eq!((world.holds(&Keys::of(1).owner), world.state().unbonding_total), (stake(10), stake(0)));
    refused(world.withdraw(1), 192);
    refused(world.withdraw(2), 192);
}

#[test]
fn later_changes_do_not_lengthen_the_wait() {
    let world = World::of_four();
    world.leave(1).unwrap();
    world.at(700);
    world.join(5, 10 * NANO).unwrap();
    world.at(710);
    world.confirm(&[1, 2, 3]);
    world.at(720);
    world.join(6, 10 * NANO).unwrap();
    world.confirm(&[2, 3, 4]);
    world.at(710 + UNBONDING);
    world.withdraw(1).unwrap();
}

#[test]
fn strangers_last_validators_and_members_of_static_subnets_stay() {
    let world = World::active(MembershipMode::Collateral, &[10, 20]);
    refused(world.call(STRANGER, 0, checkpoint::LEAVE, &OwnerParams { owner: Keys::of(1).owner }), 122);
    world.rt.add_actor(VALIDATOR + 9, actor_runtime::mock::code("account"), Some(Keys::of(9).owner));
    refused(world.leave(9), 190);
    world.leave(1).unwrap();
    refused(world.leave(2), 139);
    refused(World::active(MembershipMode::Static, &[10, 20]).leave(1), 134);
}

#[test]
fn member_that_the_owner_removed_leaves_and_waits_for_that_removal() {
    let world = World::registered(MembershipMode::Federated, 2);
    let set_power = |seed, power| {
        let params = SetPowerParams { vote_key: Keys::of(seed).vote_key(), power: Power::new(power) };
        world.call(OWNER, 0, checkpoint::SET_POWER, &params).unwrap();
    };
    for seed in 1..=3 {
        world.join(seed, 7 * NANO).unwrap();
    }
    set_power(1, 10);
    set_power(2, 10);
    set_power(1, 0);
    world.rt.take_sends();
    world.leave(1).unwrap();
    assert!(world.rt.take_sends().is_empty(), "it had no power any more");
    refused(world.withdraw(1), 193);
    world.confirm(&[1, 2]);
    world.at(600 + UNBONDING);
    world.withdraw(1).unwrap();
    assert_eq!(world.holds(&Keys::of(1).owner), stake(7));
    // A member with power need not wait for the owner.
    set_power(3, 10);
    world.leave(2).unwrap();
    assert_eq!(world.state().voting_members, 1);
}

#[test]
fn stake_goes_to_the_address_that_joined() {
    let world = World::of_four();
    world.end();
    let other = OwnerParams { owner: Address::new_actor(b"owner") };
    refused(world.call(VALIDATOR + 1, 0, checkpoint::WITHDRAW, &other), 122);
}
