//! What an actor may rely on, against a scripted gateway.
#![allow(clippy::unwrap_used)]

use actor_runtime::mock::MockRuntime;
use actor_runtime::{ActorError, Runtime, SendReturn, decode_params, encode_params, encode_return};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use gateway_client::*;
use subnet_types::actors::{
    AnswerParams, COURIER_ID, CallParams, CallReturn, EnqueueReturn, GATEWAY_ID, SYSTEM_ID, SendParams, gateway,
    refusal,
};
use subnet_types::cross::CrossAddress;
use subnet_types::{Digest, Height, Nonce, SubnetId};

const SELF: u64 = 200;

fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn there() -> CrossAddress {
    CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"there") }
}

fn id(number: u64) -> Digest {
    let mut id = Digest::ZERO;
    id.0[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn rt() -> MockRuntime {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(SELF, &atto(100));
    rt
}

fn queues(rt: &MockRuntime, method: u64, number: u64) {
    let return_data = encode_return(&EnqueueReturn { id: id(number), nonce: Nonce::ZERO }).unwrap();
    rt.answer(GATEWAY_ID, method, SendReturn { exit_code: ExitCode::OK, return_data });
}

fn sending(value: i64, fee: i64) -> Sending {
    let amount = TokenAmount::from_atto;
    Sending { value: amount(value), fee: amount(fee), expires: Some(Height::new(9)), ..Sending::to(there()) }
}

#[test]
fn transfer_hands_value_and_fee_to_the_gateway() {
    let rt = rt();
    queues(&rt, gateway::SEND, 7);
    assert_eq!(send_transfer(&rt, sending(30, 4), true), Ok(id(7)));
    let [sent] = &rt.take_sends()[..] else { panic!("one send expected") };
    assert_eq!((sent.to, sent.method, &sent.value), (Address::new_id(GATEWAY_ID), gateway::SEND, &atto(34)));
    let expected =
        SendParams { to: there(), call: None, fee: atto(4), expires: Some(Height::new(9)), wants_receipt: true };
    assert_eq!(decode_params::<SendParams>(sent.params.clone()).unwrap(), expected);
    assert_eq!(rt.balance(), atto(66));
}

#[test]
fn call_carries_method_parameters_and_gas() {
    let rt = rt();
    queues(&rt, gateway::SEND, 8);
    assert_eq!(send_call(&rt, sending(0, 0), 5, encode(&(1u64, "two")).unwrap(), 1_000), Ok(id(8)));
    let sent: SendParams = decode_params(rt.take_sends()[0].params.clone()).unwrap();
    let params = RawBytes::serialize((1u64, "two")).unwrap();
    assert_eq!(sent.call, Some(CallParams { method: 5, params, gas_limit: 1_000 }));
    assert!(sent.wants_receipt);
}

#[test]
fn refusal_of_the_gateway_costs_nothing_and_tells_its_code() {
    let rt = rt();
    let codes = [
        (ExitCode::new(47), ExitCode::new(47)),
        (ExitCode::SYS_OUT_OF_GAS, ExitCode::USR_UNSPECIFIED),
        (ExitCode::SYS_INSUFFICIENT_FUNDS, ExitCode::USR_INSUFFICIENT_FUNDS),
    ];
    for (given, expected) in codes {
        rt.answer(GATEWAY_ID, gateway::SEND, SendReturn::failed(given));
        assert_eq!(send_transfer(&rt, sending(30, 4), false).unwrap_err().exit_code, expected);
    }
    let error = send_transfer(&rt, sending(101, 0), false).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_INSUFFICIENT_FUNDS, "more than the balance");
    assert_eq!(rt.balance(), atto(100));
}

#[test]
fn amounts_below_zero_never_reach_the_gateway() {
    let rt = rt();
    for (value, fee) in [(-1, 5), (5, -1)] {
        let error = send_transfer(&rt, sending(value, fee), false).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_ARGUMENT);
    }
    assert_eq!(rt.take_sends(), []);
}

#[test]
fn deferred_call_is_answered_later_with_value() {
    let rt = rt();
    queues(&rt, gateway::ANSWER, 9);
    assert_eq!(answer_later(&rt, id(3), ExitCode::OK, encode("late").unwrap(), &atto(10)), Ok(id(9)));
    let [sent] = &rt.take_sends()[..] else { panic!("one send expected") };
    let expected =
        AnswerParams { of: id(3), exit_code: ExitCode::OK, return_data: RawBytes::serialize("late").unwrap() };
    assert_eq!(decode_params::<AnswerParams>(sent.params.clone()).unwrap(), expected);
    assert_eq!((&sent.value, rt.balance()), (&atto(10), atto(90)));
}

