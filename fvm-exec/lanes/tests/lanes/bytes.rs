//! Blocks from arbitrary bytes, for fuzzers: whatever the bytes are, they mean some messages, a partition and a number of
//! lanes.
//!
//! `LANES_BYTES=file cargo test --release -p lanes --test lanes bytes` runs the bytes of one file, or of every file in a
//! folder; that is also how a finding is replayed.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::random::{any_message, config, expected};
use crate::support::deep;
use crate::town::{ROOT, ours};

const CASES: u32 = 80;

/// Executes what the bytes mean. Nothing when they are too few to mean anything.
fn execute(bytes: &[u8]) {
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(config(1), rng);
    let strategy = (vec(any_message(), 1..16), vec(0u32..6, 16), 2usize..=4);
    let Ok(tree) = strategy.new_tree(&mut runner) else { return };
    let (messages, components, lanes) = tree.current();
    deep(|| {
        let expected = expected(&messages);
        let mut executor = ours(*ROOT, lanes);
        let rets = executor.execute_hinted(&expected.block(), &components).unwrap();
        expected.check(&rets, &mut executor);
    });
}

#[test]
fn arbitrary_bytes_are_blocks_with_the_sequential_result() {
    if let Some(path) = std::env::var_os("LANES_BYTES").map(PathBuf::from) {
        let files = match std::fs::read_dir(&path) {
            Ok(folder) => folder.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => vec![path],
        };
        files.iter().for_each(|file| execute(&std::fs::read(file).unwrap()));
        return;
    }
    TestRunner::new(config(CASES))
        .run(&vec(any::<u8>(), 0..4_096), |bytes| {
            execute(&bytes);
            Ok(())
        })
        .unwrap();
}
