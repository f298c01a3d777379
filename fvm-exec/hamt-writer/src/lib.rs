//! Writes many changes into a HAMT of the chain at once, on all cores.
//!
//! `fvm_ipld_hamt` changes one key after another on one thread and decodes every value of each node that it passes. After
//! a block of small messages that takes several times as long as their execution. Here all changes are known: they are
//! ordered by the hash of their keys, so that each node is read and written once; the root's subtrees are independent
//! and go to threads; and values stay the bytes that they are.
//!
//! A HAMT is canonical: its nodes are a function of its entries. So the result is byte for byte what `fvm_ipld_hamt`
//! writes, on any number of threads, which the tests show with it as the oracle.

mod error;
mod node;
mod tree;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;

pub use error::WriteError;
use node::{Node, Pointer};
use tree::{HashedChange, Subtree, Writer, groups, hash, load};

/// Fewer changes for each thread than this are not worth starting one.
const CHANGES_PER_THREAD_MIN: usize = 64;

/// Changes of a HAMT by key: the new value in DAG-CBOR, or `None` to delete. Deleting what is not there changes nothing.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A HAMT after its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its root.
    pub root: Cid,
    /// The nodes that the HAMT before did not have, children before their parents; some may be in the store anyway.
    pub blocks: Vec<(Cid, Vec<u8>)>,
}

/// Makes `changes` in the HAMT with this root on up to `threads` threads. Writes nothing to `store`.
///
/// The HAMT has Filecoin's parameters for state trees: a bit width of 5, buckets of 3, keys hashed with SHA-256, nodes
/// with BLAKE2b-256.
///
/// # Errors
/// When nodes are missing or malformed, or the store fails.
pub fn write<B: Blockstore + Sync>(
    store: &B,
    root: &Cid,
    changes: &Changes,
    threads: NonZeroUsize,
) -> Result<Written, WriteError> {
    let malformed = |problem| WriteError::Malformed { node: *root, depth: 0, problem };
    let block = load(store, root)?;
    let mut node = Node::parse(&block).map_err(malformed)?;
    let mut hashed: Vec<_> =
        changes.iter().map(|(key, value)| HashedChange { hash: hash(key), key, value: value.as_deref() }).collect();
    hashed.sort_unstable_by_key(|change| change.hash);
    let tasks: Vec<Task<'_>> = groups(&hashed, 0)
        .map(|(position, changes)| Task { position, pointer: node.pointers[position].take(), changes })
        .collect();

    let threads = threads.get().min(hashed.len() / CHANGES_PER_THREAD_MIN).clamp(1, tasks.len().max(1));
    let mut writer = Writer { store, blocks: Vec::new() };
    for (position, subtree, blocks) in change_subtrees(store, root, &tasks, threads)? {
        node.pointers[position] = subtree.pointer();
        writer.blocks.extend(blocks);
    }
    let root = writer.put(&node, Some(root));
    Ok(Written { root, blocks: writer.blocks })
}

/// The changes at one position of the root.
struct Task<'a> {
    position: usize,
    pointer: Option<Pointer<'a>>,
    changes: &'a [HashedChange<'a>],
}

type Changed = (usize, Subtree, Vec<(Cid, Vec<u8>)>);

/// Runs the tasks on `threads` threads, the caller's being one. Results are in the order of the tasks.
fn change_subtrees<B: Blockstore + Sync>(
    store: &B,
    root: &Cid,
    tasks: &[Task<'_>],
    threads: usize,
) -> Result<Vec<Changed>, WriteError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut writer = Writer { store, blocks: Vec::new() };
            let subtree = writer.change_pointer(task.pointer.clone(), task.changes, 1, (root, 0));
            done.push(subtree.map(|subtree| (task.position, subtree, writer.blocks)));
        }
        done
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
    .into_iter()
    .collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable_by_key(|(position, ..)| *position);
    Ok(all)
}
