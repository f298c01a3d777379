//! Compares writing a block's changes into a state tree: `fvm_ipld_hamt` against this package, in alternation, with the
//! tree's nodes in memory (warm) and only in the store (cold).
//!
//! `cargo run --release -p hamt --example flush -- [actors in the tree] [changed actors] [rounds]`

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{DAG_CBOR, to_vec};
use fvm_ipld_hamt::{BytesKey, Hamt};
use hamt::{Changes, Nodes, write};
use multihash_codetable::{Code, MultihashDigest};

/// As much to decode as an actor: code, head, sequence, balance, and no delegated address.
type Actor = (Cid, Cid, u64, Vec<u8>, Option<u64>);

#[derive(Default)]
struct Store(RwLock<BTreeMap<Cid, Vec<u8>>>);

impl Blockstore for Store {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.read().unwrap().get(cid).cloned())
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.0.write().unwrap().insert(*cid, block.to_vec());
        Ok(())
    }
}

/// Keys as those of ids above 100: a protocol byte and a varint.
fn key(id: u64) -> Vec<u8> {
    let (mut key, mut rest) = (vec![0], id);
    while rest >= 0x80 {
        key.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    key.push(rest as u8);
    key
}

fn actor(id: u64, sequence: u64) -> Actor {
    let code = Cid::new_v1(DAG_CBOR, Code::Blake2b256.digest(b"code"));
    let head = Cid::new_v1(DAG_CBOR, Code::Blake2b256.digest(&id.to_be_bytes()));
    (code, head, sequence, vec![1; 9], None)
}

/// What is measured, with the row it is compared with.
const ROWS: [(&str, usize); 7] = [
    ("fvm_ipld_hamt, cold", 0),
    ("fvm_ipld_hamt, warm", 1),
    ("hamt, cold, 1 thread", 0),
    ("hamt, cold, 2 threads", 2),
    ("hamt, warm, 1 thread", 1),
    ("hamt, warm, 2 threads", 4),
    ("a point read, warm", 0),
];

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("arguments are numbers"));
    let actors = arguments.next().unwrap_or(100_000);
    let changed = arguments.next().unwrap_or(4_000);
    let rounds = arguments.next().unwrap_or(15);
    let store = Store::default();
    let mut hamt = Hamt::<&Store, Actor>::new_with_bit_width(&store, 5);
    for id in 100..100 + actors {
        hamt.set(BytesKey(key(id)), actor(id, 0)).unwrap();
    }
    let mut root = hamt.flush().unwrap();

    let mut times = [const { Vec::new() }; ROWS.len()];
    let mut time = |row: usize, work: &mut dyn FnMut() -> Cid| {
        let begun = Instant::now();
        let root = work();
        times[row].push(begun.elapsed());
        root
    };
    // As between the blocks of a chain: each has its state in memory from the blocks before.
    let warm = [1, 2].map(|threads| (NonZeroUsize::new(threads).unwrap(), Nodes::new(256 << 20)));
    let mut kept = Hamt::<&Store, Actor>::load_with_bit_width(&root, &store, 5).unwrap();
    kept.for_each(|_, _| Ok(())).unwrap();
    for id in 100..100 + actors {
        for (_, nodes) in &warm {
            nodes.get(&&store, &root, &key(id)).unwrap();
        }
    }
    for round in 1..=rounds {
        let picked: BTreeMap<_, _> = (0..changed)
            .map(|index| 100 + (index * 7919 + round * 104_729) % actors)
            .map(|id| (key(id), actor(id, round)))
            .collect();
        let changes: Changes = picked.iter().map(|(key, actor)| (key.clone(), Some(to_vec(actor).unwrap()))).collect();
        let reference = |hamt: &mut Hamt<&Store, Actor>| {
            for (key, actor) in &picked {
                hamt.set(BytesKey(key.clone()), actor.clone()).unwrap();
            }
            hamt.flush().unwrap()
        };
        let expected = time(0, &mut || reference(&mut Hamt::load_with_bit_width(&root, &store, 5).unwrap()));
        assert_eq!(time(1, &mut || reference(&mut kept)), expected);
        for (index, (threads, nodes)) in warm.iter().enumerate() {
            let write = |nodes: &Nodes| write(&store, nodes, &root, &changes, *threads).unwrap().root;
            let cold = Nodes::new(256 << 20);
            assert_eq!(time(2 + index, &mut || write(&cold)), expected);
            assert_eq!(time(4 + index, &mut || write(nodes)), expected);
        }
        root = time(6, &mut || {
            for key in changes.keys() {
                assert!(warm[0].1.get(&&store, &expected, key).unwrap().is_some());
            }
            expected
        });
    }
    println!("{actors} actors, {changed} changed, {rounds} rounds, us for each change: median and least, and a ratio:");
    let each = |time: Duration| time.as_secs_f64() * 1e6 / changed as f64;
    let sorted = |row: usize| {
        let mut times = times[row].clone();
        times.sort_unstable();
        times
    };
    for (row, (name, base)) in ROWS.iter().enumerate() {
        // Rows of one round were measured one after another: their ratio is less disturbed than the times.
        let mut ratios: Vec<_> =
            times[row].iter().zip(&times[*base]).map(|(one, other)| other.as_secs_f64() / one.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let (of_row, ratio) = (sorted(row), ratios[ratios.len() / 2]);
        let (median, least) = (each(of_row[of_row.len() / 2]), each(of_row[0]));
        println!("{name:<24} {median:>8.2} {least:>8.2}   {ratio:>6.2} x {}", ROWS[*base].0);
    }
}
