//! Which messages a block takes.

use cid::Cid;
use fvm_shared::message::Message;

use super::*;
use crate::pool::{Choice, SelectLimits};

const ROOMY: SelectLimits = SelectLimits { gas_max: 1_000_000, bytes_max: 1_000_000, items_max: 1_000 };

fn filled(messages: &[SignedMessage]) -> Pool {
    let mut pool = pool();
    for signed in messages {
        add(&mut pool, signed, &rich(0)).unwrap();
    }
    pool
}

fn all_rich(seeds: impl IntoIterator<Item = u8>) -> Accounts {
    Accounts::with(seeds.into_iter().map(|seed| (sender(seed), rich(0))))
}

fn selected(pool: &Pool, limits: SelectLimits, base_fee: u64, accounts: &Accounts) -> Vec<Cid> {
    let selection = pool.select(limits, &atto(base_fee), accounts, &mut |_| Choice::Take).unwrap();
    selection.messages.iter().map(|message| message.cid()).collect()
}

#[test]
fn the_highest_tip_goes_first_but_never_before_its_senders_earlier_message() {
    let messages = [priced(1, 0, 5, 100), priced(1, 1, 90, 100), priced(2, 0, 50, 100), priced(3, 0, 1, 100)];
    let [low, high, middle, least] = messages.each_ref().map(SignedMessage::cid);
    assert_eq!(selected(&filled(&messages), ROOMY, 10, &all_rich(1..4)), [middle, low, high, least]);
}

#[test]
fn of_equal_tips_the_older_goes_first() {
    let messages = [priced(9, 0, 20, 100), priced(1, 0, 20, 100), priced(5, 0, 20, 100)];
    let cids = messages.each_ref().map(SignedMessage::cid);
    assert_eq!(selected(&filled(&messages), ROOMY, 10, &all_rich(1..10)), cids);
}

#[test]
fn the_tip_is_what_the_base_fee_leaves() {
    // At base fee 90 the fee cap of 100 leaves 10 of the premium of 50.
    let messages = [priced(1, 0, 50, 100), priced(2, 0, 20, 200)];
    let [first, second] = messages.each_ref().map(SignedMessage::cid);
    let pool = filled(&messages);
    assert_eq!(selected(&pool, ROOMY, 10, &all_rich(1..3)), [first, second]);
    assert_eq!(selected(&pool, ROOMY, 90, &all_rich(1..3)), [second, first]);
    assert_eq!(selected(&pool, ROOMY, 101, &all_rich(1..3)), [second], "a cap below the base fee has to wait");
}

#[test]
fn a_gap_ends_what_a_sender_gets_in() {
    let messages = [priced(1, 0, 20, 100), priced(1, 2, 90, 100)];
    assert_eq!(selected(&filled(&messages), ROOMY, 10, &all_rich([1])), [messages[0].cid()]);
}

#[test]
fn gas_bytes_and_items_each_limit_a_block() {
    let messages: Vec<_> = (1..6).map(|seed| priced(seed, 0, 20, 100)).collect();
    let (pool, accounts) = (filled(&messages), all_rich(1..6));
    let size = messages[0].to_bytes().len();
    assert_eq!(selected(&pool, ROOMY, 10, &accounts).len(), 5);
    assert_eq!(selected(&pool, SelectLimits { gas_max: 3_999, ..ROOMY }, 10, &accounts).len(), 3);
    assert_eq!(selected(&pool, SelectLimits { bytes_max: 2 * size + 5, ..ROOMY }, 10, &accounts).len(), 2);
    assert_eq!(selected(&pool, SelectLimits { items_max: 1, ..ROOMY }, 10, &accounts).len(), 1);
    assert!(selected(&pool, SelectLimits { items_max: 0, ..ROOMY }, 10, &accounts).is_empty());
}

