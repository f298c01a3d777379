//! Every rule that a checkpoint can break, each with its own exit code. Unless the certificate is the point, what is
//! submitted was signed by a quorum: nothing is refused merely for its signature.

use actor_runtime::Runtime;
use checkpoint_actor::dispatch;
use cid::Cid;
use cid::multihash::Multihash;
use fvm_ipld_encoding::{DAG_CBOR, IPLD_RAW};
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{JoinParams, METHOD_CONSTRUCTOR, checkpoint};
use subnet_types::checkpoint::{Checkpoint, QuorumCertificate};
use subnet_types::genesis::MembershipMode;
use subnet_types::hash::{BLAKE2B_256, cid_of_bytes};
use subnet_types::limits::CROSS_MESSAGES_PER_CHECKPOINT_MAX;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Sequence};
use subnet_types::{BlsPublicKey, BlsSignature, Digest};

use crate::keys::{Keys, key_sum, sum};
use crate::odd_keys::negative;
use crate::world::{NANO, UNBONDING, World, address, atto, parent};

/// Multicodec of the hash of CIDs of version 0.
const SHA2_256: u64 = 0x12;

#[test]
fn each_broken_field_has_its_own_exit_code() {
    type Change = fn(&mut Checkpoint);
    let cases: [(u32, &str, Change); 20] = [
        (150, "version", |c| c.version = 2),
        (151, "identity of another chain", |c| c.chain = Digest([9; 32])),
        (152, "sequence before the first", |c| c.sequence = Sequence::ZERO),
        (152, "sequence of the last", |c| c.sequence = Sequence::new(1)),
        (153, "gap", |c| c.sequence = Sequence::new(3)),
        (153, "largest sequence", |c| c.sequence = Sequence::new(u64::MAX)),
        (154, "another history", |c| c.previous = Digest([9; 32])),
        (155, "off the period", |c| c.height = c.height.next()),
        (155, "height of another period", |c| c.height = Height::new(30)),
        (156, "upgrade", |c| c.upgrade = Digest([1; 32])),
        (157, "negative burn", |c| c.burned = -atto(1)),
        (157, "negative value", |c| c.messages.value = -atto(1)),
        (158, "amount above 256 bits", |c| c.burned = TokenAmount::from_atto(BigInt::from(1) << 256)),
        (159, "batch gap", |c| c.messages.first_nonce = Nonce::new(7)),
        (160, "too many messages", |c| c.messages.count = CROSS_MESSAGES_PER_CHECKPOINT_MAX as u64 + 1),
        (160, "value without messages", |c| c.messages.value = atto(1)),
        (162, "top-down nonce goes back", |c| c.top_down_applied.nonce = Nonce::ZERO),
        (162, "parent height goes back", |c| c.top_down_applied.parent_height = Height::new(1)),
        (163, "parent height to come", |c| c.top_down_applied.parent_height = Height::new(601)),
        (166, "other validators", |c| c.configuration.validators_hash = Digest([9; 32])),
    ];
    let world = World::of_four();
    let mut first = world.next(&[]);
    first.top_down_applied.nonce = Nonce::new(1);
    world.settle(&first, &[]).unwrap();
    for (code, what, change) in cases {
        let mut checkpoint = world.next(&[]);
        change(&mut checkpoint);
        let error = world.settle(&checkpoint, &[]).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(code), "{what}: {error}");
    }
    world.settle(&world.next(&[]), &[]).unwrap();
}

#[test]
fn links_that_differ_from_the_signed_ones_in_anything_but_the_hash_are_refused() {
    type Relabel = fn(&Multihash<64>) -> Cid;
    let relabelled: [(&str, Relabel); 5] = [
        ("codec", |hash| Cid::new_v1(IPLD_RAW, *hash)),
        ("version", |hash| Cid::new_v0(Multihash::wrap(SHA2_256, hash.digest()).unwrap()).unwrap()),
        ("hash", |hash| Cid::new_v1(DAG_CBOR, Multihash::wrap(SHA2_256, hash.digest()).unwrap())),
        ("shorter", |hash| Cid::new_v1(DAG_CBOR, Multihash::wrap(BLAKE2B_256, &hash.digest()[..31]).unwrap())),
        ("longer", |hash| {
            let digest = [hash.digest(), &[0]].concat();
            Cid::new_v1(DAG_CBOR, Multihash::wrap(BLAKE2B_256, &digest).unwrap())
        }),
    ];
    let world = World::of_four();
    let signed = world.next(&[]);
    // Without a digest there is nothing to sign: what is shown is the certificate of the true checkpoint.
    let certificate = world.certify(&signed, &[1, 2, 3]);
    for (what, relabel) in relabelled {
        let block = Checkpoint { block: relabel(signed.block.hash()), ..signed.clone() };
        let state_root = Checkpoint { state_root: relabel(signed.state_root.hash()), ..signed.clone() };
        for altered in [block, state_root] {
            let error = world.submit(&altered, &certificate, &[]).unwrap_err();
            assert_eq!(error.exit_code, ExitCode::new(158), "{what}: {error}");
        }
    }
    world.submit(&signed, &certificate, &[]).unwrap();
}

