//! Measures taking what a block has written out of the overlay: the state tree's new nodes and the changed actors'
//! states, among as many blocks that nothing reaches.
//!
//! `cargo run --release -p fvm-exec --example take -- [actors in the tree] [changed actors] [rounds]`

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use cid::Cid;
use fvm_exec::Overlay;
use fvm_ipld_blockstore::MemoryBlockstore;
use fvm_ipld_encoding::CborStore as _;
use fvm_ipld_hamt::{BytesKey, Hamt};
use fvm_shared::address::Address;
use multihash_codetable::Code::Blake2b256;
use subnet_types::hash::cid_of;

/// As much to read as an actor: code, head, sequence, balance, and no delegated address.
type Actor = (Cid, Cid, u64, Vec<u8>, Option<u64>);

fn actor(state: Cid, sequence: u64) -> Actor {
    (cid_of(&"code"), state, sequence, vec![1; 9], None)
}

fn key(id: u64) -> BytesKey {
    BytesKey(Address::new_id(id).to_bytes())
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("arguments are numbers"));
    let actors = arguments.next().unwrap_or(100_000);
    let changed = arguments.next().unwrap_or(4_000);
    let rounds = arguments.next().unwrap_or(15);
    let store = MemoryBlockstore::default();
    let mut tree = Hamt::<_, Actor>::new_with_bit_width(&store, 5);
    for id in 0..actors {
        tree.set(key(id), actor(cid_of(&id), 0)).unwrap();
    }
    let root = tree.flush().unwrap();

    let mut times = Vec::new();
    let mut taken = 0;
    for round in 1..=rounds {
        let overlay = Overlay::new(&store);
        let mut tree = Hamt::<_, Actor>::load_with_bit_width(&root, overlay.clone(), 5).unwrap();
        for index in 0..changed {
            let id = (index * 7919 + round * 104_729) % actors;
            overlay.put_cbor(&("given up", id, round), Blake2b256).unwrap();
            let state = overlay.put_cbor(&("state", id, round), Blake2b256).unwrap();
            tree.set(key(id), actor(state, round)).unwrap();
        }
        let root = tree.flush().unwrap();
        let begun = Instant::now();
        taken = overlay.take(&[root]).unwrap().len();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let each = |index: usize| times[index].as_secs_f64() * 1e6 / changed as f64;
    println!("{actors} actors, {changed} changed, {taken} blocks taken, {rounds} rounds, us for each change:");
    println!("median {:.2}, least {:.2}", each(times.len() / 2), each(0));
}
