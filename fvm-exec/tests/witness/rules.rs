//! What can be asked, where ranges end, and states that no gateway of ours would write.

use cid::Cid;
use fvm_exec::ExecError;
use fvm_exec::witness::{
    RangeKind, RangeLimits, RangeQuery, RecordError, UPDATE_MESSAGE_BYTES_MAX, WITNESS_BYTES_MAX, WitnessError, record,
    verify,
};
use fvm_ipld_amt::Amt;
use fvm_ipld_encoding::{DAG_CBOR, IPLD_RAW};
use fvm_shared::address::Address;
use gateway_actor::types::{Child as Entry, LoggedChange, QueuedMessage};
use multihash_codetable::Multihash;
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::limits::{
    CHANGES_PER_UPDATE_MAX, CROSS_CALL_GAS_MAX, CROSS_MESSAGE_BYTES_MAX, CROSS_MESSAGES_PER_BLOCK_MAX,
};
use subnet_types::{ConfigurationNumber, Nonce, SubnetId};

use crate::common::genesis::ROOT_CHAIN_ID;
use crate::common::store::MemoryStore;
use crate::made::{Child, Parent, account, ask, example, size};

/// The same verdict from the maker and from whoever verifies all blocks of the state.
fn refused(parent: &Parent, query: &RangeQuery) -> WitnessError {
    let root = parent.root();
    let made = record(&parent.store, &root, query);
    let Err(RecordError::Refused(reason)) = made else { panic!("{made:?}") };
    let verdict = verify(&root, query, &parent.all_blocks(&root));
    assert_eq!(verdict, Err(reason.clone()));
    reason
}

/// What the verifier says of a state that the maker calls broken.
fn broken(parent: &Parent, query: &RangeQuery) -> WitnessError {
    let root = parent.root();
    let made = record(&parent.store, &root, query);
    assert!(matches!(&made, Err(error) if error.is_fault()), "{made:?}");
    verify(&root, query, &parent.all_blocks(&root)).unwrap_err()
}

/// A root with ten accounts and a child that has messages and changes to come.
fn small(messages: u64, changes: u64) -> (Parent, Child) {
    let mut parent = Parent::with_accounts(10);
    let child = parent.child("child");
    parent.queue_all(&child, messages);
    for _ in 0..changes {
        parent.log(&child);
    }
    (parent, child)
}

#[test]
fn ranges_begin_where_something_is_kept() {
    let (mut parent, child) = small(100, 3);
    parent.accept(&child, 50);
    let first = parent.entry(&child).pruned_below.get();
    assert!((1..=50).contains(&first));
    let what = RangeKind::Messages;
    for from in [0, first - 1] {
        let expected = WitnessError::Before { what, from, first };
        assert_eq!(refused(&parent, &ask(&child.name, from, 2, 128)), expected);
    }
    for from in [101, u64::MAX] {
        let expected = WitnessError::Beyond { what, from, next: 100 };
        assert_eq!(refused(&parent, &ask(&child.name, from, 2, 128)), expected);
    }
    let what = RangeKind::Changes;
    for from in [0, 1] {
        let expected = WitnessError::Before { what, from, first: 2 };
        assert_eq!(refused(&parent, &ask(&child.name, 50, from, 128)), expected);
    }
    for from in [6, u64::MAX] {
        let expected = WitnessError::Beyond { what, from, next: 5 };
        assert_eq!(refused(&parent, &ask(&child.name, 50, from, 128)), expected);
    }
    for (nonce, configuration) in [(first, 2), (50, 5), (100, 2), (100, 5)] {
        let query = ask(&child.name, nonce, configuration, 128);
        let recorded = record(&parent.store, &parent.root(), &query).unwrap();
        assert_eq!(recorded.proven.messages.len() as u64, 100 - nonce);
        assert_eq!(recorded.proven.changes.len() as u64, 5 - configuration);
        assert_eq!(verify(&parent.root(), &query, &recorded.blocks), Ok(recorded.proven));
    }
}