#[test]
fn unknown_and_outdated_configurations_are_refused() {
    let world = World::of_four();
    world.join(5, 10 * NANO).unwrap();
    for number in [0, 3, u64::MAX] {
        let mut checkpoint = world.next(&[]);
        checkpoint.configuration.number = ConfigurationNumber::new(number);
        assert_eq!(world.settle(&checkpoint, &[]).unwrap_err().exit_code, ExitCode::new(165));
    }
}

#[test]
fn nothing_is_accepted_before_activation() {
    let active = World::of_four();
    let checkpoint = active.next(&[]);
    let certificate = active.certify(&checkpoint, &[1, 2, 3]);
    let world = World::registered(MembershipMode::Collateral, 4);
    let error = world.submit(&checkpoint, &certificate, &[]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(124), "{error}");
}

#[test]
fn too_little_power_is_refused_whatever_the_number_of_signers() {
    let world = World::active(MembershipMode::Collateral, &[1, 1, 1, 6]);
    let checkpoint = world.next(&[]);
    for signers in [&[][..], &[1], &[1, 2, 3], &[4]] {
        let mut certificate = world.certify(&checkpoint, &[4]);
        if !signers.is_empty() {
            certificate = world.certify(&checkpoint, signers);
        } else {
            certificate.signers = QuorumCertificate::bitmap(4, []);
        }
        let error = world.submit(&checkpoint, &certificate, &[]).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(169), "{signers:?}: {error}");
    }
    world.submit(&checkpoint, &world.certify(&checkpoint, &[1, 4]), &[]).unwrap();
}

#[test]
fn bitmap_of_another_length_or_with_stray_bits_is_refused() {
    let world = World::of_four();
    let checkpoint = world.next(&[]);
    for signers in [vec![], vec![0b1_0111], vec![0xff], vec![0b0111, 0], vec![0; 1_000]] {
        let mut certificate = world.certify(&checkpoint, &[1, 2, 3]);
        certificate.signers = signers;
        assert_eq!(world.submit(&checkpoint, &certificate, &[]).unwrap_err().exit_code, ExitCode::new(168));
    }
}

#[test]
fn key_sum_that_is_not_the_signers_is_refused() {
    let world = World::of_four();
    let checkpoint = world.next(&[]);
    for signers in [&[1, 2, 3][..], &[1, 2, 3, 4]] {
        let good = world.certify(&checkpoint, signers);
        let mut infinity = vec![0; 96];
        infinity[0] = 0x40;
        let mut flagged = good.key_sum.clone();
        flagged[0] |= 0x20;
        for key_sum in [key_sum(&[1, 2]), key_sum(&[1, 2, 4]), infinity, flagged, vec![], vec![0xff; 96], vec![0; 97]] {
            let certificate = QuorumCertificate { key_sum, ..good.clone() };
            let error = world.submit(&checkpoint, &certificate, &[]).unwrap_err();
            assert_eq!(error.exit_code, ExitCode::new(182), "{error}");
        }
    }
}

#[test]
fn signature_of_others_or_over_something_else_is_refused() {
    let world = World::of_four();
    let checkpoint = world.next(&[]);
    let good = world.certify(&checkpoint, &[1, 2, 3]);
    let digest = World::digest(&checkpoint);
    let sign = |seeds: &[u64], message: &[u8]| {
        sum(&seeds.iter().map(|seed| Keys::of(*seed).sign(message)).collect::<Vec<_>>())
    };
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    let signatures = [
        sign(&[1, 2], digest.as_bytes()),
        sign(&[1, 2, 3, 4], digest.as_bytes()),
        sign(&[1, 2, 9], digest.as_bytes()),
        sign(&[1, 2, 3], &[0; 32]),
        BlsSignature(negative(good.signature.0)),
        BlsSignature(infinity),
        BlsSignature([0; 96]),
        BlsSignature([0xff; 96]),
    ];
    for signature in signatures {
        let certificate = QuorumCertificate { signature, ..good.clone() };
        assert_eq!(world.submit(&checkpoint, &certificate, &[]).unwrap_err().exit_code, ExitCode::new(171));
    }
    let other_signers = QuorumCertificate { signature: good.signature, ..world.certify(&checkpoint, &[1, 2, 4]) };
    assert_eq!(world.submit(&checkpoint, &other_signers, &[]).unwrap_err().exit_code, ExitCode::new(171));
    let mut changed = checkpoint.clone();
    changed.state_root = cid_of_bytes(b"another state");
    assert_eq!(world.submit(&changed, &good, &[]).unwrap_err().exit_code, ExitCode::new(171));
    world.submit(&checkpoint, &good, &[]).unwrap();
}

