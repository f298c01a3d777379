//! States that a whole parent might make up: any bytes, with a root that names them. Whatever they are, verifying them
//! ends in an answer, and an answer that is a range keeps the rules of ranges.

use std::sync::LazyLock;

use cid::Cid;
use fvm_exec::witness::{RangeQuery, Recorded, verify};
use proptest::prelude::*;
use subnet_types::hash::cid_of_bytes;
use subnet_types::parent::WitnessBlock;

use crate::made::{cid, example, sorted};

static EXAMPLE: LazyLock<(Cid, RangeQuery, Recorded)> = LazyLock::new(|| {
    let (_, _, root, query, recorded) = example();
    (root, query, recorded)
});

#[derive(Clone, Debug)]
enum Change {
    Flip {
        at: usize,
        mask: u8,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        at: usize,
    },
    /// Puts another block's bytes in the place of this one's.
    Copy {
        of: usize,
    },
    /// Ends in lists within lists.
    Nest {
        at: usize,
        item: u8,
    },
}

fn change() -> impl Strategy<Value = Change> {
    // Heads of lists, maps, byte and text strings that are longer than any block, and a link.
    let heads = prop::sample::select(vec![
        vec![0x9b_u8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x9a, 0x00, 0xff, 0xff, 0xff],
        vec![0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x55],
        vec![0x9f],
    ]);
    prop_oneof![
        6 => (any::<usize>(), 1..=u8::MAX).prop_map(|(at, mask)| Change::Flip { at, mask }),
        3 => (any::<usize>(), prop_oneof![heads, prop::collection::vec(any::<u8>(), 1..12)])
            .prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        1 => any::<usize>().prop_map(|at| Change::Cut { at }),
        1 => any::<usize>().prop_map(|of| Change::Copy { of }),
        1 => (any::<usize>(), prop::sample::select(vec![0x81_u8, 0xa1, 0xd8, 0x82]))
            .prop_map(|(at, item)| Change::Nest { at, item }),
    ]
}

fn apply(change: &Change, blocks: &[WitnessBlock], index: usize) -> Vec<u8> {
    let mut bytes = blocks[index].bytes.clone();
    let length = bytes.len();
    match change {
        Change::Flip { at, mask } if length > 0 => bytes[at % length] ^= mask,
        Change::Flip { .. } => {}
        Change::Insert { at, bytes: inserted } => {
            let at = at % (length + 1);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Change::Cut { at } => bytes.truncate(at % (length + 1)),
        Change::Copy { of } => bytes = blocks[of % blocks.len()].bytes.clone(),
        Change::Nest { at, item } => {
            bytes.truncate(at % (length + 1));
            bytes.extend([*item; 50_000]);
        }
    }
    bytes
}

/// How often links are mended. A block that got the bytes of one above it would have to name itself, which no hash allows.
const MENDED_MAX: usize = 300;

/// Puts `bytes` in the place of a block and mends every link to it, up to the root.
fn put(root: &mut Cid, blocks: &mut [WitnessBlock], index: usize, bytes: Vec<u8>) {
    let mut renamed = vec![(cid(&blocks[index]), cid_of_bytes(&bytes))];
    blocks[index].bytes = bytes;
    let mut mended = 0;
    while mended < MENDED_MAX
        && let Some((old, new)) = renamed.pop()
    {
        mended += 1;
        if *root == old {
            *root = new;
        }
        for block in blocks.iter_mut() {
            let places = places(&block.bytes, old.hash().digest());
            if places.is_empty() {
                continue;
            }
            let before = cid(block);
            for at in places {
                block.bytes[at..at + 32].copy_from_slice(new.hash().digest());
            }
            renamed.push((before, cid(block)));
        }
    }
}

fn places(bytes: &[u8], digest: &[u8]) -> Vec<usize> {
    bytes.windows(digest.len()).enumerate().filter(|(_, window)| *window == digest).map(|(at, _)| at).collect()
}

/// Verifies blocks that anybody may have made up. One that stands twice stands once.
fn answer(root: &Cid, query: &RangeQuery, blocks: Vec<WitnessBlock>) -> bool {
    let mut blocks = sorted(blocks);
    blocks.dedup();
    let Ok(proven) = verify(root, query, &blocks) else { return false };
    let nonces = proven.messages.iter().map(|message| message.nonce.get());
    assert!(nonces.eq(query.from_nonce.get()..query.from_nonce.get() + proven.messages.len() as u64));
    let numbers = proven.changes.iter().map(|change| change.number.get());
    let first = query.from_configuration.get();
    assert!(numbers.eq(first..first + proven.changes.len() as u64));
    assert!(proven.messages.len() <= query.limits.messages_max && proven.changes.len() <= query.limits.changes_max);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn made_up_states_are_answered(changes in prop::collection::vec((any::<usize>(), change()), 1..4)) {
        let (root, query, recorded) = &*EXAMPLE;
        let (mut root, mut blocks) = (*root, recorded.blocks.clone());
        for (index, change) in &changes {
            let index = index % blocks.len();
            let bytes = apply(change, &blocks, index);
            put(&mut root, &mut blocks, index, bytes);
        }
        answer(&root, query, blocks);
    }

    #[test]
    fn any_bytes_are_answered(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4)) {
        let (_, query, _) = &*EXAMPLE;
        let root = cid_of_bytes(&blocks[0]);
        let blocks = blocks.into_iter().map(|bytes| WitnessBlock { bytes }).collect();
        prop_assert!(!answer(&root, query, blocks));
    }
}

#[test]
fn links_are_mended_up_to_the_root() {
    let (root, query, recorded) = &*EXAMPLE;
    let (mut same, mut other) = (0, 0);
    for index in 0..recorded.blocks.len() {
        for at in (0..recorded.blocks[index].bytes.len()).step_by(11) {
            let (mut new_root, mut blocks) = (*root, recorded.blocks.clone());
            let bytes = apply(&Change::Flip { at, mask: 1 }, &blocks, index);
            put(&mut new_root, &mut blocks, index, bytes);
            assert_ne!(new_root, *root);
            // What changes beside the way, such as a balance, makes another state with the same ranges.
            let counter = if answer(&new_root, query, blocks) { &mut same } else { &mut other };
            *counter += 1;
        }
    }
    println!("of states with one bit changed on the way, {same} have ranges and {other} have not");
    assert!(same > 0 && other > 0);
}
