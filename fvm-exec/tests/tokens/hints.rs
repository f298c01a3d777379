//! One contract that everybody calls, executed by the proposer's hints.

use std::num::NonZeroUsize;

use fvm_exec::{BlockInput, BlockOutput, Executor};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::EMPTY_ARR_CID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use token_actor::{METHOD_TRANSFER, TransferParams};

use crate::common::accounts::{call, transfer};
use crate::common::chain::Chain;
use crate::common::store::MemoryStore;
use crate::market::{Market, alice, atto, bob, carol};

const SEGMENTS: usize = 4;

/// Transfers of one token, with one message that the rules refuse and one that fails.
fn hot_block() -> (Market, BlockInput) {
    let market = Market::new();
    let pay = |from: Address, nonce: u64, to: Address| {
        let params = TransferParams { to, amount: atto(1 + nonce), operator_data: RawBytes::default() };
        let to = Address::new_id(market.token_a);
        Message { gas_limit: 40_000_000, ..call(from, nonce, to, METHOD_TRANSFER, &params, TokenAmount::default()) }
    };
    let mut messages: Vec<_> =
        (0..12).flat_map(|nonce| [pay(alice(), nonce, bob()), pay(bob(), nonce, alice())]).collect();
    messages.insert(5, Message { gas_limit: 0, ..transfer(carol(), 0, bob(), atto(1)) });
    messages.push(pay(carol(), 0, bob()));
    let input = market.chain.input(messages);
    (market, input)
}

fn executor(chain: &Chain, lanes: usize) -> Executor<MemoryStore> {
    Executor::new(Chain::engine(), chain.store.clone(), chain.executor.rules().clone())
        .with_lanes(NonZeroUsize::new(lanes).unwrap())
}

/// All the same but for the empty array, which whoever opens a state writes again.
#[track_caller]
fn assert_same(actual: &BlockOutput, expected: &BlockOutput) {
    let without_array = |output: &BlockOutput| {
        let mut output = output.clone();
        output.new_blocks.retain(|(cid, _)| *cid != EMPTY_ARR_CID);
        output
    };
    assert!(without_array(actual) == without_array(expected), "{:#?} {:#?}", actual.receipts, expected.receipts);
}

#[test]
fn hints_of_one_node_let_another_execute_a_hot_contract_in_segments() {
    let (market, input) = hot_block();
    let (chain, root) = (&market.chain, &market.chain.state_root);
    let expected = executor(chain, 1).execute(root, &input).unwrap();
    assert!(expected.receipts.iter().any(|receipt| !receipt.exit_code.is_success()));
    for lanes in [1, 3] {
        let (output, hints) = executor(chain, lanes).execute_marking(root, &input, SEGMENTS).unwrap();
        assert_same(&output, &expected);
        assert!(!hints.is_empty());
        let validator = executor(chain, 2);
        assert_same(&validator.execute_hinted(root, &input, &hints).unwrap(), &expected);
        let totals = validator.totals();
        assert_eq!((totals.blocks.get("waypoints"), totals.misled), (Some(&1), 0));
        // With one lane there is nothing to gain from them.
        let alone = executor(chain, 1);
        assert_same(&alone.execute_hinted(root, &input, &hints).unwrap(), &expected);
        assert_eq!((alone.totals().blocks.get("waypoints"), alone.totals().misled), (None, 0));
    }
}

#[test]
fn damaged_hints_change_nothing() {
    let (market, input) = hot_block();
    let (chain, root) = (&market.chain, &market.chain.state_root);
    let (expected, hints) = executor(chain, 1).execute_marking(root, &input, SEGMENTS).unwrap();
    let validator = executor(chain, 2);
    let damage = (any::<prop::sample::Index>(), 1u8.., any::<bool>());
    TestRunner::new(Config { cases: 100, ..Config::default() })
        .run(&damage, |(at, flip, cuts)| {
            let (mut hints, at) = (hints.clone(), at.index(hints.len()));
            hints[at] ^= flip;
            if cuts {
                hints.truncate(at);
            }
            assert_same(&validator.execute_hinted(root, &input, &hints).unwrap(), &expected);
            Ok(())
        })
        .unwrap();
    assert!(validator.totals().misled > 0, "some are still in form");
}

#[test]
fn hints_of_another_block_and_what_is_none_change_nothing() {
    let (market, input) = hot_block();
    let (chain, root) = (&market.chain, &market.chain.state_root);
    let (expected, hints) = executor(chain, 1).execute_marking(root, &input, SEGMENTS).unwrap();
    let mut other = input.clone();
    other.messages.swap_remove(0);
    let plain = executor(chain, 1).execute(root, &other).unwrap();
    assert_same(&executor(chain, 2).execute_hinted(root, &other, &hints).unwrap(), &plain);
    for none in [&[][..], &[0], &[0x80], b"waypoints", &hints[1..]] {
        assert_same(&executor(chain, 2).execute_hinted(root, &input, none).unwrap(), &expected);
    }
}