/// Three validators, the second of which holds the negative of the first one's key, and can prove it.
fn with_keys_that_cancel_out() -> World {
    let world = World::registered(MembershipMode::Collateral, 3);
    world.join(1, 900 * NANO).unwrap();
    let key = BlsPublicKey(negative(Keys::of(1).checkpoint_key().0));
    let owner = Keys::of(2).owner;
    let bytes = proof_of_possession_bytes(KeyKind::Checkpoint, &parent(), &address(), &owner, &key.0);
    let checkpoint_proof = BlsSignature(negative(Keys::of(1).sign(&bytes).0));
    let honest = Keys::of(2).join(&parent(), &address());
    world.join_with(2, 100 * NANO, JoinParams { checkpoint_key: key, checkpoint_proof, ..honest }).unwrap();
    world.join(3, NANO).unwrap();
    world.lock(1_000);
    world
}

/// A certificate of these two, which verifies under the identity as anything does.
fn certificate_of_nothing(world: &World, checkpoint: &Checkpoint) -> QuorumCertificate {
    let mut infinity = [0; 96];
    infinity[0] = 0xc0;
    let mut certificate = world.certify(checkpoint, &[1, 2]);
    certificate.signature = BlsSignature(infinity);
    certificate.key_sum = [[0x40].as_slice(), &[0; 95]].concat();
    certificate
}

#[test]
fn signers_whose_keys_cancel_out_are_refused() {
    let world = with_keys_that_cancel_out();
    let checkpoint = world.next(&[]);
    let error = world.submit(&checkpoint, &certificate_of_nothing(&world, &checkpoint), &[]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(170), "{error}");
}

#[test]
fn keys_that_cancel_out_keep_nobody_from_leaving_and_sign_nothing_together() {
    let world = with_keys_that_cancel_out();
    world.leave(3).unwrap();
    world.confirm(&[1]);
    assert_eq!(world.state().configuration_confirmed.get(), 2);
    let checkpoint = world.next(&[]);
    let certificate = certificate_of_nothing(&world, &checkpoint);
    let error = world.submit(&checkpoint, &certificate, &[]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(170), "{error}");
    let other_sum = QuorumCertificate { key_sum: key_sum(&[1]), ..certificate };
    assert_eq!(world.submit(&checkpoint, &other_sum, &[]).unwrap_err().exit_code, ExitCode::new(182));
    world.submit(&checkpoint, &world.certify(&checkpoint, &[1]), &[]).unwrap();
    world.at(600 + UNBONDING);
    world.withdraw(3).unwrap();
}

#[test]
fn gateways_refusal_of_the_report_refuses_the_checkpoint() {
    let world = World::of_four();
    world.gateway.commit_exit.set(46);
    let mut checkpoint = world.next(&[]);
    checkpoint.top_down_applied.nonce = Nonce::new(u64::MAX);
    let error = world.settle(&checkpoint, &[]).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(46));
    assert!(error.message.contains("CommitCheckpoint"), "{error}");
    assert_eq!(world.state().last_sequence, Sequence::ZERO);
}

#[test]
fn only_joining_and_locking_take_value() {
    let world = World::of_four();
    let before = world.rt.balance();
    for method in [
        METHOD_CONSTRUCTOR,
        checkpoint::REGISTER,
        checkpoint::SET_POWER,
        checkpoint::SUBMIT_CHECKPOINT,
        checkpoint::DELIVER_BATCH,
        checkpoint::DELIVER_UNCLAIMED,
    ] {
        let error = world.rt.call(dispatch, 100, &atto(1), method, None).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::USR_NOT_PAYABLE, "method {method}: {error}");
    }
    assert_eq!(world.rt.balance(), before);
}
