//! Compares writing a block's changes into a state tree: `fvm_ipld_hamt` against this package, in alternation.
//!
//! `cargo run --release -p hamt --example flush -- [actors in the tree] [changed actors] [rounds]`

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::RwLock;
use std::time::Instant;

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

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("arguments are numbers"));
    let actors = arguments.next().unwrap_or(100_000);
    let changed = arguments.next().unwrap_or(2_000);
    let rounds = arguments.next().unwrap_or(9);
    let store = Store::default();
    let mut hamt = Hamt::<&Store, Actor>::new_with_bit_width(&store, 5);
    for id in 100..100 + actors {
        hamt.set(BytesKey(key(id)), actor(id, 0)).unwrap();
    }
    let root = hamt.flush().unwrap();

    let mut times = [const { Vec::new() }; 4];
    for round in 1..=rounds {
        let picked: BTreeMap<_, _> = (0..changed)
            .map(|index| 100 + (index * 7919 + round * 104_729) % actors)
            .map(|id| (key(id), actor(id, round)))
            .collect();
        // The reference as a machine has it: cold once for each block, or kept from the block before.
        for (place, cold) in [(0, true), (1, false)] {
            let mut kept = Hamt::<&Store, Actor>::load_with_bit_width(&root, &store, 5).unwrap();
            if !cold {
                kept.for_each(|_, _| Ok(())).unwrap();
            }
            let begun = Instant::now();
            for (key, actor) in &picked {
                kept.set(BytesKey(key.clone()), actor.clone()).unwrap();
            }
            let expected = kept.flush().unwrap();
            times[place].push(begun.elapsed());
            let changes: Changes =
                picked.iter().map(|(key, actor)| (key.clone(), Some(to_vec(actor).unwrap()))).collect();
            let threads = NonZeroUsize::new(place + 1).unwrap();
            let begun = Instant::now();
            let written = write(&store, &Nodes::new(0), &root, &changes, threads).unwrap();
            times[place + 2].push(begun.elapsed());
            assert_eq!(written.root, expected);
        }
    }
    println!("{actors} actors, {changed} changed, median of {rounds} rounds, us for each change:");
    let names = ["fvm_ipld_hamt, cold", "fvm_ipld_hamt, warm", "hamt, 1 thread", "hamt, 2 threads"];
    for (name, times) in names.iter().zip(&mut times) {
        times.sort_unstable();
        println!("{name:<24} {:>8.2}", times[times.len() / 2].as_secs_f64() * 1e6 / changed as f64);
    }
}