#[test]
fn only_registered_children_have_ranges() {
    let (parent, child) = small(1, 0);
    let root = SubnetId::root(ROOT_CHAIN_ID);
    let nobody = SubnetId::root(ROOT_CHAIN_ID).child(Address::new_actor(b"nobody")).unwrap();
    let an_account = root.child(account(3)).unwrap();
    for stranger in [nobody, an_account] {
        let expected = WitnessError::NotRegistered { child: stranger.clone() };
        assert_eq!(refused(&parent, &ask(&stranger, 0, 2, 128)), expected);
    }
    assert_eq!(refused(&parent, &ask(&root, 0, 2, 128)), WitnessError::Root { subnet: root.clone() });
    // The actor is known, by a name that another root's child has.
    let elsewhere = SubnetId::root(1).child(child.name.checkpoint_actor().unwrap()).unwrap();
    let expected = WitnessError::OtherChild { expected: elsewhere.clone(), actual: child.name };
    assert_eq!(refused(&parent, &ask(&elsewhere, 0, 2, 128)), expected);
}

#[test]
fn header_alone_can_be_proved_current() {
    let (parent, child, root, _, full) = example();
    let limits = RangeLimits { messages_max: 0, message_bytes_max: 0, changes_max: 0 };
    let query = RangeQuery { limits, ..ask(&child.name, 10, 3, 0) };
    let bare = record(&parent.store, &root, &query).unwrap();
    assert!(bare.blocks.iter().all(|block| full.blocks.contains(block)), "the way to the entry and nothing below it");
    assert!(bare.blocks.len() + 12 < full.blocks.len());
    let proven = verify(&root, &query, &bare.blocks).unwrap();
    assert_eq!((proven.messages.len(), proven.changes.len()), (0, 0));
    assert_eq!((proven.next_nonce, proven.next_configuration), (Nonce::new(100), ConfigurationNumber::new(7)));
    assert!(!proven.is_whole(&query), "messages and changes are waiting");
    // Whoever has it all is shown the same, whatever its limits are.
    let up_to_date = ask(&child.name, 100, 7, 128);
    assert!(proven.is_whole(&up_to_date), "nothing is waiting");
    assert_eq!(verify(&root, &up_to_date, &bare.blocks), Ok(proven));
}

#[test]
fn ranges_are_whole_at_the_last_number_and_at_an_updates_limits() {
    let (mut parent, child) = small(0, 0);
    let messages = CROSS_MESSAGES_PER_BLOCK_MAX;
    parent.queue_all(&child, messages as u64 + 2);
    for _ in 0..CHANGES_PER_UPDATE_MAX + 2 {
        parent.log(&child);
    }
    let root = parent.root();
    let is_whole = |nonce, configuration, messages_max, changes_max| {
        let limits = RangeLimits { messages_max, changes_max, ..RangeLimits::UPDATE };
        let query = RangeQuery { limits, ..ask(&child.name, nonce, configuration, 0) };
        record(&parent.store, &root, &query).unwrap().proven.is_whole(&query)
    };
    let changes = CHANGES_PER_UPDATE_MAX;
    assert!(is_whole(0, 2, messages, changes), "full");
    assert!(!is_whole(0, 2, messages - 1, changes));
    assert!(!is_whole(0, 2, messages, changes - 1));
    assert!(is_whole(5, 7, messages, changes), "the rest");
    assert!(is_whole(5, 7, messages - 3, changes - 3), "the rest, exactly");
    assert!(!is_whole(5, 7, messages - 4, changes - 3));
    assert!(!is_whole(5, 7, messages - 3, changes - 4));
}

