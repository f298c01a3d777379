//! Blocks from arbitrary bytes, for fuzzers: whatever the bytes are, they mean some messages, a partition and a number of
//! lanes.
//!
//! `LANES_BYTES=file cargo test --release -p lanes --test lanes bytes` runs the bytes of one file, or of every file in a
//! folder; that is also how a finding is replayed.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::random::{Any, SENDERS, config, expected};
use crate::support::actors::{EXTRAS, SYSCALLS, step};
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::SCRIPTS;
use crate::town::{ROOT, ours};

const CASES: u32 = 80;
const MESSAGES_MAX: usize = 16;

/// Bytes, one after another. What is missing is zero.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, bound: u64) -> u64 {
        u64::from(self.byte()) % bound
    }

    /// Small mostly, a place in the actor's memory now and then, anything at times.
    fn argument(&mut self) -> u64 {
        match self.byte() {
            small @ 0..160 => u64::from(small % 8),
            160..224 => 0x700 + u64::from(self.byte()),
            224..248 => SCRIPTS[self.below(SCRIPTS.len() as u64) as usize],
            _ => u64::from_be_bytes([0; 8].map(|_: u8| self.byte())),
        }
    }

    fn script(&mut self) -> Script {
        // Left out is what would use all the gas there is, and what panics in the stock kernel.
        let left_out = ["spin", "crypto::verify_bls_aggregate"].map(step);
        let count = (SYSCALLS.len() + EXTRAS.len()) as u64;
        (0..self.below(6)).fold(Script::new(), |script, _| {
            let number = self.below(count) as u32;
            let arguments = [0; 9].map(|_: u8| self.argument());
            if left_out.contains(&number) { script } else { script.any(number, &arguments) }
        })
    }

    fn message(&mut self) -> Any {
        let from = self.below(SENDERS);
        match self.byte() % 8 {
            0..3 => Any::Send { from, to: 1_996 + self.below(12), value: self.below(110) },
            3..5 => Any::Call { from, actor: self.below(SCRIPTS.len() as u64) as usize, does: self.byte() % 7 },
            5..7 => Any::Run { from, actor: self.below(SCRIPTS.len() as u64) as usize, script: self.script() },
            _ => Any::Early { from },
        }
    }
}

/// Executes what the bytes mean.
fn execute(bytes: &[u8]) {
    let mut bytes = Bytes(bytes.iter());
    let lanes = 2 + bytes.below(3) as usize;
    let (mut messages, mut components) = (Vec::new(), Vec::new());
    while messages.len() < MESSAGES_MAX && bytes.0.len() > 0 {
        components.push(u32::from(bytes.byte() % 6));
        messages.push(bytes.message());
    }
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
        .run(&vec(any::<u8>(), 0..1_024), |bytes| {
            execute(&bytes);
            Ok(())
        })
        .unwrap();
}
