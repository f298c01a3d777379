//! The nodes that are kept in memory, and reading through them.

use std::collections::HashMap;

use cid::Cid;
use foldhash::fast::RandomState;
use fvm_ipld_blockstore::Blockstore;
use parking_lot::Mutex;

use crate::error::HamtError;
use crate::node::{DEPTH_MAX, Malformed, Node, Pointer, position};
use crate::tree::hash;

/// Nodes with different digests seldom wait for each other.
const SHARDS: usize = 64;

/// Bytes that a node takes besides its block: its place in the map, which has up to twice as many, and in memory.
const NODE_OVERHEAD: usize = 2 * (size_of::<Cid>() + size_of::<Node>()) + 32;

/// Nodes that were read or written lately, shared by threads, bounded in bytes. They are named by their CIDs, so that
/// nodes of any number of trees and roots may be among them and none is ever out of date.
///
/// Nodes are in two generations. When the younger has half of the bytes it becomes the older one, and what was that is
/// dropped; a node of the older that is asked for becomes young again. So the nodes that are in use stay as long as they
/// fit half of the bytes.
#[derive(Debug)]
pub struct Nodes {
    shards: Box<[Mutex<Shard>]>,
    /// Of one generation of one shard.
    bytes_max: usize,
}

/// How often nodes were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodesStats {
    /// The node was there.
    pub hits: u64,
    /// It had to be read from the store.
    pub misses: u64,
}

#[derive(Debug, Default)]
struct Shard {
    young: Generation,
    old: Generation,
    young_bytes: usize,
    stats: NodesStats,
}

/// Hashed with a secret of this process: an actor may not choose which nodes get in each other's way.
type Generation = HashMap<Cid, Node, RandomState>;

impl Nodes {
    /// Keeps nodes of up to `bytes_max` bytes in all. None are kept with zero, nor any that is larger than 1/128 of it.
    pub fn new(bytes_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, bytes_max: bytes_max / SHARDS / 2 }
    }

    /// The value of `key` in DAG-CBOR, in the HAMT with this root. `None` when the key is not there.
    ///
    /// # Errors
    /// When nodes are missing or malformed, or the store fails.
    pub fn get<B: Blockstore>(&self, store: &B, root: &Cid, key: &[u8]) -> Result<Option<Vec<u8>>, HamtError> {
        let hash = hash(key);
        let mut at = *root;
        for depth in 0..DEPTH_MAX {
            let step =
                self.look_into(store, &at, depth, |node| Step::from(node, position(&hash, depth), depth, key))?;
            match step {
                Step::Down(cid) => at = cid,
                Step::Found(value) => return Ok(value),
            }
        }
        Err(HamtError::Malformed { node: at, depth: DEPTH_MAX, problem: too_deep() })
    }

    /// How often nodes were asked for until now, by reads and writes.
    pub fn stats(&self) -> NodesStats {
        self.shards.iter().fold(NodesStats::default(), |sum, shard| {
            let NodesStats { hits, misses } = shard.lock().stats;
            NodesStats { hits: sum.hits + hits, misses: sum.misses + misses }
        })
    }

    /// A node, from the store if it is not here.
    pub(crate) fn load<B: Blockstore>(&self, store: &B, cid: &Cid, depth: usize) -> Result<Node, HamtError> {
        self.look_into(store, cid, depth, |node| Ok(node.clone()))
    }

    pub(crate) fn insert(&self, cid: &Cid, node: Node) {
        self.shard(cid).lock().insert(*cid, node, self.bytes_max);
    }

    /// Looks into a node while its shard is locked: what is wanted of it is little, and the count of the root's owners
    /// would be a place that all threads write to.
    fn look_into<B: Blockstore, T>(
        &self,
        store: &B,
        cid: &Cid,
        depth: usize,
        look: impl Fn(&Node) -> Result<T, Malformed>,
    ) -> Result<T, HamtError> {
        let malformed = |problem| HamtError::Malformed { node: *cid, depth, problem };
        let known = self.shard(cid).lock().look_into(cid, self.bytes_max, &look);
        if let Some(looked) = known {
            return looked.map_err(malformed);
        }
        let block = match store.get(cid) {
            Ok(Some(block)) => block,
            Ok(None) => return Err(HamtError::Missing { node: *cid }),
            Err(reason) => return Err(HamtError::Store { node: *cid, reason }),
        };
        let node = Node::parse(block.into()).map_err(malformed)?;
        let looked = look(&node).map_err(malformed);
        self.insert(cid, node);
        looked
    }

    fn shard(&self, cid: &Cid) -> &Mutex<Shard> {
        let byte = cid.hash().digest().first().copied().unwrap_or_default();
        &self.shards[usize::from(byte) % SHARDS]
    }
}

