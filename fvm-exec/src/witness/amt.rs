//! Reads stretches of AMTs, and no node beside them.
//!
//! The library's reader believes a tree's own word on how wide and how high it is; it may, since actors wrote the trees
//! that it reads. Here the bytes are what somebody sent, so everything is checked before it is used. Which nodes a
//! stretch touches is part of what a witness is, so it is decided here and not by how a library remembers nodes.

use std::ops::{ControlFlow, Range};

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::strict_bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::WitnessError;
use super::store::load;

/// Of every AMT of the gateway.
const BIT_WIDTH: u32 = 3;
const WIDTH: usize = 1 << BIT_WIDTH;

/// Height of the root from which every number can be reached.
const HEIGHT_MAX: u32 = u64::BITS / BIT_WIDTH;

/// Bit width, height, count of entries, and the topmost node.
#[derive(Deserialize)]
struct Root<T>(u32, u32, u64, Node<T>);

/// One bit for each slot in use, and what is in them: links above height 0, entries at height 0.
#[derive(Deserialize)]
struct Node<T>(#[serde(with = "strict_bytes")] Vec<u8>, Vec<Cid>, Vec<T>);

/// Shows `take` the entries at `numbers`, in order, until it breaks or one is not there. Answers the first number that
/// it was not shown.
pub(super) fn each<T: DeserializeOwned, B: Blockstore>(
    store: &B,
    what: &'static str,
    root: &Cid,
    numbers: Range<u64>,
    take: impl FnMut(u64, T) -> Result<ControlFlow<()>, WitnessError>,
) -> Result<u64, WitnessError> {
    if numbers.is_empty() {
        return Ok(numbers.start);
    }
    let mut reader = Reader { store, what, take };
    let Root(bit_width, height, _count, node): Root<T> = load(store, what, root)?;
    if bit_width != BIT_WIDTH || height > HEIGHT_MAX {
        return Err(reader.malformed(format!(
            "an AMT of bit width {bit_width} and height {height}, expected {BIT_WIDTH} and at most {HEIGHT_MAX}"
        )));
    }
    let covered = 1_u64.checked_shl(BIT_WIDTH * (height + 1)).unwrap_or(u64::MAX);
    let present = numbers.start..numbers.end.min(covered);
    if present.is_empty() {
        return Ok(numbers.start);
    }
    match reader.visit(node, height, present.clone())? {
        ControlFlow::Break(end) => Ok(end),
        ControlFlow::Continue(()) => Ok(present.end),
    }
}

/// The entry at `number`.
pub(super) fn get<T: DeserializeOwned, B: Blockstore>(
    store: &B,
    what: &'static str,
    root: &Cid,
    number: u64,
) -> Result<Option<T>, WitnessError> {
    let mut found = None;
    each(store, what, root, number..number.saturating_add(1), |_, entry| {
        found = Some(entry);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

struct Reader<'a, B, F> {
    store: &'a B,
    what: &'static str,
    take: F,
}

impl<B: Blockstore, F> Reader<'_, B, F> {
    /// Goes through `numbers`, all of them within the node. Breaks with the first number that was not taken.
    fn visit<T>(&mut self, node: Node<T>, height: u32, numbers: Range<u64>) -> Result<ControlFlow<u64>, WitnessError>
    where
        T: DeserializeOwned,
        F: FnMut(u64, T) -> Result<ControlFlow<()>, WitnessError>,
    {
        let Node(bitmap, links, entries) = node;
        match height.checked_sub(1) {
            None if links.is_empty() => {
                let entries = self.slots(&bitmap, entries)?;
                self.leaf(entries, numbers)
            }
            Some(below) if entries.is_empty() => {
                let links = self.slots(&bitmap, links)?;
                self.branch(&links, below, numbers)
            }
            _ => {
                let (links, entries) = (links.len(), entries.len());
                Err(self.malformed(format!("a node at height {height} with {links} links and {entries} entries")))
            }
        }
    }

    fn leaf<T>(
        &mut self,
        mut entries: [Option<T>; WIDTH],
        numbers: Range<u64>,
    ) -> Result<ControlFlow<u64>, WitnessError>
    where
        F: FnMut(u64, T) -> Result<ControlFlow<()>, WitnessError>,
    {
        for number in numbers {
            let Some(entry) = entries[slot(number, 0)].take() else { return Ok(ControlFlow::Break(number)) };
            if (self.take)(number, entry)?.is_break() {
                return Ok(ControlFlow::Break(number + 1));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The links lead to nodes at the height `below`.
    fn branch<T>(
        &mut self,
        links: &[Option<Cid>; WIDTH],
        below: u32,
        numbers: Range<u64>,
    ) -> Result<ControlFlow<u64>, WitnessError>
    where
        T: DeserializeOwned,
        F: FnMut(u64, T) -> Result<ControlFlow<()>, WitnessError>,
    {
        // Bits of a number that the nodes below decide.
        let within = (1_u64 << (BIT_WIDTH * (below + 1))) - 1;
        let mut at = numbers.start;
        while at < numbers.end {
            let Some(link) = &links[slot(at, below + 1)] else { return Ok(ControlFlow::Break(at)) };
            let next = (at | within).saturating_add(1).min(numbers.end);
            let node: Node<T> = load(self.store, self.what, link)?;
            if let ControlFlow::Break(end) = self.visit(node, below, at..next)? {
                return Ok(ControlFlow::Break(end));
            }
            at = next;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What a node holds, in the slots that its bitmap says.
    fn slots<S>(&self, bitmap: &[u8], items: Vec<S>) -> Result<[Option<S>; WIDTH], WitnessError> {
        let &[bits] = bitmap else {
            return Err(self.malformed(format!("a node with a bitmap of {} bytes, expected 1", bitmap.len())));
        };
        if bits.count_ones() as usize != items.len() {
            let (used, items) = (bits.count_ones(), items.len());
            return Err(self.malformed(format!("a node with {used} slots in use and {items} items")));
        }
        let mut items = items.into_iter();
        Ok(std::array::from_fn(|slot| if bits & (1 << slot) == 0 { None } else { items.next() }))
    }

    fn malformed(&self, reason: String) -> WitnessError {
        WitnessError::state(self.what, reason)
    }
}

/// The slot of a node at `height` that `number` is in.
fn slot(number: u64, height: u32) -> usize {
    (number >> (BIT_WIDTH * height)) as usize % WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_amt::Amt;
    use fvm_ipld_blockstore::MemoryBlockstore;
    use fvm_ipld_encoding::{BytesSer, CborStore};
    use multihash_codetable::Code::Blake2b256;
    use proptest::prelude::*;
    use serde::Serialize;

    fn read(store: &MemoryBlockstore, root: &Cid, numbers: Range<u64>) -> Result<(Vec<(u64, u64)>, u64), WitnessError> {
        let mut found = Vec::new();
        let end = each(store, "numbers", root, numbers, |number, entry: u64| {
            found.push((number, entry));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((found, end))
    }

    fn put(store: &MemoryBlockstore, value: &impl Serialize) -> Cid {
        store.put_cbor(value, Blake2b256).unwrap()
    }

    /// A node as it is written.
    fn node(bitmap: &[u8], links: Vec<Cid>, entries: Vec<u64>) -> (BytesSer<'_>, Vec<Cid>, Vec<u64>) {
        (BytesSer(bitmap), links, entries)
    }

    proptest! {
        /// The library writes the trees, and says what is in them.
        #[test]
        fn stretches_are_what_the_library_wrote(
            first in prop_oneof![0..5_000_u64, any::<u64>().prop_map(|n| n.min(u64::MAX - 600))],
            count in 0..300_u64,
            hole in prop::option::of(0..300_u64),
            skipped in 0..200_u64,
            asked in 0..400_u64,
        ) {
            let store = MemoryBlockstore::default();
            let mut amt = Amt::new(&store);
            for number in first..first + count {
                amt.set(number, number ^ 1).unwrap();
            }
            if let Some(hole) = hole {
                amt.delete(first + hole).unwrap();
            }
            let root = amt.flush().unwrap();
            let numbers = first + skipped..first + skipped + asked;
            let expected: Vec<_> =
                numbers.clone().map_while(|number| amt.get(number).unwrap().map(|entry| (number, *entry))).collect();
            let end = numbers.start + expected.len() as u64;
            prop_assert_eq!(read(&store, &root, numbers).unwrap(), (expected, end));
        }
    }

    #[test]
    fn reading_stops_where_it_is_told_to() {
        let store = MemoryBlockstore::default();
        let mut amt = Amt::new(&store);
        amt.batch_set(0..100_u64).unwrap();
        let root = amt.flush().unwrap();
        let mut last = 0;
        let take = |number: u64, _: u64| {
            last = number;
            Ok(if number == 41 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        assert_eq!(each(&store, "numbers", &root, 7..90, take).unwrap(), 42);
        assert_eq!(last, 41);
        assert_eq!(get(&store, "numbers", &root, 99).unwrap(), Some(99_u64));
        assert_eq!(get::<u64, _>(&store, "numbers", &root, 100).unwrap(), None);
        assert_eq!(get::<u64, _>(&store, "numbers", &root, u64::MAX).unwrap(), None);
    }

    #[test]
    fn nothing_is_read_for_nothing() {
        let store = MemoryBlockstore::default();
        let absent = subnet_types::hash::cid_of_bytes(b"absent");
        assert_eq!(read(&store, &absent, 5..5).unwrap(), (vec![], 5));
        assert_eq!(read(&store, &absent, 5..6), Err(WitnessError::Missing { cid: absent }));
    }

    #[test]
    fn trees_that_nobody_wrote_are_refused() {
        let store = MemoryBlockstore::default();
        let leaf = put(&store, &node(&[1], vec![], vec![7]));
        let roots = [
            ("wider", put(&store, &(4, 0, 1, node(&[1, 0], vec![], vec![7])))),
            ("as wide as no number is", put(&store, &(u32::MAX, 0, 1, node(&[1], vec![], vec![7])))),
            ("higher", put(&store, &(3, 22, 1, node(&[1], vec![leaf], vec![])))),
            ("as high as no number is", put(&store, &(3, u32::MAX, 1, node(&[1], vec![leaf], vec![])))),
            ("links at the bottom", put(&store, &(3, 0, 1, node(&[1], vec![leaf], vec![])))),
            ("entries above", put(&store, &(3, 1, 1, node(&[1], vec![], vec![7])))),
            ("both", put(&store, &(3, 1, 1, node(&[1], vec![leaf], vec![7])))),
            ("links that are not there", put(&store, &(3, 1, 1, node(&[3], vec![leaf], vec![])))),
            ("entries without slots", put(&store, &(3, 0, 1, node(&[1], vec![], vec![7, 8])))),
            ("no bitmap", put(&store, &(3, 0, 1, node(&[], vec![], vec![])))),
            ("another bitmap", put(&store, &(3, 0, 1, node(&[1, 0], vec![], vec![7])))),
            ("text", put(&store, &"text")),
        ];
        for (name, root) in roots {
            let result = read(&store, &root, 0..1);
            assert!(matches!(result, Err(WitnessError::State { what: "numbers", .. })), "{name}: {result:?}");
        }
        // Right but for the node below, which is one of entries where links are due.
        let root = put(&store, &(3, 2, 1, node(&[1], vec![leaf], vec![])));
        assert!(matches!(read(&store, &root, 0..1), Err(WitnessError::State { .. })));
    }

    #[test]
    fn highest_tree_reaches_the_last_number() {
        let store = MemoryBlockstore::default();
        let mut link = put(&store, &node(&[0b0100_0000], vec![], vec![7]));
        // The last entry that an AMT may have is at u64::MAX - 1: slot 6 of the leaf, slot 7 of all between, slot 1 on top.
        for _ in 0..20 {
            link = put(&store, &node(&[0b1000_0000], vec![link], vec![]));
        }
        let root = put(&store, &(3, 21, 1, node(&[0b10], vec![link], vec![])));
        let last = u64::MAX - 1;
        assert_eq!(read(&store, &root, last..u64::MAX).unwrap(), (vec![(last, 7)], u64::MAX));
        assert_eq!(read(&store, &root, last - 1..u64::MAX).unwrap(), (vec![], last - 1));
        assert_eq!(read(&store, &root, 0..u64::MAX).unwrap(), (vec![], 0));
    }
}