#[test]
fn a_message_too_large_for_the_rest_is_passed_over_for_smaller_ones_of_others() {
    let large = seal(Message { gas_limit: 900_000, gas_premium: atto(90), ..message(1, 0) });
    let messages = [large.clone(), priced(1, 1, 95, 100), priced(2, 0, 20, 100)];
    let pool = filled(&messages);
    let tight = SelectLimits { gas_max: 500_000, ..ROOMY };
    assert_eq!(selected(&pool, tight, 10, &all_rich(1..3)), [messages[2].cid()]);
    assert_eq!(selected(&pool, ROOMY, 10, &all_rich(1..3)).len(), 3);
}

#[test]
fn each_message_is_affordable_after_those_before_it() {
    let messages: Vec<_> = (0..3).map(|nonce| plain(1, nonce)).collect();
    let pool = filled(&messages);
    // Two of 100,001 each; the account became poorer since they were admitted.
    let accounts = Accounts::with([(sender(1), view(0, 299_999))]);
    assert_eq!(selected(&pool, ROOMY, 10, &accounts), [messages[0].cid(), messages[1].cid()]);
    accounts.set(sender(1), view(0, 0));
    assert!(selected(&pool, ROOMY, 10, &accounts).is_empty());
}

#[test]
fn a_state_ahead_of_the_pool_starts_where_the_account_is() {
    let messages: Vec<_> = (0..3).map(|nonce| plain(1, nonce)).collect();
    let pool = filled(&messages);
    let accounts = Accounts::with([(sender(1), rich(2))]);
    assert_eq!(selected(&pool, ROOMY, 10, &accounts), [messages[2].cid()]);
    accounts.set(sender(1), rich(3));
    assert!(selected(&pool, ROOMY, 10, &accounts).is_empty());
}

#[test]
fn a_state_behind_the_pool_gives_nothing_of_that_sender() {
    let mut pool = pool();
    add(&mut pool, &plain(1, 4), &rich(4)).unwrap();
    assert!(selected(&pool, ROOMY, 10, &all_rich([1])).is_empty());
}

#[test]
fn an_unreadable_state_is_told_and_not_skipped() {
    let (pool, accounts) = (filled(&[plain(1, 0)]), all_rich([1]));
    accounts.fail();
    assert!(pool.select(ROOMY, &atto(10), &accounts, &mut |_| Choice::Take).is_err());
}

#[test]
fn what_the_builder_refuses_uses_up_no_room_and_ends_what_its_sender_gets_in() {
    // The first alone would fill the block, and nobody offers more.
    let poison = seal(Message { gas_limit: ROOMY.gas_max, gas_premium: atto(90), ..message(1, 0) });
    let messages = [poison.clone(), priced(1, 1, 80, 100), priced(2, 0, 20, 100), priced(2, 1, 20, 100)];
    let accounts = all_rich(1..3);
    for choice in [Choice::PassOver, Choice::Discard] {
        let mut pool = filled(&messages);
        let mut choose = |message: &crate::pool::PendingMessage| {
            if message.cid() == poison.cid() { choice } else { Choice::Take }
        };
        let selection = pool.select(ROOMY, &atto(10), &accounts, &mut choose).unwrap();
        let taken: Vec<_> = selection.messages.iter().map(|message| message.cid()).collect();
        assert_eq!(taken, [messages[2].cid(), messages[3].cid()], "{choice:?}");
        let is_gone = choice == Choice::Discard;
        assert_eq!(selection.discarded, if is_gone { vec![poison.cid()] } else { vec![] });
        pool.discard(&selection.discarded);
        assert_eq!(pool.get(&poison.cid()).is_none(), is_gone);
        assert_eq!(pool.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_builder_that_has_no_time_left_gets_no_more() {
    let messages: Vec<_> = (1..6).map(|seed| priced(seed, 0, 20, 100)).collect();
    let (pool, mut asked) = (filled(&messages), 0);
    let mut choose = |_: &crate::pool::PendingMessage| {
        asked += 1;
        if asked <= 2 { Choice::Take } else { Choice::Stop }
    };
    let selection = pool.select(ROOMY, &atto(10), &all_rich(1..6), &mut choose).unwrap();
    assert_eq!((selection.messages.len(), asked), (2, 3));
}