#[test]
fn range_ends_with_the_message_that_reaches_the_bytes() {
    let (mut parent, child) = small(0, 0);
    let messages: Vec<_> = (0..20).map(|n| parent.queue(&child, 100 + 10 * n)).collect();
    let sizes: Vec<usize> = messages.iter().map(|message| encode(message).len()).collect();
    let root = parent.root();
    for count in 1..=20 {
        let bytes: usize = sizes[..count].iter().sum();
        for (message_bytes_max, expected) in [(bytes - 1, count), (bytes, count), (bytes + 1, (count + 1).min(20))] {
            let limits = RangeLimits { message_bytes_max, ..RangeLimits::UPDATE };
            let query = RangeQuery { limits, ..ask(&child.name, 0, 2, 128) };
            let recorded = record(&parent.store, &root, &query).unwrap();
            let proven = verify(&root, &query, &recorded.blocks).unwrap();
            assert_eq!(proven.messages, messages[..expected], "{message_bytes_max} bytes");
        }
    }
    let limits = RangeLimits { message_bytes_max: 0, ..RangeLimits::UPDATE };
    let query = RangeQuery { limits, ..ask(&child.name, 3, 2, 128) };
    let recorded = record(&parent.store, &root, &query).unwrap();
    assert_eq!(recorded.proven.messages, messages[3..4], "one always comes through");
}

#[test]
fn gas_that_calls_ask_for_ends_no_range() {
    // What calls really use is often far less, and the gateway stops where there is not enough left.
    let (mut parent, child) = small(0, 0);
    let messages: Vec<_> =
        (0..CROSS_MESSAGES_PER_BLOCK_MAX + 2).map(|_| parent.queue_call(&child, CROSS_CALL_GAS_MAX)).collect();
    let root = parent.root();
    let query = RangeQuery { limits: RangeLimits::UPDATE, ..ask(&child.name, 0, 2, 128) };
    let recorded = record(&parent.store, &root, &query).unwrap();
    let proven = verify(&root, &query, &recorded.blocks).unwrap();
    assert_eq!(proven.messages, messages[..CROSS_MESSAGES_PER_BLOCK_MAX]);
    assert!(proven.is_whole(&query));
}

#[test]
fn fullest_update_fits_a_witness() {
    let mut parent = Parent::with_accounts(2_000);
    let child = parent.child("child");
    let overhead = encode(&parent.queue(&child, 1_000)).len() - 1_000;
    let largest = CROSS_MESSAGE_BYTES_MAX - overhead - 16;
    for _ in 0..CROSS_MESSAGES_PER_BLOCK_MAX {
        parent.queue(&child, largest);
    }
    for _ in 0..100 {
        parent.log(&child);
    }
    let root = parent.root();
    // From the last of eight on, so that its seven neighbours come along.
    let query = ask(&child.name, 7, 9, CROSS_MESSAGES_PER_BLOCK_MAX);
    let recorded = record(&parent.store, &root, &query).unwrap();
    let proven = verify(&root, &query, &recorded.blocks).unwrap();
    let bytes: usize = proven.messages.iter().map(|message| encode(message).len()).sum();
    assert!((UPDATE_MESSAGE_BYTES_MAX..UPDATE_MESSAGE_BYTES_MAX + CROSS_MESSAGE_BYTES_MAX).contains(&bytes));
    assert_eq!(proven.changes.len(), query.limits.changes_max);
    assert!(proven.messages.len() < query.limits.messages_max && proven.is_whole(&query));
    assert!(size(&recorded.blocks) < WITNESS_BYTES_MAX * 3 / 4, "room for a deeper state");
    println!(
        "fullest update: {} messages of {bytes} bytes, {} blocks, {} bytes",
        proven.messages.len(),
        recorded.blocks.len(),
        size(&recorded.blocks)
    );
}

