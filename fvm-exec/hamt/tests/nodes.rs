//! Reading through the cache gives what the reference reads, however little the cache holds and whoever else uses it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::thread;

use cid::Cid;
use common::{Store, Value, change, empty, encoded, expected, keys, threads, to_key};
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::to_vec;
use hamt::{HamtError, Nodes, write};
use ipld_core::ipld::Ipld;
use proptest::prelude::*;

/// None stays, few stay, all stay.
const SIZES: [usize; 3] = [0, 150_000, 100 << 20];

/// A tree with the ids below `count` as values of their keys.
fn tree(store: &Store, count: u64) -> Cid {
    expected(store, &empty(store), &(0..count).map(|id| (to_key(id), Some((id, String::new())))).collect())
}

fn get(nodes: &Nodes, store: &Store, root: &Cid, key: &[u8]) -> Option<Value> {
    let value = nodes.get(store, root, key).unwrap();
    value.map(|value| fvm_ipld_encoding::from_slice(&value).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn values_are_those_of_the_last_change_and_of_each_root(
        rounds in prop::collection::vec(prop::collection::btree_map(keys(), change(), 0..200), 1..5),
    ) {
        for bytes_max in SIZES {
            let (store, nodes) = (Store::default(), Nodes::new(bytes_max));
            let mut model = BTreeMap::<Vec<u8>, Value>::new();
            let mut states = vec![(empty(&store), model.clone())];
            for changes in &rounds {
                let (before, _) = states.last().unwrap();
                let written = write(&store, &nodes, before, &encoded(changes), threads(2)).unwrap();
                prop_assert_eq!(written.root, expected(&store, before, changes));
                for (key, value) in changes {
                    match value {
                        Some(value) => drop(model.insert(key.clone(), value.clone())),
                        None => drop(model.remove(key)),
                    }
                }
                states.push((written.root, model.clone()));
            }
            for (root, model) in &states {
                for key in (0..300).map(to_key).chain(rounds.iter().flat_map(|changes| changes.keys().cloned())) {
                    prop_assert_eq!(get(&nodes, &store, root, &key), model.get(&key).cloned());
                }
            }
        }
    }

    #[test]
    fn a_damaged_node_is_refused_or_read_and_never_a_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let store = Store::default();
        let root = tree(&store, 500);
        let mut node = store.get(&root).unwrap().unwrap();
        let at = at.index(node.len());
        node[at] = byte;
        let cut = cut.index(node.len() * 4);
        node.truncate(node.len().min(cut.max(1)));
        store.put_keyed(&root, &node).unwrap();
        let nodes = Nodes::new(1 << 20);
        for id in 0..600 {
            let _: Result<_, HamtError> = nodes.get(&store, &root, &to_key(id));
        }
    }
}

#[test]
fn what_was_read_or_written_is_not_asked_for_again() {
    let (store, nothing) = (Store::default(), Store::default());
    let root = tree(&store, 3000);
    let nodes = Nodes::new(100 << 20);
    for id in 0..3000 {
        assert_eq!(get(&nodes, &store, &root, &to_key(id)), Some((id, String::new())));
    }
    let cold = nodes.stats();
    assert_eq!(cold.misses as usize, store.0.lock().unwrap().len() - 1, "each node once; the empty tree is not read");
    let changes = (0..3000).step_by(3).map(|id| (to_key(id), Some((id + 1, "new".to_owned())))).collect();
    let written = write(&nothing, &nodes, &root, &encoded(&changes), threads(2)).unwrap();
    for id in 0..3000 {
        let value = if id % 3 == 0 { (id + 1, "new".to_owned()) } else { (id, String::new()) };
        assert_eq!(get(&nodes, &nothing, &written.root, &to_key(id)), Some(value));
        assert_eq!(
            get(&nodes, &nothing, &root, &to_key(id)),
            Some((id, String::new())),
            "the tree before is still there"
        );
    }
    assert_eq!(nodes.stats().misses, cold.misses);
    assert!(nodes.stats().hits > cold.hits + 2 * 3000);
}

