//! The mock keeps the VM's rules that actors rely on.

use actor_runtime::mock::{MockRuntime, code, foreign_code};
use actor_runtime::{ActorError, Runtime, SendReturn, builtin, require_caller, require_caller_type};
use bls_signatures::{PrivateKey, Serialize, aggregate};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::event::{ActorEvent, Entry, Flags};
use subnet_types::actors::{GATEWAY_ID, INIT_ID};
use subnet_types::{BlsPublicKey, BlsSignature};

const SELF: u64 = 200;
const USER: u64 = 300;
const PAY: u64 = 7;

fn atto(amount: i64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

/// Counts its calls and passes what came in on to actor 99; aborts when told to by method 9.
fn dispatch<R: Runtime>(rt: &R, method: u64, _: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
    let calls: u64 = rt.load_state().unwrap_or(0);
    rt.save_state(&(calls + 1))?;
    rt.emit_event(&ActorEvent { entries: Vec::new() })?;
    rt.send(&Address::new_id(99), 0, None, &rt.value_received(), None)?;
    if method == 9 { Err(ActorError::illegal_state("told to")) } else { Ok(None) }
}

#[test]
fn a_call_moves_value_and_keeps_what_it_did() {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(USER, &atto(10));
    rt.call(dispatch, USER, &atto(4), PAY, None).expect("it succeeds");
    assert_eq!(rt.load_state::<u64>(), Ok(1));
    assert_eq!((rt.balance_of(USER), rt.balance(), rt.balance_of(99)), (atto(6), atto(0), atto(4)));
    assert_eq!((rt.take_sends().len(), rt.take_events().len()), (1, 1));
}

#[test]
fn an_abort_undoes_state_money_sends_and_events() {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(USER, &atto(10));
    let error = rt.call(dispatch, USER, &atto(4), 9, None).expect_err("it aborts");
    assert_eq!(error.exit_code, ExitCode::USR_ILLEGAL_STATE);
    assert_eq!(rt.load_state::<u64>().map_err(|error| error.exit_code), Err(ExitCode::USR_ILLEGAL_STATE));
    assert_eq!((rt.balance_of(USER), rt.balance(), rt.balance_of(99)), (atto(10), atto(0), atto(0)));
    assert_eq!((rt.take_sends().len(), rt.take_events().len()), (0, 0));
}

#[test]
fn a_send_creates_key_accounts_and_fails_on_actors_that_do_not_exist() {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(SELF, &atto(10));
    let send = |to: &Address, amount| rt.send(to, 0, None, &atto(amount), None).expect("no abort").exit_code;

    let key = Address::new_secp256k1(&[4; 65]).expect("an address");
    assert_eq!(send(&key, 3), ExitCode::OK);
    let account = rt.resolve_address(&key).expect("the send created it");
    assert_eq!(rt.code_of(account), Some(code("account")));
    assert_eq!(rt.balance_of(account), atto(3));

    assert_eq!(send(&Address::new_actor(b"nobody"), 1), ExitCode::SYS_INVALID_RECEIVER);
    assert_eq!(send(&Address::new_id(12345), 1), ExitCode::SYS_INVALID_RECEIVER);
    assert_eq!(send(&key, 8), ExitCode::SYS_INSUFFICIENT_FUNDS);
    assert_eq!(send(&key, -1), ExitCode::USR_ILLEGAL_ARGUMENT);
    assert_eq!(rt.balance(), atto(7));
    assert_eq!(rt.take_sends().len(), 5, "failed sends are on record too");
}

#[test]
fn a_failed_answer_gives_the_value_back_and_leaves_no_account() {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(SELF, &atto(10));
    let key = Address::new_bls(&[5; 48]).expect("an address");
    rt.answer_with(move |_, sent| (sent.to == key).then(|| SendReturn::failed(ExitCode::USR_FORBIDDEN)));
    let sent = rt.send(&key, 0, None, &atto(4), None).expect("no abort");
    assert_eq!(sent, SendReturn::failed(ExitCode::USR_FORBIDDEN));
    assert_eq!(rt.balance(), atto(10));
    assert_eq!(rt.resolve_address(&key), None);
}

#[test]
fn queued_answers_are_given_in_order_and_each_once() {
    let rt = MockRuntime::new(SELF);
    rt.answer(GATEWAY_ID, PAY, SendReturn::ok());
    rt.answer(GATEWAY_ID, PAY, SendReturn::failed(ExitCode::USR_NOT_FOUND));
    let send = || rt.send(&Address::new_id(GATEWAY_ID), PAY, None, &atto(0), None).expect("no abort").exit_code;
    assert_eq!(rt.unused_answers(), 2);
    assert_eq!([send(), send()], [ExitCode::OK, ExitCode::USR_NOT_FOUND]);
    assert_eq!(rt.unused_answers(), 0);
}

#[test]
#[should_panic(expected = "scripts no answer for method 7 of actor 64")]
fn a_call_without_a_scripted_answer_fails_the_test() {
    let rt = MockRuntime::new(SELF);
    drop(rt.send(&Address::new_id(GATEWAY_ID), PAY, None, &atto(0), None));
}

#[test]
fn a_read_only_call_writes_and_pays_nothing() {
    let rt = MockRuntime::new(SELF);
    rt.set_balance(SELF, &atto(10));
    rt.set_read_only(true);
    let exit = |result: Result<(), ActorError>| result.expect_err("it is read-only").exit_code;
    assert_eq!(exit(rt.save_state(&1u64)), ExitCode::USR_READ_ONLY);
    let send = |amount| rt.send(&Address::new_id(99), 0, None, &atto(amount), None).map(|_| ());
    assert_eq!(exit(send(1)), ExitCode::USR_READ_ONLY);
    assert_eq!(send(0), Ok(()));
}

#[test]
fn events_keep_to_the_limits_of_the_vm() {
    let rt = MockRuntime::new(SELF);
    let emit = |key: usize, value: usize, codec: u64| {
        let entry = Entry { flags: Flags::FLAG_INDEXED_ALL, key: "k".repeat(key), codec, value: vec![0; value] };
        rt.emit_event(&ActorEvent { entries: vec![entry] }).map_err(|error| error.exit_code)
    };
    assert_eq!(emit(31, 8192, 0x55), Ok(()));
    assert_eq!(emit(31, 8192, 0x51), Ok(()));
    assert_eq!(emit(32, 1, 0x55), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    assert_eq!(emit(1, 8193, 0x55), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    assert_eq!(emit(1, 1, 0x71), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    rt.set_read_only(true);
    assert_eq!(emit(1, 1, 0x55), Err(ExitCode::USR_READ_ONLY));
    assert_eq!(rt.take_events().len(), 2);
}

#[test]
fn gas_runs_down_by_what_the_test_says() {
    let rt = MockRuntime::new(SELF);
    rt.set_gas(100, 30);
    rt.send(&Address::new_id(99), 0, None, &atto(0), None).expect("no abort");
    assert_eq!(rt.gas_available(), 70);
}

#[test]
fn callers_are_told_apart_by_id_and_by_type() {
    let rt = MockRuntime::new(SELF);
    rt.add_actor(USER, code("checkpoint"), None);
    rt.set_caller(USER);
    assert_eq!(require_caller(&rt, &[1, USER]), Ok(()));
    assert_eq!(require_caller(&rt, &[1]).expect_err("not init").exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(require_caller_type(&rt, builtin::CHECKPOINT), Ok(()));
    assert!(require_caller_type(&rt, builtin::ACCOUNT).expect_err("no account").message.contains("checkpoint actor"));

    // The same caller turns foreign with other code.
    rt.add_actor(USER, foreign_code(b"a user's wasm"), None);
    assert!(require_caller_type(&rt, builtin::CHECKPOINT).expect_err("foreign").message.contains("foreign actor"));
}

#[test]
fn only_init_creates_actors_and_only_at_free_ids() {
    let create = |rt: &MockRuntime| rt.create_actor(500, &code("checkpoint"), None).map_err(|error| error.exit_code);
    assert_eq!(create(&MockRuntime::new(SELF)), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    let init = MockRuntime::new(INIT_ID);
    assert_eq!(create(&init), Ok(()));
    assert_eq!(create(&init), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    assert_ne!(init.next_actor_address(), init.next_actor_address());
}

#[test]
fn bls_aggregates_verify_for_these_messages_and_keys_only() {
    let rt = MockRuntime::new(SELF);
    let keys = [PrivateKey::new([1; 32]), PrivateKey::new([2; 32])];
    let messages: [&[u8]; 2] = [b"one", b"two"];
    let signed: Vec<_> = keys.iter().zip(messages).map(|(key, message)| key.sign(message)).collect();
    let together = aggregate(&signed).expect("two signatures").as_bytes();
    let signature = BlsSignature::try_from(together.as_slice()).expect("96 bytes");
    let public: Vec<BlsPublicKey> = keys
        .iter()
        .map(|key| BlsPublicKey::try_from(key.public_key().as_bytes().as_slice()).expect("48 bytes"))
        .collect();

    assert!(rt.verify_bls_aggregate(&signature, &public, &messages));
    assert!(!rt.verify_bls_aggregate(&signature, &public, &[b"one", b"three"]));
    assert!(!rt.verify_bls_aggregate(&signature, &public[..1], &messages[..1]));
    assert!(!rt.verify_bls_aggregate(&signature, &public, &messages[..1]));
    assert!(!rt.verify_bls_aggregate(&signature, &[], &[]), "nothing signed proves nothing");
    assert!(!rt.verify_bls_aggregate(&BlsSignature([0xff; 96]), &public, &messages));
    assert!(!rt.verify_bls_aggregate(&signature, &[BlsPublicKey([0xff; 48]); 2], &messages));
}
