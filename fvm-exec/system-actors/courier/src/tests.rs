//! The courier between a gateway and destinations that answer as scripted.

use actor_runtime::mock::{MockRuntime, foreign_code};
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{COURIER_ID, CrossCall, CrossReceipt};
use subnet_types::cross::CrossAddress;
use subnet_types::{Digest, SubnetId};

use super::*;

const DESTINATION: u64 = 200;

fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn destination() -> Address {
    Address::new_actor(b"destination")
}

fn courier() -> MockRuntime {
    let rt = MockRuntime::new(COURIER_ID);
    rt.call(dispatch, SYSTEM_ID, &atto(0), METHOD_CONSTRUCTOR, None).unwrap();
    rt.add_actor(DESTINATION, foreign_code(b"destination"), Some(destination()));
    rt.set_balance(GATEWAY_ID, &atto(1_000));
    rt
}

fn origin() -> CrossAddress {
    CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"origin") }
}

fn cross_call() -> CrossCall {
    CrossCall { id: Digest([7; 32]), origin: origin(), method: 5, params: RawBytes::new(vec![1, 2]) }
}

fn cross_receipt() -> CrossReceipt {
    CrossReceipt {
        of: Digest([7; 32]),
        from: origin(),
        exit_code: ExitCode::OK,
        return_data: RawBytes::default(),
        value: atto(3),
        fee: atto(1),
    }
}

fn carry_call_to(rt: &MockRuntime, caller: u64, to: Address, gas_limit: u64) -> Result<CallReturn, ExitCode> {
    let params = encode_params(&CarryCallParams { to, gas_limit, call: cross_call() }).unwrap();
    let returned = rt.call(dispatch, caller, &atto(10), CARRY_CALL, params).map_err(|error| error.exit_code)?;
    Ok(decode_params(returned).unwrap())
}

fn carry_call(rt: &MockRuntime) -> Result<CallReturn, ExitCode> {
    carry_call_to(rt, GATEWAY_ID, destination(), 500)
}

fn carry_receipt(rt: &MockRuntime, caller: u64, value: u64) -> Result<Option<IpldBlock>, ExitCode> {
    let params = encode_params(&CarryReceiptParams { to: destination(), receipt: cross_receipt() }).unwrap();
    rt.call(dispatch, caller, &atto(value), CARRY_RECEIPT, params).map_err(|error| error.exit_code)
}

/// The courier with a destination that succeeds and returns `block`.
fn returning(block: Option<IpldBlock>) -> Result<CallReturn, ExitCode> {
    let rt = courier();
    rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn { exit_code: ExitCode::OK, return_data: block });
    carry_call(&rt)
}

fn with_data(is_deferred: bool, bytes: usize) -> Option<IpldBlock> {
    encode_return(&CallReturn { is_deferred, data: RawBytes::new(vec![9; bytes]) }).unwrap()
}

#[test]
fn call_reaches_the_destination_with_its_value_and_gas_limit() {
    let rt = courier();
    let answer = SendReturn { exit_code: ExitCode::OK, return_data: with_data(false, 3) };
    rt.answer(DESTINATION, RECEIVE_CROSS_CALL, answer);
    let returned = carry_call(&rt).unwrap();
    assert_eq!(returned, CallReturn { is_deferred: false, data: RawBytes::new(vec![9; 3]) });

    let [sent] = &rt.take_sends()[..] else { panic!("one send expected") };
    assert_eq!((sent.to, sent.method), (destination(), RECEIVE_CROSS_CALL));
    assert_eq!((&sent.value, sent.gas_limit), (&atto(10), Some(500)));
    assert_eq!(decode_params::<CrossCall>(sent.params.clone()).unwrap(), cross_call());
    assert_eq!(rt.balance_of(DESTINATION), atto(10));
    assert_eq!((rt.balance(), rt.balance_of(GATEWAY_ID)), (atto(0), atto(990)));
}

#[test]
fn failed_call_leaves_its_value_with_the_gateway_and_tells_the_destinations_code() {
    let rt = courier();
    for code in [ExitCode::USR_ILLEGAL_ARGUMENT, ExitCode::new(40), ExitCode::new(100), ExitCode::new(u32::MAX)] {
        rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn::failed(code));
        assert_eq!(carry_call(&rt), Err(code));
    }
    assert_eq!((rt.balance(), rt.balance_of(GATEWAY_ID)), (atto(0), atto(1_000)));
    assert_eq!(rt.balance_of(DESTINATION), atto(0));
}

