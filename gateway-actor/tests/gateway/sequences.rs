//! Random operations, valid and not: the invariants hold after each, and plain arithmetic agrees on the money.

use actor_runtime::mock::{MockRuntime, SentMessage};
use actor_runtime::{Runtime, SendReturn, decode_params, encode_params};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use proptest::prelude::*;
use subnet_types::actors::{
    AnswerParams, ApplyParentUpdateParams, CarryCallParams, ClaimParams, CommitCheckpointParams, DeliverParams,
    SYSTEM_ID, SendParams, checkpoint, courier, gateway,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::cross::{CrossKind, CrossMessage, message_id};
use subnet_types::hash::cid_of_bytes;
use subnet_types::limits::{CROSS_BYTE_GAS, CROSS_HOP_GAS, CROSS_RETURN_BYTES_MAX};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};
use subnet_types::{Digest, SubnetId};

use crate::world::{
    ALICE, CHILD, ROBOT, World, amount, as_call, as_receipt, at, call_to, child, down, f1, fil, nobody, returned, root,
    transfer_to, up, validator,
};

/// Another child's checkpoint actor, or a grandchild's.
const OTHER: u64 = 201;

/// The price of each edge. Fees are counted in it, so that the sums stay small.
const PRICE: u64 = 1;

/// Enough for any way here: two hops, there and back, of the dearest kind.
const FEE: u64 = PRICE * 12 * (CROSS_HOP_GAS + CROSS_RETURN_BYTES_MAX as u64 * CROSS_BYTE_GAS);

/// What a message that comes in is.
#[derive(Clone, Debug)]
enum Arriving {
    Transfer {
        is_lost: bool,
        wants_receipt: bool,
    },
    /// By its parameters the courier knows how it ends.
    Call {
        ending: u8,
    },
    Receipt {
        of_sequence: u64,
        is_success: bool,
    },
    /// On to another edge.
    Through,
}

fn arriving() -> impl Strategy<Value = (Arriving, u64, bool)> {
    let kind = prop_oneof![
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(is_lost, wants_receipt)| Arriving::Transfer { is_lost, wants_receipt }),
        3 => (0..4u8).prop_map(|ending| Arriving::Call { ending }),
        3 => (0..12u64, any::<bool>())
            .prop_map(|(of_sequence, is_success)| Arriving::Receipt { of_sequence, is_success }),
        2 => Just(Arriving::Through),
    ];
    (kind, 0..50u64, prop::bool::weighted(0.8))
}

/// Makes the message of it. `id` tells it from all others; ids of calls are used again at times.
fn made(base: CrossMessage, what: &(Arriving, u64, bool), through: &SubnetId) -> CrossMessage {
    let (kind, value, is_paid) = what;
    let mut message = CrossMessage { value: fil(*value), fee: fil(if *is_paid { FEE } else { 0 }), ..base };
    match kind {
        Arriving::Transfer { is_lost, wants_receipt } => {
            message.wants_receipt = *wants_receipt;
            if *is_lost {
                message.destination.address = nobody();
            }
        }
        Arriving::Call { ending } => {
            message = as_call(message);
            message.kind = CrossKind::Call { method: 7, params: vec![*ending].into() };
            message.id = Digest([message.id.as_bytes()[0] % 7; 32]);
        }
        Arriving::Receipt { of_sequence, is_success } => {
            // Mostly what was sent; at times another's, too much, or again.
            let to = if of_sequence % 2 == 0 { f1("alice") } else { Address::new_id(ROBOT) };
            message = as_receipt(message, to, *of_sequence);
            message.origin.address = f1("bob");
            if let (true, CrossKind::Receipt { exit_code, .. }) = (*is_success, &mut message.kind) {
                *exit_code = ExitCode::OK;
            }
        }
        Arriving::Through => message.destination.subnet = through.clone(),
    }
    message
}

fn carry(_: &MockRuntime, sent: &SentMessage) -> SendReturn {
    if sent.method == courier::CARRY_RECEIPT {
        return SendReturn::failed(ExitCode::SYS_OUT_OF_GAS);
    }
    let carried: CarryCallParams = decode_params(sent.params.clone()).unwrap();
    match carried.call.params.bytes() {
        [0] => returned(false, &[1]),
        [1] => SendReturn::failed(ExitCode::USR_ASSERTION_FAILED),
        _ => returned(true, &[]),
    }
}

