//! Random lives of a subnet up to its end and beyond: what came in is inside, or went to somebody, and nobody is paid
//! twice.

use std::collections::BTreeMap;

use num_traits::ToPrimitive;
use proptest::prelude::*;

use crate::keys::Keys;
use crate::world::{NANO, UNBONDING, World, atto};

#[derive(Clone, Debug)]
enum Step {
    Wait { blocks: u64 },
    Lock { value: u64 },
    Submit { values: Vec<u64>, burned: u64 },
    Deliver,
    Leave { seed: u64 },
    Withdraw { seed: u64 },
    Kill { seed: u64 },
    Exit,
    Queue { value: u64 },
    Refund { count: u64 },
    Claim { account: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..200u64).prop_map(|blocks| Step::Wait { blocks }),
        2 => (0..500u64).prop_map(|value| Step::Lock { value }),
        2 => (prop::collection::vec(0..200u64, 0..4), 0..50u64)
            .prop_map(|(values, burned)| Step::Submit { values, burned }),
        2 => Just(Step::Deliver),
        2 => (1..6u64).prop_map(|seed| Step::Leave { seed }),
        3 => (1..6u64).prop_map(|seed| Step::Withdraw { seed }),
        2 => (1..6u64).prop_map(|seed| Step::Kill { seed }),
        3 => Just(Step::Exit),
        1 => (0..300u64).prop_map(|value| Step::Queue { value }),
        3 => (1..4u64).prop_map(|count| Step::Refund { count }),
        4 => (0..6u64).prop_map(|account| Step::Claim { account }),
    ]
}

fn amount(value: &fvm_shared::econ::TokenAmount) -> u64 {
    value.atto().to_u64().unwrap()
}

