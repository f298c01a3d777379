//! One valid case, one invalid and one that turns invalid for each rule of admission.

use fvm_shared::message::Message;
use subnet_types::limits::MESSAGE_BYTES_MAX;
use subnet_types::message::message_cid;

use super::*;
use crate::rules::decode;

fn is_added(result: &Result<Admission, Rejection>) -> bool {
    matches!(result, Ok(Admission::Added { .. }))
}

fn refused(change: impl FnOnce(&mut Message)) -> Rejection {
    let mut message = message(1, 0);
    change(&mut message);
    let rejection = add(&mut pool(), &seal(message), &rich(0)).unwrap_err();
    assert!(!rejection.to_string().is_empty());
    rejection
}

#[test]
fn a_plain_message_is_admitted_and_found_under_its_name() {
    let (mut pool, signed) = (pool(), plain(1, 0));
    let admission = add(&mut pool, &signed, &rich(0)).unwrap();
    assert_eq!(admission, Admission::Added { cid: signed.cid(), replaced: None, evicted: vec![] });
    assert_eq!(pool.get(&signed.cid()).unwrap().signed(), &signed);
    assert_eq!(pool.get(&signed.cid()).unwrap().bytes(), signed.to_bytes());
    assert_eq!(pool.stats().messages, 1);
    assert!(pool.get(&message_cid(&signed.message)).is_none(), "an f1 message goes by its signed form");
}

#[test]
fn a_message_that_comes_twice_is_a_duplicate_and_counts_once() {
    let (mut pool, signed) = (pool(), plain(1, 0));
    assert!(is_added(&add(&mut pool, &signed, &rich(0))));
    assert_eq!(add(&mut pool, &signed, &rich(0)), Ok(Admission::Duplicate { cid: signed.cid() }));
    assert_eq!(pool.stats().messages, 1);
    // Committed, it is no duplicate any more but stale.
    assert_eq!(
        add(&mut pool, &signed, &rich(1)),
        Err(Rejection::NonceStale { actual: 0, expected: 1 }),
        "the newer view takes it out first"
    );
}

#[test]
fn a_known_bls_message_with_another_signature_is_not_taken_for_itself() {
    let (mut pool, key) = (pool(), Key::bls(3));
    let signed = key.sign(0);
    assert!(is_added(&add(&mut pool, &signed, &rich(0))));
    let mut forged = signed.clone();
    forged.signature.bytes[5] ^= 1;
    assert_eq!(forged.cid(), signed.cid(), "the name does not tell them apart");
    let refusal = add(&mut pool, &forged, &rich(0)).unwrap_err();
    assert!(matches!(refusal, Rejection::ReplacementUnderpriced { .. }), "{refusal}");
    assert_eq!(pool.get(&signed.cid()).unwrap().signed(), &signed);
}

#[test]
fn what_no_honest_node_sends_is_a_fault() {
    let version = refused(|message| message.version = 1);
    assert_eq!(version, Rejection::Version { actual: 1 });
    let kind = refused(|message| message.from = Address::new_id(100));
    assert!(matches!(kind, Rejection::SenderKind { .. }));
    let negative = refused(|message| message.value = TokenAmount::from_atto(-1));
    assert!(matches!(negative, Rejection::NegativeAmount { field: "value", .. }));
    let negative = refused(|message| message.gas_premium = TokenAmount::from_atto(-1));
    assert!(matches!(negative, Rejection::NegativeAmount { field: "premium", .. }));
    let premium = refused(|message| message.gas_premium = atto(101));
    assert_eq!(premium, Rejection::PremiumAboveFeeCap { premium: atto(101), fee_cap: atto(100) });
    let little_gas = refused(|message| message.gas_limit = 99);
    assert!(matches!(little_gas, Rejection::GasBelowIntrinsic { actual: 99, .. }));
    let much_gas = refused(|message| message.gas_limit = 1_000_001);
    assert_eq!(much_gas, Rejection::GasAboveBlock { actual: 1_000_001, max: 1_000_000 });
    let fee_cap = refused(|message| (message.gas_fee_cap, message.gas_premium) = (atto(9), atto(0)));
    assert_eq!(fee_cap, Rejection::FeeCapTooLow { actual: atto(9), min: atto(10) });
    let large = refused(|message| message.params = vec![0; MESSAGE_BYTES_MAX].into());
    assert!(matches!(large, Rejection::TooLarge { max: MESSAGE_BYTES_MAX, .. }));
    let form = refused(|message| message.method_num = 1001);
    assert_eq!(form, Rejection::Form { reason: "method 1001".to_owned() });
    for fault in [version, kind, negative, premium, little_gas, much_gas, fee_cap, large, form] {
        assert!(fault.is_fault(), "{fault}");
    }
}

