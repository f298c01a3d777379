//! One node as bytes: read without looking into its values, and written.
//!
//! A node is `[bitfield, [pointer, …]]` in DAG-CBOR: one pointer for each bit that is set, from the lowest on. A pointer
//! is a link to a node, or a bucket `[[key, value], …]` of up to three entries in the order of their keys. The bitfield is
//! a big-endian number without leading zeros. Source: the IPLD HashMap specification, with Filecoin's parameters.

use std::borrow::Cow;

use cbor4ii::core::dec::{Decode, IgnoredAny, Read, Reference};
use cbor4ii::core::types::{Array, Bytes, Tag};
use cid::Cid;
use fvm_ipld_encoding::DAG_CBOR;

/// Bits of the hash that each level takes.
pub(crate) const BIT_WIDTH: u32 = 5;

/// Pointers of a node.
pub(crate) const WIDTH: usize = 1 << BIT_WIDTH;

/// Entries of a bucket.
pub(crate) const BUCKET_MAX: usize = 3;

/// Bytes in front of the CID in a link: the multibase prefix of raw binary.
const LINK_PREFIX: u8 = 0;

/// CBOR's tag for a link.
const LINK_TAG: u64 = 42;

/// A key and its encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub key: Cow<'a, [u8]>,
    /// CBOR.
    pub value: Cow<'a, [u8]>,
}

impl Entry<'_> {
    pub(crate) fn into_owned(self) -> Entry<'static> {
        Entry { key: Cow::Owned(self.key.into_owned()), value: Cow::Owned(self.value.into_owned()) }
    }
}

/// What stands at one position of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pointer<'a> {
    /// As it was read, and not looked into.
    Unread(&'a [u8]),
    /// Entries in the order of their keys.
    Bucket(Vec<Entry<'a>>),
    Link(Cid),
}

/// A node: its pointers by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub pointers: [Option<Pointer<'a>>; WIDTH],
}

/// A reader that knows how far it is, so that the span of a value can be cut out.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
}

/// Levels of nesting within one node's values.
const NESTING_MAX: usize = 128;

type Malformed = String;

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth_left: NESTING_MAX }
    }

    /// The bytes of the value that begins here.
    fn span(&mut self, what: &str) -> Result<&'a [u8], Malformed> {
        let from = self.at;
        IgnoredAny::decode(self).map_err(|error| format!("{what}: {error}"))?;
        Ok(&self.bytes[from..self.at])
    }

    fn array(&mut self, what: &str) -> Result<usize, Malformed> {
        let length = Array::len(self).map_err(|error| format!("{what}: {error}"))?;
        length.ok_or_else(|| format!("{what}: its length is not given"))
    }

    fn byte_string(&mut self, what: &str) -> Result<&'a [u8], Malformed> {
        Ok(Bytes::<&'a [u8]>::decode(self).map_err(|error| format!("{what}: {error}"))?.0)
    }

    fn end(&self, what: &str) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(format!("{what}: bytes after its end")) }
    }
}

impl<'a> Read<'a> for Reader<'a> {
    type Error = std::convert::Infallible;

    fn fill<'short>(&'short mut self, _: usize) -> Result<Reference<'a, 'short>, Self::Error> {
        Ok(Reference::Long(&self.bytes[self.at..]))
    }

    fn advance(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.bytes.len());
    }

    fn step_in(&mut self) -> bool {
        match self.depth_left.checked_sub(1) {
            Some(left) => {
                self.depth_left = left;
                true
            }
            None => false,
        }
    }

    fn step_out(&mut self) {
        self.depth_left += 1;
    }
}

