//! The actor between a scripted gateway and the courier.

use actor_runtime::mock::MockRuntime;
use actor_runtime::{SendReturn, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;
use subnet_types::actors::{
    AnswerParams, COURIER_ID, CallReturn, CrossCall, CrossReceipt, EnqueueReturn, GATEWAY_ID, SendParams, gateway,
    refusal as refused_by_chain,
};
use subnet_types::cross::{CrossAddress, call_key};
use subnet_types::{Digest, Height, Nonce, SubnetId};

use super::*;
use crate::served::answered;

const SELF: u64 = 200;
const USER: u64 = 100;

fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn there() -> CrossAddress {
    CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"there") }
}

fn id(number: u8) -> Digest {
    Digest([number; 32])
}

fn actor() -> MockRuntime {
    let rt = MockRuntime::new(SELF);
    rt.call(dispatch, INIT_ID, &atto(0), METHOD_CONSTRUCTOR, None).unwrap();
    rt
}

fn call(
    rt: &MockRuntime,
    caller: u64,
    value: u64,
    method: MethodNum,
    params: &impl Serialize,
) -> Result<Option<IpldBlock>, ExitCode> {
    rt.call(dispatch, caller, &atto(value), method, encode_params(params).unwrap()).map_err(|error| error.exit_code)
}

/// Starts a call; the gateway gives its message the id of this number.
fn started(rt: &MockRuntime, number: u8, conduct: Conduct) -> StartReturn {
    let return_data = encode_return(&EnqueueReturn { id: id(number), nonce: Nonce::ZERO }).unwrap();
    rt.answer(GATEWAY_ID, gateway::SEND, SendReturn { exit_code: ExitCode::OK, return_data });
    decode_params(call(rt, USER, 12, METHOD_START, &start_params(conduct)).unwrap()).unwrap()
}

fn start_params(conduct: Conduct) -> StartParams {
    StartParams {
        to: there(),
        method: served::ADD,
        params: RawBytes::serialize(5u64).unwrap(),
        value: atto(10),
        fee: atto(2),
        gas_limit: 1_000,
        expires: Some(Height::new(7)),
        conduct,
    }
}

fn status_of(rt: &MockRuntime, number: u64) -> Call {
    decode_params(call(rt, USER, 0, METHOD_STATUS, &number).unwrap()).unwrap()
}

fn outcome(rt: &MockRuntime, of: u8, exit_code: ExitCode, value: u64) -> Result<Option<IpldBlock>, ExitCode> {
    let return_data = RawBytes::serialize(6u64).unwrap();
    let receipt = CrossReceipt { of: id(of), from: there(), exit_code, return_data, value: atto(value), fee: atto(0) };
    call(rt, COURIER_ID, 0, RECEIVE_CROSS_RECEIPT, &receipt)
}

/// Serves a call with id 9 that comes with 3 attoFIL.
fn serve(rt: &MockRuntime, method: MethodNum, params: &impl Serialize) -> Result<Option<IpldBlock>, ExitCode> {
    let params = RawBytes::serialize(params).unwrap();
    call(rt, COURIER_ID, 3, RECEIVE_CROSS_CALL, &CrossCall { id: id(9), origin: there(), method, params })
}

fn count(rt: &MockRuntime) -> u64 {
    rt.load_state::<State>().unwrap().counter
}

#[test]
fn started_call_goes_to_the_gateway_and_waits() {
    let rt = actor();
    assert_eq!(started(&rt, 1, Conduct::Take), StartReturn { number: 0, id: id(1) });
    assert_eq!(started(&rt, 2, Conduct::Take), StartReturn { number: 1, id: id(2) });
    let sent = rt.take_sends();
    let params: SendParams = decode_params(sent[0].params.clone()).unwrap();
    // Parameters that the user has encoded go on as they are.
    let inner = params.call.unwrap();
    assert_eq!((inner.method, inner.params), (served::ADD, RawBytes::serialize(5u64).unwrap()));
    assert_eq!((params.fee, params.expires, &sent[0].value), (atto(2), Some(Height::new(7)), &atto(12)));
    let waiting = Call { id: id(2), status: Status::Waiting, came_back: atto(0) };
    assert_eq!(status_of(&rt, 1), waiting);
    assert_eq!(rt.balance(), atto(0));
}

