//! The same input gives the same bytes, wherever and however often it runs, and a broken disk never looks like a
//! result.
#![allow(clippy::unwrap_used)]

mod common;

use cid::Cid;
use common::accounts::{bls, call, cross_transfer, ethereum, secp, transfer};
use common::chain::{Chain, bundle_blocks};
use common::genesis::{child_genesis, root_genesis};
use common::store::MemoryStore;
use fvm_exec::{BlockOutput, ChainRules, ExecError, Executor, StateView, genesis};
use fvm_shared::EMPTY_ARR_CID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::Genesis;
use subnet_types::actors::{FIRST_USER_ID, GATEWAY_ID};
use subnet_types::hash::cid_of;

fn fil(whole: u64) -> TokenAmount {
    TokenAmount::from_whole(whole)
}

fn accounts() -> Vec<(Address, TokenAmount)> {
    (1..=5).flat_map(|seed| [(secp(seed), fil(100)), (bls(seed), fil(100))]).collect()
}

fn messages() -> Vec<Message> {
    let sends = (1..=5).flat_map(|seed| {
        [
            transfer(secp(seed), 0, bls(seed + 20), fil(1)),
            transfer(bls(seed), 0, ethereum(seed), fil(2)),
            call(secp(seed), 1, Address::new_id(GATEWAY_ID), 5, &(), fil(0)),
        ]
    });
    sends.collect()
}

