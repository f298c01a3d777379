//! Who becomes a validator, and the activation they make.

use actor_runtime::Runtime;
use checkpoint_actor::state::{POWER_MAX, power_of_stake};
use checkpoint_actor::types::Status;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{JoinParams, gateway};
use subnet_types::genesis::{Genesis, MembershipMode};
use subnet_types::limits::{ENDPOINT_BYTES_MAX, VALIDATORS_MAX};
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Power};
use subnet_types::{BlsPublicKey, BlsSignature, Digest, Ed25519Signature, VoteKey};

use crate::keys::Keys;
use crate::odd_keys::{second_encoding, stray_point};
use crate::world::{NANO, World, address, anchor, atto, parent};

fn join_of(seed: u64) -> JoinParams {
    Keys::of(seed).join(&parent(), &address())
}

fn refused(world: &World, seed: u64, change: impl FnOnce(&mut JoinParams)) -> ExitCode {
    let mut params = join_of(seed);
    change(&mut params);
    world.join_with(seed, 10 * NANO, params).unwrap_err().exit_code
}

fn open() -> World {
    World::registered(MembershipMode::Collateral, 4)
}

#[test]
fn members_join_with_stake_as_power_until_the_last_activates() {
    let world = open();
    for seed in 1..=3 {
        world.join(seed, seed * 10 * NANO + 5).unwrap();
        assert_eq!(world.state().status(), Status::Registered);
    }
    world.join(4, NANO).unwrap();
    let state = world.state();
    assert_eq!(state.status(), Status::Active);
    assert_eq!(state.stake_total, atto(61 * NANO + 15));
    let record = state.activation(world.rt.store()).unwrap().unwrap();
    assert_eq!(record.parent, anchor());
    let powers: Vec<_> =
        (1..=4).map(|seed| record.validators.find(&Keys::of(seed).vote_key()).unwrap().1.power.get()).collect();
    assert_eq!(powers, [10, 20, 30, 1]);
    let identity = Genesis::from_activation(&record).identity();
    assert_eq!((state.chain, state.last_digest), (Some(identity), identity));
    assert_eq!(state.configuration_confirmed, ConfigurationNumber::FIRST);
    assert_eq!(state.top_down_applied.parent_height, anchor().height);
}

#[test]
fn nobody_joins_before_registration() {
    let world = World::created(MembershipMode::Collateral, 4);
    assert_eq!(world.join(1, NANO).unwrap_err().exit_code, ExitCode::new(123));
}

#[test]
fn join_for_somebody_else_or_from_an_actor_is_refused() {
    let world = open();
    assert_eq!(refused(&world, 1, |join| join.owner = Keys::of(2).owner), ExitCode::new(122));
    world.rt.add_actor(3_000, actor_runtime::mock::foreign_code(b"actor"), Some(Address::new_actor(b"actor")));
    let mut params = join_of(1);
    params.owner = Address::new_actor(b"actor");
    let error = world.call(3_000, NANO, subnet_types::actors::checkpoint::JOIN, &params).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::new(127));
}

#[test]
fn stake_below_the_minimum_or_below_a_unit_of_power_is_refused() {
    let world = open();
    assert_eq!(world.join(1, NANO - 1).unwrap_err().exit_code, ExitCode::new(125));
    let mut state = world.state();
    state.parameters.stake_min = atto(1);
    let error = state.check_join(world.rt.store(), &join_of(1), &atto(NANO - 1)).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::new(126));
    world.join(1, NANO).unwrap();
}

#[test]
fn endpoint_has_a_limit() {
    let world = open();
    let endpoint = |length| "x".repeat(length);
    assert_eq!(refused(&world, 1, |join| join.endpoint = endpoint(ENDPOINT_BYTES_MAX + 1)), ExitCode::new(128));
    let mut params = join_of(1);
    params.endpoint = endpoint(ENDPOINT_BYTES_MAX);
    world.join_with(1, NANO, params).unwrap();
}

#[test]
fn endpoint_is_visible_ascii() {
    let world = open();
    for endpoint in ["/dns4/a b", "/dns4/a\n", "\u{1b}[2J", "/dns4/a\0", "\u{7f}", "/dns4/bücher", "\u{202e}/dns4"] {
        assert_eq!(refused(&world, 1, |join| join.endpoint = endpoint.to_owned()), ExitCode::new(143), "{endpoint:?}");
    }
    for (seed, endpoint) in [(1, ""), (2, "/dns6/a-b_c.example/udp/1/quic-v1/p2p/!~")] {
        let params = JoinParams { endpoint: endpoint.to_owned(), ..join_of(seed) };
        world.join_with(seed, NANO, params).unwrap();
    }
}

#[test]
fn malformed_keys_are_refused() {
    let world = open();
    let mut identity = [0; 48];
    identity[0] = 0xc0;
    for key in [BlsPublicKey(identity), BlsPublicKey([0; 48]), BlsPublicKey([0xff; 48]), stray_point()] {
        assert_eq!(refused(&world, 1, |join| join.checkpoint_key = key), ExitCode::new(129), "{key}");
    }
    let mut small_order = [0; 32];
    small_order[0] = 1;
    for key in [VoteKey(small_order), VoteKey([0; 32]), VoteKey([2; 32]), second_encoding()] {
        assert_eq!(refused(&world, 1, |join| join.vote_key = key), ExitCode::new(129), "{key}");
    }
}

