//! The token over the mock: what does not need a real machine.

use super::*;
use actor_runtime::SendReturn;
use actor_runtime::encode_params;
use actor_runtime::mock::{MockRuntime, code};
use fvm_shared::ActorID;
use fvm_shared::error::ExitCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

const TOKEN: ActorID = 1000;
const CREATOR: ActorID = 100;
const HOLDER: ActorID = 101;
const OTHER: ActorID = 102;

fn atto(amount: i64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn params(holders: &[(ActorID, i64)]) -> ConstructorParams {
    ConstructorParams {
        name: "Test token".to_owned(),
        symbol: "TEST".to_owned(),
        granularity: 5,
        creator: CREATOR,
        holders: holders.iter().map(|&(owner, amount)| Holder { owner, amount: atto(amount) }).collect(),
    }
}

fn construct(caller: ActorID, params: &ConstructorParams) -> Result<MockRuntime, ActorError> {
    let rt = MockRuntime::new(TOKEN);
    for id in [CREATOR, HOLDER, OTHER] {
        rt.add_actor(id, code("account"), None);
    }
    rt.call(dispatch, caller, &atto(0), METHOD_CONSTRUCTOR, encode_params(params).unwrap())?;
    Ok(rt)
}

fn token(holders: &[(ActorID, i64)]) -> MockRuntime {
    construct(INIT_ID, &params(holders)).unwrap()
}

fn call<T: DeserializeOwned>(
    rt: &MockRuntime,
    caller: ActorID,
    method: MethodNum,
    params: &impl Serialize,
) -> Result<T, ActorError> {
    let returned = rt.call(dispatch, caller, &atto(0), method, encode_params(params).unwrap())?;
    assert_eq!(check(&rt.load_state().unwrap(), rt.store()), []);
    decode_params(returned)
}

fn accept(rt: &MockRuntime, receiver: ActorID, exit_code: ExitCode) {
    let answer = SendReturn { exit_code, return_data: None };
    rt.answer(receiver, method_hash!("Receive"), answer);
}

fn give(to: ActorID, amount: i64) -> TransferParams {
    TransferParams { to: Address::new_id(to), amount: atto(amount), operator_data: RawBytes::default() }
}

#[test]
fn holders_start_with_their_amounts_and_the_supply_is_their_sum() {
    let rt = token(&[(HOLDER, 10), (OTHER, 25)]);
    let state: State = rt.load_state().unwrap();
    assert_eq!(check(&state, rt.store()), []);
    assert_eq!(state.token.supply, atto(35));
    assert_eq!(call(&rt, OTHER, METHOD_BALANCE_OF, &Address::new_id(HOLDER)), Ok(atto(10)));
    assert_eq!(call(&rt, OTHER, METHOD_BALANCE_OF, &Address::new_actor(b"nobody")), Ok(atto(0)));
}

#[test]
fn bad_constructions_are_refused() {
    let exit = |caller, params: &ConstructorParams| construct(caller, params).err().unwrap().exit_code;
    assert_eq!(exit(CREATOR, &params(&[])), ExitCode::USR_FORBIDDEN);
    for holders in [&[(HOLDER, 0)][..], &[(HOLDER, -5)], &[(HOLDER, 7)], &[(HOLDER, 5), (OTHER, 5), (HOLDER, 5)]] {
        assert_eq!(exit(INIT_ID, &params(holders)), ExitCode::USR_ILLEGAL_ARGUMENT, "{holders:?}");
    }
    assert_eq!(exit(INIT_ID, &ConstructorParams { granularity: 0, ..params(&[]) }), ExitCode::USR_ILLEGAL_ARGUMENT);
}

#[test]
fn refusal_of_the_receiver_undoes_the_transfer() {
    let rt = token(&[(HOLDER, 10)]);
    let own = ExitCode::new(77);
    accept(&rt, OTHER, own);
    let error = call::<TransferReturn>(&rt, HOLDER, METHOD_TRANSFER, &give(OTHER, 5)).unwrap_err();
    assert_eq!(error.exit_code, own);
    assert_eq!(call(&rt, OTHER, METHOD_BALANCE_OF, &Address::new_id(OTHER)), Ok(atto(0)));

    accept(&rt, OTHER, ExitCode::OK);
    let returned: TransferReturn = call(&rt, HOLDER, METHOD_TRANSFER, &give(OTHER, 5)).unwrap();
    assert_eq!((returned.from_balance, returned.to_balance), (atto(5), atto(5)));
    assert_eq!(rt.take_events().len(), 1);
}

#[test]
fn amounts_off_the_granularity_and_below_zero_are_refused() {
    let rt = token(&[(HOLDER, 10)]);
    for amount in [3, -5] {
        let error = call::<TransferReturn>(&rt, HOLDER, METHOD_TRANSFER, &give(OTHER, amount)).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT, "{amount}");
    }
}

#[test]
fn only_the_creator_mints() {
    let rt = token(&[]);
    let params = MintParams { to: Address::new_id(HOLDER), amount: atto(15), operator_data: RawBytes::default() };
    let error = call::<MintReturn>(&rt, HOLDER, METHOD_MINT, &params).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
    accept(&rt, HOLDER, ExitCode::OK);
    let minted: MintReturn = call(&rt, CREATOR, METHOD_MINT, &params).unwrap();
    assert_eq!((minted.balance, minted.supply), (atto(15), atto(15)));
}

#[test]
fn read_only_call_of_a_transfer_is_refused_as_such() {
    let rt = token(&[(HOLDER, 10)]);
    rt.set_read_only(true);
    let error = call::<TransferReturn>(&rt, HOLDER, METHOD_TRANSFER, &give(OTHER, 5)).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_READ_ONLY);
}

#[test]
fn value_and_unknown_methods_are_refused() {
    let rt = token(&[]);
    let error = rt.call(dispatch, HOLDER, &atto(1), METHOD_NAME, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_NOT_PAYABLE);
    let error = rt.call(dispatch, HOLDER, &atto(0), 7, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
}
