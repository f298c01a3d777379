//! The same bytes as `fvm_ipld_hamt` writes, whatever changes and on however many threads.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use cid::Cid;
use common::{BIT_WIDTH, Oracle, Store, Value, change, empty, encoded, expected, keys, threads, to_key};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::to_vec;
use fvm_ipld_hamt::BytesKey;
use hamt::{Changes, HamtError, Nodes, Written};
use ipld_core::ipld::Ipld;
use proptest::prelude::*;

/// Writes without any node known before.
fn write(store: &Store, root: &Cid, changes: &Changes, threads: NonZeroUsize) -> Result<Written, HamtError> {
    hamt::write(store, &Nodes::new(0), root, changes, threads)
}

/// Makes the changes with ours in a store of its own, and reads everything back with the reference.
fn check(store: &Store, root: &Cid, changes: &BTreeMap<Vec<u8>, Option<Value>>) -> Cid {
    let changes_encoded = encoded(changes);
    let written = write(store, root, &changes_encoded, threads(1)).unwrap();
    for count in [2, 3, 8, 64] {
        assert_eq!(write(store, root, &changes_encoded, threads(count)).unwrap(), written, "{count} threads");
    }
    assert!(!written.blocks.iter().any(|(cid, _)| cid == root), "the node that was there is no new one");
    for (cid, block) in &written.blocks {
        store.put_keyed(cid, block).unwrap();
    }
    let after = Oracle::load_with_bit_width(&written.root, store, BIT_WIDTH).unwrap();
    for (key, value) in changes {
        assert_eq!(after.get(&BytesKey(key.clone())).unwrap(), value.as_ref());
    }
    assert_eq!(written.root, expected(store, root, changes));
    written.root
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changes_after_changes_give_the_references_roots(
        rounds in prop::collection::vec(prop::collection::btree_map(keys(), change(), 0..200), 1..6),
    ) {
        let store = Store::default();
        let mut root = empty(&store);
        for changes in &rounds {
            root = check(&store, &root, changes);
        }
        let everything = (0..2000).map(|id| (to_key(id), None)).collect();
        prop_assert_eq!(check(&store, &root, &everything), empty(&store));
    }

    #[test]
    fn a_damaged_node_is_refused_or_read_and_never_a_panic(
        changes in prop::collection::btree_map(keys(), change(), 1..60),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let store = Store::default();
        let root = check(&store, &empty(&store), &(0..500).map(|id| (to_key(id), Some((id, String::new())))).collect());
        let mut node = store.get(&root).unwrap().unwrap();
        let at = at.index(node.len());
        node[at] = byte;
        let cut = cut.index(node.len() * 4);
        node.truncate(node.len().min(cut.max(1)));
        let damaged = Store::default();
        damaged.put_keyed(&root, &node).unwrap();
        // What it links to is missing, so that a damaged link ends there at the latest.
        let _: Result<_, HamtError> = write(&damaged, &root, &encoded(&changes), threads(2));
    }
}

#[test]
fn nothing_to_change_changes_nothing() {
    let store = Store::default();
    let root = check(&store, &empty(&store), &(0..300).map(|id| (to_key(id), Some((id, "x".to_owned())))).collect());
    let same = (0..300).step_by(7).map(|id| (to_key(id), Some((id, "x".to_owned())))).collect();
    for changes in [BTreeMap::new(), same, BTreeMap::from([(b"not there".to_vec(), None)])] {
        let written = write(&store, &root, &encoded(&changes), threads(4)).unwrap();
        assert_eq!((written.root, written.blocks), (root, vec![]));
    }
}

#[test]
fn each_new_node_comes_once_and_after_those_it_links_to() {
    let store = Store::default();
    let root = empty(&store);
    let changes = (0..5000).map(|id| (to_key(id), Some((id, id.to_string())))).collect();
    let written = write(&store, &root, &encoded(&changes), threads(4)).unwrap();
    assert_eq!(written.blocks.last().unwrap().0, written.root);
    let known = Store::default();
    for (cid, block) in &written.blocks {
        let links = fvm_ipld_encoding::from_slice::<Ipld>(block).unwrap();
        let mut cids = Vec::new();
        links.references(&mut cids);
        assert!(cids.iter().all(|cid| known.has(cid).unwrap()), "{cid} comes before a child");
        assert!(!known.has(cid).unwrap(), "{cid} comes twice");
        known.put_keyed(cid, block).unwrap();
    }
}

#[test]
fn a_missing_node_is_named() {
    let store = Store::default();
    let changes: BTreeMap<_, _> = (0..500).map(|id| (to_key(id), Some((id, String::new())))).collect();
    let root = check(&store, &empty(&store), &changes);
    let only_root = Store::default();
    only_root.put_keyed(&root, &store.get(&root).unwrap().unwrap()).unwrap();
    let error = write(&only_root, &root, &encoded(&changes), threads(2)).unwrap_err();
    assert!(matches!(&error, HamtError::Missing { node } if *node != root), "{error}");
    let nowhere = write(&Store::default(), &root, &encoded(&changes), threads(2)).unwrap_err();
    assert!(nowhere.to_string().contains(&root.to_string()), "{nowhere}");
}

#[test]
fn malformed_nodes_are_refused_with_what_is_wrong() {
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let entry = |key: u8| Ipld::List(vec![bytes(&[key]), Ipld::Integer(7)]);
    let node = |bitfield: &[u8], pointers: Vec<Ipld>| {
        to_vec(&Ipld::List(vec![bytes(bitfield), Ipld::List(pointers)])).unwrap()
    };
    // The same pointer everywhere, wherever the change leads.
    let full = |pointer: Ipld| node(&[255; 4], vec![pointer; 32]);
    let bucket = |entries: &[Ipld]| Ipld::List(entries.to_vec());
    let raw_link = Cid::new_v1(0x55, *empty(&Store::default()).hash());
    for (node, expected) in [
        (to_vec(&Ipld::List(vec![bytes(&[])])).unwrap(), "parts"),
        (node(&[1, 0, 0, 0, 0], vec![bucket(&[entry(1)])]), "bitfield of 5 bytes"),
        (node(&[3], vec![bucket(&[entry(1)])]), "1 pointers, 2 by its bitfield"),
        ([node(&[1], vec![bucket(&[entry(1)])]), vec![0]].concat(), "after its end"),
        (full(bucket(&[entry(2), entry(1)])), "not in order"),
        (full(bucket(&[entry(1), entry(1)])), "equal"),
        (full(bucket(&[])), "bucket of 0 entries"),
        (full(bucket(&[entry(1), entry(2), entry(3), entry(4)])), "bucket of 4 entries"),
        (full(bucket(&[bytes(&[1])])), "entry"),
        (full(Ipld::Link(raw_link)), "codec 0x55"),
        (full(Ipld::String("text".to_owned())), "bucket"),
    ] {
        let store = Store::default();
        let root = empty(&store);
        store.put_keyed(&root, &node).unwrap();
        let change = BTreeMap::from([(vec![9], Some((1, String::new())))]);
        let error = write(&store, &root, &encoded(&change), threads(1)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&root.to_string()), "{expected}: {error}");
    }
}