/// What one sends: a transfer, one that is to be answered, or a call.
fn sending(to: SubnetId, kind: u8, fee: u64) -> SendParams {
    let to = at(to, f1("bob"));
    let params = if kind == 2 { call_to(to, 1_000) } else { transfer_to(to) };
    SendParams { wants_receipt: kind == 1, fee: fil(fee), ..params }
}

/// Gives the first answer that is owed, when one is, with this much of what came.
fn give_answer(world: &World, part: u64) -> Option<u64> {
    let (of, owed) = world.state().all_owed(world.rt.store()).unwrap().into_iter().next()?;
    let value: u64 = u64::try_from(owed.value.atto().clone()).unwrap() / (part + 1);
    let params = AnswerParams { of, exit_code: ExitCode::OK, return_data: vec![1].into() };
    world.call(owed.actor, value, gateway::ANSWER, encode_params(&params).unwrap()).unwrap();
    Some(value)
}

/// What these hold together. The courier stands for the actors that it calls.
fn held(world: &World, addresses: &[Address]) -> TokenAmount {
    addresses.iter().map(|address| world.holds(*address)).sum()
}

fn number(value: &TokenAmount) -> u64 {
    u64::try_from(value.atto().clone()).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Send { value: u64, kind: u8, is_id: bool, is_paid: bool },
    Deliver { run: Vec<(Arriving, u64, bool)>, is_short: bool },
    Answer { part: u64 },
    Commit { nonce: u64, configuration: u64 },
    Log { number: u64 },
    Claim,
}

fn step() -> impl Strategy<Value = Step> {
    let value = 0..50u64;
    prop_oneof![
        4 => (value, 0..3u8, prop::bool::weighted(0.1), prop::bool::weighted(0.9))
            .prop_map(|(value, kind, is_id, is_paid)| Step::Send { value, kind, is_id, is_paid }),
        4 => (prop::collection::vec(arriving(), 0..5), prop::bool::weighted(0.1))
            .prop_map(|(run, is_short)| Step::Deliver { run, is_short }),
        2 => (0..3u64).prop_map(|part| Step::Answer { part }),
        2 => (0..40u64, 0..5u64).prop_map(|(nonce, configuration)| Step::Commit { nonce, configuration }),
        2 => (0..6u64).prop_map(|number| Step::Log { number }),
        1 => Just(Step::Claim),
    ]
}

#[derive(Clone, Debug)]
enum SubnetStep {
    Send { value: u64, kind: u8 },
    Apply { from: u64, run: Vec<(Arriving, u64, bool)>, height: u64 },
    Answer { part: u64 },
    Change { number: u64, seed: u8, power: u64 },
    BurnFees { value: u64, is_sent_to_system: bool },
    Cut { is_late: bool },
}

