//! Random operations keep the pool's invariants, and selection agrees with a plain re-telling of its rules.

use std::collections::BTreeSet;

use cid::Cid;
use fvm_shared::message::Message;
use proptest::prelude::*;

use super::*;
use crate::pool::{Choice, SelectLimits};
use crate::rules;

const LIMITS: PoolLimits =
    PoolLimits { messages_max: 12, bytes_max: 2_400, sender_messages_max: 5, nonce_gap_max: 3, age_blocks_max: 4 };
const SENDERS: u8 = 4;

#[derive(Clone, Debug)]
enum Operation {
    Add {
        seed: u8,
        ahead: u64,
        premium: u64,
        fee_cap: u64,
        params: usize,
    },
    /// The next messages of a sender are committed and cost it what they cost at most.
    Commit {
        seed: u8,
        count: u64,
    },
    SetBalance {
        seed: u8,
        balance: u64,
    },
    Select {
        gas_max: u64,
        bytes_max: usize,
        items_max: usize,
        base_fee: u64,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let seed = 0..SENDERS;
    prop_oneof![
        8 => (seed.clone(), 0u64..7, 0u64..60, 10u64..120, 0usize..120).prop_map(
            |(seed, ahead, premium, fee_cap, params)| Operation::Add { seed, ahead, premium, fee_cap, params }
        ),
        1 => (seed.clone(), 1u64..4).prop_map(|(seed, count)| Operation::Commit { seed, count }),
        1 => (seed, 0u64..900_000).prop_map(|(seed, balance)| Operation::SetBalance { seed, balance }),
        2 => (0u64..8_000, 0usize..1_500, 0usize..10, 0u64..120).prop_map(
            |(gas_max, bytes_max, items_max, base_fee)| Operation::Select { gas_max, bytes_max, items_max, base_fee }
        ),
    ]
}

fn held(pool: &Pool) -> BTreeSet<Cid> {
    pool.pending().map(|message| message.cid()).collect()
}

fn add_one(pool: &mut Pool, accounts: &Accounts, operation: &Operation) {
    let Operation::Add { seed, ahead, premium, fee_cap, params } = *operation else { unreachable!() };
    let account = accounts.get(&sender(seed));
    let signed = seal(Message {
        gas_premium: atto(premium),
        gas_fee_cap: atto(fee_cap),
        params: vec![premium as u8; params].into(),
        ..message(seed, account.nonce + ahead)
    });
    pool.refresh(&sender(seed), &account);
    let before = held(pool);
    let could = pool.check(&signed, signed.to_bytes().len(), &account);
    match pool.add(signed.clone(), &account) {
        Ok(Admission::Added { cid, replaced, evicted }) => {
            assert!(could.is_ok() && cid == signed.cid());
            let mut expected = before;
            for gone in replaced.iter().chain(&evicted) {
                assert!(expected.remove(gone), "what left was there");
            }
            assert!(expected.insert(cid));
            assert_eq!(held(pool), expected);
        }
        Ok(Admission::Duplicate { cid }) => assert!(before.contains(&cid) && held(pool) == before),
        Err(rejection) => {
            assert_eq!(held(pool), before, "{rejection}");
            assert!(could.is_ok() == matches!(rejection, Rejection::PoolFull { .. }), "{rejection}");
        }
    }
}

fn commit(pool: &mut Pool, accounts: &Accounts, seed: u8, count: u64) {
    let mut account = accounts.get(&sender(seed));
    let mine: Vec<_> =
        pool.pending().filter(|message| message.signed().message.from == sender(seed)).cloned().collect();
    let mut committed = Vec::new();
    for message in mine.iter().take(count as usize) {
        if message.nonce() == account.nonce {
            account.nonce += 1;
            account.balance -= rules::cost(&message.signed().message);
            committed.push(message.signed().clone());
        }
    }
    accounts.set(sender(seed), account.clone());
    let before = held(pool);
    let departures = pool.on_commit(&committed, accounts).unwrap();
    let gone: BTreeSet<Cid> = departures.used.iter().chain(&departures.expired).copied().collect();
    assert_eq!(held(pool), before.difference(&gone).copied().collect::<BTreeSet<_>>());
    assert_eq!(departures.used, committed.iter().map(SignedMessage::cid).collect::<Vec<_>>());
    assert!(departures.uncovered.is_empty(), "what was spent was counted before");
}

/// The rules of selection once more, by repeated search: the best next message among all senders, or its sender is
/// out.
fn expected(pool: &Pool, limits: SelectLimits, base_fee: &TokenAmount, accounts: &Accounts) -> Vec<Cid> {
    let mut left = limits;
    let mut out = BTreeSet::new();
    let mut views: BTreeMap<Address, AccountView> =
        (0..SENDERS).map(|seed| (sender(seed), accounts.get(&sender(seed)))).collect();
    let mut chosen = Vec::new();
    loop {
        let best = pool
            .pending()
            .filter(|pending| {
                let message = &pending.signed().message;
                !out.contains(&message.from)
                    && message.sequence == views[&message.from].nonce
                    && message.gas_fee_cap >= *base_fee
            })
            .max_by_key(|pending| {
                let message = &pending.signed().message;
                let tip = std::cmp::min(message.gas_premium.clone(), &message.gas_fee_cap - base_fee);
                let arrival = pool.senders[&message.from].get(message.sequence).unwrap().arrival;
                (tip, std::cmp::Reverse(arrival))
            });
        let Some(best) = best else { return chosen };
        let message = &best.signed().message;
        let view = views.get_mut(&message.from).unwrap();
        let cost = &message.value + &message.gas_fee_cap * message.gas_limit;
        let fits = left.items_max > 0
            && message.gas_limit <= left.gas_max
            && best.bytes().len() <= left.bytes_max
            && cost <= view.balance;
        if !fits {
            out.insert(message.from);
            continue;
        }
        left.items_max -= 1;
        left.gas_max -= message.gas_limit;
        left.bytes_max -= best.bytes().len();
        view.balance -= cost;
        view.nonce += 1;
        chosen.push(best.cid());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_the_invariants(operations in prop::collection::vec(operation(), 1..120)) {
        let mut pool = Pool::new(rules(), LIMITS);
        let accounts = Accounts::with((0..SENDERS).map(|seed| (sender(seed), view(u64::from(seed), 700_000))));
        for operation in operations {
            match operation {
                Operation::Add { .. } => add_one(&mut pool, &accounts, &operation),
                Operation::Commit { seed, count } => commit(&mut pool, &accounts, seed, count),
                Operation::SetBalance { seed, balance } => {
                    let account = AccountView { balance: atto(balance), ..accounts.get(&sender(seed)) };
                    accounts.set(sender(seed), account.clone());
                    pool.refresh(&sender(seed), &account);
                }
                Operation::Select { gas_max, bytes_max, items_max, base_fee } => {
                    let (limits, base_fee) = (SelectLimits { gas_max, bytes_max, items_max }, atto(base_fee));
                    let selected = pool.select(limits, &base_fee, &accounts, &mut |_| Choice::Take).unwrap();
                    let selected: Vec<Cid> = selected.messages.iter().map(|message| message.cid()).collect();
                    prop_assert_eq!(selected, expected(&pool, limits, &base_fee, &accounts));
                }
            }
            prop_assert_eq!(pool.violations(), Vec::<String>::new());
        }
    }
}
