//! Changes made in a part of a tree, level by level: down to what they lead to, and up again with what it became.
//!
//! All nodes of a level are hashed together, which the processor does several times as fast as one after another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::DAG_CBOR;
use multihash_codetable::Multihash;
use sha2::{Digest, Sha256};

use crate::error::HamtError;
use crate::node::{BUCKET_MAX, DEPTH_MAX, Entry, Malformed, Node, Pointer, position, write_bucket, write_link};
use crate::nodes::{Nodes, check_depth};

/// BLAKE2b-256 among the hashes of CIDs.
const BLAKE2B_256: u64 = 0xb220;

/// A new node with its CID.
pub(crate) type NewBlock = (Cid, Arc<[u8]>);

/// A change with the hash of its key, by which changes are ordered.
#[derive(Clone, Debug)]
pub(crate) struct HashedChange<'c> {
    pub hash: [u8; 32],
    pub key: Cow<'c, [u8]>,
    /// The encoded value; `None` deletes.
    pub value: Option<Cow<'c, [u8]>>,
}

pub(crate) fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// What became of a part of a tree: of those positions of its root that changes led to.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The encoded pointers, empty where there is none any more.
    pub pointers: BTreeMap<usize, Vec<u8>>,
    /// The new nodes by depth.
    pub blocks: Vec<Vec<NewBlock>>,
}

/// Makes changes in a part of a tree.
pub(crate) struct Writer<'s, 'c, B> {
    store: &'s B,
    nodes: &'s Nodes,
    /// Ordered by hash. After those that were asked for come the entries of buckets that became too small for them.
    changes: Vec<HashedChange<'c>>,
    /// The encoded pointers that change.
    pointers: Vec<u8>,
    /// The encoded nodes of one level.
    encoded: Vec<u8>,
}

/// A node on the way of changes.
struct Visit {
    /// `None` when it is new.
    cid: Option<Cid>,
    node: Node,
    /// The changes that lead here, among all.
    changes: Range<usize>,
    /// Where it hangs: the index among the visits one level up, and the position there.
    parent: usize,
    position: usize,
    /// The pointers that change, by position; their bytes are the writer's. Empty ones go.
    replaced: Vec<(usize, Range<usize>)>,
}

impl<'s, 'c, B: Blockstore> Writer<'s, 'c, B> {
    pub(crate) fn new(store: &'s B, nodes: &'s Nodes) -> Self {
        Self { store, nodes, changes: Vec::new(), pointers: Vec::new(), encoded: Vec::new() }
    }

    /// Makes changes below this root. They are ordered by hash.
    pub(crate) fn change(&mut self, cid: &Cid, root: Node, changes: &[HashedChange<'c>]) -> Result<Part, HamtError> {
        self.changes.clear();
        self.changes.extend_from_slice(changes);
        self.pointers.clear();
        let changes = 0..self.changes.len();
        let mut level = vec![Visit::new(Some(*cid), root, changes, (0, 0))];
        let mut above = Vec::new();
        while !level.is_empty() {
            let below = self.descend(&mut level, above.len())?;
            above.push(std::mem::replace(&mut level, below));
        }
        let mut part = Part::default();
        while let (Some(level), depth) = (above.pop(), above.len()) {
            match above.last_mut() {
                Some(parents) => part.blocks.push(self.ascend(level, parents, depth)?),
                None => {
                    let replaced = level.iter().flat_map(|root| root.replaced(&self.pointers));
                    part.pointers = replaced.map(|(position, pointer)| (position, pointer.to_vec())).collect();
                }
            }
        }
        part.blocks.reverse();
        Ok(part)
    }

    /// Changes the buckets of a level and returns the nodes below it to which other changes lead.
    fn descend(&mut self, level: &mut [Visit], depth: usize) -> Result<Vec<Visit>, HamtError> {
        let mut below = Vec::new();
        for (parent, visit) in level.iter_mut().enumerate() {
            check_depth(&visit.node, depth)
                .or_else(|problem| if visit.cid.is_some() { Err(problem) } else { Ok(()) })
                .map_err(|problem| visit.malformed(depth, problem))?;
            let mut rest = visit.changes.clone();
            while let Some(first) = self.changes[rest.clone()].first() {
                let at = position(&first.hash, depth);
                let same = |change: &&HashedChange<'_>| position(&change.hash, depth) == at;
                let count = self.changes[rest.clone()].iter().take_while(same).count();
                let group = rest.start..rest.start + count;
                rest.start = group.end;

                let pointer = visit.node.span(at).map(Pointer::parse).transpose();
                let bucket = match pointer.map_err(|problem| visit.malformed(depth, problem))? {
                    Some(Pointer::Link(cid)) => {
                        let node = self.nodes.load(self.store, &cid, depth + 1)?;
                        below.push(Visit::new(Some(cid), node, group, (parent, at)));
                        continue;
                    }
                    Some(Pointer::Bucket(bucket)) => Some(bucket),
                    None => None,
                };
                let old = bucket.as_ref().map_or(&[][..], |bucket| bucket.entries());
                let changes = &self.changes[group.clone()];
                let mut entries = merge(old, changes);
                if entries.len() <= BUCKET_MAX {
                    entries.sort_unstable_by_key(|entry| entry.key);
                    let from = self.pointers.len();
                    if !entries.is_empty() {
                        write_bucket(&mut self.pointers, &entries);
                    }
                    visit.replaced.push((at, from..self.pointers.len()));
                    continue;
                }
                if depth + 1 >= DEPTH_MAX {
                    return Err(HamtError::Collision(entries[0].key.to_vec(), entries[1].key.to_vec()));
                }
                // More than a bucket holds: a new node, into which its entries are the changes.
                let mut entries: Vec<_> = entries
                    .iter()
                    .map(|entry| HashedChange {
                        hash: hash(entry.key),
                        key: entry.key.to_vec().into(),
                        value: Some(entry.value.to_vec().into()),
                    })
                    .collect();
                entries.sort_unstable_by_key(|change| change.hash);
                let from = self.changes.len();
                self.changes.append(&mut entries);
                below.push(Visit::new(None, Node::empty(), from..self.changes.len(), (parent, at)));
            }
        }
        Ok(below)
    }

    /// Tells the parents of a level what its nodes became, and returns the new ones.
    fn ascend(&mut self, level: Vec<Visit>, parents: &mut [Visit], depth: usize) -> Result<Vec<NewBlock>, HamtError> {
        self.encoded.clear();
        let mut encoded = Vec::with_capacity(level.len());
        for mut visit in level {
            visit.replaced.sort_unstable_by_key(|(position, _)| *position);
            let replaced = visit.replaced(&self.pointers);
            let mut bucket = Vec::new();
            if as_bucket(&visit.node, &replaced, &mut bucket).map_err(|problem| visit.malformed(depth, problem))? {
                let from = self.pointers.len();
                self.pointers.append(&mut bucket);
                parents[visit.parent].replaced.push((visit.position, from..self.pointers.len()));
                continue;
            }
            let from = self.encoded.len();
            let layout = visit.node.write_with(&mut self.encoded, &replaced);
            encoded.push((visit, layout, from..self.encoded.len()));
        }
        let cids = cids(encoded.iter().map(|(_, _, range)| &self.encoded[range.clone()]));
        let mut new = Vec::with_capacity(encoded.len());
        for ((visit, layout, range), cid) in encoded.into_iter().zip(cids) {
            let from = self.pointers.len();
            write_link(&mut self.pointers, &cid);
            parents[visit.parent].replaced.push((visit.position, from..self.pointers.len()));
            if visit.cid != Some(cid) {
                let block: Arc<[u8]> = self.encoded[range].into();
                self.nodes.insert(&cid, Node { block: Arc::clone(&block), layout });
                new.push((cid, block));
            }
        }
        Ok(new)
    }
}

impl Visit {
    fn new(cid: Option<Cid>, node: Node, changes: Range<usize>, (parent, position): (usize, usize)) -> Self {
        Self { cid, node, changes, parent, position, replaced: Vec::new() }
    }

