//! The genesis file accepts what it writes and nothing else.

mod common;

use cid::Cid;
use common::genesis::{fake_bundle, root_genesis};
use fvm_exec::GenesisFileError;
use fvm_exec::genesis_file::{GENESIS_FILE_BYTES_MAX, read, write};
use fvm_ipld_car::{Block, CarHeader, CarWriter};
use subnet_types::Genesis;
use subnet_types::hash::{cid_of, encode};

fn sample() -> (Genesis, Vec<u8>) {
    let (manifest, car) = fake_bundle();
    let genesis = root_genesis(manifest, &[]);
    let file = write(&genesis, &car).expect("a good genesis");
    (genesis, file)
}

fn car(roots: Vec<Cid>, blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = CarWriter::new(CarHeader::from(roots), &mut bytes).expect("writes to memory");
    for (cid, data) in blocks {
        writer.write(Block { cid: *cid, data: data.clone() }).expect("writes to memory");
    }
    drop(writer);
    bytes
}

fn refusal(bytes: &[u8]) -> GenesisFileError {
    read(bytes).expect_err("must be refused")
}

/// The file's blocks in its own order.
fn blocks(genesis: &Genesis, file: &[u8]) -> Vec<(Cid, Vec<u8>)> {
    let blocks = fvm_ipld_car::CarReader::new(file).expect("a CAR").map(|block| block.expect("a block").into());
    let blocks: Vec<(Cid, Vec<u8>)> = blocks.collect();
    assert_eq!(blocks[0].0, genesis.cid());
    blocks
}

#[test]
fn file_comes_back_as_it_was_written() {
    let (genesis, file) = sample();
    let (read_back, bundle) = read(&file).expect("a good file");
    assert_eq!(read_back, genesis);
    assert_eq!(bundle.len(), blocks(&genesis, &file).len() - 1, "all blocks but the document");
    assert!(bundle.iter().any(|(cid, _)| *cid == genesis.chain.bundle));
    assert_eq!(write(&genesis, &file).expect("the file holds its bundle"), file, "one genesis, one file");
}

#[test]
fn garbage_truncated_and_oversized_files_are_refused() {
    let (_, file) = sample();
    assert!(matches!(refusal(b""), GenesisFileError::Car { .. }));
    assert!(matches!(refusal(&[0xff; 100]), GenesisFileError::Car { .. }));
    for cut in [1, 10, 100, file.len() / 2] {
        // A cut between two blocks leaves a CAR whose bundle is not complete.
        let refusal = refusal(&file[..file.len() - cut]);
        let expected = matches!(refusal, GenesisFileError::Car { .. } | GenesisFileError::Bundle { .. });
        assert!(expected, "{cut} bytes cut: {refusal}");
    }
    let huge = vec![0; GENESIS_FILE_BYTES_MAX + 1];
    assert!(matches!(refusal(&huge), GenesisFileError::TooLarge { .. }));
}

#[test]
fn any_changed_byte_is_noticed() {
    let (_, file) = sample();
    for index in (0..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[index] ^= 1;
        refusal(&changed);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let (_, mut file) = sample();
    file.push(0x80);
    refusal(&file);
}

#[test]
fn other_blocks_repeats_and_orders_are_refused() {
    let (genesis, file) = sample();
    let good = blocks(&genesis, &file);
    let root = vec![genesis.cid()];
    assert_eq!(car(root.clone(), &good), file);

    let extra = encode(&"stowaway");
    let with_extra: Vec<_> = good.iter().cloned().chain([(cid_of(&"stowaway"), extra)]).collect();
    assert!(matches!(refusal(&car(root.clone(), &with_extra)), GenesisFileError::Form { .. }));

    let repeated: Vec<_> = good.iter().cloned().chain([good[1].clone()]).collect();
    assert!(matches!(refusal(&car(root.clone(), &repeated)), GenesisFileError::Form { .. }));

    let reversed: Vec<_> = good.iter().rev().cloned().collect();
    assert!(matches!(refusal(&car(root, &reversed)), GenesisFileError::Form { .. }));
}

#[test]
fn root_must_be_one_and_there_and_a_document() {
    let (genesis, file) = sample();
    let good = blocks(&genesis, &file);
    let two = car(vec![genesis.cid(), genesis.chain.bundle], &good);
    assert!(matches!(refusal(&two), GenesisFileError::Roots { actual: 2 }));
    let absent = car(vec![genesis.cid()], &good[1..]);
    assert!(matches!(refusal(&absent), GenesisFileError::NoDocument { .. }));
    let not_a_document = car(vec![genesis.chain.bundle], &good[1..]);
    assert!(matches!(refusal(&not_a_document), GenesisFileError::Document { .. }));
}

#[test]
fn missing_actors_are_refused_on_reading_and_writing() {
    let (genesis, file) = sample();
    let good = blocks(&genesis, &file);
    for missing in 1..good.len() {
        let mut incomplete = good.clone();
        incomplete.remove(missing);
        let refusal = refusal(&car(vec![genesis.cid()], &incomplete));
        assert!(matches!(refusal, GenesisFileError::Bundle { .. }), "without block {missing}: {refusal}");
    }
    let no_bundle = car(vec![genesis.cid()], &good[..1]);
    assert!(matches!(write(&genesis, &no_bundle), Err(GenesisFileError::Bundle { .. })));
}

#[test]
fn document_that_breaks_a_rule_is_refused() {
    let (mut genesis, file) = sample();
    let bundle = blocks(&genesis, &file)[1..].to_vec();
    genesis.chain.block_interval_ms = 1;
    assert!(matches!(write(&genesis, &file), Err(GenesisFileError::Genesis(_))));
    let blocks: Vec<_> = [(genesis.cid(), encode(&genesis))].into_iter().chain(bundle).collect();
    assert!(matches!(refusal(&car(vec![genesis.cid()], &blocks)), GenesisFileError::Genesis(_)));
}