#[test]
fn limits_themselves_are_allowed() {
    let mut pool = pool();
    let at_block = seal(Message { gas_limit: 1_000_000, ..message(1, 0) });
    assert!(is_added(&add(&mut pool, &at_block, &rich(0))));
    let premium_at_cap = priced(2, 0, 100, 100);
    assert!(is_added(&add(&mut pool, &premium_at_cap, &rich(0))));
    let cap_at_min = priced(3, 0, 0, 10);
    assert!(is_added(&add(&mut pool, &cap_at_min, &rich(0))));
    let mut at_intrinsic = plain(4, 0);
    at_intrinsic.message.gas_limit = 100 + at_intrinsic.to_bytes().len() as u64;
    assert!(is_added(&add(&mut pool, &at_intrinsic, &rich(0))));
}

#[test]
fn intrinsic_gas_grows_with_the_message() {
    let mut pool = pool();
    let gas_limit = 100 + plain(1, 0).to_bytes().len() as u64;
    let fits = seal(Message { gas_limit, ..message(1, 0) });
    assert!(is_added(&add(&mut pool, &fits, &rich(0))));
    let longer = seal(Message { gas_limit, params: vec![1; 40].into(), ..message(2, 0) });
    assert!(matches!(add(&mut pool, &longer, &rich(0)), Err(Rejection::GasBelowIntrinsic { .. })));
}

