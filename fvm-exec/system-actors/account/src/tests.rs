use actor_runtime::encode_params;
use actor_runtime::mock::MockRuntime;
use bls_signatures::{PrivateKey, Serialize};
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use secp256k1::{Message, Secp256k1, SecretKey};
use subnet_types::hash::blake2b_256;

use super::*;

const SELF: u64 = 100;
const MESSAGE: &[u8] = b"pay the ferryman";

fn call<T: serde::Serialize>(
    rt: &MockRuntime,
    caller: u64,
    method: MethodNum,
    params: &T,
) -> Result<Option<IpldBlock>, ActorError> {
    rt.call(dispatch, caller, &TokenAmount::default(), method, encode_params(params).unwrap())
}

fn account(address: Address) -> MockRuntime {
    let rt = MockRuntime::new(SELF);
    call(&rt, SYSTEM_ID, METHOD_CONSTRUCTOR, &address).unwrap();
    rt
}

fn authenticate(rt: &MockRuntime, signature: &[u8], message: &[u8]) -> Result<bool, ExitCode> {
    let params = AuthenticateMessageParams { signature: signature.to_vec(), message: message.to_vec() };
    let returned = call(rt, 101, METHOD_AUTHENTICATE_MESSAGE, &params).map_err(|error| error.exit_code)?;
    Ok(decode_params(returned).unwrap())
}

fn bls() -> (Address, Vec<u8>) {
    let key = PrivateKey::new([5; 32]);
    let address = Address::new_bls(&key.public_key().as_bytes()).unwrap();
    (address, key.sign(MESSAGE).as_bytes())
}

fn secp() -> (Address, Vec<u8>) {
    let context = Secp256k1::new();
    let key = SecretKey::from_byte_array([6; 32]).unwrap();
    let address = Address::new_secp256k1(&key.public_key(&context).serialize_uncompressed()).unwrap();
    let signature = context.sign_ecdsa_recoverable(Message::from_digest(blake2b_256(MESSAGE).0), &key);
    let (recovery, compact) = signature.serialize_compact();
    let mut bytes = compact.to_vec();
    bytes.push(u8::try_from(i32::from(recovery)).unwrap());
    (address, bytes)
}

#[test]
fn method_number_is_filecoins() {
    assert_eq!(METHOD_AUTHENTICATE_MESSAGE, 2_643_134_072);
}

#[test]
fn only_system_constructs_and_only_key_addresses_can_be_accounts() {
    let rt = MockRuntime::new(SELF);
    let exit = |caller, address: Address| call(&rt, caller, METHOD_CONSTRUCTOR, &address).unwrap_err().exit_code;
    assert_eq!(exit(100, bls().0), ExitCode::USR_FORBIDDEN);
    assert_eq!(exit(SYSTEM_ID, Address::new_id(7)), ExitCode::USR_ILLEGAL_ARGUMENT);
    assert_eq!(exit(SYSTEM_ID, Address::new_actor(b"x")), ExitCode::USR_ILLEGAL_ARGUMENT);
    let garbage = call(&rt, SYSTEM_ID, METHOD_CONSTRUCTOR, &[1u8, 2]).unwrap_err();
    assert_eq!(garbage.exit_code, ExitCode::USR_SERIALIZATION);
}

#[test]
fn account_tells_its_address() {
    for (address, _) in [bls(), secp()] {
        let rt = account(address);
        let returned = rt.call(dispatch, 101, &TokenAmount::default(), METHOD_PUBKEY_ADDRESS, None).unwrap();
        assert_eq!(decode_params::<Address>(returned).unwrap(), address);
    }
}

#[test]
fn signatures_of_both_kinds_authenticate_and_stop_to_when_the_message_changes() {
    for (address, signature) in [bls(), secp()] {
        let rt = account(address);
        assert_eq!(authenticate(&rt, &signature, MESSAGE), Ok(true));
        assert_eq!(authenticate(&rt, &signature, b"pay the miller"), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
        assert_eq!(authenticate(&rt, &signature[1..], MESSAGE), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
        assert_eq!(authenticate(&rt, &[], MESSAGE), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
    }
}

#[test]
fn a_signature_of_the_other_kind_does_not_authenticate() {
    let (rt, (_, signature)) = (account(bls().0), secp());
    assert_eq!(authenticate(&rt, &signature, MESSAGE), Err(ExitCode::USR_ILLEGAL_ARGUMENT));
}

#[test]
fn public_calls_are_accepted_and_private_ones_are_not() {
    let rt = account(bls().0);
    assert_eq!(call(&rt, 101, 1 << 24, &"hook"), Ok(None));
    assert_eq!(call(&rt, 101, 3, &"hook").unwrap_err().exit_code, ExitCode::USR_UNHANDLED_MESSAGE);
}
