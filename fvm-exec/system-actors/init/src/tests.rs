use actor_runtime::mock::{MockRuntime, OWN_ACTOR, code, foreign_code};
use actor_runtime::{SendReturn, encode_params};
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{FIRST_USER_ID, INIT_ID};

use super::*;

const USER: ActorID = 500;

fn rt() -> MockRuntime {
    let rt = MockRuntime::new(INIT_ID);
    let params = encode_params(&ConstructorParams { network_name: "/r31415926".to_owned() }).unwrap();
    rt.call(dispatch, SYSTEM_ID, &TokenAmount::default(), METHOD_CONSTRUCTOR, params).unwrap();
    rt
}

fn decode(result: Result<Option<IpldBlock>, ActorError>) -> Result<ExecReturn, ExitCode> {
    result.map(|returned| decode_params(returned).unwrap()).map_err(|error| error.exit_code)
}

fn exec_code(rt: &MockRuntime, code_cid: Cid, value: i64) -> Result<ExecReturn, ExitCode> {
    let params = ExecParams { code_cid, constructor_params: RawBytes::serialize("rules").unwrap() };
    let params = encode_params(&params).unwrap();
    decode(rt.call(dispatch, USER, &TokenAmount::from_atto(value), METHOD_EXEC, params))
}

fn exec4_code(rt: &MockRuntime, caller: ActorID, code_cid: Cid) -> Result<ExecReturn, ExitCode> {
    let params =
        Exec4Params { code_cid, constructor_params: RawBytes::default(), subaddress: RawBytes::new(vec![9; 20]) };
    let params = encode_params(&params).unwrap();
    decode(rt.call(dispatch, caller, &TokenAmount::default(), METHOD_EXEC4, params))
}

#[test]
fn constructor_is_for_system_and_starts_at_the_first_user_id() {
    let rt = MockRuntime::new(INIT_ID);
    let params = encode_params(&ConstructorParams { network_name: "x".to_owned() }).unwrap();
    let error = rt.call(dispatch, USER, &TokenAmount::default(), METHOD_CONSTRUCTOR, params).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(self::rt().load_state::<State>().unwrap().next_id, FIRST_USER_ID);
}

#[test]
fn exec_creates_a_checkpoint_actor_and_passes_value_and_parameters_on() {
    let rt = rt();
    rt.answer(FIRST_USER_ID, METHOD_CONSTRUCTOR, SendReturn::ok());
    let ExecReturn { id_address, robust_address } = exec_code(&rt, code("checkpoint"), 5).unwrap();

    assert_eq!(id_address, Address::new_id(FIRST_USER_ID));
    assert_eq!(rt.code_of(FIRST_USER_ID), Some(code("checkpoint")));
    assert_eq!(rt.balance_of(FIRST_USER_ID), TokenAmount::from_atto(5));
    let state: State = rt.load_state().unwrap();
    assert_eq!(state.next_id, FIRST_USER_ID + 1);
    assert_eq!(state.resolve(rt.store(), &robust_address).unwrap(), Some(FIRST_USER_ID));
    let sends = rt.take_sends();
    assert_eq!(sends.len(), 1);
    assert_eq!(decode_params::<String>(sends[0].params.clone()).unwrap(), "rules");
}

#[test]
fn two_execs_give_different_ids_and_addresses() {
    let rt = rt();
    rt.answer(FIRST_USER_ID, METHOD_CONSTRUCTOR, SendReturn::ok());
    rt.answer(FIRST_USER_ID + 1, METHOD_CONSTRUCTOR, SendReturn::ok());
    let first = exec_code(&rt, code("checkpoint"), 0).unwrap();
    let second = exec_code(&rt, code("checkpoint"), 0).unwrap();
    assert_ne!(first.robust_address, second.robust_address);
    assert_ne!(first.id_address, second.id_address);
}

#[test]
fn anyone_creates_what_the_chain_has_of_its_own() {
    let rt = rt();
    rt.answer(FIRST_USER_ID, METHOD_CONSTRUCTOR, SendReturn::ok());
    let own = foreign_code(OWN_ACTOR.as_bytes());
    exec_code(&rt, own, 0).unwrap();
    assert_eq!(rt.code_of(FIRST_USER_ID), Some(own));
    assert_eq!(exec4_code(&rt, EAM_ID, own), Err(ExitCode::USR_FORBIDDEN), "not as a contract");
}

#[test]
fn exec_refuses_every_other_code() {
    let rt = rt();
    for name in builtin::NAMES.iter().filter(|name| **name != "checkpoint") {
        assert_eq!(exec_code(&rt, code(name), 0), Err(ExitCode::USR_FORBIDDEN), "{name}");
    }
    assert_eq!(exec_code(&rt, foreign_code(b"a user's wasm"), 0), Err(ExitCode::USR_FORBIDDEN));
    assert_eq!(rt.load_state::<State>().unwrap().next_id, FIRST_USER_ID);
}

#[test]
fn a_failing_constructor_leaves_nothing_and_its_exit_code_comes_through() {
    let rt = rt();
    let own = ExitCode::new(71);
    rt.answer(FIRST_USER_ID, METHOD_CONSTRUCTOR, SendReturn::failed(own));
    assert_eq!(exec_code(&rt, code("checkpoint"), 5), Err(own));
    assert_eq!(rt.load_state::<State>().unwrap().next_id, FIRST_USER_ID);
    assert_eq!(rt.code_of(FIRST_USER_ID), None);
}

#[test]
fn exec4_is_for_the_address_manager_and_its_contracts_only() {
    let rt = rt();
    assert_eq!(exec4_code(&rt, USER, code("evm")), Err(ExitCode::USR_FORBIDDEN));
    assert_eq!(exec4_code(&rt, EAM_ID, code("checkpoint")), Err(ExitCode::USR_FORBIDDEN));
    assert_eq!(exec4_code(&rt, EAM_ID, foreign_code(b"wasm")), Err(ExitCode::USR_FORBIDDEN));
}

#[test]
fn exec4_takes_a_placeholders_id_and_then_no_second_time() {
    let rt = rt();
    let delegated = Address::new_delegated(EAM_ID, &[9; 20]).unwrap();
    let placeholder = {
        // What the VM does when value is sent to the address first.
        let mut state: State = rt.load_state().unwrap();
        let id = state.assign_id(rt.store(), &delegated, None).unwrap();
        rt.save_state(&state).unwrap();
        rt.add_actor(id, code("placeholder"), Some(delegated));
        id
    };
    rt.answer(placeholder, METHOD_CONSTRUCTOR, SendReturn::ok());
    let created = exec4_code(&rt, EAM_ID, code("evm")).unwrap();
    assert_eq!(created.id_address, Address::new_id(placeholder));
    assert_eq!(rt.code_of(placeholder), Some(code("evm")));
    let state: State = rt.load_state().unwrap();
    assert_eq!(state.resolve(rt.store(), &created.robust_address).unwrap(), Some(placeholder));
    // Now that the address has code, it is taken.
    assert_eq!(exec4_code(&rt, EAM_ID, code("evm")), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
}

#[test]
fn garbage_parameters_are_refused() {
    let rt = rt();
    let error =
        rt.call(dispatch, USER, &TokenAmount::default(), METHOD_EXEC, encode_params(&[1u8]).unwrap()).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_SERIALIZATION);
    let error = rt.call(dispatch, USER, &TokenAmount::default(), METHOD_EXEC, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);
}