    fn malformed(&self, depth: usize, problem: Malformed) -> HamtError {
        HamtError::Malformed { node: self.cid.unwrap_or_default(), depth, problem }
    }

    /// The pointers that change, in the order of their positions when that was made.
    fn replaced<'a>(&self, pointers: &'a [u8]) -> Vec<(usize, &'a [u8])> {
        self.replaced.iter().map(|(position, range)| (*position, &pointers[range.clone()])).collect()
    }
}

/// Writes the entries that a node has in the end as one pointer if they fit a bucket, for then the parent holds them
/// instead of the node.
fn as_bucket(node: &Node, replaced: &[(usize, &[u8])], out: &mut Vec<u8>) -> Result<bool, Malformed> {
    if node.bits_with(replaced).count_ones() as usize > BUCKET_MAX {
        return Ok(false);
    }
    let mut entries = Vec::new();
    for pointer in node.pointers_with(replaced) {
        match Pointer::parse(pointer)? {
            Pointer::Bucket(bucket) => entries.extend_from_slice(bucket.entries()),
            Pointer::Link(_) => return Ok(false),
        }
    }
    if entries.len() > BUCKET_MAX {
        return Ok(false);
    }
    entries.sort_unstable_by_key(|entry| entry.key);
    if !entries.is_empty() {
        write_bucket(out, &entries);
    }
    Ok(true)
}

/// The root after changes of its pointers, with its CID.
pub(crate) fn change_root(root: &Node, replaced: &BTreeMap<usize, Vec<u8>>) -> (Cid, Node) {
    let replaced: Vec<_> = replaced.iter().map(|(position, pointer)| (*position, &**pointer)).collect();
    let mut block = Vec::new();
    let layout = root.write_with(&mut block, &replaced);
    let cid = cids([&*block].into_iter()).remove(0);
    (cid, Node { block: block.into(), layout })
}

/// A bucket's entries after changes, in no particular order.
fn merge<'e>(entries: &[Entry<'e>], changes: &'e [HashedChange<'_>]) -> Vec<Entry<'e>> {
    let kept = entries.iter().filter(|entry| changes.iter().all(|change| *change.key != *entry.key)).copied();
    let changed = changes.iter().filter_map(|change| Some(Entry { key: &change.key, value: change.value.as_deref()? }));
    kept.chain(changed).collect()
}

/// The CIDs of blocks, hashed together.
pub(crate) fn cids<'a>(blocks: impl Iterator<Item = &'a [u8]>) -> Vec<Cid> {
    let mut params = Params::new();
    params.hash_length(32);
    let mut jobs: Vec<_> = blocks.map(|block| HashManyJob::new(&params, block)).collect();
    hash_many(&mut jobs);
    jobs.iter()
        .map(|job| {
            let hash = Multihash::wrap(BLAKE2B_256, job.to_hash().as_bytes()).expect("32 bytes fit a CID");
            Cid::new_v1(DAG_CBOR, hash)
        })
        .collect()
}