#[test]
fn call_that_is_not_paid_or_not_taken_is_not_entered() {
    let rt = actor();
    assert_eq!(call(&rt, USER, 11, METHOD_START, &start_params(Conduct::Take)), Err(refusal::AMOUNT));
    rt.answer(GATEWAY_ID, gateway::SEND, SendReturn::failed(ExitCode::new(47)));
    assert_eq!(call(&rt, USER, 12, METHOD_START, &start_params(Conduct::Take)), Err(ExitCode::new(47)));
    assert_eq!(call(&rt, USER, 0, METHOD_STATUS, &0u64), Err(refusal::UNKNOWN_CALL));
    assert_eq!(rt.load_state::<State>().unwrap().next_number, 0);
}

#[test]
fn each_outcome_has_a_state_of_its_own() {
    let rt = actor();
    let outcomes = [
        (ExitCode::OK, Status::Succeeded(RawBytes::serialize(6u64).unwrap())),
        (ExitCode::new(50), Status::Reverted(ExitCode::new(50))),
        (refused_by_chain::EXPIRED, Status::Expired),
        (refused_by_chain::NO_ROUTE, Status::Refused(refused_by_chain::NO_ROUTE)),
    ];
    for (number, (code, status)) in (0u8..).zip(outcomes) {
        started(&rt, number, Conduct::Take);
        assert_eq!(outcome(&rt, number, code, 4), Ok(None));
        assert_eq!(status_of(&rt, number.into()), Call { id: id(number), status, came_back: atto(4) });
        assert_eq!(outcome(&rt, number, ExitCode::OK, 4), Err(ExitCode::USR_NOT_FOUND), "heard of before");
    }
    assert_eq!(outcome(&rt, 77, ExitCode::OK, 0), Err(ExitCode::USR_NOT_FOUND), "never sent");
}

#[test]
fn receipt_that_fails_leaves_the_call_waiting() {
    let rt = actor();
    started(&rt, 1, Conduct::Fail);
    assert_eq!(outcome(&rt, 1, ExitCode::OK, 0), Err(refusal::TOLD_TO_FAIL));
    assert_eq!(status_of(&rt, 0).status, Status::Waiting);
}

#[test]
fn nobody_but_the_courier_calls_or_tells_outcomes() {
    let rt = actor();
    started(&rt, 1, Conduct::Take);
    let receipt = CrossReceipt {
        of: id(1),
        from: there(),
        exit_code: ExitCode::OK,
        return_data: RawBytes::default(),
        value: atto(0),
        fee: atto(0),
    };
    let params = RawBytes::serialize(1u64).unwrap();
    let request = CrossCall { id: id(9), origin: there(), method: served::ADD, params };
    for caller in [GATEWAY_ID, USER, SELF] {
        assert_eq!(call(&rt, caller, 0, RECEIVE_CROSS_RECEIPT, &receipt), Err(ExitCode::USR_FORBIDDEN));
        assert_eq!(call(&rt, caller, 0, RECEIVE_CROSS_CALL, &request), Err(ExitCode::USR_FORBIDDEN));
    }
    assert_eq!((count(&rt), status_of(&rt, 0).status), (0, Status::Waiting));
}

#[test]
fn counter_counts_and_its_value_stays() {
    let rt = actor();
    assert_eq!(answered::<u64>(serve(&rt, served::ADD, &5u64).unwrap()), 5);
    assert_eq!(answered::<u64>(serve(&rt, served::ADD, &2u64).unwrap()), 7);
    assert_eq!(serve(&rt, served::ADD, &u64::MAX), Err(refusal::OVERFLOW));
    assert_eq!(serve(&rt, served::ADD, &"five"), Err(ExitCode::USR_SERIALIZATION));
    assert_eq!(rt.balance(), atto(6));
    let read = rt.call(dispatch, USER, &atto(0), METHOD_COUNTER, None).unwrap();
    assert_eq!(decode_params::<u64>(read).unwrap(), 7);
}

#[test]
fn reverted_call_counts_nothing() {
    let rt = actor();
    assert_eq!(serve(&rt, served::REVERT, &50u32), Err(ExitCode::new(50)));
    assert_eq!(serve(&rt, 99, &()), Err(refusal::NOT_SERVED));
    assert_eq!((count(&rt), rt.balance()), (0, atto(0)));
}

