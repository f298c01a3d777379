//! From one node down.

use std::borrow::Cow;
use std::cmp::Ordering;

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::DAG_CBOR;
use multihash_codetable::{Code, MultihashDigest};
use sha2::{Digest, Sha256};

use crate::error::WriteError;
use crate::node::{BIT_WIDTH, BUCKET_MAX, Entry, Node, Pointer, WIDTH};

/// Levels of a tree: after these the hash has no whole group of bits left.
const DEPTH_MAX: u32 = 256 / BIT_WIDTH;

/// A change with the hash of its key, by which changes are ordered.
#[derive(Debug)]
pub(crate) struct HashedChange<'a> {
    pub hash: [u8; 32],
    pub key: &'a [u8],
    /// The encoded value; `None` deletes.
    pub value: Option<&'a [u8]>,
}

pub(crate) fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The position in a node at `depth` that a hash leads to. Bits are taken from the most significant on.
pub(crate) fn position(hash: &[u8; 32], depth: u32) -> usize {
    (0..BIT_WIDTH).fold(0, |position, bit| {
        let bit = (depth * BIT_WIDTH + bit) as usize;
        position << 1 | usize::from(hash[bit / 8] >> (7 - bit % 8) & 1)
    })
}

/// Groups of changes that lead to the same position, which are neighbours because changes are ordered by hash.
pub(crate) fn groups<'c, 'a>(
    changes: &'c [HashedChange<'a>],
    depth: u32,
) -> impl Iterator<Item = (usize, &'c [HashedChange<'a>])> {
    changes
        .chunk_by(move |one, other| position(&one.hash, depth) == position(&other.hash, depth))
        .filter_map(move |group| Some((position(&group.first()?.hash, depth), group)))
}

/// What a subtree became.
#[derive(Debug)]
pub(crate) enum Subtree {
    Empty,
    Bucket(Vec<Entry<'static>>),
    Node(Cid),
}

impl Subtree {
    /// No more entries than a bucket holds, in the order of their keys.
    fn of(entries: Vec<Entry<'_>>) -> Self {
        if entries.is_empty() {
            return Self::Empty;
        }
        Self::Bucket(entries.into_iter().map(Entry::into_owned).collect())
    }

    pub(crate) fn pointer(self) -> Option<Pointer<'static>> {
        match self {
            Self::Empty => None,
            Self::Bucket(entries) => Some(Pointer::Bucket(entries)),
            Self::Node(cid) => Some(Pointer::Link(cid)),
        }
    }
}

/// Writes into one tree and keeps the nodes it makes.
pub(crate) struct Writer<'s, B> {
    pub store: &'s B,
    /// New nodes, children before their parents.
    pub blocks: Vec<(Cid, Vec<u8>)>,
}

impl<B: Blockstore> Writer<'_, B> {
    /// Makes `changes` in what stands at one position of a node at `depth - 1`.
    pub(crate) fn change_pointer(
        &mut self,
        pointer: Option<Pointer<'_>>,
        changes: &[HashedChange<'_>],
        depth: u32,
        (node, node_depth): (&Cid, u32),
    ) -> Result<Subtree, WriteError> {
        let malformed = |problem| WriteError::Malformed { node: *node, depth: node_depth, problem };
        let entries = match pointer.map(Pointer::read).transpose().map_err(malformed)? {
            Some(Pointer::Link(cid)) => return self.change_node(&cid, changes, depth),
            Some(Pointer::Bucket(entries)) => entries,
            Some(Pointer::Unread(_)) | None => Vec::new(),
        };
        let mut entries: Vec<_> = merge(entries, changes).collect();
        if entries.len() > BUCKET_MAX {
            let mut hashed: Vec<_> = entries.into_iter().map(|entry| (hash(&entry.key), entry)).collect();
            hashed.sort_unstable_by_key(|(hash, _)| *hash);
            return self.build(hashed, depth);
        }
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(Subtree::of(entries))
    }

    /// Makes `changes` in a node below the root.
    fn change_node(&mut self, cid: &Cid, changes: &[HashedChange<'_>], depth: u32) -> Result<Subtree, WriteError> {
        let malformed = |problem| WriteError::Malformed { node: *cid, depth, problem };
        let block = load(self.store, cid)?;
        let mut node = Node::parse(&block).map_err(malformed)?;
        if node.pointers.iter().all(Option::is_none) {
            return Err(malformed("only a root may be empty".to_owned()));
        }
        if depth >= DEPTH_MAX {
            return Err(malformed(format!("a tree has at most {DEPTH_MAX} levels")));
        }
        for (position, group) in groups(changes, depth) {
            let pointer = node.pointers[position].take();
            node.pointers[position] = self.change_pointer(pointer, group, depth + 1, (cid, depth))?.pointer();
        }
        Ok(match node.as_bucket().map_err(malformed)? {
            Some(entries) => Subtree::of(entries),
            None => Subtree::Node(self.put(&node, Some(cid))),
        })
    }

    /// A new node for more entries than a bucket holds, ordered by hash.
    fn build(&mut self, entries: Vec<([u8; 32], Entry<'_>)>, depth: u32) -> Result<Subtree, WriteError> {
        if depth >= DEPTH_MAX {
            let mut keys = entries.into_iter().map(|(_, entry)| entry.key.into_owned());
            return Err(WriteError::Collision(keys.next().unwrap_or_default(), keys.next().unwrap_or_default()));
        }
        let mut node = Node::default();
        let mut entries = entries.into_iter().peekable();
        while let Some((first_hash, first)) = entries.next() {
            let at = position(&first_hash, depth);
            let mut group = vec![(first_hash, first)];
            while let Some(entry) = entries.next_if(|(hash, _)| position(hash, depth) == at) {
                group.push(entry);
            }
            node.pointers[at] = if group.len() > BUCKET_MAX {
                self.build(group, depth + 1)?.pointer()
            } else {
                let mut bucket: Vec<_> = group.into_iter().map(|(_, entry)| entry).collect();
                bucket.sort_unstable_by(|one, other| one.key.cmp(&other.key));
                Some(Pointer::Bucket(bucket))
            };
        }
        Ok(Subtree::Node(self.put(&node, None)))
    }

    /// Keeps a node, unless it is the one that stands there already.
    pub(crate) fn put(&mut self, node: &Node<'_>, before: Option<&Cid>) -> Cid {
        let block = node.encode();
        let cid = Cid::new_v1(DAG_CBOR, Code::Blake2b256.digest(&block));
        if before != Some(&cid) {
            self.blocks.push((cid, block));
        }
        cid
    }
}

pub(crate) fn load<B: Blockstore>(store: &B, cid: &Cid) -> Result<Vec<u8>, WriteError> {
    match store.get(cid) {
        Ok(Some(block)) => Ok(block),
        Ok(None) => Err(WriteError::Missing { node: *cid }),
        Err(reason) => Err(WriteError::Store { node: *cid, reason }),
    }
}

/// A bucket's entries after `changes`, in no particular order.
fn merge<'e, 'c: 'e>(entries: Vec<Entry<'e>>, changes: &'c [HashedChange<'c>]) -> impl Iterator<Item = Entry<'e>> {
    let kept =
        entries.into_iter().filter(|entry| changes.iter().all(|change| change.key.cmp(&entry.key) != Ordering::Equal));
    let changed = changes
        .iter()
        .filter_map(|change| Some(Entry { key: Cow::Borrowed(change.key), value: Cow::Borrowed(change.value?) }));
    kept.chain(changed)
}

const _: () = assert!(WIDTH <= u32::BITS as usize, "a bitfield is one number");
