//! Random operations, valid and not: the invariants hold after each, and plain arithmetic agrees on the money.

use std::collections::BTreeSet;

use actor_runtime::Runtime;
use proptest::prelude::*;
use subnet_types::checkpoint::ConfigurationApplied;
use subnet_types::cross::CrossMessage;
use subnet_types::genesis::MembershipMode;
use subnet_types::quantity::ConfigurationNumber;

use crate::world::{GAS_FOR_ONE, NANO, OWNER, STRANGER, World, atto, prove};

#[derive(Clone, Debug)]
enum Step {
    Join { seed: u64, stake: u64 },
    Lock { value: u64 },
    Submit { values: Vec<u64>, burned: u64, is_with_messages: bool, confirm: bool, signers: u8, broken: u8 },
    Deliver { gas: u64, back: u64, count: u64, is_ahead: bool, is_altered: bool, is_repeated: bool },
    DeliverUnclaimed { nonce: u64, is_healed: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (5..9u64, 0..30u64).prop_map(|(seed, stake)| Step::Join { seed, stake }),
        3 => (0..500u64).prop_map(|value| Step::Lock { value }),
        5 => (prop::collection::vec(0..100u64, 0..8), 0..100u64, any::<bool>(), any::<bool>(), 0..8u8, 0..12u8)
            .prop_map(|(values, burned, is_with_messages, confirm, signers, broken)| Step::Submit {
                values, burned, is_with_messages, confirm, signers, broken,
            }),
        4 => (0..8u64, 0..5u64, 1..9u64, prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>()).prop_map(
            |(gas, back, count, is_ahead, is_altered, is_repeated)| Step::Deliver {
                gas, back, count, is_ahead, is_altered, is_repeated,
            }
        ),
        2 => (0..12u64, any::<bool>()).prop_map(|(nonce, is_healed)| Step::DeliverUnclaimed { nonce, is_healed }),
    ]
}

fn amount(value: &fvm_shared::econ::TokenAmount) -> u64 {
    u64::try_from(value.atto().clone()).unwrap()
}

