//! What this package signs is accepted by verifiers that share no code with it: the VM's own for accounts, and the
//! crates that consensus and the actors use for validators' keys.

use bls_signatures::Serialize as _;
use client::keys::{AccountKey, AccountScheme, CheckpointKeypair, JoinDomain, KeyInfo, VoteKeypair};
use client::sign_message;
use ed25519_dalek::{Signature as VoteSignature, VerifyingKey};
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::Digest;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::message::{bare_signing_bytes, signing_bytes};

fn message(from: Address) -> Message {
    Message {
        version: 0,
        from,
        to: Address::new_id(100),
        sequence: 3,
        value: TokenAmount::from_atto(7),
        method_num: 0,
        params: Default::default(),
        gas_limit: 1_000_000,
        gas_fee_cap: TokenAmount::from_atto(100),
        gas_premium: TokenAmount::from_atto(1),
    }
}

fn verify(signature: &Signature, bytes: &[u8], address: &Address) -> Result<(), String> {
    signature.verify(bytes, address)
}

#[test]
fn the_vm_accepts_messages_of_both_schemes_on_their_chain_only() {
    let (here, elsewhere) = (Digest([1; 32]), Digest([2; 32]));
    for scheme in [AccountScheme::Secp256k1, AccountScheme::Bls] {
        let key = AccountKey::generate(scheme);
        let signed = sign_message(&message(key.address()), &key, &here);
        verify(&signed.signature, &signing_bytes(&signed.message, &here), &key.address()).expect("accepted here");
        assert!(verify(&signed.signature, &signing_bytes(&signed.message, &elsewhere), &key.address()).is_err());
        assert!(verify(&signed.signature, &bare_signing_bytes(&signed.message), &key.address()).is_err());
        let mut changed = signed.message.clone();
        changed.value = TokenAmount::from_atto(8);
        assert!(verify(&signed.signature, &signing_bytes(&changed, &here), &key.address()).is_err());
        let stranger = AccountKey::generate(scheme).address();
        assert!(verify(&signed.signature, &signing_bytes(&signed.message, &here), &stranger).is_err());
    }
}

#[test]
fn a_key_exported_by_lotus_has_the_address_lotus_gives_it() {
    // The private key 1 of secp256k1 and of BLS12-381: their public keys are the curves' generators, so that the
    // addresses follow from published constants.
    let one_big = [[0u8; 31].as_slice(), &[1]].concat();
    let key = AccountKey::from_secret(AccountScheme::Secp256k1, &one_big).expect("one is in range");
    let generator = hex::decode(concat!(
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
    ))
    .expect("hexadecimal");
    assert_eq!(key.address(), Address::new_secp256k1(&generator).expect("a key"));

    let one_little = [&[1], [0u8; 31].as_slice()].concat();
    let key = AccountKey::from_secret(AccountScheme::Bls, &one_little).expect("one is in range");
    let generator = hex::decode(concat!(
        "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58",
        "6c55e83ff97a1aeffb3af00adb22c6bb"
    ))
    .expect("hexadecimal");
    assert_eq!(key.address(), Address::new_bls(&generator).expect("a key"));

    let json = r#"{"Type":"bls","PrivateKey":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
    assert_eq!(KeyInfo::import(&hex::encode(json)).expect("imports").address(), key.address());
}

#[test]
fn exported_accounts_come_back_and_garbage_does_not() {
    for scheme in [AccountScheme::Secp256k1, AccountScheme::Bls] {
        let key = AccountKey::generate(scheme);
        let back = KeyInfo::import(&format!(" {}\n", KeyInfo::export(&key).as_str())).expect("comes back");
        assert_eq!((back.scheme(), back.address()), (scheme, key.address()));
    }
    let refused = |json: &str, part: &str| {
        let error = KeyInfo::import(&hex::encode(json)).expect_err("is refused").to_string();
        assert!(error.contains(part), "{error}");
    };
    assert!(KeyInfo::import("zz").is_err());
    assert!(KeyInfo::import(&"7b".repeat(10_000)).is_err());
    refused("{", "hexadecimal of");
    refused(r#"{"Type":"delegated","PrivateKey":""}"#, "delegated");
    refused(r#"{"Type":"bls","PrivateKey":"!"}"#, "base64");
    refused(r#"{"Type":"bls","PrivateKey":"AAAA"}"#, "32 bytes, got 3");
    refused(r#"{"Type":"bls","PrivateKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#, "zero");
    refused(r#"{"Type":"secp256k1","PrivateKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#, "zero");
    let too_large = r#"{"Type":"secp256k1","PrivateKey":"//////////////////////////////////////////8="}"#;
    refused(too_large, "order");
}

#[test]
fn proofs_of_possession_verify_under_their_own_keys_and_domain_only() {
    let (vote, checkpoint) = (VoteKeypair::generate(), CheckpointKeypair::generate());
    let domain = JoinDomain {
        parent: Digest([1; 32]),
        actor: Address::new_actor(b"subnet"),
        owner: AccountKey::generate(AccountScheme::Bls).address(),
    };
    let proofs = domain.prove(&vote, &checkpoint);
    let bytes = |domain: &JoinDomain, kind, key: &[u8]| {
        proof_of_possession_bytes(kind, &domain.parent, &domain.actor, &domain.owner, key)
    };
    let vote_ok = |domain: &JoinDomain| {
        let key = VerifyingKey::from_bytes(&vote.public().0).expect("a key");
        let signature = VoteSignature::from_bytes(&proofs.vote.0);
        key.verify_strict(&bytes(domain, KeyKind::Vote, &vote.public().0), &signature).is_ok()
    };
    let checkpoint_ok = |domain: &JoinDomain| {
        let key = bls_signatures::PublicKey::from_bytes(&checkpoint.public().0).expect("a key");
        let signature = bls_signatures::Signature::from_bytes(&proofs.checkpoint.0).expect("a signature");
        key.verify(signature, bytes(domain, KeyKind::Checkpoint, &checkpoint.public().0))
    };
    assert!(vote_ok(&domain) && checkpoint_ok(&domain));
    for other in [
        JoinDomain { parent: Digest([2; 32]), ..domain.clone() },
        JoinDomain { actor: Address::new_actor(b"other"), ..domain.clone() },
        JoinDomain { owner: Address::new_actor(b"thief"), ..domain.clone() },
    ] {
        assert!(!vote_ok(&other) && !checkpoint_ok(&other));
    }
}

#[test]
fn checkpoint_signatures_verify_over_the_digest() {
    let key = CheckpointKeypair::generate();
    let digest = Digest([7; 32]);
    let public = bls_signatures::PublicKey::from_bytes(&key.public().0).expect("a key");
    let signature = |digest| {
        let signature = key.sign_digest(&digest);
        bls_signatures::Signature::from_bytes(&signature.0).expect("a signature")
    };
    assert!(public.verify(signature(digest), digest.as_bytes()));
    assert!(!public.verify(signature(Digest([8; 32])), digest.as_bytes()));
    assert_eq!(CheckpointKeypair::from_secret(key.secret().as_slice()).expect("comes back").public(), key.public());
}

#[test]
fn keys_made_twice_are_two() {
    assert_ne!(VoteKeypair::generate().public(), VoteKeypair::generate().public());
    assert_ne!(CheckpointKeypair::generate().public(), CheckpointKeypair::generate().public());
}
