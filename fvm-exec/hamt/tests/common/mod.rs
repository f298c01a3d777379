//! A store in memory, the reference, and changes to make in both.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::to_vec;
use fvm_ipld_hamt::{BytesKey, Hamt};
use hamt::Changes;
use proptest::prelude::*;

pub type Value = (u64, String);
pub type Oracle<'s> = Hamt<&'s Store, Value>;

/// Blocks in memory, for any number of threads.
#[derive(Default)]
pub struct Store(pub Mutex<BTreeMap<Cid, Vec<u8>>>);

impl Blockstore for Store {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(cid).cloned())
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.0.lock().unwrap().insert(*cid, block.to_vec());
        Ok(())
    }
}

pub const BIT_WIDTH: u32 = 5;

pub fn empty(store: &Store) -> Cid {
    Oracle::new_with_bit_width(store, BIT_WIDTH).flush().unwrap()
}

pub fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Makes the changes with the reference.
pub fn expected(store: &Store, root: &Cid, changes: &BTreeMap<Vec<u8>, Option<Value>>) -> Cid {
    let mut hamt = Oracle::load_with_bit_width(root, store, BIT_WIDTH).unwrap();
    for (key, value) in changes {
        match value {
            Some(value) => drop(hamt.set(BytesKey(key.clone()), value.clone()).unwrap()),
            None => drop(hamt.delete(&BytesKey(key.clone())).unwrap()),
        }
    }
    hamt.flush().unwrap()
}

pub fn encoded(changes: &BTreeMap<Vec<u8>, Option<Value>>) -> Changes {
    let encode = |value: &Option<Value>| value.as_ref().map(|value| to_vec(value).unwrap());
    changes.iter().map(|(key, value)| (key.clone(), encode(value))).collect()
}

/// Few keys, so that many changes meet in one bucket, and small enough numbers of them, so that nodes collapse.
pub fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![(0..40_u64).prop_map(to_key), (0..2000_u64).prop_map(to_key)]
}

pub fn to_key(id: u64) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

pub fn change() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![2 => (any::<u64>(), ".{0,40}").prop_map(Some), 1 => Just(None)]
}
