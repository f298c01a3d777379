//! One node: its block, and where in it each pointer begins.
//!
//! A node is `[bitfield, [pointer, …]]` in DAG-CBOR: one pointer for each bit that is set, from the lowest on. A pointer
//! is a link to a node, or a bucket `[[key, value], …]` of up to three entries in the order of their keys. The bitfield is
//! a big-endian number without leading zeros. Source: the IPLD HashMap specification, with Filecoin's parameters.
//!
//! What a pointer is gets looked at when something leads to it and not before, so that a look-up touches one pointer of
//! each node on its way and a changed node is copied but for what changed.

use std::ops::Range;
use std::sync::Arc;

use cid::Cid;
use fvm_ipld_encoding::DAG_CBOR;

use crate::cbor::{ARRAY, BYTES, Reader, TAG, write_bytes, write_head};

/// Bits of the hash that each level takes.
pub(crate) const BIT_WIDTH: usize = 5;

/// Pointers of a node.
pub(crate) const WIDTH: usize = 1 << BIT_WIDTH;

/// Entries of a bucket.
pub(crate) const BUCKET_MAX: usize = 3;

/// Levels of a tree: after these the hash has no whole group of bits left.
pub(crate) const DEPTH_MAX: usize = 256 / BIT_WIDTH;

/// Bytes in front of the CID in a link: the multibase prefix of raw binary.
const LINK_PREFIX: u8 = 0;

/// CBOR's tag for a link.
const LINK_TAG: u64 = 42;

/// What is wrong with a node.
pub(crate) type Malformed = String;

/// A node as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub block: Arc<[u8]>,
    pub layout: Layout,
}

/// Where the pointers of a node are in its block.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Which positions have one.
    bits: u32,
    /// Where each begins, and then the end of the last. What follows has no meaning.
    starts: [u32; WIDTH + 1],
}

/// What stands at one position of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointer<'a> {
    Link(Cid),
    Bucket(Bucket<'a>),
}

/// Entries in the order of their keys. At least one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket<'a> {
    entries: [Entry<'a>; BUCKET_MAX],
    count: usize,
}

/// A key and its encoded value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub key: &'a [u8],
    /// CBOR.
    pub value: &'a [u8],
}

/// The position in a node at `depth` that a hash leads to. Bits are taken from the most significant on.
pub(crate) fn position(hash: &[u8; 32], depth: usize) -> usize {
    let bit = depth * BIT_WIDTH;
    let next = hash.get(bit / 8 + 1).copied().unwrap_or_default();
    let two_bytes = usize::from(hash[bit / 8]) << 8 | usize::from(next);
    two_bytes >> (16 - BIT_WIDTH - bit % 8) & (WIDTH - 1)
}

impl Node {
    /// Cuts a block into its pointers.
    pub(crate) fn parse(block: Arc<[u8]>) -> Result<Self, Malformed> {
        if u32::try_from(block.len()).is_err() {
            return Err(format!("{} bytes are too many", block.len()));
        }
        let mut reader = Reader::new(&block);
        let parts = reader.array("node")?;
        if parts != 2 {
            return Err(format!("{parts} parts, expected a bitfield and pointers"));
        }
        let bitfield = reader.byte_string("bitfield")?;
        if bitfield.len() > WIDTH / 8 {
            return Err(format!("a bitfield of {} bytes, at most {} were expected", bitfield.len(), WIDTH / 8));
        }
        let bits = bitfield.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let count = reader.array("pointers")?;
        if count != u64::from(bits.count_ones()) {
            return Err(format!("{count} pointers, {} by its bitfield", bits.count_ones()));
        }
        let mut layout = Layout { bits, starts: [reader.at() as u32; WIDTH + 1] };
        for end in layout.starts.iter_mut().skip(1).take(bits.count_ones() as usize) {
            reader.span("pointer")?;
            *end = reader.at() as u32;
        }
        reader.end("node")?;
        Ok(Self { block, layout })
    }

    /// A node without pointers, as only an empty tree has it.
    pub(crate) fn empty() -> Self {
        // No bitfield and no pointers: they begin where it ends.
        let block = [ARRAY << 5 | 2, BYTES << 5, ARRAY << 5];
        Self { block: block.into(), layout: Layout { bits: 0, starts: [block.len() as u32; WIDTH + 1] } }
    }

    /// Has it no pointers?
    pub(crate) fn is_empty(&self) -> bool {
        self.layout.bits == 0
    }

    /// The encoded pointer at a position.
    pub(crate) fn span(&self, position: usize) -> Option<&[u8]> {
        let range = self.range(position);
        (!range.is_empty()).then(|| &self.block[range])
    }

    /// Where the pointer at a position is in the block, or would be; empty when there is none.
    fn range(&self, position: usize) -> Range<usize> {
        let Layout { bits, starts } = &self.layout;
        let below = (bits & ((1 << position) - 1)).count_ones() as usize;
        let present = (bits >> position & 1) as usize;
        starts[below] as usize..starts[below + present] as usize
    }

    /// The positions that have a pointer when these encoded ones, the empty ones being none, are replaced.
    pub(crate) fn bits_with(&self, replaced: &[(usize, &[u8])]) -> u32 {
        replaced.iter().fold(self.layout.bits, |bits, (position, pointer)| {
            let bit = 1 << position;
            if pointer.is_empty() { bits & !bit } else { bits | bit }
        })
    }