fn subnet_step() -> impl Strategy<Value = SubnetStep> {
    prop_oneof![
        4 => (0..50u64, 0..3u8).prop_map(|(value, kind)| SubnetStep::Send { value, kind }),
        4 => (0..2u64, prop::collection::vec(arriving(), 0..5), 0..3u64)
            .prop_map(|(from, run, height)| SubnetStep::Apply { from, run, height }),
        2 => (0..3u64).prop_map(|part| SubnetStep::Answer { part }),
        2 => (0..4u64, 1..6u8, 0..3u64).prop_map(|(number, seed, power)| SubnetStep::Change { number, seed, power }),
        1 => (0..50u64, any::<bool>())
            .prop_map(|(value, is_sent_to_system)| SubnetStep::BurnFees { value, is_sent_to_system }),
        2 => prop::bool::weighted(0.2).prop_map(|is_late| SubnetStep::Cut { is_late }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parent_side_keeps_its_invariants(steps in prop::collection::vec(step(), 1..60)) {
        let world = World::root_with_child_at(PRICE);
        let other = Address::new_actor(b"other");
        world.add_child(OTHER, other, PRICE);
        let through = root().child(other).unwrap();
        world.courier(carry);
        let (mut nonce, mut came) = (0, 0);
        for step in steps {
            match step {
                Step::Send { value, kind, is_id, is_paid } => {
                    let fee = if is_paid { FEE } else { 0 };
                    let mut params = sending(child(), kind, fee);
                    if is_id {
                        params.to.address = Address::new_id(7);
                    }
                    let caller = if nonce % 2 == 0 { ALICE } else { ROBOT };
                    let result = world.call(caller, value + fee, gateway::SEND, encode_params(&params).unwrap());
                    prop_assert_eq!(result.is_ok(), (value > 0 || kind == 2) && !is_id && is_paid);
                    if result.is_ok() {
                        came += value + fee;
                    }
                }
                Step::Deliver { run, is_short } => {
                    let messages: Vec<_> =
                        run.iter().zip(nonce..).map(|(what, nonce)| made(up(nonce, 0), what, &through)).collect();
                    let sum: u64 = messages.iter().map(amount).sum();
                    let sent = if is_short { sum + 1 } else { sum };
                    let before = world.state();
                    let params = encode_params(&DeliverParams { messages: messages.clone() }).unwrap();
                    let result = world.call(CHILD, sent, gateway::DELIVER, params);
                    prop_assert_eq!(result.is_ok(), !is_short);
                    if result.is_ok() {
                        nonce += messages.len() as u64;
                        came += sum;
                        for message in &messages {
                            check_settled(&world, &before, message)?;
                        }
                    }
                }
                Step::Answer { part } => came += give_answer(&world, part).unwrap_or_default(),
                Step::Commit { nonce, configuration } => {
                    let applied = TopDownApplied { nonce: Nonce::new(nonce), parent_height: Height::new(1) };
                    let configuration = ConfigurationNumber::new(configuration);
                    let params = CommitCheckpointParams { top_down_applied: applied, configuration };
                    let child = world.child();
                    let is_fine = (child.unapplied_from..=child.next_nonce).contains(&applied.nonce)
                        && (child.configuration_confirmed..=child.configuration_logged).contains(&configuration);
                    let result = world.call(CHILD, 0, gateway::COMMIT_CHECKPOINT, encode_params(&params).unwrap());
                    prop_assert_eq!(result.is_ok(), is_fine);
                }
                Step::Log { number } => {
                    let number = ConfigurationNumber::new(number);
                    let is_fine = number == world.child().configuration_logged.next();
                    let change = MembershipChange { number, validator: validator(4, 1) };
                    let result = world.call(CHILD, 0, gateway::LOG_CHANGE, encode_params(&change).unwrap());
                    prop_assert_eq!(result.is_ok(), is_fine);
                }
                Step::Claim => {
                    let params = encode_params(&ClaimParams { address: nobody() }).unwrap();
                    prop_assert!(world.call(ALICE, 0, gateway::CLAIM, params).is_err());
                }
            }
        }
        let everybody = [
            f1("dave"), f1("alice"), Address::new_id(ROBOT), Address::new_id(65),
            Address::new_id(99), Address::new_id(CHILD), Address::new_id(OTHER), Address::new_id(64),
        ];
        // What callers bring comes out of nothing, but for what they have been credited before.
        let spent = fil(came) - held(&world, &everybody);
        prop_assert!(!spent.is_negative(), "more is held than came: {spent}");
        let sends: Vec<_> = world.sends();
        let locked: u64 = sends.iter().filter(|(_, method, _)| *method == checkpoint::LOCK)
            .map(|(_, _, value)| number(value)).sum();
        prop_assert!(locked <= came);
    }

    #[test]
    fn child_side_keeps_its_invariants(steps in prop::collection::vec(subnet_step(), 1..60)) {
        let world = World::subnet_at(PRICE);
        let other = Address::new_actor(b"other");
        world.add_child(OTHER, other, PRICE);
        let through = child().child(other).unwrap();
        world.courier(carry);
        let (mut height, mut applied, mut batched) = (0, 0, 0);
        let (mut fees, mut donated, mut burned) = (0, 0, 0);
        for step in steps {
            match step {
                SubnetStep::Send { value, kind } => {
                    let params = encode_params(&sending(root(), kind, FEE)).unwrap();
                    let result = world.call(ALICE, value + FEE, gateway::SEND, params);
                    prop_assert_eq!(result.is_ok(), value > 0 || kind == 2);
                }
                SubnetStep::Answer { part } => {
                    give_answer(&world, part);
                }
                SubnetStep::Apply { from, run, height } => {
                    let before = world.state();
                    let parent = before.parent.clone().unwrap();
                    let first = parent.next_nonce.get() + from;
                    let messages: Vec<_> =
                        run.iter().zip(first..).map(|(what, nonce)| made(down(nonce, 0), what, &through)).collect();
                    let sum: u64 = messages.iter().map(amount).sum();
                    let update = ApplyParentUpdateParams {
                        parent_height: Height::new((parent.height.get() + height).saturating_sub(1)),
                        parent_block: cid_of_bytes(b"parent"),
                        parent_timestamp: TimestampMs::new(parent.timestamp.get() + 1),
                        parent_validators: None,
                        messages: messages.clone(),
                        changes: vec![],
                        next_nonce: Nonce::ZERO,
                        next_configuration: ConfigurationNumber::FIRST,
                    };
                    let is_fine = height > 0 && (from == 0 || run.is_empty());
                    let result =
                        world.call(SYSTEM_ID, sum, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap());
                    prop_assert_eq!(result.is_ok(), is_fine);
                    if is_fine {
                        applied += sum;
                        for message in &messages {
                            check_settled(&world, &before, message)?;
                        }
                    }
                }
                SubnetStep::Change { number, seed, power } => {
                    let state = world.state();
                    let parent = state.parent.clone().unwrap();
                    let pending = state.pending(world.rt.store()).unwrap();
                    let number = ConfigurationNumber::new(pending.number().get() + number);
                    let update = ApplyParentUpdateParams {
                        parent_height: parent.height,
                        parent_block: cid_of_bytes(b"parent"),
                        parent_timestamp: parent.timestamp,
                        parent_validators: None,
                        messages: vec![],
                        changes: vec![MembershipChange { number, validator: validator(seed, power) }],
                        next_nonce: Nonce::ZERO,
                        next_configuration: ConfigurationNumber::FIRST,
                    };
                    let result =
                        world.call(SYSTEM_ID, 0, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap());
                    let is_last = pending.len() == 1 && power == 0 && pending.validators()[0] == validator(seed, 1);
                    prop_assert!(result.is_err() || number == pending.number().next());
                    prop_assert!(result.is_ok() || number != pending.number().next() || is_last || power == 0);
                }
                SubnetStep::BurnFees { value, is_sent_to_system } if is_sent_to_system => {
                    let system = world.rt.balance_of(SYSTEM_ID) + fil(value);
                    world.rt.set_balance(SYSTEM_ID, &system);
                    fees += value;
                    donated += value;
                }
                SubnetStep::BurnFees { value, .. } => {
                    world.rt.set_balance(subnet_types::actors::BURNT_FUNDS_ID, &(world.burnt() + fil(value)));
                    fees += value;
                }
                SubnetStep::Cut { is_late } => {
                    let cut = world.cut(height + if is_late { 11 } else { 10 });
                    prop_assert_eq!(cut.is_ok(), !is_late);
                    if let Ok(cut) = cut {
                        height += 10;
                        batched += number(&cut.messages.value);
                        burned += number(&cut.burned);
                    }
                }
            }
        }
        let state = world.state();
        let up = batched + number(&state.outbox.value);
        prop_assert_eq!(world.minted(), fil(applied) - fil(up + donated), "what goes up comes back to the reserve");
        prop_assert!(burned <= number(&world.burnt()) + donated, "cuts report what burned, once");
        prop_assert!(fees <= number(&world.burnt()) + donated, "fees of the edge are burned beside those of the chain");
    }
}

/// What must hold after a receipt was taken: it is settled, or was unknown, and it is not both pending and settled.
fn check_settled(world: &World, before: &gateway_actor::State, message: &CrossMessage) -> Result<(), TestCaseError> {
    let CrossKind::Receipt { of, of_sequence, exit_code, .. } = &message.kind else { return Ok(()) };
    let (state, store) = (world.state(), world.rt.store());
    let is_settled = state.is_settled(store, *of_sequence).unwrap();
    let is_ours = *of == message_id(&state.identity, &message.destination.address, *of_sequence)
        && *of_sequence < before.next_origin_sequence;
    prop_assert!(is_settled || !before.is_settled(store, *of_sequence).unwrap(), "it stays settled");
    let was_pending = before.pending_message(store, of).unwrap().is_some();
    if is_ours && !was_pending && !exit_code.is_success() {
        prop_assert!(is_settled, "a refusal of a transfer of ours counts");
    }
    if *of_sequence >= state.next_origin_sequence {
        prop_assert!(!is_settled);
    }
    Ok(())
}