#[test]
fn bytes_are_a_message_only_in_canonical_form_and_size() {
    let signed = plain(1, 0);
    let bytes = signed.to_bytes();
    assert_eq!(decode(&bytes), Ok(signed));
    for garbage in [vec![], vec![0xff; 40], bytes[1..].to_vec(), [bytes.as_slice(), &[0]].concat()] {
        let rejection = decode(&garbage).unwrap_err();
        assert!(matches!(rejection, Rejection::Malformed { .. }) && rejection.is_fault());
    }
    let rejection = decode(&vec![0; MESSAGE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(rejection, Rejection::TooLarge { actual: MESSAGE_BYTES_MAX + 1, max: MESSAGE_BYTES_MAX });
}

#[test]
fn a_nonce_is_valid_until_it_is_used() {
    let mut pool = pool();
    assert!(is_added(&add(&mut pool, &plain(1, 5), &rich(5))));
    let rejection = add(&mut pool, &priced(1, 5, 90, 200), &rich(6)).unwrap_err();
    assert_eq!(rejection, Rejection::NonceStale { actual: 5, expected: 6 });
    assert!(!rejection.is_fault());
}

#[test]
fn a_gap_is_kept_up_to_its_limit_and_closes() {
    let limits = PoolLimits { nonce_gap_max: 2, ..PoolLimits::default() };
    let mut pool = Pool::new(rules(), limits);
    assert!(is_added(&add(&mut pool, &plain(1, 2), &rich(0))));
    assert_eq!(pool.next_nonce(&sender(1), 0), 0);
    let rejection = add(&mut pool, &plain(1, 3), &rich(0)).unwrap_err();
    assert_eq!(rejection, Rejection::NonceGap { actual: 3, next: 0, gap_max: 2 });
    assert!(!rejection.is_fault());
    assert!(is_added(&add(&mut pool, &plain(1, 0), &rich(0))));
    assert!(is_added(&add(&mut pool, &plain(1, 3), &rich(0))), "the first free nonce is 1 now");
    assert!(is_added(&add(&mut pool, &plain(1, 1), &rich(0))));
    assert_eq!(pool.next_nonce(&sender(1), 0), 4);
    assert!(matches!(add(&mut pool, &plain(2, u64::MAX), &rich(u64::MAX)), Err(Rejection::NonceGap { .. })));
}

#[test]
fn the_balance_covers_all_that_is_pending() {
    // Each costs 1 + 1000 · 100.
    let (mut pool, account) = (pool(), view(0, 200_002));
    assert!(is_added(&add(&mut pool, &plain(1, 0), &account)));
    assert!(is_added(&add(&mut pool, &plain(1, 1), &account)));
    let rejection = add(&mut pool, &plain(1, 2), &account).unwrap_err();
    let expected = Rejection::Balance { balance: atto(200_002), cost: atto(100_001), pending: atto(200_002) };
    assert_eq!(rejection, expected);
    assert!(!rejection.is_fault());
    let unknown = add(&mut pool, &plain(2, 0), &AccountView::default()).unwrap_err();
    assert!(matches!(unknown, Rejection::Balance { .. }), "an account that does not exist holds nothing");
}

#[test]
fn a_balance_that_shrinks_takes_the_last_messages_out() {
    let mut pool = pool();
    let signed: Vec<_> = (0..3).map(|nonce| plain(1, nonce)).collect();
    for signed in &signed {
        assert!(is_added(&add(&mut pool, signed, &rich(0))));
    }
    let accounts = Accounts::with([(sender(1), view(1, 150_000))]);
    let departures = pool.on_commit([&signed[0]], &accounts).unwrap();
    assert_eq!((departures.used, departures.uncovered), (vec![signed[0].cid()], vec![signed[2].cid()]));
    assert_eq!(pool.violations(), Vec::<String>::new());
    assert_eq!(pool.pending().map(|message| message.nonce()).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_replacement_needs_ten_percent_more_of_both_prices() {
    let mut pool = pool();
    let first = priced(1, 0, 20, 100);
    assert!(is_added(&add(&mut pool, &first, &rich(0))));
    for (premium, fee_cap) in [(21, 200), (22, 109), (20, 100)] {
        let rejection = add(&mut pool, &seal_other(premium, fee_cap), &rich(0)).unwrap_err();
        let Rejection::ReplacementUnderpriced { needed, .. } = &rejection else {
            panic!("{rejection}");
        };
        assert_eq!((&needed.premium, &needed.fee_cap), (&atto(22), &atto(110)));
        assert!(!rejection.is_fault());
    }
    let better = seal_other(22, 110);
    let admission = add(&mut pool, &better, &rich(0)).unwrap();
    assert_eq!(admission, Admission::Added { cid: better.cid(), replaced: Some(first.cid()), evicted: vec![] });
    assert!(pool.get(&first.cid()).is_none());
    assert_eq!(pool.stats().messages, 1);
    // The replaced message would now have to outbid its successor.
    assert!(matches!(add(&mut pool, &first, &rich(0)), Err(Rejection::ReplacementUnderpriced { .. })));
}

fn seal_other(premium: u64, fee_cap: u64) -> SignedMessage {
    seal(Message { to: sender(201), gas_premium: atto(premium), gas_fee_cap: atto(fee_cap), ..message(1, 0) })
}

#[test]
fn a_free_message_is_replaced_by_one_that_pays() {
    let mut pool = pool();
    assert!(is_added(&add(&mut pool, &priced(1, 0, 0, 100), &rich(0))));
    assert!(add(&mut pool, &priced(1, 0, 0, 200), &rich(0)).is_err());
    assert!(is_added(&add(&mut pool, &priced(1, 0, 1, 110), &rich(0))));
}

#[test]
fn a_replacement_is_covered_without_what_it_replaces() {
    let (mut pool, account) = (pool(), view(0, 110_001));
    assert!(is_added(&add(&mut pool, &priced(1, 0, 20, 100), &account)));
    assert!(is_added(&add(&mut pool, &priced(1, 0, 22, 110), &account)));
    assert!(matches!(add(&mut pool, &priced(1, 0, 40, 121), &account), Err(Rejection::Balance { .. })));
}

#[test]
fn an_account_view_that_a_commit_overtook_changes_nothing() {
    let mut pool = pool();
    assert!(is_added(&add(&mut pool, &plain(1, 5), &rich(5))));
    assert_eq!(add(&mut pool, &plain(1, 4), &rich(4)), Err(Rejection::NonceStale { actual: 4, expected: 5 }));
    assert!(is_added(&add(&mut pool, &plain(1, 6), &rich(4))));
    assert_eq!(pool.next_nonce(&sender(1), 4), 7);
}
