//! Random operations, valid and not: the invariants hold after each, and plain arithmetic agrees on the money.

use std::collections::BTreeMap;

use actor_runtime::mock::{MockRuntime, SentMessage};
use actor_runtime::{ActorError, Runtime, SendReturn, decode_params, encode_params};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::MethodNum;
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

/// What the mock made out of nothing: callers bring what they have, and the rest is new.
#[derive(Default)]
struct Fresh(TokenAmount);

impl Fresh {
    fn call(
        &mut self,
        world: &World,
        caller: u64,
        value: u64,
        method: MethodNum,
        params: Option<IpldBlock>,
    ) -> Result<Option<IpldBlock>, ActorError> {
        let held = world.rt.balance_of(caller);
        let result = world.call(caller, value, method, params)?;
        self.0 += (fil(value) - held).max(fil(0));
        Ok(result)
    }

    /// Gives the first answer that is owed, when one is, with this much of what came.
    fn answer(&mut self, world: &World, part: u64) {
        let Some((of, owed)) = world.state().all_owed(world.rt.store()).unwrap().into_iter().next() else { return };
        let value = number(&owed.value) / (part + 1);
        let params = AnswerParams { of, exit_code: ExitCode::OK, return_data: vec![1].into() };
        self.call(world, owed.actor, value, gateway::ANSWER, encode_params(&params).unwrap()).unwrap();
    }
}

/// The books of an edge to a child, kept apart from the actor's: what was locked, what was queued and what came back.
struct EdgeBooks {
    id: u64,
    locked: TokenAmount,
    /// Amounts of all messages that were ever queued, in nonce order.
    queued: Vec<TokenAmount>,
    /// What the child's checkpoint actor took out of custody and handed over.
    brought: TokenAmount,
}

impl EdgeBooks {
    fn of(id: u64) -> Self {
        Self { id, locked: fil(0), queued: Vec::new(), brought: fil(0) }
    }

    /// Enters what `sends` locked and what has been queued since, and balances the books: custody is what circulates
    /// below and what is on its way. (Nothing burns below: this child reports none.)
    fn balance(&mut self, world: &World, sends: &[(Address, MethodNum, TokenAmount)]) -> Result<(), TestCaseError> {
        let is_lock = |to: &Address, method: MethodNum| *to == Address::new_id(self.id) && method == checkpoint::LOCK;
        self.locked +=
            sends.iter().filter(|(to, method, _)| is_lock(to, *method)).map(|(_, _, value)| value).sum::<TokenAmount>();
        let (state, store) = (world.state(), world.rt.store());
        let child = state.child(store, self.id).unwrap().unwrap();
        let amounts = |from: Nonce| -> Vec<TokenAmount> {
            state.top_down(store, self.id, from, 10_000).unwrap().iter().map(CrossMessage::amount).collect()
        };
        let new = amounts(Nonce::new(self.queued.len() as u64));
        self.queued.extend(new);
        prop_assert_eq!(self.queued.len() as u64, child.next_nonce.get());
        let applied = usize::try_from(child.unapplied_from.get()).unwrap();
        let circulating = self.queued[..applied].iter().sum::<TokenAmount>() - &self.brought;
        let in_flight: TokenAmount = amounts(child.unapplied_from).iter().sum();
        prop_assert_eq!(&self.locked - &self.brought, circulating + in_flight, "custody of {}", self.id);
        Ok(())
    }
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
        let everybody = [
            f1("dave"), f1("alice"), Address::new_id(ROBOT), Address::new_id(65),
            Address::new_id(99), Address::new_id(CHILD), Address::new_id(OTHER), Address::new_id(64),
        ];
        let (mut nonce, mut fresh) = (0, Fresh::default());
        let mut edges = [EdgeBooks::of(CHILD), EdgeBooks::of(OTHER)];
        for step in steps {
            match step {
                Step::Send { value, kind, is_id, is_paid } => {
                    let fee = if is_paid { FEE } else { 0 };
                    let mut params = sending(child(), kind, fee);
                    if is_id {
                        params.to.address = Address::new_id(7);
                    }
                    let caller = if nonce % 2 == 0 { ALICE } else { ROBOT };
                    let params = encode_params(&params).unwrap();
                    let result = fresh.call(&world, caller, value + fee, gateway::SEND, params);
                    prop_assert_eq!(result.is_ok(), (value > 0 || kind == 2) && !is_id && is_paid);
                }
                Step::Deliver { run, is_short } => {
                    let messages: Vec<_> =
                        run.iter().zip(nonce..).map(|(what, nonce)| made(up(nonce, 0), what, &through)).collect();
                    let sum: u64 = messages.iter().map(amount).sum();
                    let sent = if is_short { sum + 1 } else { sum };
                    let before = world.state();
                    let params = encode_params(&DeliverParams { messages: messages.clone() }).unwrap();
                    let result = fresh.call(&world, CHILD, sent, gateway::DELIVER, params);
                    prop_assert_eq!(result.is_ok(), !is_short);
                    if result.is_ok() {
                        nonce += messages.len() as u64;
                        edges[0].brought += fil(sum);
                        for message in &messages {
                            check_settled(&world, &before, message)?;
                        }
                    }
                }
                Step::Answer { part } => fresh.answer(&world, part),
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
            prop_assert_eq!(held(&world, &everybody), fresh.0.clone(), "nothing is made and nothing lost");
            let sends = world.sends();
            for edge in &mut edges {
                edge.balance(&world, &sends)?;
            }
        }
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
        let mut fresh = Fresh::default();
        let mut edge = EdgeBooks::of(OTHER);
        let circulating = [
            f1("dave"), f1("alice"), Address::new_id(ROBOT), Address::new_id(65),
            Address::new_id(OTHER), Address::new_id(64),
        ];
        for step in steps {
            match step {
                SubnetStep::Send { value, kind } => {
                    let params = encode_params(&sending(root(), kind, FEE)).unwrap();
                    let result = fresh.call(&world, ALICE, value + FEE, gateway::SEND, params);
                    prop_assert_eq!(result.is_ok(), value > 0 || kind == 2);
                }
                SubnetStep::Answer { part } => fresh.answer(&world, part),
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
                    prop_assert_eq!(result.is_ok(), number == pending.number().next());
                    if result.is_ok() {
                        let mut expected: BTreeMap<_, _> =
                            pending.validators().iter().map(|before| (before.vote_key, before.power.get())).collect();
                        let key = validator(seed, power).vote_key;
                        // The last one stays, whatever the parent says.
                        if power > 0 {
                            expected.insert(key, power);
                        } else if expected.len() > 1 {
                            expected.remove(&key);
                        }
                        let after = world.state().pending(world.rt.store()).unwrap();
                        let powers = after.validators().iter().map(|now| (now.vote_key, now.power.get())).collect();
                        prop_assert_eq!((number, expected), (after.number(), powers));
                    }
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
                        prop_assert_eq!(burned, number(&world.burnt()) + donated, "each cut reports all that burned since");
                    }
                }
            }
            edge.balance(&world, &world.sends())?;
        }
        let state = world.state();
        let up = batched + number(&state.outbox.value);
        prop_assert_eq!(world.minted(), fil(applied) - fil(up + donated), "what goes up comes back to the reserve");
        let of_the_edge = world.burnt() + fil(donated) - fil(fees);
        prop_assert!(!of_the_edge.is_negative(), "fees of the edge are burned beside those of the chain");
        let held = held(&world, &circulating);
        prop_assert_eq!(held, &fresh.0 + fil(applied) - fil(up) - of_the_edge, "nothing is made and nothing lost");
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