proptest! {
    // Each case signs with real keys.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counters_follow_plain_arithmetic(steps in prop::collection::vec(step(), 1..25)) {
        let world = World::active(MembershipMode::Collateral, &[1_000, 1_000, 1_000, 1_000]);
        world.gateway.refused.borrow_mut().extend((0..200).filter(|nonce| nonce % 5 == 3));
        let failing: Vec<u64> = (0..200).filter(|nonce| nonce % 7 == 2).collect();
        world.gateway.failing.borrow_mut().extend(&failing);
        let (mut locked, mut staked, mut burned_all) = (1_000, 4_000 * NANO, 0);
        let mut batches: Vec<(u64, Vec<CrossMessage>)> = Vec::new();
        let mut claimed: Vec<u64> = Vec::new();
        for step in steps {
            match step {
                Step::Join { seed, stake } => {
                    if world.join(seed, stake * NANO).is_ok() {
                        staked += stake * NANO;
                    }
                }
                Step::Lock { value } => {
                    world.lock(value);
                    locked += value;
                }
                Step::Submit { values, burned, is_with_messages, confirm, signers, broken } => {
                    let first = world.state().next_batch_nonce.get();
                    let messages: Vec<_> = values.iter().zip(world.messages(values.len() as u64, 0)).map(
                        |(value, message)| CrossMessage { value: atto(*value), ..message },
                    ).collect();
                    let mut checkpoint = world.next(&messages);
                    checkpoint.burned = atto(burned);
                    if confirm {
                        let number = world.state().configuration_last;
                        let known = world.state().configuration(world.rt.store(), number).unwrap().unwrap();
                        checkpoint.configuration = ConfigurationApplied { number, validators_hash: known.validators_hash };
                    }
                    match broken {
                        0 => checkpoint.sequence = checkpoint.sequence.next(),
                        1 => checkpoint.height = checkpoint.height.next(),
                        2 => checkpoint.configuration.number = ConfigurationNumber::new(99),
                        _ => {}
                    }
                    let seeds: &[u64] = if signers == 0 { &[1, 2] } else { &[1, 2, 3, 4] };
                    let certificate = world.certify(&checkpoint, seeds);
                    let sent = if is_with_messages { messages.clone() } else { Vec::new() };
                    let before = world.state();
                    let is_covered = values.iter().sum::<u64>() + burned <= amount(&before.custody);
                    let result = world.submit(&checkpoint, &certificate, &sent);
                    prop_assert_eq!(result.is_ok(), is_covered && broken > 2 && signers != 0);
                    if result.is_ok() {
                        burned_all += burned;
                        batches.push((checkpoint.sequence.get(), messages));
                        prop_assert_eq!(world.state().next_batch_nonce.get(), first + values.len() as u64);
                    }
                }
                Step::Deliver { gas, back, count, is_ahead, is_altered, is_repeated } => {
                    // From too little for one to enough for a run; each call of the gateway uses that of one message.
                    world.rt.set_gas(GAS_FOR_ONE - 30_000_000 + gas * 30_000_000, 60_000_000);
                    let aim = world.state().next_delivery_nonce.get();
                    for (sequence, messages) in batches.iter().filter(|(_, messages)| !messages.is_empty()) {
                        let first = messages[0].nonce.get();
                        let from = if is_ahead { aim + 1 } else { aim.saturating_sub(back) };
                        let from = from.clamp(first, first + messages.len() as u64 - 1) - first;
                        let end = (from + count).min(messages.len() as u64);
                        let range = from as usize..end as usize;
                        let mut slice = messages[range.clone()].to_vec();
                        if is_altered {
                            slice[0].value += atto(1);
                        }
                        // A second submitter comes with the same slice, not knowing of the first.
                        for submitter in if is_repeated { &[STRANGER, OWNER][..] } else { &[OWNER] } {
                            let cursor = world.state().next_delivery_nonce.get();
                            let available = world.rt.gas_available();
                            let is_in_turn = (first + from..first + end).contains(&cursor);
                            let result = world.deliver_with(*submitter, *sequence, &slice, prove(messages, range.clone()));
                            prop_assert_eq!(result.is_ok(), is_in_turn && !is_altered);
                            let is_moved = world.state().next_delivery_nonce.get() > cursor;
                            prop_assert_eq!(is_moved, result.is_ok() && available >= GAS_FOR_ONE);
                        }
                    }
                    world.rt.set_gas(10_000_000_000, 0);
                }
                Step::DeliverUnclaimed { nonce, is_healed } => {
                    let all = batches.iter().flat_map(|(_, messages)| messages);
                    let Some(message) = all.into_iter().find(|message| message.nonce.get() == nonce) else { continue };
                    let was_passed = nonce < world.state().next_delivery_nonce.get();
                    let is_unclaimed = was_passed && failing.contains(&nonce) && !claimed.contains(&nonce);
                    if is_healed {
                        world.gateway.failing.borrow_mut().clear();
                    }
                    let result = world.deliver_unclaimed(message);
                    prop_assert_eq!(result.is_ok(), is_unclaimed && is_healed);
                    if result.is_ok() {
                        claimed.push(nonce);
                    }
                    *world.gateway.failing.borrow_mut() = failing.clone();
                }
            }
        }
        let state = world.state();
        let delivered: Vec<u64> = world.delivered();
        let once: BTreeSet<u64> = delivered.iter().copied().collect();
        prop_assert_eq!(once.len(), delivered.len(), "no nonce twice");
        prop_assert!(delivered.iter().filter(|nonce| !claimed.contains(nonce)).is_sorted(), "in order");
        let left: u64 = batches.iter().flat_map(|(_, messages)| messages).filter(|message| {
            let nonce = message.nonce.get();
            delivered.contains(&nonce) && nonce % 5 != 3
        }).map(|message| amount(&message.value)).sum();
        let inside = amount(&state.custody) + amount(&state.batch_reserved) + amount(&state.unclaimed);
        prop_assert_eq!(inside + left + burned_all, locked, "what was locked is inside, delivered or burned");
        prop_assert_eq!(amount(&state.stake_total), staked, "stake is never touched");
        prop_assert_eq!(amount(&world.rt.balance()), inside + staked, "counters are the whole balance");
    }
}