impl Shard {
    fn look_into<T>(&mut self, cid: &Cid, bytes_max: usize, look: impl Fn(&Node) -> T) -> Option<T> {
        if let Some(node) = self.young.get(cid) {
            self.stats.hits += 1;
            return Some(look(node));
        }
        let Some(node) = self.old.remove(cid) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        let looked = look(&node);
        self.insert(*cid, node, bytes_max);
        Some(looked)
    }

    fn insert(&mut self, cid: Cid, node: Node, bytes_max: usize) {
        let bytes = node.block.len() + NODE_OVERHEAD;
        if bytes > bytes_max {
            return;
        }
        if self.young_bytes + bytes > bytes_max {
            // The map of the dropped generation has room already.
            self.old.clear();
            std::mem::swap(&mut self.young, &mut self.old);
            self.young_bytes = 0;
        }
        if self.young.insert(cid, node).is_none() {
            self.young_bytes += bytes;
        }
    }
}

/// Where a look-up goes from a node.
enum Step {
    Down(Cid),
    Found(Option<Vec<u8>>),
}

impl Step {
    fn from(node: &Node, position: usize, depth: usize, key: &[u8]) -> Result<Self, Malformed> {
        check_depth(node, depth)?;
        Ok(match node.span(position).map(Pointer::parse).transpose()? {
            Some(Pointer::Link(cid)) => Self::Down(cid),
            Some(Pointer::Bucket(bucket)) => {
                let entry = bucket.entries().iter().find(|entry| entry.key == key);
                Self::Found(entry.map(|entry| entry.value.to_vec()))
            }
            None => Self::Found(None),
        })
    }
}

/// Whether a node may stand at this depth.
pub(crate) fn check_depth(node: &Node, depth: usize) -> Result<(), Malformed> {
    if depth > 0 && node.is_empty() {
        return Err("only a root may be empty".to_owned());
    }
    if depth >= DEPTH_MAX { Err(too_deep()) } else { Ok(()) }
}

fn too_deep() -> Malformed {
    format!("a tree has at most {DEPTH_MAX} levels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::cids;

    /// A node of `length` bytes or a few more.
    fn node(content: u64, length: usize) -> (Cid, Node) {
        let pointer = [&content.to_be_bytes()[..], &vec![0; length]].concat();
        let mut block = Vec::new();
        let layout = Node::empty().write_with(&mut block, &[(0, &*pointer)]);
        (cids([&*block].into_iter())[0], Node { block: block.into(), layout })
    }

    impl Nodes {
        fn bytes(&self) -> usize {
            let of_shard = |shard: &Shard| -> usize {
                shard.young.values().chain(shard.old.values()).map(|node| node.block.len() + NODE_OVERHEAD).sum()
            };
            self.shards.iter().map(|shard| of_shard(&shard.lock())).sum()
        }

        fn has(&self, cid: &Cid) -> bool {
            self.shard(cid).lock().look_into(cid, self.bytes_max, |_| ()).is_some()
        }
    }

    #[test]
    fn nodes_are_bounded_and_those_in_use_stay() {
        let bytes_max = 4 << 20;
        let nodes = Nodes::new(bytes_max);
        let used: Vec<_> = (0..100).map(|content| node(content, 100)).collect();
        for (cid, node) in &used {
            nodes.insert(cid, node.clone());
        }
        for content in 100..10_000 {
            let (cid, node) = node(content, 700);
            nodes.insert(&cid, node);
            assert!(nodes.bytes() <= bytes_max);
            // Twice as often as generations change.
            if content % 200 == 0 {
                assert!(used.iter().all(|(cid, _)| nodes.has(cid)), "after {content} nodes");
            }
        }
        assert!(nodes.bytes() > bytes_max / 3, "there is room for more");
        let (first, _) = node(100, 700);
        assert!(!nodes.has(&first), "it was not asked for");
    }

    #[test]
    fn a_node_larger_than_a_shard_is_not_kept() {
        let nodes = Nodes::new(128 * 1000);
        let ((large, large_node), (small, small_node)) = (node(1, 1000), node(2, 100));
        nodes.insert(&large, large_node);
        nodes.insert(&small, small_node);
        assert_eq!((nodes.has(&large), nodes.has(&small)), (false, true));
        let none = Nodes::new(0);
        none.insert(&small, node(2, 100).1);
        assert_eq!(none.bytes(), 0);
    }
}
