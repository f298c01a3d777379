//! Blocks of messages at random, from a seed.

use fvm::executor::ApplyKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::support::compare::Pair;
use crate::support::deep;
use crate::support::random::{Draft, draft};

/// Blocks that are tried. `VM_MIX_CASES` asks for another number.
const CASES: u32 = 150;

pub fn config(cases: u32) -> ProptestConfig {
    let wanted = std::env::var("VM_MIX_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: wanted.unwrap_or(cases),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x5eed_2026),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

fn block(drafts: &[Draft], traces: bool) {
    deep(|| {
        let mut pair = Pair::new(traces);
        let mut nonces = [0u64; 3];
        for draft in drafts {
            // Now and then a nonce is not the next one.
            let message = draft.with_sequence(nonces[draft.from]);
            let Ok(ret) = pair.apply(&message, ApplyKind::Explicit) else { continue };
            // A refused message has not used its nonce.
            nonces[draft.from] += u64::from(ret.msg_receipt.gas_used > 0);
            pair.apply(&message, ApplyKind::Explicit).ok();
        }
        for draft in drafts.iter().take(2) {
            pair.apply(&draft.with_sequence(0), ApplyKind::Implicit).ok();
        }
        pair.flush();
    });
}

#[test]
fn random_blocks_come_out_the_same() {
    TestRunner::new(config(CASES))
        .run(&(vec(draft(), 1..8), any::<bool>()), |(drafts, traces)| {
            block(&drafts, traces);
            Ok(())
        })
        .unwrap();
}
