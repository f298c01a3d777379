//! Blocks that are not the witness: nothing but the one list of blocks is taken, and no list gives another result.

use fvm_exec::witness::{RangeLimits, RangeQuery, WITNESS_BLOCKS_MAX, WITNESS_BYTES_MAX, WitnessError, record, verify};
use subnet_types::hash::blake2b_256;
use subnet_types::parent::WitnessBlock;

use crate::made::{ask, cid, example, size, sorted};

#[test]
fn the_witness_is_in_order_and_proves_the_ranges() {
    let (_, _, root, query, recorded) = example();
    assert!(recorded.blocks.windows(2).all(|pair| cid(&pair[0]) < cid(&pair[1])), "ascending, each once");
    assert_eq!(verify(&root, &query, &recorded.blocks).unwrap(), recorded.proven);
    let nonces: Vec<u64> = recorded.proven.messages.iter().map(|message| message.nonce.get()).collect();
    assert_eq!(nonces, (10..100).collect::<Vec<_>>());
    let numbers: Vec<u64> = recorded.proven.changes.iter().map(|change| change.number.get()).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
}

/// Which blocks are read is part of the protocol: every validator must read the same.
#[test]
fn blocks_of_a_witness_are_frozen() {
    let (_, _, _, _, recorded) = example();
    let bytes: Vec<u8> = recorded
        .blocks
        .iter()
        .flat_map(|block| (block.bytes.len() as u64).to_be_bytes().into_iter().chain(block.bytes.iter().copied()))
        .collect();
    let digest = blake2b_256(&bytes).to_string();
    let frozen = (117, 26112, "fb2966ee5e4b1b9f4eb02c35206104941129a8b68d9465dcc090622b90e35fda");
    assert_eq!((recorded.blocks.len(), size(&recorded.blocks), digest.as_str()), frozen);
}

#[test]
fn each_block_is_needed() {
    let (_, _, root, query, recorded) = example();
    for index in 0..recorded.blocks.len() {
        let mut blocks = recorded.blocks.clone();
        let removed = cid(&blocks.remove(index));
        assert_eq!(verify(&root, &query, &blocks), Err(WitnessError::Missing { cid: removed }));
    }
    assert_eq!(verify(&root, &query, &[]), Err(WitnessError::Missing { cid: root }));
}

#[test]
fn changed_block_is_another_block() {
    let (_, _, root, query, recorded) = example();
    for (index, block) in recorded.blocks.iter().enumerate() {
        let missing = Err(WitnessError::Missing { cid: cid(block) });
        let replaced_by = |bytes: Vec<u8>| {
            let mut blocks = recorded.blocks.clone();
            blocks[index] = WitnessBlock { bytes };
            // As it is, it stands in the wrong place besides.
            assert!(verify(&root, &query, &blocks).is_err());
            verify(&root, &query, &sorted(blocks))
        };
        for at in (0..block.bytes.len()).step_by(block.bytes.len() / 12 + 1) {
            for flipped in [0x01, 0x20, 0x80] {
                let mut bytes = block.bytes.clone();
                bytes[at] ^= flipped;
                assert_eq!(replaced_by(bytes), missing, "byte {at} of block {index}");
            }
        }
        assert_eq!(replaced_by([&block.bytes[..], &[0]].concat()), missing, "longer");
        assert_eq!(replaced_by(block.bytes[..block.bytes.len() - 1].to_vec()), missing, "shorter");
        assert_eq!(replaced_by(vec![]), missing, "empty");
    }
}

#[test]
fn there_is_one_order() {
    let (_, _, root, query, recorded) = example();
    for index in 1..recorded.blocks.len() {
        let mut blocks = recorded.blocks.clone();
        blocks.swap(index - 1, index);
        assert_eq!(verify(&root, &query, &blocks), Err(WitnessError::Order { index, cid: cid(&blocks[index]) }));
    }
    let mut blocks = recorded.blocks.clone();
    blocks.reverse();
    assert!(matches!(verify(&root, &query, &blocks), Err(WitnessError::Order { index: 1, .. })));
}

#[test]
fn nothing_may_be_added() {
    let (parent, _, root, query, recorded) = example();
    for index in 0..recorded.blocks.len() {
        let mut blocks = recorded.blocks.clone();
        blocks.insert(index, blocks[index].clone());
        assert_eq!(verify(&root, &query, &blocks), Err(WitnessError::Duplicate { cid: cid(&blocks[index]) }));
    }
    // Blocks of the same state are as little wanted as any others.
    let beside = parent.all_blocks(&root).into_iter().filter(|block| !recorded.blocks.contains(block));
    let mut count = 0;
    for extra in beside.chain([b"".to_vec(), b"\x80".to_vec()].map(|bytes| WitnessBlock { bytes })) {
        let mut blocks = recorded.blocks.clone();
        blocks.push(extra.clone());
        assert_eq!(verify(&root, &query, &sorted(blocks)), Err(WitnessError::Extra { cid: cid(&extra) }));
        count += 1;
    }
    assert!(count > 20, "only {count} blocks beside the witness");
}

#[test]
fn more_than_a_witness_can_have_is_not_looked_at() {
    let (_, _, root, query, recorded) = example();
    let many = vec![WitnessBlock { bytes: vec![0] }; WITNESS_BLOCKS_MAX + 1];
    let actual = many.len();
    assert_eq!(verify(&root, &query, &many), Err(WitnessError::TooManyBlocks { actual }));
    let mut large = recorded.blocks;
    large.push(WitnessBlock { bytes: vec![0; WITNESS_BYTES_MAX] });
    let actual = size(&large);
    assert_eq!(verify(&root, &query, &large), Err(WitnessError::TooManyBytes { actual }));
}

#[test]
fn witness_of_other_ranges_proves_these_or_nothing() {
    let (parent, child, root, _, _) = example();
    let neighbour = parent.gateway.children(&parent.store).unwrap()[8].1.subnet.clone();
    let mut queries = Vec::new();
    for subnet in [&child.name, &neighbour] {
        for nonce in [0, 1, 8, 29, 30] {
            for messages_max in [0, 1, 7, 8, 20, 128] {
                queries.push(ask(subnet, nonce, 2, messages_max));
            }
        }
        let shorter = RangeLimits { message_bytes_max: 1_000, changes_max: 1, ..RangeLimits::UPDATE };
        queries.push(RangeQuery { limits: shorter, ..ask(subnet, 0, 2, 128) });
    }
    let recorded: Vec<_> = queries.iter().map(|query| record(&parent.store, &root, query).unwrap()).collect();
    let (mut same, mut refused) = (0, 0);
    for (query, expected) in queries.iter().zip(&recorded) {
        for other in &recorded {
            match verify(&root, query, &other.blocks) {
                // The stretches may differ and the nodes be the same.
                Ok(proven) => {
                    assert_eq!((&proven, &other.blocks), (&expected.proven, &expected.blocks));
                    same += 1;
                }
                Err(WitnessError::Missing { .. } | WitnessError::Extra { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(same >= queries.len() && refused > same, "{same} the same, {refused} refused");
}
