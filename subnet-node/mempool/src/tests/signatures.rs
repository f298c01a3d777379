//! Signatures: each kind valid, wrong, for another chain, bare, and in its second form.

use fvm_shared::crypto::signature::SignatureType;
use fvm_shared::message::Message;
use subnet_types::message::SignaturePolicy::{BareAllowed, Bound};
use subnet_types::message::bare_signing_bytes;

use super::*;
use crate::signature::{BatchError, SignatureError, Verifier, verify, verify_all};

fn keys() -> [Key; 2] {
    [Key::secp256k1(3), Key::bls(3)]
}

fn bare(key: &Key) -> SignedMessage {
    let mut signed = key.sign(0);
    signed.signature = key.sign_bytes(&bare_signing_bytes(&signed.message));
    signed
}

#[test]
fn both_kinds_of_key_prove_their_sender() {
    for key in keys() {
        for policy in [Bound, BareAllowed] {
            assert_eq!(verify(&key.sign(0), &IDENTITY, policy), Ok(()));
        }
    }
}

#[test]
fn a_signature_is_no_proof_for_a_changed_message_another_sender_or_another_chain() {
    for key in keys() {
        let mut changed = key.sign(0);
        changed.message.value = atto(2);
        let mut stolen = key.sign(0);
        stolen.message.from = if matches!(key, Key::Bls(_)) { Key::bls(4) } else { Key::secp256k1(4) }.address();
        for policy in [Bound, BareAllowed] {
            let mismatch = |result| matches!(result, Err(SignatureError::Mismatch { .. }));
            assert!(mismatch(verify(&changed, &IDENTITY, policy)));
            assert!(mismatch(verify(&stolen, &IDENTITY, policy)));
            assert!(mismatch(verify(&key.sign(0), &OTHER_IDENTITY, policy)));
        }
    }
}

#[test]
fn a_bare_signature_is_valid_only_where_the_chain_allows_it_and_says_so_elsewhere() {
    for key in keys() {
        assert_eq!(verify(&bare(&key), &IDENTITY, BareAllowed), Ok(()));
        let error = verify(&bare(&key), &IDENTITY, Bound).unwrap_err();
        assert_eq!(error, SignatureError::Bare { identity: IDENTITY });
        assert!(error.to_string().starts_with("signature is for a bare message; this chain requires"));
        assert!(Rejection::from(error).is_fault());
    }
}

#[test]
fn the_second_form_of_a_signature_is_refused() {
    let mut signed = Key::secp256k1(3).sign(0);
    let bytes = &mut signed.signature.bytes;
    let low = secp256k1::SecretKey::from_byte_array(bytes[32..64].try_into().unwrap()).unwrap();
    bytes[32..64].copy_from_slice(&low.negate().secret_bytes());
    bytes[64] ^= 1;
    // It is a signature of the same key over the same message …
    let digest = blake2b_256(&signing_bytes(&signed.message, &IDENTITY));
    let id = secp256k1::ecdsa::RecoveryId::try_from(i32::from(signed.signature.bytes[64])).unwrap();
    let second = secp256k1::ecdsa::RecoverableSignature::from_compact(&signed.signature.bytes[..64], id).unwrap();
    let recovered = secp256k1::Secp256k1::verification_only()
        .recover_ecdsa(secp256k1::Message::from_digest(*digest.as_bytes()), &second)
        .unwrap();
    let address = Address::new_secp256k1(&recovered.serialize_uncompressed()).unwrap();
    assert_eq!(address, signed.message.from);
    // … and would give the message a second name.
    assert_ne!(signed.cid(), Key::secp256k1(3).sign(0).cid());
    assert_eq!(verify(&signed, &IDENTITY, Bound), Err(SignatureError::HighS));
}

#[test]
fn signatures_of_the_wrong_kind_length_or_form_are_refused() {
    let [secp, bls] = keys();
    let with = |key: &Key, signature: Signature| SignedMessage { signature, ..key.sign(0) };
    let check = |signed: SignedMessage| verify(&signed, &IDENTITY, Bound).unwrap_err();
    assert!(matches!(
        check(with(&secp, bls.sign(0).signature)),
        SignatureError::Kind { expected: "secp256k1", actual: SignatureType::BLS, .. }
    ));
    assert!(matches!(
        check(with(&bls, secp.sign(0).signature)),
        SignatureError::Kind { expected: "BLS", actual: SignatureType::Secp256k1, .. }
    ));
    for length in [0, 64, 66] {
        let error = check(with(&secp, Signature::new_secp256k1(vec![1; length])));
        assert_eq!(error, SignatureError::Length { kind: "secp256k1", expected: 65, actual: length });
    }
    let error = check(with(&bls, Signature::new_bls(vec![1; 95])));
    assert_eq!(error, SignatureError::Length { kind: "BLS", expected: 96, actual: 95 });
    assert!(matches!(check(with(&bls, Signature::new_bls(vec![1; 96]))), SignatureError::Encoding { .. }));
    let mut id = secp.sign(0).signature.bytes;
    id[64] = 4;
    assert!(matches!(check(with(&secp, Signature::new_secp256k1(id))), SignatureError::Encoding { .. }));
    let mut r = secp.sign(0).signature.bytes;
    r[..32].fill(0xff);
    assert!(matches!(check(with(&secp, Signature::new_secp256k1(r))), SignatureError::Encoding { .. }));
    let mut zeroes = secp.sign(0).signature.bytes;
    zeroes[..64].fill(0);
    assert!(matches!(check(with(&secp, Signature::new_secp256k1(zeroes))), SignatureError::Mismatch { .. }));
    let mut id_sender = secp.sign(0);
    id_sender.message.from = Address::new_id(100);
    assert!(matches!(check(id_sender), SignatureError::SenderKind { .. }));
}

