//! More members than there can be, and members that make no set. States are built without the proofs of possession that
//! a join needs: a thousand real keys would show no more.

use actor_runtime::Runtime;
use checkpoint_actor::keys::POINT_BYTES;
use checkpoint_actor::state::MEMBERS_MAX;
use checkpoint_actor::{CheckpointError, State};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::JoinParams;
use subnet_types::genesis::MembershipMode;
use subnet_types::limits::VALIDATORS_MAX;
use subnet_types::quantity::Power;
use subnet_types::{BlsPublicKey, BlsSignature, Ed25519Signature, VoteKey};

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