    /// The pointers when these, which are ordered by position, are replaced.
    pub(crate) fn pointers_with<'a>(&'a self, replaced: &'a [(usize, &'a [u8])]) -> impl Iterator<Item = &'a [u8]> {
        let mut replaced_left = replaced.iter().peekable();
        positions(self.bits_with(replaced) | self.layout.bits).filter_map(move |position| {
            while replaced_left.next_if(|(at, _)| *at < position).is_some() {}
            match replaced_left.next_if(|(at, _)| *at == position) {
                Some((_, pointer)) => Some(*pointer).filter(|pointer| !pointer.is_empty()),
                None => self.span(position),
            }
        })
    }

    /// Appends the node that this becomes when these pointers, which are ordered by position, are replaced. What stays is
    /// copied in as few pieces as it is in. The layout counts from where the node begins.
    pub(crate) fn write_with(&self, out: &mut Vec<u8>, replaced: &[(usize, &[u8])]) -> Layout {
        let begin = out.len();
        let bits = self.bits_with(replaced);
        write_head(out, ARRAY, 2);
        let bitfield = bits.to_be_bytes();
        write_bytes(out, &bitfield[bits.leading_zeros() as usize / 8..]);
        write_head(out, ARRAY, u64::from(bits.count_ones()));

        let mut layout = Layout { bits, starts: [(out.len() - begin) as u32; WIDTH + 1] };
        let mut end = layout.starts[0];
        for (start, pointer) in layout.starts.iter_mut().skip(1).zip(self.pointers_with(replaced)) {
            end += pointer.len() as u32;
            *start = end;
        }
        let mut kept = self.layout.starts[0] as usize;
        for (position, pointer) in replaced {
            let range = self.range(*position);
            out.extend_from_slice(&self.block[kept..range.start]);
            out.extend_from_slice(pointer);
            kept = range.end;
        }
        out.extend_from_slice(&self.block[kept..]);
        layout
    }
}

/// The positions of the bits that are set, in ascending order.
fn positions(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros() as usize;
        bits &= bits.checked_sub(1)?;
        Some(lowest)
    })
}

/// Appends the encoding of a link.
pub(crate) fn write_link(out: &mut Vec<u8>, cid: &Cid) {
    let cid = cid.to_bytes();
    write_head(out, TAG, LINK_TAG);
    write_head(out, BYTES, cid.len() as u64 + 1);
    out.push(LINK_PREFIX);
    out.extend_from_slice(&cid);
}

/// Appends the encoding of a bucket with these entries, which are ordered by key.
pub(crate) fn write_bucket(out: &mut Vec<u8>, entries: &[Entry<'_>]) {
    write_head(out, ARRAY, entries.len() as u64);
    for entry in entries {
        write_head(out, ARRAY, 2);
        write_bytes(out, entry.key);
        out.extend_from_slice(entry.value);
    }
}

impl<'a> Pointer<'a> {
    /// Reads an encoded pointer.
    pub(crate) fn parse(span: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(span);
        if reader.major() == Some(TAG) {
            return link(&mut reader).map(Self::Link);
        }
        let count = reader.array("bucket")?;
        if count == 0 || count > BUCKET_MAX as u64 {
            return Err(format!("a bucket of {count} entries, expected 1 to {BUCKET_MAX}"));
        }
        let mut bucket = Bucket { count: count as usize, ..Bucket::default() };
        let mut last: Option<&[u8]> = None;
        for entry in &mut bucket.entries[..count as usize] {
            let parts = reader.array("entry")?;
            if parts != 2 {
                return Err(format!("an entry of {parts} parts, expected a key and a value"));
            }
            *entry = Entry { key: reader.byte_string("key")?, value: reader.span("value")? };
            if last.is_some_and(|last| last >= entry.key) {
                return Err("keys of a bucket that are equal or not in order".to_owned());
            }
            last = Some(entry.key);
        }
        reader.end("bucket")?;
        Ok(Self::Bucket(bucket))
    }
}

impl<'a> Bucket<'a> {
    pub(crate) fn entries(&self) -> &[Entry<'a>] {
        &self.entries[..self.count]
    }
}

fn link(reader: &mut Reader<'_>) -> Result<Cid, Malformed> {
    let tag = reader.tag("link")?;
    let link = reader.byte_string("link")?;
    reader.end("link")?;
    let [LINK_PREFIX, cid @ ..] = link else { return Err("a link without its prefix".to_owned()) };
    let cid = Cid::try_from(cid).map_err(|error| format!("link: {error}"))?;
    if tag == LINK_TAG && cid.codec() == DAG_CBOR {
        Ok(cid)
    } else {
        Err(format!("a link with tag {tag} and codec {:#x}", cid.codec()))
    }
}

const _: () = assert!(WIDTH == u32::BITS as usize, "a bitfield is one number");
const _: () = assert!(DEPTH_MAX * BIT_WIDTH <= 256, "every level finds its bits in the hash");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_groups_of_bits_from_the_most_significant_on() {
        let hash: [u8; 32] = std::array::from_fn(|index| (index * 37 + 11) as u8);
        let bit = |at: usize| usize::from(hash[at / 8] >> (7 - at % 8) & 1);
        for depth in 0..DEPTH_MAX {
            let expected = (0..BIT_WIDTH).fold(0, |all, at| all << 1 | bit(depth * BIT_WIDTH + at));
            assert_eq!(position(&hash, depth), expected, "depth {depth}");
        }
    }
}