#[test]
fn gaps_and_exchanged_entries_are_refused() {
    let query = |child: &Child| ask(&child.name, 10, 2, 128);
    let (what, next) = (RangeKind::Messages, 60);

    let (mut parent, child) = small(60, 3);
    edit_messages(&mut parent, &child, |messages| {
        messages.delete(33).unwrap();
    });
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Gap { what, expected: 33, next });

    let (mut parent, child) = small(60, 3);
    edit_messages(&mut parent, &child, |messages| {
        let other = messages.get(40).unwrap().unwrap().clone();
        messages.set(33, other).unwrap();
    });
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Misplaced { what, expected: 33, actual: 40 });

    // More is said to be there than is.
    let (mut parent, child) = small(60, 3);
    edit_entry(&mut parent, &child, |_, entry| entry.next_nonce = Nonce::new(61));
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Gap { what, expected: 60, next: 61 });
    edit_entry(&mut parent, &child, |_, entry| entry.next_nonce = Nonce::new(u64::MAX));
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Gap { what, expected: 60, next: u64::MAX });

    let (what, next) = (RangeKind::Changes, 5);
    let (mut parent, child) = small(60, 3);
    edit_entry(&mut parent, &child, |parent, entry| {
        let mut changes = Amt::<LoggedChange, _>::load(&entry.changes, &parent.store).unwrap();
        changes.delete(3).unwrap();
        entry.changes = changes.flush().unwrap();
    });
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Gap { what, expected: 3, next });
    edit_entry(&mut parent, &child, |_, entry| entry.configuration_logged = ConfigurationNumber::new(u64::MAX));
    assert_eq!(broken(&parent, &query(&child)), WitnessError::Gap { what, expected: 3, next: u64::MAX });
}

#[test]
fn links_out_of_the_state_are_not_followed() {
    let (mut parent, child) = small(5, 1);
    let query = ask(&child.name, 0, 2, 128);
    let messages = parent.entry(&child).messages;
    let sha2_256 = Cid::new_v1(DAG_CBOR, Multihash::wrap(0x12, messages.hash().digest()).unwrap());
    let inline = Cid::new_v1(DAG_CBOR, Multihash::wrap(0, &[0x80]).unwrap());
    let raw = Cid::new_v1(IPLD_RAW, *messages.hash());
    for cid in [sha2_256, inline, raw] {
        edit_entry(&mut parent, &child, |_, entry| entry.messages = cid);
        assert_eq!(broken(&parent, &query), WitnessError::Link { cid });
    }

    // Lost by the maker's disk, or never there.
    let absent = cid_of_bytes(b"absent");
    edit_entry(&mut parent, &child, |_, entry| entry.messages = absent);
    assert_eq!(broken(&parent, &query), WitnessError::Missing { cid: absent });
    let made = record(&parent.store, &parent.root(), &query);
    assert!(matches!(made, Err(RecordError::Broken(ExecError::MissingBlock { cid })) if cid == absent));

    // Another actor's state in the gateway's place.
    let no_amt = parent.put(&"no AMT");
    edit_entry(&mut parent, &child, |_, entry| entry.messages = no_amt);
    assert!(matches!(broken(&parent, &query), WitnessError::State { what: "top-down messages", .. }));
    parent.gateway.children = no_amt;
    assert!(matches!(broken(&parent, &query), WitnessError::State { what: "the gateway's children", .. }));
    assert!(matches!(
        verify(&no_amt, &query, &parent.all_blocks(&no_amt)),
        Err(WitnessError::State { what: "the state root", .. })
    ));
}

fn edit_entry(parent: &mut Parent, child: &Child, edit: impl FnOnce(&Parent, &mut Entry)) {
    let mut entry = parent.entry(child);
    edit(parent, &mut entry);
    let store = parent.store.clone();
    let mut children = Amt::<Entry, _>::load(&parent.gateway.children, &store).unwrap();
    children.set(child.id, entry).unwrap();
    parent.gateway.children = children.flush().unwrap();
}

fn edit_messages(parent: &mut Parent, child: &Child, edit: impl FnOnce(&mut Amt<QueuedMessage, &MemoryStore>)) {
    edit_entry(parent, child, |parent, entry| {
        let mut messages = Amt::<QueuedMessage, _>::load(&entry.messages, &parent.store).unwrap();
        edit(&mut messages);
        entry.messages = messages.flush().unwrap();
    });
}