fn call_params() -> (CrossCall, Option<IpldBlock>) {
    let call = CrossCall { id: id(1), origin: there(), method: 5, params: RawBytes::default() };
    (call.clone(), encode_params(&call).unwrap())
}

#[test]
fn calls_come_from_the_courier_only() {
    let rt = rt();
    let (call, params) = call_params();
    rt.set_caller(COURIER_ID);
    assert_eq!(receive_call(&rt, params.clone()), Ok(call));
    for caller in [GATEWAY_ID, SYSTEM_ID, SELF, 100] {
        rt.set_caller(caller);
        assert_eq!(receive_call(&rt, params.clone()).unwrap_err().exit_code, ExitCode::USR_FORBIDDEN);
    }
}

#[test]
fn answers_are_call_returns() {
    let now: CallReturn = decode_params(answer(encode(&7u64).unwrap()).unwrap()).unwrap();
    assert_eq!((now.is_deferred, now.data.deserialize::<u64>().unwrap()), (false, 7));
    let later: CallReturn = decode_params(defer().unwrap()).unwrap();
    assert_eq!((later.is_deferred, later.data), (true, RawBytes::default()));
}

fn receipt(of: Digest, exit_code: ExitCode) -> CrossReceipt {
    CrossReceipt { of, from: there(), exit_code, return_data: RawBytes::new(vec![1]), value: atto(2), fee: atto(1) }
}

fn receive(
    rt: &MockRuntime,
    outstanding: &mut Outstanding<u64>,
    receipt: &CrossReceipt,
) -> Result<Received<u64>, ActorError> {
    receive_receipt(rt, encode_params(receipt).unwrap(), outstanding)
}

#[test]
fn receipt_counts_once_and_only_for_what_is_outstanding() {
    let rt = rt();
    let mut outstanding = Outstanding::new(rt.store()).unwrap();
    outstanding.insert(rt.store(), &id(1), 11).unwrap();
    outstanding.insert(rt.store(), &id(2), 22).unwrap();
    rt.set_caller(COURIER_ID);
    let first = receipt(id(1), ExitCode::OK);
    assert_eq!(receive(&rt, &mut outstanding, &first), Ok(Received { tag: 11, receipt: first.clone() }));
    for unknown in [id(1), id(3)] {
        let error = receive(&rt, &mut outstanding, &receipt(unknown, ExitCode::OK)).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_NOT_FOUND);
    }
    rt.set_caller(GATEWAY_ID);
    let error = receive(&rt, &mut outstanding, &receipt(id(2), ExitCode::OK)).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!((outstanding.len(), outstanding.get(rt.store(), &id(2))), (1, Ok(Some(22))));
}

#[test]
fn outcomes_tell_who_ended_the_message() {
    let outcome = |code| {
        let received = Received { tag: (), receipt: receipt(id(1), code) };
        format!("{:?}", received.outcome()).split('(').next().unwrap().to_owned()
    };
    assert_eq!(outcome(ExitCode::OK), "Succeeded");
    assert_eq!(outcome(refusal::EXPIRED), "Expired");
    for code in [refusal::NO_ROUTE, refusal::OUT_OF_GAS, ExitCode::SYS_OUT_OF_GAS] {
        assert_eq!(outcome(code), "Refused", "{code}");
    }
    for code in [ExitCode::USR_FORBIDDEN, ExitCode::new(1_000)] {
        assert_eq!(outcome(code), "Reverted", "{code}");
    }
}

#[test]
fn outstanding_messages_are_bounded_and_unique() {
    let rt = rt();
    let mut outstanding = Outstanding::new(rt.store()).unwrap();
    for number in 0..OUTSTANDING_MAX {
        outstanding.insert(rt.store(), &id(number), number).unwrap();
    }
    let error = outstanding.insert(rt.store(), &id(OUTSTANDING_MAX), 0).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_STATE);
    assert_eq!(outstanding.take(rt.store(), &id(5)), Ok(5));
    let error = outstanding.insert(rt.store(), &id(6), 0).unwrap_err();
    assert!(error.message.contains("already"), "{error}");
    outstanding.insert(rt.store(), &id(OUTSTANDING_MAX), 1).unwrap();
    assert_eq!(outstanding.len(), OUTSTANDING_MAX);
}

#[test]
fn outstanding_messages_survive_their_actors_state() {
    let rt = rt();
    let mut outstanding = Outstanding::new(rt.store()).unwrap();
    assert!(outstanding.is_empty());
    outstanding.insert(rt.store(), &id(1), "tag".to_owned()).unwrap();
    rt.save_state(&outstanding).unwrap();
    let read: Outstanding<String> = rt.load_state().unwrap();
    assert_eq!(read, outstanding);
    assert_eq!(read.get(rt.store(), &id(1)), Ok(Some("tag".to_owned())));
}
