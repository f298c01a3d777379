//! Reads a HAMT of the chain through a cache, and writes many changes into it at once, on all cores.
//!
//! `fvm_ipld_hamt` changes one key after another on one thread and decodes every value of each node that it passes. After
//! a block of small messages that takes several times as long as their execution. Here all changes are known: they are
//! ordered by the hash of their keys, so that each node is read and written once; the root's subtrees are independent
//! and go to threads; and values stay the bytes that they are. Nodes that were read or written stay in a cache that
//! threads share, where the next block finds them.
//!
//! A HAMT is canonical: its nodes are a function of its entries. So the result is byte for byte what `fvm_ipld_hamt`
//! writes, on any number of threads, which the tests show with it as the oracle.
//!
//! All HAMTs here have Filecoin's parameters for the state tree and for the init actor's addresses: a bit width of 5,
//! buckets of 3, keys hashed with SHA-256, nodes with BLAKE2b-256.

mod cbor;
mod error;
mod node;
mod nodes;
mod tree;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

pub use error::HamtError;
use node::position;
pub use nodes::{Nodes, NodesStats};
use tree::{HashedChange, Part, Writer, change_root, hash};

/// Fewer changes for each thread than this are not worth starting one.
const CHANGES_PER_THREAD_MIN: usize = 64;

/// Changes of a part: few enough that its nodes stay near the processor, enough that many are hashed together.
const CHANGES_PER_PART: usize = 128;

/// Changes of a HAMT by key: the new value in DAG-CBOR, or `None` to delete. Deleting what is not there changes nothing.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A HAMT after its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its root.
    pub root: Cid,
    /// The nodes that the HAMT before did not have, children before their parents; some may be in the store anyway.
    pub blocks: Vec<(Cid, Arc<[u8]>)>,
}

/// Makes `changes` in the HAMT with this root on up to `threads` threads. Writes nothing to `store`, which is asked for
/// what is not among `nodes`; the new nodes are put there.
///
/// # Errors
/// When nodes are missing or malformed, or the store fails.
pub fn write<B: Blockstore + Sync>(
    store: &B,
    nodes: &Nodes,
    root: &Cid,
    changes: &Changes,
    threads: NonZeroUsize,
) -> Result<Written, HamtError> {
    let node = nodes.load(store, root, 0)?;
    let mut hashed: Vec<_> = changes
        .iter()
        .map(|(key, value)| HashedChange {
            hash: hash(key),
            key: Cow::Borrowed(&**key),
            value: value.as_deref().map(Cow::Borrowed),
        })
        .collect();
    hashed.sort_unstable_by_key(|change| change.hash);

    let threads = threads.get().min(hashed.len() / CHANGES_PER_THREAD_MIN).max(1);
    let parts = on_threads(threads, &cut(&hashed), || {
        let mut writer = Writer::new(store, nodes);
        let node = &node;
        move |part: &&[HashedChange<'_>]| writer.change(root, node.clone(), part)
    })?;

    let mut levels: Vec<Vec<_>> = Vec::new();
    let mut pointers = BTreeMap::new();
    for part in parts {
        levels.resize_with(levels.len().max(part.blocks.len()), Vec::new);
        for (level, blocks) in levels.iter_mut().zip(part.blocks) {
            level.extend(blocks);
        }
        pointers.extend(part.pointers);
    }
    let mut blocks: Vec<_> = levels.into_iter().rev().flatten().collect();
    let (new_root, node) = change_root(&node, &pointers);
    if new_root != *root {
        blocks.push((new_root, Arc::clone(&node.block)));
        nodes.insert(&new_root, node);
    }
    Ok(Written { root: new_root, blocks })
}

/// Cuts changes into parts, none of which leads to a position of the root that another leads to.
fn cut<'a, 'c>(changes: &'a [HashedChange<'c>]) -> Vec<&'a [HashedChange<'c>]> {
    let (mut cut, mut rest) = (Vec::new(), changes);
    while let Some(last) = rest.get(CHANGES_PER_PART - 1) {
        let last = position(&last.hash, 0);
        let (part, after) = rest.split_at(rest.partition_point(|change| position(&change.hash, 0) <= last));
        cut.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        cut.push(rest);
    }
    cut
}

/// Does the work for all parts on `threads` threads, the caller's being one. Each makes itself a worker. Results are in
/// the order of the parts.
fn on_threads<T: Sync, W: FnMut(&T) -> Result<Part, HamtError>>(
    threads: usize,
    parts: &[T],
    worker: impl Fn() -> W + Sync,
) -> Result<Vec<Part>, HamtError> {
    let next = AtomicUsize::new(0);
    let turn = || {
        let (mut work, mut done) = (worker(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(index) else { return done };
            done.push((index, work(part)));
        }
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(turn)).collect();
        let mut all = turn();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, part)| part).collect()
}