#[test]
fn deferred_call_is_answered_once_and_later() {
    let rt = actor();
    let returned: CallReturn = decode_params(serve(&rt, served::DEFER, &()).unwrap()).unwrap();
    assert!(returned.is_deferred);
    let state: State = rt.load_state().unwrap();
    let deferred = Deferred { origin: there(), value: atto(3) };
    let key = call_key(&there().subnet, &id(9));
    assert_eq!(state.deferred.get(rt.store(), &key), Ok(Some(deferred)));

    let data = RawBytes::serialize("late").unwrap();
    let params = AnswerDeferredParams { key, exit_code: ExitCode::OK, data: data.clone(), value: atto(1) };
    let return_data = encode_return(&EnqueueReturn { id: id(10), nonce: Nonce::ZERO }).unwrap();
    rt.answer(GATEWAY_ID, gateway::ANSWER, SendReturn { exit_code: ExitCode::OK, return_data });
    rt.take_sends();
    let answer: Digest = decode_params(call(&rt, USER, 0, METHOD_ANSWER_DEFERRED, &params).unwrap()).unwrap();
    assert_eq!(answer, id(10));
    let [sent] = &rt.take_sends()[..] else { panic!("one send expected") };
    let expected = AnswerParams { of: key, exit_code: ExitCode::OK, return_data: data };
    assert_eq!(decode_params::<AnswerParams>(sent.params.clone()).unwrap(), expected);
    assert_eq!((&sent.value, rt.balance()), (&atto(1), atto(2)));
    assert_eq!(call(&rt, USER, 0, METHOD_ANSWER_DEFERRED, &params), Err(ExitCode::USR_NOT_FOUND));
}

#[test]
fn id_of_another_chains_call_does_not_keep_one_from_being_deferred() {
    let rt = actor();
    serve(&rt, served::DEFER, &()).unwrap();
    let mut origin = there();
    origin.subnet = SubnetId::root(77);
    let same_id = CrossCall { id: id(9), origin, method: served::DEFER, params: RawBytes::serialize(()).unwrap() };
    let returned = call(&rt, COURIER_ID, 3, RECEIVE_CROSS_CALL, &same_id).unwrap();
    assert!(decode_params::<CallReturn>(returned).unwrap().is_deferred);
    assert_eq!(rt.load_state::<State>().unwrap().deferred.len(), 2);
    assert_eq!(call(&rt, COURIER_ID, 3, RECEIVE_CROSS_CALL, &same_id), Err(ExitCode::USR_ILLEGAL_STATE), "the same");
}

#[test]
fn probe_tells_how_its_message_ended() {
    let rt = actor();
    let probe = ProbeParams {
        to: Address::new_id(GATEWAY_ID),
        method: gateway::CUT_CHECKPOINT,
        params: RawBytes::default(),
        value: atto(0),
    };
    rt.answer(GATEWAY_ID, gateway::CUT_CHECKPOINT, SendReturn::failed(ExitCode::USR_FORBIDDEN));
    assert_eq!(answered::<u32>(serve(&rt, served::PROBE, &probe).unwrap()), ExitCode::USR_FORBIDDEN.value());
}

#[test]
fn answers_of_every_size_and_nonsense() {
    let rt = actor();
    assert_eq!(decode_params::<CallReturn>(serve(&rt, served::RETURN, &5_000u64).unwrap()).unwrap().data.len(), 5_000);
    let garbage = serve(&rt, served::RETURN_GARBAGE, &()).unwrap();
    assert!(decode_params::<CallReturn>(garbage).is_err());
}

#[test]
fn recursion_is_the_actors_own_and_ends_with_the_vms_answer() {
    let rt = actor();
    assert_eq!(call(&rt, USER, 0, METHOD_DEEPER, &()), Err(ExitCode::USR_FORBIDDEN));
    rt.answer(SELF, METHOD_DEEPER, SendReturn::failed(ExitCode::USR_FORBIDDEN));
    assert_eq!(serve(&rt, served::RECURSE, &()), Err(ExitCode::USR_FORBIDDEN));
    rt.answer(SELF, METHOD_DEEPER, SendReturn::failed(ExitCode::SYS_OUT_OF_GAS));
    assert_eq!(serve(&rt, served::RECURSE, &()), Err(ExitCode::USR_UNSPECIFIED));
}
