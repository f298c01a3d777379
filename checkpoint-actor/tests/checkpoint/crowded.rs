//! More members than there can be, and members that make no set. States are built without the proofs of possession that
//! a join needs: a thousand real keys would show no more.

use std::collections::BTreeMap;

use actor_runtime::Runtime;
use checkpoint_actor::keys::{POINT_BYTES, check_checkpoint_key};
use checkpoint_actor::state::MEMBERS_MAX;
use checkpoint_actor::{CheckpointError, State, invariants};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{JoinParams, RecoveringMember};
use subnet_types::genesis::MembershipMode;
use subnet_types::limits::VALIDATORS_MAX;
use subnet_types::membership::ValidatorSet;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Power};
use subnet_types::{BlsPublicKey, BlsSignature, Ed25519Signature, VoteKey};

use crate::keys::Keys;
use crate::world::{NANO, World, anchor, atto};

const VOTING_MAX: u64 = VALIDATORS_MAX as u64;

/// A join with keys that look like keys.
fn join_of(seed: u64) -> JoinParams {
    let (mut public, mut vote, mut checkpoint) = ([4; 65], [5; 32], [6; 48]);
    for key in [&mut public[..8], &mut vote[..8], &mut checkpoint[..8]] {
        key.copy_from_slice(&seed.to_be_bytes());
    }
    JoinParams {
        owner: Address::new_secp256k1(&public).unwrap(),
        vote_key: VoteKey(vote),
        vote_proof: Ed25519Signature([0; 64]),
        checkpoint_key: BlsPublicKey(checkpoint),
        checkpoint_proof: BlsSignature([0; 96]),
        endpoint: String::new(),
    }
}

struct Crowd {
    world: World,
    state: State,
}

impl Crowd {
    /// A subnet that its members never activate.
    fn of(mode: MembershipMode) -> Self {
        let world = World::registered(mode, VOTING_MAX);
        let state = world.state();
        Self { world, state }
    }

    /// One more member, if there is room; what a join does but for the proofs and the activation.
    fn join(&mut self, seed: u64) -> Result<(), CheckpointError> {
        let (store, join) = (self.world.rt.store(), join_of(seed));
        self.state.check_join(store, &join, &atto(NANO))?;
        self.state.join(store, join, [0; POINT_BYTES], atto(NANO)).map(drop)
    }

    fn set_power(&mut self, seed: u64, power: u64) -> Result<(), CheckpointError> {
        let vote_key = join_of(seed).vote_key;
        self.state.set_power(self.world.rt.store(), &vote_key, Power::new(power)).map(drop)
    }
}

fn code(result: Result<(), CheckpointError>) -> ExitCode {
    result.unwrap_err().exit_code()
}

#[test]
fn as_many_validators_join_as_a_configuration_holds() {
    let mut crowd = Crowd::of(MembershipMode::Collateral);
    for seed in 1..=VOTING_MAX {
        crowd.join(seed).unwrap();
    }
    assert_eq!(crowd.state.voting_members, VOTING_MAX);
    assert_eq!(code(crowd.join(VOTING_MAX + 1)), ExitCode::new(135));
}

#[test]
fn federated_subnet_has_room_for_more_candidates_than_validators() {
    let mut crowd = Crowd::of(MembershipMode::Federated);
    for seed in 1..=MEMBERS_MAX {
        crowd.join(seed).unwrap();
    }
    assert_eq!((crowd.state.member_count, crowd.state.voting_members), (MEMBERS_MAX, 0));
    assert_eq!(code(crowd.join(MEMBERS_MAX + 1)), ExitCode::new(135));

    for seed in 1..=VOTING_MAX {
        crowd.set_power(seed, 1).unwrap();
    }
    assert_eq!(code(crowd.set_power(VOTING_MAX + 1, 1)), ExitCode::new(135));
    crowd.set_power(1, 2).unwrap();
    crowd.set_power(1, 0).unwrap();
    crowd.set_power(VOTING_MAX + 1, 1).unwrap();
}

#[test]
fn members_that_make_no_set_start_no_subnet() {
    let activate = |crowd: &mut Crowd| code(crowd.state.activate(crowd.world.rt.store(), anchor()));
    let mut crowd = Crowd::of(MembershipMode::Collateral);
    assert_eq!(activate(&mut crowd), ExitCode::new(140), "nobody");
    for seed in 1..=VOTING_MAX + 1 {
        crowd.state.join(crowd.world.rt.store(), join_of(seed), [0; POINT_BYTES], atto(NANO)).unwrap();
    }
    assert_eq!(activate(&mut crowd), ExitCode::new(140), "one more than a configuration holds");
    assert_eq!(crowd.state.activation, None);
}