#[test]
fn the_identity_point_signs_for_nobody() {
    // With key and signature at infinity the pairing equation holds for every message.
    let (mut key, mut signature) = ([0u8; 48], [0u8; 96]);
    (key[0], signature[0]) = (0xc0, 0xc0);
    let message = Message { from: Address::new_bls(&key).unwrap(), ..message(0, 0) };
    let signed = SignedMessage { message, signature: Signature::new_bls(signature.to_vec()) };
    assert!(verify(&signed, &IDENTITY, Bound).is_err());
}

fn batch(count: u64) -> Vec<SignedMessage> {
    let (secp, bls) = (Key::secp256k1(3), Key::bls(3));
    (0..count).map(|nonce| if nonce % 3 == 0 { bls.sign(nonce) } else { secp.sign(nonce) }).collect()
}

#[test]
fn a_batch_tells_the_first_failure_whatever_the_timing() {
    let mut messages = batch(40);
    assert_eq!(verify_all(&messages, &IDENTITY, Bound), Ok(()));
    assert_eq!(verify_all(&[], &IDENTITY, Bound), Ok(()));
    for index in [39, 20, 13] {
        messages[index].message.value = atto(99);
        for _ in 0..5 {
            let error = verify_all(&messages, &IDENTITY, Bound).unwrap_err();
            assert!(
                matches!(error, BatchError { index: first, error: SignatureError::Mismatch { .. } } if first == index)
            );
        }
    }
}

#[test]
fn verified_bytes_are_remembered_and_wrong_ones_are_not() {
    let verifier = Verifier::new(IDENTITY, Bound);
    let mut messages = batch(10);
    assert_eq!(verifier.verify_all(&messages), Ok(()));
    assert_eq!(verifier.remembered(), 10);
    assert_eq!(verifier.verify_all(&messages), Ok(()));
    assert_eq!(verifier.remembered(), 10);
    // The BLS message keeps its CID with another signature, but not its place in the memory.
    let cid = messages[3].cid();
    messages[3].signature = Key::bls(9).sign(3).signature;
    assert_eq!(messages[3].cid(), cid);
    assert_eq!(verifier.verify_all(&messages).unwrap_err().index, 3);
    assert_eq!(verifier.remembered(), 10);
}

#[test]
fn signature_is_checked_once_however_many_ask_for_it_at_the_same_time() {
    let verifier = Verifier::new(IDENTITY, Bound);
    let messages = batch(24);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(verifier.verify_all(&messages), Ok(())));
            scope.spawn(|| messages.iter().rev().for_each(|signed| assert_eq!(verifier.verify(signed), Ok(()))));
        }
    });
    assert_eq!(verifier.work().0, 24);
}

#[test]
fn wrong_signature_is_checked_for_everyone_who_asks_and_told_to_each() {
    let verifier = Verifier::new(IDENTITY, Bound);
    let mut wrong = Key::secp256k1(3).sign(0);
    wrong.message.value = atto(99);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(matches!(verifier.verify(&wrong), Err(SignatureError::Mismatch { .. }))));
        }
    });
    assert_eq!((verifier.work().0, verifier.remembered()), (4, 0));
}

#[test]
fn memory_is_bounded_and_what_it_forgot_is_checked_again() {
    let verifier = Verifier::new(IDENTITY, Bound).with_memory(4);
    let messages = batch(12);
    for signed in &messages {
        assert_eq!(verifier.verify(signed), Ok(()));
        assert!(verifier.remembered() <= 8);
    }
    for signed in &messages[8..] {
        assert_eq!(verifier.verify(signed), Ok(()), "the last four are known");
    }
    assert_eq!(verifier.work().0, 12);
    assert_eq!(verifier.verify(&messages[0]), Ok(()));
    assert_eq!(verifier.work().0, 13);
}
