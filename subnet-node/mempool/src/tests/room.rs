//! What happens at the limits: who makes room for whom, and what stays.

use fvm_shared::message::Message;

use super::*;

fn small(messages_max: usize) -> Pool {
    Pool::new(rules(), PoolLimits { messages_max, ..PoolLimits::default() })
}

fn cids(pool: &Pool) -> Vec<cid::Cid> {
    pool.pending().map(|message| message.cid()).collect()
}

#[test]
fn a_full_pool_gives_its_cheapest_message_for_a_better_offer_only() {
    let mut pool = small(2);
    let (cheap, dear) = (priced(1, 0, 10, 100), priced(2, 0, 30, 100));
    add(&mut pool, &cheap, &rich(0)).unwrap();
    add(&mut pool, &dear, &rich(0)).unwrap();
    let rejection = add(&mut pool, &priced(3, 0, 10, 100), &rich(0)).unwrap_err();
    assert_eq!(rejection, Rejection::PoolFull { tip: atto(10) });
    assert!(!rejection.is_fault());
    let better = priced(3, 0, 11, 100);
    let admission = add(&mut pool, &better, &rich(0)).unwrap();
    assert_eq!(admission, Admission::Added { cid: better.cid(), replaced: None, evicted: vec![cheap.cid()] });
    assert_eq!(pool.stats().senders, 2);
}

#[test]
fn an_offer_is_what_is_left_of_the_fee_cap_above_the_least_base_fee() {
    let mut pool = small(1);
    // The premium is 15, but the fee cap leaves 5 above the least base fee of 10.
    let boast = Message { gas_premium: atto(15), gas_fee_cap: atto(15), ..message(1, 0) };
    add(&mut pool, &seal(boast), &rich(0)).unwrap();
    assert!(matches!(add(&mut pool, &priced(2, 0, 5, 100), &rich(0)), Err(Rejection::PoolFull { .. })));
    add(&mut pool, &priced(2, 0, 6, 100), &rich(0)).unwrap();
}

#[test]
fn the_last_message_of_a_sender_goes_so_that_no_gap_opens() {
    let mut pool = small(3);
    let messages = [priced(1, 0, 10, 100), priced(1, 1, 90, 100), priced(2, 0, 80, 100)];
    for signed in &messages {
        add(&mut pool, signed, &rich(0)).unwrap();
    }
    // Sender 1's cheap message is not its last, so sender 2's 80 is the cheapest that can go.
    let admission = add(&mut pool, &priced(3, 0, 85, 100), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { evicted, .. } if evicted == [messages[2].cid()]));
}

#[test]
fn messages_behind_a_gap_go_first_and_push_nobody_out() {
    let mut pool = small(2);
    let (gapped, reachable) = (priced(1, 3, 90, 100), priced(2, 0, 5, 100));
    add(&mut pool, &reachable, &rich(0)).unwrap();
    add(&mut pool, &gapped, &rich(0)).unwrap();
    assert!(matches!(add(&mut pool, &priced(3, 4, 90, 100), &rich(0)), Err(Rejection::PoolFull { .. })));
    let admission = add(&mut pool, &priced(3, 0, 1, 100), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { evicted, .. } if evicted == [gapped.cid()]));
    assert!(pool.get(&reachable.cid()).is_some());
}

#[test]
fn a_sender_does_not_push_out_what_its_own_message_needs() {
    let mut pool = small(2);
    let (first, other) = (priced(1, 0, 10, 100), priced(2, 0, 20, 100));
    add(&mut pool, &first, &rich(0)).unwrap();
    add(&mut pool, &other, &rich(0)).unwrap();
    let admission = add(&mut pool, &priced(1, 1, 50, 100), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { evicted, .. } if evicted == [other.cid()]));
    assert!(pool.get(&first.cid()).is_some());
}

#[test]
fn a_sender_at_its_limit_may_only_fill_gaps() {
    let limits = PoolLimits { sender_messages_max: 2, ..PoolLimits::default() };
    let mut pool = Pool::new(rules(), limits);
    let (first, third) = (plain(1, 0), plain(1, 2));
    add(&mut pool, &first, &rich(0)).unwrap();
    add(&mut pool, &third, &rich(0)).unwrap();
    let rejection = add(&mut pool, &plain(1, 3), &rich(0)).unwrap_err();
    assert_eq!(rejection, Rejection::SenderFull { actual: 2, max: 2 });
    assert!(!rejection.is_fault());
    let admission = add(&mut pool, &plain(1, 1), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { evicted, .. } if evicted == [third.cid()]));
    add(&mut pool, &plain(2, 0), &rich(0)).unwrap();
}