proptest! {
    // Each case signs with real keys.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_came_in_is_inside_or_went_out_once(steps in prop::collection::vec(step(), 5..60)) {
        let world = World::active(subnet_types::genesis::MembershipMode::Collateral, &[1_000, 1_000, 1_000, 1_000]);
        let accounts: Vec<u64> = vec![100, 300, 0, 700, 50, 900];
        let (root, proof) = crate::claims::of_accounts(&accounts);
        let (mut height, mut locked, mut left_here, mut burned_all) = (600, 1_000, 0, 0);
        let mut stakes: BTreeMap<u64, u64> = (1..5).map(|seed| (seed, 1_000 * NANO)).collect();
        let mut removed_at: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut batch = Vec::new();
        let mut claimed: BTreeMap<u64, u64> = BTreeMap::new();
        let mut refunded = 0;
        for step in steps {
            let before = world.state();
            let is_over = before.exit.is_some();
            match step {
                Step::Wait { blocks } => {
                    height += blocks;
                    world.at(height);
                }
                Step::Lock { value } => {
                    world.lock(value);
                    locked += value;
                }
                Step::Submit { values, burned } => {
                    let messages: Vec<_> = values.iter().zip(world.messages(values.len() as u64, 0)).map(
                        |(value, message)| subnet_types::CrossMessage { value: atto(*value), ..message },
                    ).collect();
                    let mut checkpoint = world.next(&messages);
                    (checkpoint.burned, checkpoint.state_root) = (atto(burned), root);
                    let set = before.validators(actor_runtime::Runtime::store(&world.rt), before.configuration_confirmed);
                    let set = set.unwrap().unwrap();
                    let signers: Vec<u64> =
                        (1..5).filter(|seed| set.find(&Keys::of(*seed).vote_key()).is_some()).collect();
                    let number = before.configuration_last;
                    let store = actor_runtime::Runtime::store(&world.rt);
                    let validators_hash = before.configuration(store, number).unwrap().unwrap().validators_hash;
                    checkpoint.configuration = subnet_types::checkpoint::ConfigurationApplied { number, validators_hash };
                    let result = world.submit(&checkpoint, &world.certify(&checkpoint, &signers), &[]);
                    let is_covered = values.iter().sum::<u64>() + burned <= amount(&before.custody);
                    prop_assert_eq!(result.is_ok(), is_covered && !is_over, "{:?}", result);
                    if result.is_ok() {
                        burned_all += burned;
                        batch.push((checkpoint.sequence.get(), messages));
                    }
                }
                Step::Deliver => {
                    let at = before.next_delivery_nonce;
                    let next = batch.iter().find(|(_, messages)| {
                        messages.first().is_some_and(|first| first.nonce <= at)
                            && messages.last().is_some_and(|last| last.nonce >= at)
                    });
                    if let Some((sequence, messages)) = next {
                        world.deliver(*sequence, messages).unwrap();
                        left_here += messages.iter().map(|message| amount(&message.value)).sum::<u64>();
                    }
                }
                Step::Leave { seed } => {
                    let is_member = stakes.contains_key(&seed) && !removed_at.contains_key(&seed);
                    let result = if seed < 5 { world.leave(seed) } else { continue };
                    let is_last = removed_at.len() == 3;
                    prop_assert_eq!(result.is_ok(), is_member && !is_last && !is_over, "{:?}", result);
                    if result.is_ok() {
                        removed_at.insert(seed, (world.state().configuration_last.get(), height));
                    }
                }
                Step::Withdraw { seed } => {
                    if seed > 4 {
                        continue;
                    }
                    let result = world.withdraw(seed);
                    if result.is_ok() {
                        let (_, from) = removed_at.get(&seed).copied().unwrap_or((0, u64::MAX));
                        let end = before.exit.as_ref().map_or(u64::MAX, |exit| exit.height.get());
                        prop_assert!(height >= from.min(end) + UNBONDING, "too early");
                        let stake = stakes.remove(&seed);
                        prop_assert_eq!(Some(world.holds(&Keys::of(seed).owner)), stake.map(atto));
                    }
                }
                Step::Kill { seed } => {
                    if seed < 5 {
                        let result = world.kill(seed);
                        prop_assert!(!is_over || result.is_err());
                    }
                }
                Step::Exit => {
                    let result = world.exit();
                    prop_assert_eq!(result.is_ok(), !is_over && height >= before.exit_from().get());
                }
                Step::Queue { value } => {
                    // What goes down is locked first, and nothing does after the end.
                    if !is_over {
                        world.lock(value);
                        locked += value;
                        world.gateway.waiting.borrow_mut().push(value);
                    }
                }
                Step::Refund { count } => {
                    let wanted: u64 = world.gateway.waiting.borrow().iter().take(count as usize).sum();
                    let result = world.refund(count);
                    let is_open = before.exit.as_ref().is_some_and(|exit| exit.unrefunded > 0);
                    prop_assert_eq!(result.is_ok(), is_open);
                    if result.is_ok() {
                        refunded += wanted.min(amount(&before.custody));
                    }
                }
                Step::Claim { account } => {
                    let result = crate::claims::claim_account(&world, account, &proof);
                    let balance = accounts[account as usize];
                    let is_open = is_over && before.last_state_root.is_some();
                    let waiting: u64 = world.gateway.waiting.borrow().iter().sum();
                    let expected = balance.min(amount(&before.custody).saturating_sub(waiting));
                    let is_due = is_open && expected > 0 && !claimed.contains_key(&account);
                    prop_assert_eq!(result.clone().ok().map(|paid| amount(&paid)), is_due.then_some(expected));
                    if is_due {
                        claimed.insert(account, expected);
                    }
                }
            }
        }
        let state = world.state();
        let inside = amount(&state.custody) + amount(&state.batch_reserved) + amount(&state.unclaimed);
        let paid: u64 = claimed.values().sum();
        prop_assert_eq!(inside + left_here + burned_all + refunded + paid, locked);
        let staked: u64 = stakes.values().sum();
        prop_assert_eq!(amount(&state.stake_total) + amount(&state.unbonding_total), staked);
        prop_assert_eq!(amount(&actor_runtime::Runtime::balance(&world.rt)), inside + staked, "counters are the whole balance");
    }
}
