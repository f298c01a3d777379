//! Subnets whose owner sets powers.

use actor_runtime::{ActorError, Runtime};
use checkpoint_actor::state::POWER_MAX;
use checkpoint_actor::types::Status;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{SetPowerParams, checkpoint, gateway};
use subnet_types::genesis::MembershipMode;
use subnet_types::quantity::{ConfigurationNumber, Power};

use crate::keys::Keys;
use crate::world::{NANO, OWNER, STRANGER, World};

fn set_power_as(world: &World, caller: u64, seed: u64, power: u64) -> Result<(), ActorError> {
    let params = SetPowerParams { vote_key: Keys::of(seed).vote_key(), power: Power::new(power) };
    world.call(caller, 0, checkpoint::SET_POWER, &params).map(drop)
}

fn set_power(world: &World, seed: u64, power: u64) -> Result<(), ActorError> {
    set_power_as(world, OWNER, seed, power)
}

fn with_candidates() -> World {
    let world = World::registered(MembershipMode::Federated, 2);
    for seed in 1..=3 {
        world.join(seed, NANO).unwrap();
    }
    world
}

#[test]
fn candidates_wait_for_the_owner_and_the_last_admission_activates() {
    let world = with_candidates();
    assert_eq!((world.state().status(), world.state().voting_members), (Status::Registered, 0));
    set_power(&world, 1, 10).unwrap();
    assert_eq!(world.state().status(), Status::Registered);
    set_power(&world, 2, 20).unwrap();
    assert_eq!(world.state().status(), Status::Active);
    let set = world.state().validators(world.rt.store(), ConfigurationNumber::FIRST).unwrap().unwrap();
    assert_eq!((set.len(), set.total_power()), (2, Power::new(30)), "the third stays a candidate");
}

#[test]
fn only_the_owner_sets_powers_and_only_in_a_federated_subnet() {
    let world = with_candidates();
    assert_eq!(set_power_as(&world, STRANGER, 1, 10).unwrap_err().exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(set_power(&World::of_four(), 1, 20).unwrap_err().exit_code, ExitCode::new(136));
}

#[test]
fn strangers_too_much_power_and_no_change_are_refused() {
    let world = with_candidates();
    assert_eq!(set_power(&world, 9, 10).unwrap_err().exit_code, ExitCode::new(137));
    assert_eq!(set_power(&world, 1, POWER_MAX + 1).unwrap_err().exit_code, ExitCode::new(138));
    assert_eq!(set_power(&world, 1, 0).unwrap_err().exit_code, ExitCode::new(138), "it has none already");
    set_power(&world, 1, POWER_MAX).unwrap();
    assert_eq!(set_power(&world, 1, POWER_MAX).unwrap_err().exit_code, ExitCode::new(138));
}

#[test]
fn admission_reweighing_and_removal_make_numbered_configurations() {
    let world = with_candidates();
    set_power(&world, 1, 10).unwrap();
    set_power(&world, 2, 20).unwrap();
    world.rt.take_sends();
    set_power(&world, 3, 5).unwrap();
    set_power(&world, 1, 15).unwrap();
    set_power(&world, 2, 0).unwrap();
    let logged = world.rt.take_sends();
    assert!(logged.iter().all(|sent| sent.method == gateway::LOG_CHANGE) && logged.len() == 3);
    let state = world.state();
    let set = state.validators(world.rt.store(), ConfigurationNumber::new(4)).unwrap().unwrap();
    assert_eq!((set.len(), set.total_power(), state.voting_members), (2, Power::new(20), 2));
    assert!(set.find(&Keys::of(2).vote_key()).is_none());

    set_power(&world, 3, 0).unwrap();
    assert_eq!(set_power(&world, 1, 0).unwrap_err().exit_code, ExitCode::new(139), "now it is the last");
    world.join(4, NANO).unwrap();
    assert_eq!(world.state().configuration_last.get(), 5, "a candidate changes no configuration");
}