#[test]
fn many_threads_read_and_write_at_once() {
    let store = Store::default();
    let root = tree(&store, 5000);
    for bytes_max in SIZES {
        let nodes = Nodes::new(bytes_max);
        thread::scope(|scope| {
            for thread in 0..8 {
                let (store, nodes) = (&store, &nodes);
                scope.spawn(move || {
                    let changes: BTreeMap<_, _> = (thread * 50..thread * 50 + 400)
                        .map(|id| (to_key(id * 11), (id % 5 > 0).then(|| (id, thread.to_string()))))
                        .collect();
                    let written = write(store, nodes, &root, &encoded(&changes), threads(2)).unwrap();
                    store.put_many_keyed(written.blocks).unwrap();
                    assert_eq!(written.root, expected(store, &root, &changes));
                    for id in 0..5500 {
                        let before = (id < 5000).then(|| (id, String::new()));
                        assert_eq!(get(nodes, store, &root, &to_key(id)), before);
                        let after = changes.get(&to_key(id)).cloned().unwrap_or(before);
                        assert_eq!(get(nodes, store, &written.root, &to_key(id)), after);
                    }
                });
            }
        });
    }
}

#[test]
fn a_missing_node_and_a_failing_store_are_named() {
    struct Broken;
    impl Blockstore for Broken {
        fn get(&self, _: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
            Err(anyhow::anyhow!("bad sector"))
        }
        fn put_keyed(&self, _: &Cid, _: &[u8]) -> anyhow::Result<()> {
            Err(anyhow::anyhow!("read only"))
        }
    }
    let (store, only_root) = (Store::default(), Store::default());
    let root = tree(&store, 500);
    only_root.put_keyed(&root, &store.get(&root).unwrap().unwrap()).unwrap();
    let nodes = Nodes::new(1 << 20);
    let error = nodes.get(&only_root, &root, &to_key(1)).unwrap_err();
    assert!(matches!(&error, HamtError::Missing { node } if *node != root), "{error}");
    let error = nodes.get(&Broken, &empty(&store), &to_key(1)).unwrap_err();
    assert!(matches!(&error, HamtError::Store { node, .. } if *node == empty(&store)), "{error}");
    // What failed is not remembered.
    assert!(nodes.get(&store, &root, &to_key(1)).unwrap().is_some());
}

#[test]
fn malformed_nodes_are_refused_with_what_is_wrong() {
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let full = |pointer: Ipld| to_vec(&Ipld::List(vec![bytes(&[255; 4]), Ipld::List(vec![pointer; 32])])).unwrap();
    let entry = |key: u8| Ipld::List(vec![bytes(&[key]), Ipld::Integer(7)]);
    let store = Store::default();
    let root = tree(&store, 10);
    for (node, expected) in [
        (vec![], "cut short"),
        (vec![0x9f, 0xff], "not given"),
        (vec![0x82, 0x41, 1, 0x81, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255], "cut short"),
        (to_vec(&7).unwrap(), "an array"),
        (full(Ipld::List(vec![entry(2), entry(1)])), "not in order"),
        (full(Ipld::List(vec![])), "bucket of 0"),
        (full(Ipld::List(vec![entry(1), entry(2), entry(3), entry(4)])), "bucket of 4"),
        (full(Ipld::List(vec![bytes(&[1])])), "entry"),
        (full(Ipld::Link(empty(&store))), "only a root may be empty"),
    ] {
        store.put_keyed(&root, &node).unwrap();
        let error = Nodes::new(0).get(&store, &root, &to_key(9)).unwrap_err();
        assert!(matches!(error, HamtError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    // A store that lies about what it has may lead round in circles, and to an end all the same.
    let circle = Store::default();
    circle.put_keyed(&root, &full(Ipld::Link(root))).unwrap();
    for bytes_max in SIZES {
        let error = Nodes::new(bytes_max).get(&circle, &root, &to_key(9)).unwrap_err();
        assert!(error.to_string().contains("levels"), "{error}");
        let changes = encoded(&BTreeMap::from([(to_key(9), None)]));
        let error = write(&circle, &Nodes::new(bytes_max), &root, &changes, threads(1)).unwrap_err();
        assert!(error.to_string().contains("levels"), "{error}");
    }
}