impl<'a> Node<'a> {
    /// Cuts a node into its pointers.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
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
        if count != bits.count_ones() as usize {
            return Err(format!("{count} pointers, {} by its bitfield", bits.count_ones()));
        }
        let mut node = Self::default();
        for (position, pointer) in node.pointers.iter_mut().enumerate() {
            if bits >> position & 1 == 1 {
                *pointer = Some(Pointer::Unread(reader.span("pointer")?));
            }
        }
        reader.end("node")?;
        Ok(node)
    }

    /// The node's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let (mut bits, mut count) = (0_u32, 0_u64);
        for (position, _) in self.present() {
            bits |= 1 << position;
            count += 1;
        }
        head(&mut out, ARRAY, 2);
        let bitfield = bits.to_be_bytes();
        let zeros = bitfield.iter().take_while(|byte| **byte == 0).count();
        bytes(&mut out, &bitfield[zeros..]);
        head(&mut out, ARRAY, count);
        for (_, pointer) in self.present() {
            pointer.encode(&mut out);
        }
        out
    }

    fn present(&self) -> impl Iterator<Item = (usize, &Pointer<'a>)> {
        self.pointers.iter().enumerate().filter_map(|(position, pointer)| Some((position, pointer.as_ref()?)))
    }

    /// The node's entries when they fit one bucket, in which case the parent holds them instead of the node.
    pub(crate) fn as_bucket(&self) -> Result<Option<Vec<Entry<'a>>>, Malformed> {
        if self.present().count() > BUCKET_MAX {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for (_, pointer) in self.present() {
            match pointer.clone().read()? {
                Pointer::Bucket(bucket) => entries.extend(bucket),
                _ => return Ok(None),
            }
        }
        entries.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(Some(entries).filter(|entries| entries.len() <= BUCKET_MAX))
    }
}

impl<'a> Pointer<'a> {
    /// Looks into it.
    pub(crate) fn read(self) -> Result<Self, Malformed> {
        let Self::Unread(span) = self else { return Ok(self) };
        let mut reader = Reader::new(span);
        // Major type 6 is a tag.
        if span.first().is_some_and(|first| first >> 5 == 6) {
            let tag = Tag::tag(&mut reader).map_err(|error| format!("link: {error}"))?;
            let link = reader.byte_string("link")?;
            reader.end("link")?;
            let [LINK_PREFIX, cid @ ..] = link else { return Err("a link without its prefix".to_owned()) };
            let cid = Cid::try_from(cid).map_err(|error| format!("link: {error}"))?;
            return if tag == LINK_TAG && cid.codec() == DAG_CBOR {
                Ok(Self::Link(cid))
            } else {
                Err(format!("a link with tag {tag} and codec {:#x}", cid.codec()))
            };
        }
        let count = reader.array("bucket")?;
        if count == 0 || count > BUCKET_MAX {
            return Err(format!("a bucket of {count} entries, expected 1 to {BUCKET_MAX}"));
        }
        let mut entries = Vec::<Entry<'a>>::with_capacity(count + 1);
        for _ in 0..count {
            let parts = reader.array("entry")?;
            if parts != 2 {
                return Err(format!("an entry of {parts} parts, expected a key and a value"));
            }
            let key = Cow::Borrowed(reader.byte_string("key")?);
            let value = Cow::Borrowed(reader.span("value")?);
            if entries.last().is_some_and(|last| last.key >= key) {
                return Err("keys of a bucket that are equal or not in order".to_owned());
            }
            entries.push(Entry { key, value });
        }
        reader.end("bucket")?;
        Ok(Self::Bucket(entries))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unread(span) => out.extend_from_slice(span),
            Self::Link(cid) => {
                head(out, TAG, LINK_TAG);
                let cid = cid.to_bytes();
                head(out, BYTES, cid.len() as u64 + 1);
                out.push(LINK_PREFIX);
                out.extend_from_slice(&cid);
            }
            Self::Bucket(entries) => {
                head(out, ARRAY, entries.len() as u64);
                for entry in entries {
                    head(out, ARRAY, 2);
                    bytes(out, &entry.key);
                    out.extend_from_slice(&entry.value);
                }
            }
        }
    }
}

// Major types of CBOR, RFC 8949 §3.1.
const BYTES: u8 = 2;
const ARRAY: u8 = 4;
const TAG: u8 = 6;

/// A head in the shortest form, as DAG-CBOR wants it.
fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    head(out, BYTES, content.len() as u64);
    out.extend_from_slice(content);
}