#[test]
fn codes_of_the_vm_get_numbers_that_an_actor_may_give() {
    let rt = courier();
    let pairs = [
        (ExitCode::SYS_OUT_OF_GAS, refusal::OUT_OF_GAS),
        (ExitCode::SYS_ILLEGAL_INSTRUCTION, refusal::TRAPPED),
        (ExitCode::SYS_INVALID_RECEIVER, refusal::NO_DESTINATION),
        (ExitCode::SYS_ILLEGAL_EXIT_CODE, refusal::VM_ERROR),
        (ExitCode::SYS_MISSING_RETURN, refusal::VM_ERROR),
        (ExitCode::new(15), refusal::VM_ERROR),
    ];
    for (code, expected) in pairs {
        rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn::failed(code));
        assert_eq!(carry_call(&rt), Err(expected), "{code}");
    }
    for code in 1..200 {
        assert!(!refusal::of_exit(ExitCode::new(code)).is_system_error(), "{code}");
    }
}

#[test]
fn only_the_gateway_has_anything_carried() {
    let rt = courier();
    for caller in [SYSTEM_ID, COURIER_ID, DESTINATION, 100] {
        assert_eq!(carry_call_to(&rt, caller, destination(), 500), Err(ExitCode::USR_FORBIDDEN));
        assert_eq!(carry_receipt(&rt, caller, 0), Err(ExitCode::USR_FORBIDDEN));
    }
    assert_eq!(rt.take_sends(), []);
    assert_eq!(rt.balance(), atto(0));
}

#[test]
fn destination_that_is_not_there_ends_as_the_vm_ends_it() {
    let rt = courier();
    let nobody = Address::new_actor(b"never created");
    assert_eq!(carry_call_to(&rt, GATEWAY_ID, nobody, 500), Err(refusal::NO_DESTINATION));
    assert_eq!(carry_call_to(&rt, GATEWAY_ID, Address::new_id(9_999), 500), Err(refusal::NO_DESTINATION));
    assert_eq!(rt.balance_of(GATEWAY_ID), atto(1_000));

    // A new key's account is made, and takes the call as it takes every other: without an answer.
    let key = Address::new_secp256k1(&[4; 65]).unwrap();
    rt.answer_with(|_, sent| (sent.method == RECEIVE_CROSS_CALL).then(SendReturn::ok));
    let nothing = CallReturn { is_deferred: false, data: RawBytes::default() };
    assert_eq!(carry_call_to(&rt, GATEWAY_ID, key, 500), Ok(nothing));
    assert_eq!(rt.balance_of(rt.resolve_address(&key).unwrap()), atto(10));
}

#[test]
fn gas_limit_is_never_more_than_the_protocols() {
    let rt = courier();
    for (asked, given) in [(0, 0), (CROSS_CALL_GAS_MAX, CROSS_CALL_GAS_MAX), (u64::MAX, CROSS_CALL_GAS_MAX)] {
        rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn::ok());
        carry_call_to(&rt, GATEWAY_ID, destination(), asked).unwrap();
        assert_eq!(rt.take_sends()[0].gas_limit, Some(given));
    }
}

#[test]
fn no_return_counts_as_an_empty_answer() {
    let nothing = Ok(CallReturn { is_deferred: false, data: RawBytes::default() });
    assert_eq!(returning(None), nothing);
    assert_eq!(returning(Some(IpldBlock { codec: fvm_ipld_encoding::IPLD_RAW, data: Vec::new() })), nothing);
}

#[test]
fn answers_cross_up_to_their_limit_and_not_beyond() {
    assert_eq!(returning(with_data(false, CROSS_RETURN_BYTES_MAX)).unwrap().data.len(), CROSS_RETURN_BYTES_MAX);
    assert_eq!(returning(with_data(false, CROSS_RETURN_BYTES_MAX + 1)), Err(refusal::RETURN_TOO_LARGE));
    assert_eq!(returning(with_data(false, 1 << 20)), Err(refusal::RETURN_TOO_LARGE));
}

