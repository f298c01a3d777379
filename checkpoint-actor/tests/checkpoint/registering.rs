//! From creation to a name.

use actor_runtime::encode_params;
use actor_runtime::mock::MockRuntime;
use checkpoint_actor::dispatch;
use checkpoint_actor::types::Status;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{
    CheckpointConstructorParams, GATEWAY_ID, INIT_ID, METHOD_CONSTRUCTOR, RegisterParams, checkpoint,
};
use subnet_types::genesis::{MembershipMode, SubnetParameters};

use crate::keys::Keys;
use crate::world::{ACTOR, NANO, OWNER, STRANGER, World, address, atto, parameters, parent, subnet};

fn construct(caller: u64, change: impl FnOnce(&mut SubnetParameters)) -> Result<(), ExitCode> {
    let mut parameters = parameters(MembershipMode::Collateral, 4);
    change(&mut parameters);
    construct_for(Address::new_actor(b"owner"), caller, parameters)
}

fn construct_for(owner: Address, caller: u64, parameters: SubnetParameters) -> Result<(), ExitCode> {
    let rt = MockRuntime::new(ACTOR);
    rt.add_actor(OWNER, actor_runtime::mock::code("account"), Some(Keys::of(1).owner));
    let params = CheckpointConstructorParams { owner, parameters };
    let params = encode_params(&params).unwrap();
    rt.call(dispatch, caller, &atto(0), METHOD_CONSTRUCTOR, params).map(drop).map_err(|error| error.exit_code)
}

#[test]
fn init_constructs_with_sound_parameters_only() {
    assert_eq!(construct(INIT_ID, |_| {}), Ok(()));
    assert_eq!(construct(STRANGER, |_| {}), Err(ExitCode::USR_FORBIDDEN));
    assert_eq!(construct(INIT_ID, |p| p.validators_min = 0), Err(ExitCode::new(120)));
    assert_eq!(construct(INIT_ID, |p| p.validators_min = 257), Err(ExitCode::new(120)));
    assert_eq!(construct(INIT_ID, |p| p.stake_min = atto(NANO - 1)), Err(ExitCode::new(120)));
    assert_eq!(construct(INIT_ID, |p| p.chain.checkpoint_period_blocks = 1), Err(ExitCode::new(120)));
    assert_eq!(construct(INIT_ID, |p| p.parent_lag_blocks_max = 0), Err(ExitCode::new(120)));
}

#[test]
fn subnet_whose_owner_decides_alone_needs_one_who_is_there() {
    let construct = |owner, mode| construct_for(owner, INIT_ID, parameters(mode, 4));
    for owner in [Address::new_actor(b"nobody"), Keys::of(2).owner, Address::new_id(OWNER + 1)] {
        for mode in [MembershipMode::Federated, MembershipMode::Static] {
            assert_eq!(construct(owner, mode), Err(ExitCode::new(142)), "{owner}");
        }
        // Elsewhere the owner decides nothing.
        assert_eq!(construct(owner, MembershipMode::Collateral), Ok(()));
    }
    for mode in [MembershipMode::Federated, MembershipMode::Static] {
        assert_eq!(construct(Keys::of(1).owner, mode), Ok(()));
    }
}

#[test]
fn anyone_registers_once_under_the_actors_own_address() {
    let world = World::created(MembershipMode::Collateral, 4);
    assert_eq!(world.state().status(), Status::Created);
    let wrong = world.call(STRANGER, 0, checkpoint::REGISTER, &RegisterParams { actor: Address::new_actor(b"x") });
    assert_eq!(wrong.unwrap_err().exit_code, ExitCode::new(122));

    let params = RegisterParams { actor: address() };
    world.call(STRANGER, 0, checkpoint::REGISTER, &params).unwrap();
    let state = world.state();
    assert_eq!(state.status(), Status::Registered);
    assert_eq!((state.actor, state.subnet, state.parent), (Some(address()), Some(subnet()), Some(parent())));
    let again = world.call(STRANGER, 0, checkpoint::REGISTER, &params).unwrap_err();
    assert_eq!(again.exit_code, ExitCode::new(121));
}

#[test]
fn name_of_a_subnet_is_made_of_the_actors_f2_address_only() {
    let world = World::created(MembershipMode::Collateral, 4);
    let delegated = Address::new_delegated(10, &[7; 20]).unwrap();
    world.rt.add_actor(ACTOR, actor_runtime::mock::code("checkpoint"), Some(delegated));
    for actor in [Address::new_id(ACTOR), delegated] {
        let error = world.call(STRANGER, 0, checkpoint::REGISTER, &RegisterParams { actor }).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(141), "{error}");
    }
    world.call(STRANGER, 0, checkpoint::REGISTER, &RegisterParams { actor: address() }).unwrap();
}

#[test]
fn only_the_gateway_locks_value() {
    let world = World::of_four();
    let custody = world.state().custody;
    world.call_with(GATEWAY_ID, 7, checkpoint::LOCK, None).unwrap();
    assert_eq!(world.state().custody, custody + atto(7));
    let error = world.call_with(STRANGER, 7, checkpoint::LOCK, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
}

#[test]
fn unknown_methods_and_garbage_parameters_are_refused() {
    let world = World::of_four();
    assert_eq!(world.call_with(STRANGER, 0, 4_242, None).unwrap_err().exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
    for method in [
        checkpoint::JOIN,
        checkpoint::SET_POWER,
        checkpoint::SUBMIT_CHECKPOINT,
        checkpoint::DELIVER_BATCH,
        checkpoint::DELIVER_UNCLAIMED,
    ] {
        let error = world.call(STRANGER, 0, method, &"garbage").unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_SERIALIZATION);
        let error = world.call_with(STRANGER, 0, method, None).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);
    }
}