#[test]
fn change_that_makes_no_set_makes_no_configuration() {
    let world = World::of_four();
    let mut state = world.state();
    let validators = state.validators(world.rt.store(), state.configuration_last).unwrap().unwrap();
    // Nobody may bring a taken key, so that the join itself was never checked.
    let taken = JoinParams { checkpoint_key: validators.validators()[0].checkpoint_key, ..join_of(9) };
    let last = state.configuration_last;
    let error = state.join(world.rt.store(), taken, [0; POINT_BYTES], atto(NANO)).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::new(140), "{error}");
    assert_eq!(state.configuration_last, last);
}

/// A silent federated subnet of as many validators as there can be, and one member without power.
fn silent_crowd() -> (State, World) {
    let world = World::registered(MembershipMode::Federated, VOTING_MAX);
    let (store, mut state) = (world.rt.store(), world.state());
    for seed in 1..=VOTING_MAX + 1 {
        let checkpoint_key = Keys::of(seed).checkpoint_key();
        let point = check_checkpoint_key(&checkpoint_key).unwrap();
        state.join(store, JoinParams { checkpoint_key, ..join_of(seed) }, point, atto(NANO)).unwrap();
        if seed <= VOTING_MAX {
            state.set_power(store, &join_of(seed).vote_key, Power::new(10)).unwrap();
        }
    }
    state.activate(store, anchor()).unwrap();
    (state, world)
}

/// Puts these in charge. Returns the changes, each of which makes a valid set of the one before.
fn recover(state: &mut State, world: &World, wanted: &[(u64, u64)]) -> Vec<MembershipChange> {
    let store = world.rt.store();
    let height = state.silent_from();
    let validators: Vec<_> = wanted
        .iter()
        .map(|(seed, power)| RecoveringMember { vote_key: join_of(*seed).vote_key, power: Power::new(*power) })
        .collect();
    let before = state.validators(store, state.configuration_last).unwrap().unwrap();
    let mut set: BTreeMap<_, _> = before.validators().iter().map(|one| (one.vote_key, one.clone())).collect();
    let changed = state.check_recovery(store, &validators, height).unwrap();
    let changes = state.recover(store, changed, height).unwrap();
    for (change, number) in changes.iter().zip(before.number().get() + 1..) {
        assert_eq!(change.number.get(), number);
        set.remove(&change.validator.vote_key);
        if change.validator.power > Power::ZERO {
            set.insert(change.validator.vote_key, change.validator.clone());
        }
        ValidatorSet::new(change.number, set.values().cloned().collect()).unwrap();
    }
    let last = state.configuration_last;
    assert_eq!(state.configuration_confirmed, last);
    let made = state.validators(store, last).unwrap().unwrap();
    assert_eq!(made.validators(), set.into_values().collect::<Vec<_>>());
    let actual: Vec<_> = made.validators().iter().map(|one| (one.vote_key, one.power.get())).collect();
    let expected: Vec<_> = wanted.iter().map(|(seed, power)| (join_of(*seed).vote_key, *power)).collect();
    assert_eq!(actual, expected);
    let violations = invariants::check(state, store, &atto(10 * (VOTING_MAX + 1) * NANO));
    assert!(violations.is_empty(), "{violations:#?}");
    changes
}

#[test]
fn recovery_of_the_largest_set_makes_one_configuration_by_steps_that_the_subnet_can_make() {
    let (mut state, world) = silent_crowd();
    // Half go, half of the others rise or fall.
    let half: Vec<_> = (1..=VOTING_MAX / 2).map(|seed| (seed, [10, 20, 5, 10][seed as usize % 4])).collect();
    let changes = recover(&mut state, &world, &half);
    assert_eq!(changes.len() as u64, VOTING_MAX / 2 + VOTING_MAX / 4);
    let store = world.rt.store();
    assert_eq!(state.configuration(store, state.configuration_last).unwrap().unwrap().count, VOTING_MAX / 2);
    for passed in 2..state.configuration_last.get() {
        assert_eq!(state.configuration(store, ConfigurationNumber::new(passed)).unwrap(), None, "{passed}");
    }
}

#[test]
fn newcomer_takes_the_place_of_one_that_goes_when_the_set_is_full() {
    let (mut state, world) = silent_crowd();
    let wanted: Vec<_> = (2..=VOTING_MAX + 1).map(|seed| (seed, 10)).collect();
    let changes = recover(&mut state, &world, &wanted);
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0].validator.vote_key, join_of(1).vote_key);
    // The whole set for its least member, and back: every number is one of the log.
    recover(&mut state, &world, &[(VOTING_MAX + 1, 1)]);
    let again: Vec<_> = (1..=VOTING_MAX).map(|seed| (seed, 10)).collect();
    recover(&mut state, &world, &again);
    assert_eq!(state.configuration_last.get(), 1 + 2 + VOTING_MAX + VOTING_MAX + 1);
}