#[test]
fn join_without_or_with_a_wrong_proof_of_possession_is_refused() {
    let world = open();
    assert_eq!(refused(&world, 1, |join| join.vote_proof = Ed25519Signature([0; 64])), ExitCode::new(130));
    assert_eq!(refused(&world, 1, |join| join.checkpoint_proof = BlsSignature([0; 96])), ExitCode::new(131));
    assert_eq!(refused(&world, 1, |join| join.vote_proof = join_of(2).vote_proof), ExitCode::new(130));
    assert_eq!(refused(&world, 1, |join| join.checkpoint_proof = join_of(2).checkpoint_proof), ExitCode::new(131));
    // Signed by the key, but not a proof.
    let digest = Digest([3; 32]);
    let signature = Keys::of(1).sign(digest.as_bytes());
    assert_eq!(refused(&world, 1, |join| join.checkpoint_proof = signature), ExitCode::new(131));
    world.join(1, NANO).unwrap();
}

#[test]
fn proofs_made_for_another_actor_chain_or_owner_are_refused() {
    let world = open();
    let elsewhere = [
        Keys::of(1).join(&parent(), &Address::new_actor(b"other actor")),
        Keys::of(1).join(&Digest([8; 32]), &address()),
    ];
    for mut params in elsewhere {
        let error = world.join_with(1, NANO, params.clone()).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(130));
        params.vote_proof = join_of(1).vote_proof;
        let error = world.join_with(1, NANO, params).unwrap_err();
        assert_eq!(error.exit_code, ExitCode::new(131), "each key has its own proof");
    }
    // Somebody replays validator 1's whole join under another account.
    let mut replayed = join_of(1);
    replayed.owner = Keys::of(2).owner;
    assert_eq!(world.join_with(2, NANO, replayed).unwrap_err().exit_code, ExitCode::new(130));
}

#[test]
fn vote_proof_is_no_checkpoint_proof() {
    let key = Keys::of(1).checkpoint_key();
    let bytes = |kind| proof_of_possession_bytes(kind, &parent(), &address(), &Keys::of(1).owner, &key.0);
    let proof = Keys::of(1).sign(&bytes(KeyKind::Vote));
    assert_eq!(refused(&open(), 1, |join| join.checkpoint_proof = proof), ExitCode::new(131));
}

#[test]
fn taken_keys_and_second_joins_are_refused() {
    let world = open();
    world.join(1, NANO).unwrap();
    assert_eq!(refused(&world, 2, |join| join.vote_key = Keys::of(1).vote_key()), ExitCode::new(132));
    assert_eq!(refused(&world, 2, |join| join.checkpoint_key = Keys::of(1).checkpoint_key()), ExitCode::new(132));
    assert_eq!(world.join(1, NANO).unwrap_err().exit_code, ExitCode::new(133));
    world.join(2, NANO).unwrap();
}

#[test]
fn join_after_activation_makes_the_next_configuration() {
    let world = World::of_four();
    let before = world.state().configuration(world.rt.store(), ConfigurationNumber::FIRST).unwrap();
    world.join(5, 7 * NANO).unwrap();
    let state = world.state();
    let (second, first) = (ConfigurationNumber::new(2), ConfigurationNumber::FIRST);
    assert_eq!((state.configuration_last, state.configuration_confirmed), (second, first));
    assert_eq!(state.configuration(world.rt.store(), first).unwrap(), before, "a configuration never changes");
    let set = state.validators(world.rt.store(), second).unwrap().unwrap();
    assert_eq!((set.len(), set.total_power()), (5, Power::new(47)));

    let sent = world.rt.take_sends().pop().unwrap();
    assert_eq!(sent.method, gateway::LOG_CHANGE);
    let change: MembershipChange = actor_runtime::decode_params(sent.params).unwrap();
    assert_eq!((change.number, change.validator), (second, set.find(&Keys::of(5).vote_key()).unwrap().1.clone()));
}

#[test]
fn static_subnet_takes_nobody_after_activation() {
    let world = World::active(MembershipMode::Static, &[10; 4]);
    assert_eq!(world.join(5, NANO).unwrap_err().exit_code, ExitCode::new(134));
}

#[test]
fn power_is_nanofil_and_capped_so_that_three_times_the_sum_fits() {
    assert_eq!(power_of_stake(&atto(NANO - 1)), Power::ZERO);
    assert_eq!(power_of_stake(&atto(5 * NANO + 999)), Power::new(5));
    assert_eq!(power_of_stake(&TokenAmount::from_whole(1_000_000_000)), Power::new(POWER_MAX));
    assert_eq!(power_of_stake(&TokenAmount::from_whole(u64::MAX)), Power::new(POWER_MAX));
    assert!(POWER_MAX.checked_mul(3 * VALIDATORS_MAX as u64).is_some());
}
