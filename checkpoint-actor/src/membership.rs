//! Methods by which the subnet gets a name, validators and a genesis.

use actor_runtime::{ActorError, Runtime, require_caller};
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{
    CheckpointConstructorParams, INIT_ID, JoinParams, RegisterChildParams, RegisterChildReturn, RegisterParams,
    SetPowerParams,
};
use subnet_types::events::{EventBuilder, checkpoint as events};
use subnet_types::genesis::MembershipMode;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::parent::MembershipChange;

use crate::error::CheckpointError;
use crate::ext;
use crate::keys::{self, POINT_BYTES};
use crate::state::State;

/// Init creates the actor.
pub(crate) fn construct(rt: &impl Runtime, params: CheckpointConstructorParams) -> Result<(), ActorError> {
    require_caller(rt, &[INIT_ID])?;
    let state = State::new(rt.store(), params)?;
    // An id resolves to itself, so only its code tells whether somebody is there.
    let owner = rt.resolve_address(&state.owner).filter(|id| rt.code_of(*id).is_some());
    if state.parameters.mode != MembershipMode::Collateral && owner.is_none() {
        return Err(CheckpointError::OwnerMissing { address: state.owner.to_string() }.into());
    }
    rt.save_state(&state)
}

/// Anyone enters the actor with the gateway, once. The address names the subnet for ever, so that whoever is first must
/// have no choice: of the forms that lead to this actor only the one that init gave it is taken.
pub(crate) fn register(rt: &impl Runtime, params: RegisterParams) -> Result<RegisterChildReturn, ActorError> {
    let state: State = rt.load_state()?;
    if state.actor.is_some() {
        return Err(CheckpointError::AlreadyRegistered.into());
    }
    if params.actor.protocol() != Protocol::Actor {
        return Err(CheckpointError::ActorKind { address: params.actor.to_string() }.into());
    }
    expect_address(rt, &params.actor, rt.receiver())?;
    let cross_gas_price = state.parameters.chain.cross_gas_price;
    let registering = RegisterChildParams { actor: params.actor, cross_gas_price };
    let named = ext::register_child(rt, &registering)?;
    let mut state: State = rt.load_state()?;
    state.actor = Some(params.actor);
    state.subnet = Some(named.subnet.clone());
    state.parent = Some(named.parent);
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::REGISTERED).field("subnet", &named.subnet).build())?;
    Ok(named)
}

/// A validator joins with its stake.
pub(crate) fn join(rt: &impl Runtime, params: JoinParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    let stake = rt.value_received();
    expect_address(rt, &params.owner, rt.caller())?;
    state.check_join(rt.store(), &params, &stake)?;
    let point = check_possession(rt, &state, &params)?;
    let (member, change) = state.join(rt.store(), params, point, stake)?;
    let event = EventBuilder::new(events::JOINED)
        .indexed("owner", &member.owner)
        .indexed("vote-key", &member.vote_key)
        .field("power", &member.power);
    rt.emit_event(&event.build())?;
    finish(rt, state, change)
}

/// The owner of a federated subnet admits, reweighs or removes a member.
pub(crate) fn set_power(rt: &impl Runtime, params: SetPowerParams) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    let caller = rt.caller();
    if rt.resolve_address(&state.owner) != Some(caller) {
        return Err(CheckpointError::Forbidden { caller, expected: format!("the owner {}", state.owner) }.into());
    }
    let (_, change) = state.set_power(rt.store(), &params.vote_key, params.power)?;
    finish(rt, state, change)
}

/// Saves a change of membership, logs it with the gateway when the subnet runs, and starts the subnet when it made the
/// last validator that was missing.
fn finish(rt: &impl Runtime, state: State, change: Option<MembershipChange>) -> Result<(), ActorError> {
    rt.save_state(&state)?;
    log_changes(rt, change.as_slice())?;
    if !state.is_ready() {
        return Ok(());
    }
    let anchor = ext::activate_child(rt)?;
    let mut state: State = rt.load_state()?;
    state.activate(rt.store(), anchor)?;
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::ACTIVATED).field("chain", &state.chain).build())
}

/// Hands changes to the gateway for the subnet to apply.
pub(crate) fn log_changes(rt: &impl Runtime, changes: &[MembershipChange]) -> Result<(), ActorError> {
    for change in changes {
        ext::log_change(rt, change)?;
        let event = EventBuilder::new(events::CONFIGURATION_MADE)
            .indexed("configuration", &change.number)
            .indexed("vote-key", &change.validator.vote_key)
            .field("power", &change.validator.power);
        rt.emit_event(&event.build())?;
    }
    Ok(())
}

/// Checks both keys and that whoever joins holds them. Returns the checkpoint key uncompressed.
fn check_possession(rt: &impl Runtime, state: &State, join: &JoinParams) -> Result<[u8; POINT_BYTES], ActorError> {
    let (Some(parent), Some(actor)) = (state.parent, state.actor) else {
        return Err(CheckpointError::NotRegistered.into());
    };
    let bytes = |kind, key: &[u8]| proof_of_possession_bytes(kind, &parent, &actor, &join.owner, key);
    let vote_key = keys::check_vote_key(&join.vote_key)?;
    let point = keys::check_checkpoint_key(&join.checkpoint_key)?;
    if !keys::verify_vote_key(&vote_key, &bytes(KeyKind::Vote, &join.vote_key.0), &join.vote_proof) {
        return Err(CheckpointError::VoteProof { key: join.vote_key.to_string() }.into());
    }
    let message = bytes(KeyKind::Checkpoint, &join.checkpoint_key.0);
    if !rt.verify_bls_aggregate(&join.checkpoint_proof, &[join.checkpoint_key], &[&message]) {
        return Err(CheckpointError::CheckpointProof { key: join.checkpoint_key.to_string() }.into());
    }
    Ok(point)
}

pub(crate) fn expect_address(rt: &impl Runtime, address: &Address, expected: u64) -> Result<(), ActorError> {
    let resolved = rt.resolve_address(address);
    if resolved == Some(expected) {
        return Ok(());
    }
    Err(CheckpointError::AddressMismatch { address: address.to_string(), resolved, expected }.into())
}

/// The gateway locks value for the subnet.
pub(crate) fn lock(rt: &impl Runtime, amount: TokenAmount) -> Result<(), ActorError> {
    let mut state: State = rt.load_state()?;
    state.lock(&amount);
    rt.save_state(&state)?;
    rt.emit_event(&EventBuilder::new(events::VALUE_LOCKED).field("amount", &amount).build())
}