#[test]
fn bytes_are_limited_and_a_refused_message_leaves_everything_in_place() {
    let size = plain(1, 0).to_bytes().len();
    let limits = PoolLimits { bytes_max: 3 * size + 50, ..PoolLimits::default() };
    let mut pool = Pool::new(rules(), limits);
    for (seed, premium) in [(1, 10), (2, 50), (3, 60)] {
        add(&mut pool, &priced(seed, 0, premium, 100), &rich(0)).unwrap();
    }
    let before = cids(&pool);
    // It outbids the first but needs the room of two.
    let large = |premium| seal(Message { params: vec![0; size].into(), gas_premium: atto(premium), ..message(4, 0) });
    assert!(matches!(add(&mut pool, &large(30), &rich(0)), Err(Rejection::PoolFull { .. })));
    assert_eq!(cids(&pool), before);
    let admission = add(&mut pool, &large(55), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { evicted, .. } if evicted.len() == 2));
}

#[test]
fn a_replacement_takes_the_place_it_frees() {
    let mut pool = small(1);
    let first = priced(1, 0, 10, 100);
    add(&mut pool, &first, &rich(0)).unwrap();
    let admission = add(&mut pool, &priced(1, 0, 11, 110), &rich(0)).unwrap();
    assert!(matches!(admission, Admission::Added { replaced: Some(cid), evicted, .. }
        if cid == first.cid() && evicted.is_empty()));
}

#[test]
fn what_no_block_takes_leaves_after_so_many_blocks_and_not_before() {
    let mut pool = Pool::new(rules(), PoolLimits { age_blocks_max: 3, ..PoolLimits::default() });
    let accounts = Accounts::with([(sender(1), rich(0)), (sender(2), rich(0))]);
    let expired = |pool: &mut Pool| {
        let departures = pool.on_commit([], &accounts).unwrap();
        assert_eq!(pool.violations(), Vec::<String>::new());
        departures.expired
    };
    let (gapped, later) = (plain(1, 3), plain(2, 0));
    add(&mut pool, &gapped, &rich(0)).unwrap();
    assert!(expired(&mut pool).is_empty());
    add(&mut pool, &later, &rich(0)).unwrap();
    for _ in 0..2 {
        assert!(expired(&mut pool).is_empty());
    }
    assert_eq!(expired(&mut pool), [gapped.cid()]);
    assert!(pool.get(&gapped.cid()).is_none() && pool.get(&later.cid()).is_some());
    assert_eq!(expired(&mut pool), [later.cid()]);
    assert_eq!(pool.stats(), crate::pool::PoolStats::default());
    // It may come again, as anything else.
    add(&mut pool, &later, &rich(0)).unwrap();
}

#[test]
fn a_pool_without_room_for_anything_refuses_everything() {
    let limits =
        PoolLimits { messages_max: 0, bytes_max: 0, sender_messages_max: 0, nonce_gap_max: 0, age_blocks_max: 0 };
    assert!(add(&mut Pool::new(rules(), limits), &plain(1, 0), &rich(0)).is_err());
    assert!(add(&mut small(0), &plain(1, 0), &rich(0)).is_err());
}

#[test]
fn a_sample_serves_every_sender_before_any_second_message() {
    let mut pool = pool();
    for nonce in 0..3 {
        for seed in 1..4 {
            add(&mut pool, &plain(seed, nonce), &rich(0)).unwrap();
        }
    }
    let nonces = |messages_max, bytes_max| -> Vec<u64> {
        pool.sample(messages_max, bytes_max).iter().map(|message| message.nonce()).collect()
    };
    assert_eq!(nonces(4, usize::MAX), [0, 0, 0, 1]);
    assert_eq!(nonces(100, usize::MAX).len(), 9);
    let size = plain(1, 0).to_bytes().len();
    assert_eq!(nonces(100, 4 * size + 10), [0, 0, 0, 1]);
}