#[test]
fn deferred_answer_has_no_data() {
    let deferred = Ok(CallReturn { is_deferred: true, data: RawBytes::default() });
    assert_eq!(returning(with_data(true, 0)), deferred);
    assert_eq!(returning(with_data(true, 100)), deferred);
}

#[test]
fn what_is_no_call_return_is_refused() {
    let cbor = |data: &[u8]| Some(IpldBlock { codec: fvm_ipld_encoding::CBOR, data: data.to_vec() });
    assert_eq!(returning(cbor(&[0xff])), Err(refusal::BAD_RETURN));
    assert_eq!(returning(encode_return(&7u64).unwrap()), Err(refusal::BAD_RETURN));
    let raw = with_data(false, 3).map(|block| IpldBlock { codec: fvm_ipld_encoding::IPLD_RAW, ..block });
    assert_eq!(returning(raw), Err(refusal::BAD_RETURN));
}

#[test]
fn receipt_reaches_its_destination_with_gas_of_its_own_and_without_value() {
    let rt = courier();
    let answer = SendReturn { exit_code: ExitCode::OK, return_data: encode_return(&"thanks").unwrap() };
    rt.answer(DESTINATION, RECEIVE_CROSS_RECEIPT, answer);
    assert_eq!(carry_receipt(&rt, GATEWAY_ID, 0), Ok(None));
    let [sent] = &rt.take_sends()[..] else { panic!("one send expected") };
    assert_eq!((sent.to, sent.method), (destination(), RECEIVE_CROSS_RECEIPT));
    assert_eq!((&sent.value, sent.gas_limit), (&atto(0), Some(CROSS_RECEIPT_GAS)));
    assert_eq!(decode_params::<CrossReceipt>(sent.params.clone()).unwrap(), cross_receipt());
}

#[test]
fn receipt_with_value_is_refused_and_the_value_stays_with_the_gateway() {
    let rt = courier();
    assert_eq!(carry_receipt(&rt, GATEWAY_ID, 1), Err(ExitCode::USR_NOT_PAYABLE));
    assert_eq!((rt.balance(), rt.balance_of(GATEWAY_ID)), (atto(0), atto(1_000)));
    assert_eq!(rt.take_sends(), []);
}

#[test]
fn failed_receipt_tells_why() {
    let rt = courier();
    rt.answer(DESTINATION, RECEIVE_CROSS_RECEIPT, SendReturn::failed(ExitCode::new(33)));
    assert_eq!(carry_receipt(&rt, GATEWAY_ID, 0), Err(ExitCode::new(33)));
    rt.answer(DESTINATION, RECEIVE_CROSS_RECEIPT, SendReturn::failed(ExitCode::SYS_OUT_OF_GAS));
    assert_eq!(carry_receipt(&rt, GATEWAY_ID, 0), Err(refusal::OUT_OF_GAS));
}

#[test]
fn value_that_lies_here_is_never_part_of_a_call() {
    let rt = courier();
    rt.set_balance(COURIER_ID, &atto(77));
    rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn::ok());
    carry_call(&rt).unwrap();
    assert_eq!((rt.balance(), rt.balance_of(DESTINATION)), (atto(77), atto(10)));
}

#[test]
fn state_stays_empty() {
    let rt = courier();
    let before = rt.state_root().unwrap();
    rt.answer(DESTINATION, RECEIVE_CROSS_CALL, SendReturn::ok());
    carry_call(&rt).unwrap();
    rt.answer(DESTINATION, RECEIVE_CROSS_RECEIPT, SendReturn::ok());
    carry_receipt(&rt, GATEWAY_ID, 0).unwrap();
    assert_eq!(rt.state_root().unwrap(), before);
    assert_eq!(rt.load_state::<Vec<u8>>().unwrap(), [0u8; 0]);
}

#[test]
fn other_methods_and_other_constructors_are_refused() {
    let rt = courier();
    let error = rt.call(dispatch, GATEWAY_ID, &atto(0), METHOD_SEND, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
    let error = rt.call(dispatch, GATEWAY_ID, &atto(0), METHOD_CONSTRUCTOR, None).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
    let garbage = encode_params(&"call").unwrap();
    let error = rt.call(dispatch, GATEWAY_ID, &atto(0), CARRY_CALL, garbage).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_SERIALIZATION);
}