#[test]
fn same_block_gives_the_same_output_again_and_on_any_thread() {
    let chain = Chain::root(&accounts());
    let input = chain.input(messages());
    let first = chain.try_execute(&input).unwrap();
    assert_eq!(chain.try_execute(&input).unwrap(), first);
    let outputs: Vec<BlockOutput> = std::thread::scope(|scope| {
        let run = || chain.try_execute(&input).unwrap();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outputs.iter().all(|output| *output == first));
}

#[test]
fn two_nodes_agree_block_by_block() {
    let mut nodes = [Chain::root(&accounts()), Chain::root(&accounts())];
    for height in 0..4 {
        let outputs = nodes.each_mut().map(|node| {
            let from = secp(1);
            let nonce = node.nonce(&from);
            node.execute(vec![transfer(from, nonce, secp(100 + height), fil(1))])
        });
        assert_eq!(outputs[0], outputs[1]);
        assert_eq!(nodes[0].base_fee, nodes[1].base_fee);
    }
}

/// All the same but for the empty array, which whoever opens a state writes again.
#[track_caller]
fn assert_same(actual: BlockOutput, expected: &BlockOutput) {
    let without_array = |output: &BlockOutput| {
        let mut output = output.clone();
        output.new_blocks.retain(|(cid, _)| *cid != EMPTY_ARR_CID);
        output
    };
    let (actual, expected) = (without_array(&actual), without_array(expected));
    assert!(actual == expected, "{:#?} {:#?}", actual.receipts, expected.receipts);
}

#[test]
fn an_executor_that_knows_the_state_already_gives_what_a_new_one_gives() {
    let mut chain = Chain::root(&accounts());
    let mut warm = Chain::root(&accounts());
    let another = |chain: &Chain| Executor::new(Chain::engine(), chain.store.clone(), chain.executor.rules().clone());
    for height in 0..6_u8 {
        // Old accounts and new ones, what fails, and what is taken back; the empty block among them.
        let from = secp(1 + height % 3);
        let nonce = chain.nonce(&from);
        let block = [
            transfer(from, nonce, secp(100 + height % 4), fil(1)),
            transfer(from, nonce + 1, ethereum(height % 2), fil(1)),
            transfer(from, nonce + 2, secp(200), fil(1000)),
            call(from, nonce + 3, Address::new_id(GATEWAY_ID), 5, &(), fil(1)),
            transfer(from, nonce + 9, secp(100), fil(1)),
        ];
        let input = chain.input(if height == 3 { vec![] } else { block.to_vec() });
        let cold = another(&chain).execute(&chain.state_root, &input).unwrap();
        // This executor has another block on the same state in between, and must not mix them up.
        let other = chain.try_execute(&chain.input(vec![transfer(from, nonce, secp(7), fil(2))])).unwrap();
        assert_ne!(other.state_root, cold.state_root);
        assert_same(chain.execute_input(&input), &cold);
        assert_same(warm.execute_input(&input), &cold);
    }
}

#[test]
fn execution_writes_nothing_by_itself() {
    let chain = Chain::root(&accounts());
    let before = chain.store.len();
    let output = chain.try_execute(&chain.input(messages())).unwrap();
    assert_eq!(chain.store.len(), before);
    assert!(!output.new_blocks.is_empty());
    assert!(output.new_blocks.is_sorted_by(|a, b| a.0 < b.0), "in order, each once");
}

#[test]
fn new_blocks_are_all_that_a_node_must_keep() {
    let mut chain = Chain::root(&accounts());
    chain.execute(messages());
    // Everything is reachable in the store: a walk over all actors and a further block need no more.
    assert_eq!(chain.view().total().unwrap(), fil(1000));
    chain.execute(vec![transfer(secp(1), 2, secp(2), fil(1))]);
}

#[test]
fn other_time_height_or_fee_is_another_block() {
    let chain = Chain::root(&accounts());
    let input = chain.input(messages());
    let root = chain.try_execute(&input).unwrap().state_root;
    let mut dearer = input.clone();
    dearer.context.base_fee += TokenAmount::from_atto(1);
    assert_ne!(chain.try_execute(&dearer).unwrap().state_root, root);
    let mut other_proposer = input;
    other_proposer.proposer_owner = common::genesis::owner(2);
    assert_ne!(chain.try_execute(&other_proposer).unwrap().state_root, root);
}

#[test]
fn genesis_is_a_pure_function_of_its_document() {
    let build = |genesis: &Genesis| {
        let output = genesis::build(&MemoryStore::of(bundle_blocks()), genesis);
        output.expect("a good genesis")
    };
    let bundle = actor_bundle::manifest_cid();
    let root = root_genesis(bundle, &accounts());
    assert_eq!(build(&root), build(&root));
    let child = child_genesis(bundle);
    assert_eq!(build(&child), build(&child));
    assert_ne!(build(&child).state_root, build(&root).state_root);
    let mut other = root.clone();
    other.balances[0].balance += TokenAmount::from_atto(1);
    assert_ne!(build(&other).state_root, build(&root).state_root);
}

#[test]
fn genesis_accounts_have_ids_keys_and_balances() {
    let mut balances = accounts();
    balances.push((ethereum(1), fil(3)));
    let chain = Chain::root(&balances);
    let view = chain.view();
    for (index, entry) in chain.genesis.balances.iter().enumerate() {
        let (id, actor) = view.actor_at(&entry.address).unwrap().expect("an account");
        assert_eq!(id, FIRST_USER_ID + index as u64);
        assert_eq!(actor.balance, entry.balance);
        assert_eq!(view.account_key(id).unwrap(), Some(entry.address));
    }
    assert_eq!(view.total().unwrap(), fil(1003));
    assert_eq!(view.account_key(GATEWAY_ID).unwrap(), None);
    assert_eq!(view.account_key(99).unwrap(), None, "nobody signs for burnt funds");
    assert_eq!(view.account_key(1_000_000).unwrap(), None);
    assert!(view.checkpoint(GATEWAY_ID).unwrap().is_none(), "the gateway is no checkpoint actor");
    let supply = view.supply().unwrap();
    assert_eq!((supply.circulating, supply.reserve_left), (fil(1003), fil(0)));
}

#[test]
fn genesis_refuses_addresses_that_are_no_accounts_and_bundles_that_are_not_there() {
    let store = MemoryStore::of(bundle_blocks());
    let build = |genesis: &Genesis| genesis::build(&store, genesis);
    let bundle = actor_bundle::manifest_cid();
    let foreign = Address::new_delegated(77, &[1; 20]).unwrap();
    let error = build(&root_genesis(bundle, &[(foreign, fil(1))])).unwrap_err();
    assert!(matches!(error, ExecError::GenesisBalance { .. }), "{error}");
    let error = build(&root_genesis(bundle, &[(Address::new_actor(b"x"), fil(1))])).unwrap_err();
    assert!(matches!(error, ExecError::Genesis(_)), "{error}");
    let error = build(&root_genesis(cid_of(&"no bundle"), &[])).unwrap_err();
    assert!(matches!(error, ExecError::Bundle { .. }), "{error}");
    let (fake, car) = common::genesis::fake_bundle();
    let reader = fvm_ipld_car::CarReader::new(car.as_slice()).unwrap();
    store.commit(reader.map(|block| <(Cid, Vec<u8>)>::from(block.unwrap())));
    build(&root_genesis(fake, &[])).expect("the state needs no code that runs");
    let error = Chain::engine().compile(&store, &fake, || true).unwrap_err();
    assert!(matches!(error, ExecError::Bundle { .. }), "actors that are no wasm: {error}");
    Chain::engine().compile(&store, &fake, || false).expect("what is not wanted is not compiled");
}

#[test]
fn lost_block_stops_the_node_and_makes_no_receipt() {
    let mut chain = Chain::root(&accounts());
    chain.execute(messages());
    let gateway = chain.view().actor(GATEWAY_ID).unwrap().expect("the gateway").state;
    chain.store.lose(&gateway);
    let message = cross_transfer(secp(1), 2, subnet_types::SubnetId::root(1), secp(1), fil(1));
    let error = chain.try_execute(&chain.input(vec![message.clone()])).unwrap_err();
    assert!(matches!(error, ExecError::MissingBlock { cid } if cid == gateway), "{error}");
    assert!(error.is_storage());
    let called = chain.executor.call(&chain.state_root, &chain.context(), &message);
    assert!(matches!(called, Err(ExecError::MissingBlock { .. })));
    let unaffected = chain.try_execute(&chain.input(vec![transfer(secp(1), 2, secp(2), fil(1))]));
    assert!(unaffected.is_ok(), "what does not read the lost block still runs");
}

#[test]
fn unknown_state_root_is_an_error() {
    let chain = Chain::root(&accounts());
    let nowhere = cid_of(&"nowhere");
    let executor = Executor::new(Chain::engine(), chain.store.clone(), ChainRules::of(&chain.genesis));
    let error = executor.execute(&nowhere, &chain.input(vec![])).unwrap_err();
    assert!(matches!(error, ExecError::MissingBlock { cid } if cid == nowhere), "{error}");
    assert!(StateView::new(&chain.store, &nowhere).is_err());
    let not_a_state = chain.genesis.chain.bundle;
    assert!(StateView::new(&chain.store, &not_a_state).is_err());
    assert!(executor.execute(&not_a_state, &chain.input(vec![])).is_err());
}
