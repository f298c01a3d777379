//! Random operations, valid and not: the invariants hold after each, and plain arithmetic agrees on the money.

use actor_runtime::{Runtime, encode_params};
use fvm_shared::address::Address;
use proptest::prelude::*;
use subnet_types::actors::{
    ApplyParentUpdateParams, ClaimParams, CommitCheckpointParams, DeliverParams, FundParams, ReleaseParams, SYSTEM_ID,
    checkpoint, gateway,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::hash::cid_of_bytes;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, TimestampMs};

use crate::world::{ALICE, CHILD, World, as_receipt, child, down, f1, fil, nobody, up, validator};

#[derive(Clone, Debug)]
enum Step {
    Fund { value: u64, is_id: bool },
    Deliver { value: u64, sent: u64, is_receipt: bool, is_lost: bool },
    Commit { nonce: u64, configuration: u64 },
    Log { number: u64 },
    Claim,
}

fn step() -> impl Strategy<Value = Step> {
    let value = 0..50u64;
    prop_oneof![
        4 => (value.clone(), prop::bool::weighted(0.1)).prop_map(|(value, is_id)| Step::Fund { value, is_id }),
        4 => (value, 0..10u64, any::<bool>(), any::<bool>()).prop_map(|(value, off, is_receipt, is_lost)| {
            // Mostly the right amount.
            let sent = if off == 0 { value + 1 } else { value };
            Step::Deliver { value, sent, is_receipt, is_lost }
        }),
        2 => (0..40u64, 0..5u64).prop_map(|(nonce, configuration)| Step::Commit { nonce, configuration }),
        2 => (0..6u64).prop_map(|number| Step::Log { number }),
        1 => Just(Step::Claim),
    ]
}

#[derive(Clone, Debug)]
enum SubnetStep {
    Release { value: u64 },
    Apply { from: u64, values: Vec<(u64, bool, bool)>, height: u64 },
    Change { number: u64, seed: u8, power: u64 },
    BurnFees { value: u64, is_sent_to_system: bool },
    Cut { is_late: bool },
}

fn subnet_step() -> impl Strategy<Value = SubnetStep> {
    let message = (0..50u64, any::<bool>(), prop::bool::weighted(0.2));
    prop_oneof![
        4 => (0..50u64).prop_map(|value| SubnetStep::Release { value }),
        4 => (0..2u64, prop::collection::vec(message, 0..5), 0..3u64)
            .prop_map(|(from, values, height)| SubnetStep::Apply { from, values, height }),
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
        let world = World::root_with_child();
        let (mut nonce, mut funded, mut delivered) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Fund { value, is_id } => {
                    let to = if is_id { Address::new_id(7) } else { f1("bob") };
                    let params = encode_params(&FundParams { subnet: child(), to }).unwrap();
                    let result = world.call(ALICE, value, gateway::FUND, params);
                    prop_assert_eq!(result.is_ok(), value > 0 && !is_id);
                    if result.is_ok() {
                        funded += value;
                    }
                }
                Step::Deliver { value, sent, is_receipt, is_lost } => {
                    let mut message = up(nonce, value);
                    if is_receipt {
                        message = as_receipt(message);
                    }
                    if is_lost {
                        message.destination.address = nobody();
                    }
                    let result = world.call(CHILD, sent, gateway::DELIVER, encode_params(&DeliverParams { messages: vec![message.clone()] }).unwrap());
                    prop_assert_eq!(result.is_ok(), sent == value);
                    if result.is_ok() {
                        nonce += 1;
                        delivered += value;
                    }
                }
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
        let sends = world.sends();
        let locked: u64 = sends.iter().filter(|(_, method, _)| *method == checkpoint::LOCK)
            .map(|(_, _, value)| u64::try_from(value.atto().clone()).unwrap()).sum();
        let credited = u64::try_from(world.rt.balance_of(world.rt.resolve_address(&f1("dave")).unwrap_or(0)).atto().clone()).unwrap();
        let kept = u64::try_from(world.state().unclaimed_total.atto().clone()).unwrap();
        prop_assert_eq!(locked + credited + kept, funded + delivered, "all that came in is somewhere");
    }

    #[test]
    fn child_side_keeps_its_invariants(steps in prop::collection::vec(subnet_step(), 1..60)) {
        let world = World::subnet();
        let (mut height, mut applied, mut released, mut batched) = (0, 0, 0, 0);
        let (mut fees, mut donated, mut burned) = (0, 0, 0);
        let amount = |value: &fvm_shared::econ::TokenAmount| u64::try_from(value.atto().clone()).unwrap();
        for step in steps {
            match step {
                SubnetStep::Release { value } => {
                    let params = encode_params(&ReleaseParams { to: f1("bob") }).unwrap();
                    let result = world.call(ALICE, value, gateway::RELEASE, params);
                    prop_assert_eq!(result.is_ok(), value > 0);
                    released += value;
                }
                SubnetStep::Apply { from, values, height } => {
                    let parent = world.state().parent.unwrap();
                    let messages: Vec<_> = values.iter().zip(parent.next_nonce.get() + from..).map(
                        |((value, is_receipt, is_lost), nonce)| {
                            let mut message = down(nonce, *value);
                            if *is_receipt {
                                message = as_receipt(message);
                            }
                            if *is_lost {
                                message.destination.address = nobody();
                            }
                            message
                        },
                    ).collect();
                    let sum: u64 = values.iter().map(|(value, _, _)| value).sum();
                    let update = ApplyParentUpdateParams {
                        parent_height: Height::new((parent.height.get() + height).saturating_sub(1)),
                        parent_block: cid_of_bytes(b"parent"),
                        parent_timestamp: TimestampMs::new(parent.timestamp.get() + 1),
                        parent_validators: None,
                        messages,
                        changes: vec![],
                    };
                    let is_fine = height > 0 && (from == 0 || values.is_empty());
                    let result =
                        world.call(SYSTEM_ID, sum, gateway::APPLY_PARENT_UPDATE, encode_params(&update).unwrap());
                    prop_assert_eq!(result.is_ok(), is_fine);
                    if is_fine {
                        applied += sum;
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
                        batched += amount(&cut.messages.value);
                        burned += amount(&cut.burned);
                    }
                }
            }
        }
        let state = world.state();
        let credited = amount(&world.rt.balance_of(world.rt.resolve_address(&f1("dave")).unwrap_or(u64::MAX)));
        let answered = applied - credited - amount(&state.unclaimed_total);
        prop_assert_eq!(batched + amount(&state.outbox.value), released + answered, "what goes up is in a batch once");
        prop_assert!(burned <= fees);
        prop_assert_eq!(amount(&world.burnt()), fees - donated);
        let back = released + answered + donated;
        prop_assert_eq!(world.minted(), fil(applied) - fil(back), "what goes up comes back to the reserve");
    }
}
