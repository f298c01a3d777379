//! Signed messages: what they move, what they cost, and that none of them can break a block.
#![allow(clippy::unwrap_used)]

mod common;

use common::accounts::{bls, call, ethereum, secp, transfer};
use common::chain::Chain;
use common::fees::Fees;
use common::genesis::{BASE_FEE_MIN_ATTO, owner};
use fvm_exec::preflight::inclusion_gas;
use fvm_exec::{BlockOutput, load_events, load_receipts};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{BURNT_FUNDS_ID, GATEWAY_ID, REWARD_ID, gateway};

const ALICE: u8 = 1;
const BOB: u8 = 2;

fn fil(whole: u64) -> TokenAmount {
    TokenAmount::from_whole(whole)
}

/// Alice (f1) and Bob (f3) with 1000 FIL each.
fn chain() -> Chain {
    Chain::root(&[(secp(ALICE), fil(1000)), (bls(BOB), fil(1000))])
}

fn exit_code(output: &BlockOutput, message: usize) -> ExitCode {
    output.message_receipt(message).expect("a receipt").exit_code
}

fn fees(message: &Message, output: &BlockOutput, index: usize) -> Fees {
    let gas_used = output.message_receipt(index).expect("a receipt").gas_used;
    Fees::of(message, gas_used, &BigInt::from(BASE_FEE_MIN_ATTO))
}

fn minus(amount: &TokenAmount, atto: &BigInt) -> TokenAmount {
    amount - TokenAmount::from_atto(atto.clone())
}

#[test]
fn transfer_moves_value_and_charges_the_sender() {
    let mut chain = chain();
    let message = transfer(secp(ALICE), 0, bls(BOB), fil(7));
    let output = chain.execute(vec![message.clone()]);
    assert_eq!(exit_code(&output, 0), ExitCode::OK);
    let fees = fees(&message, &output, 0);
    assert_eq!(chain.balance(&bls(BOB)), fil(1007));
    assert_eq!(chain.balance(&secp(ALICE)), minus(&fil(993), &fees.total()));
    assert_eq!(chain.nonce(&secp(ALICE)), 1);
    assert_eq!(chain.balance_of(BURNT_FUNDS_ID), TokenAmount::from_atto(fees.burnt));
}

#[test]
fn tips_reach_the_owner_of_the_proposer() {
    let mut chain = chain();
    let messages = vec![transfer(secp(ALICE), 0, bls(BOB), fil(1)), transfer(bls(BOB), 0, secp(ALICE), fil(1))];
    let output = chain.execute(messages.clone());
    let tips: BigInt = (0..2).map(|index| fees(&messages[index], &output, index).tip).sum();
    assert_eq!(chain.balance(&owner(1)), TokenAmount::from_atto(tips));
    assert_eq!(chain.balance_of(REWARD_ID), fil(0));
    assert_eq!(output.receipts.len(), 1 + 2 + 1, "update, messages, tips");
}

#[test]
fn block_without_tips_pays_none() {
    let mut chain = chain();
    let free = Message { gas_premium: fil(0), ..transfer(secp(ALICE), 0, bls(BOB), fil(1)) };
    let output = chain.execute(vec![free]);
    assert_eq!(output.receipts.len(), 2, "update and message");
    assert_eq!(chain.view().lookup_id(&owner(1)).unwrap(), None, "nobody made the owner's account");
}

#[test]
fn empty_block_changes_nothing() {
    let mut chain = chain();
    let before = chain.state_root;
    let output = chain.execute(vec![]);
    assert_eq!(output.state_root, before);
    assert_eq!((output.receipts.len(), output.gas_used), (1, 0));
    assert_eq!(load_receipts(&chain.store, &output.receipts_root).unwrap(), output.receipts);
}

#[test]
fn transfer_to_a_new_key_makes_its_account() {
    let mut chain = chain();
    let (f1, f3) = (secp(50), bls(51));
    let output = chain.execute(vec![transfer(secp(ALICE), 0, f1, fil(3)), transfer(secp(ALICE), 1, f3, fil(4))]);
    assert_eq!((exit_code(&output, 0), exit_code(&output, 1)), (ExitCode::OK, ExitCode::OK));
    for (address, amount) in [(f1, fil(3)), (f3, fil(4))] {
        let (id, actor) = chain.view().actor_at(&address).unwrap().expect("an account");
        assert_eq!(actor.balance, amount);
        assert_eq!(chain.view().account_key(id).unwrap(), Some(address));
    }
    // And the new account can spend.
    let output = chain.execute(vec![transfer(f1, 0, f3, fil(1))]);
    assert_eq!(exit_code(&output, 0), ExitCode::OK);
    assert_eq!(chain.balance(&f3), fil(5));
}

#[test]
fn transfer_to_a_new_ethereum_address_makes_a_placeholder() {
    let mut chain = chain();
    let address = ethereum(9);
    let output = chain.execute(vec![transfer(secp(ALICE), 0, address, fil(3))]);
    assert_eq!(exit_code(&output, 0), ExitCode::OK);
    let (id, actor) = chain.view().actor_at(&address).unwrap().expect("a placeholder");
    assert_eq!((actor.balance, actor.delegated_address), (fil(3), Some(address)));
    assert_eq!(chain.view().account_key(id).unwrap(), Some(address));
}

#[test]
fn transfer_to_nobody_fails_and_costs_gas() {
    let mut chain = chain();
    let message = transfer(secp(ALICE), 0, Address::new_actor(b"nobody"), fil(1));
    let output = chain.execute(vec![message.clone()]);
    assert_eq!(exit_code(&output, 0), ExitCode::SYS_INVALID_RECEIVER);
    let fees = fees(&message, &output, 0);
    assert_eq!(chain.balance(&secp(ALICE)), minus(&fil(1000), &fees.total()));
    assert_eq!(chain.nonce(&secp(ALICE)), 1);
}

#[test]
fn value_above_the_balance_fails_and_burns_gas() {
    let mut chain = chain();
    let message = transfer(secp(ALICE), 0, bls(BOB), fil(1001));
    let output = chain.execute(vec![message.clone()]);
    assert_eq!(exit_code(&output, 0), ExitCode::SYS_INSUFFICIENT_FUNDS);
    let fees = fees(&message, &output, 0);
    assert!(output.message_receipt(0).unwrap().gas_used > 0);
    assert_eq!(chain.balance(&bls(BOB)), fil(1000));
    assert_eq!(chain.balance_of(BURNT_FUNDS_ID), TokenAmount::from_atto(fees.burnt));
}

#[test]
fn unknown_methods_and_garbage_parameters_fail_and_the_block_goes_on() {
    let mut chain = chain();
    let gateway_address = Address::new_id(GATEWAY_ID);
    let garbage = |sequence, bytes: Vec<u8>| Message {
        params: RawBytes::new(bytes),
        ..call(secp(ALICE), sequence, gateway_address, gateway::SEND, &(), fil(1))
    };
    let output = chain.execute(vec![
        call(secp(ALICE), 0, gateway_address, 77, &(), fil(0)),
        garbage(1, vec![0xff; 10]),
        garbage(2, vec![]),
        garbage(3, vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        garbage(4, vec![0x81; 30_000]),
        call(secp(ALICE), 5, gateway_address, gateway::CUT_CHECKPOINT, &(), fil(0)),
        call(secp(ALICE), 6, gateway_address, 1, &(), fil(0)),
        transfer(secp(ALICE), 7, bls(BOB), fil(1)),
    ]);
    for index in 0..7 {
        assert!(!exit_code(&output, index).is_success(), "message {index}");
        assert!(output.message_receipt(index).unwrap().gas_used > 0, "message {index}");
    }
    assert_eq!(exit_code(&output, 0), ExitCode::USR_UNHANDLED_MESSAGE);
    assert_eq!(exit_code(&output, 5), ExitCode::USR_FORBIDDEN);
    assert_eq!(exit_code(&output, 7), ExitCode::OK);
    assert_eq!(chain.balance_of(GATEWAY_ID), fil(0), "value came back with each failure");
}

#[test]
fn messages_that_validation_would_refuse_change_nothing() {
    let good = || transfer(secp(ALICE), 0, bls(BOB), fil(1));
    let negative = TokenAmount::from_atto(-1);
    let cases: Vec<(&str, Message, ExitCode)> = vec![
        ("nonce ahead", Message { sequence: 1, ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("last nonce", Message { sequence: u64::MAX, ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("stranger", Message { from: secp(99), ..good() }, ExitCode::SYS_SENDER_INVALID),
        ("actor as sender", Message { from: Address::new_id(GATEWAY_ID), ..good() }, ExitCode::SYS_SENDER_INVALID),
        ("system as sender", Message { from: Address::new_id(0), ..good() }, ExitCode::SYS_SENDER_INVALID),
        ("burnt funds as sender", Message { from: Address::new_id(99), ..good() }, ExitCode::SYS_SENDER_INVALID),
        ("version", Message { version: 1, ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("no gas", Message { gas_limit: 0, ..good() }, ExitCode::SYS_OUT_OF_GAS),
        ("gas below inclusion", Message { gas_limit: 1000, ..good() }, ExitCode::SYS_OUT_OF_GAS),
        ("gas above the block", Message { gas_limit: u64::MAX, ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("gas not covered", Message { gas_fee_cap: fil(1), ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("negative value", Message { value: negative.clone(), ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("negative cap", Message { gas_fee_cap: negative.clone(), ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        ("negative premium", Message { gas_premium: negative, ..good() }, ExitCode::SYS_SENDER_STATE_INVALID),
        (
            "cap below the base fee",
            Message { gas_fee_cap: TokenAmount::from_atto(BASE_FEE_MIN_ATTO - 1), ..good() },
            ExitCode::SYS_SENDER_STATE_INVALID,
        ),
        (
            "too long",
            Message { params: RawBytes::new(vec![7; 70_000]), gas_limit: 1_000_000_000, ..good() },
            ExitCode::SYS_SENDER_STATE_INVALID,
        ),
    ];
    let chain = chain();
    for (name, message, expected) in cases {
        let output = chain.try_execute(&chain.input(vec![message])).unwrap();
        assert_eq!(exit_code(&output, 0), expected, "{name}");
        assert_eq!(output.gas_used, 0, "{name}");
        assert_eq!(output.state_root, chain.state_root, "{name}");
    }
    let output = chain.try_execute(&chain.input(vec![good()])).unwrap();
    assert_eq!(exit_code(&output, 0), ExitCode::OK, "what all cases start from is good");
}

#[test]
fn repeated_message_runs_once() {
    let mut chain = chain();
    let message = transfer(secp(ALICE), 0, bls(BOB), fil(1));
    let output = chain.execute(vec![message.clone(), message]);
    assert_eq!(exit_code(&output, 0), ExitCode::OK);
    assert_eq!(exit_code(&output, 1), ExitCode::SYS_SENDER_STATE_INVALID);
    assert_eq!(chain.balance(&bls(BOB)), fil(1001));
}

#[test]
fn too_little_gas_burns_all_of_it() {
    let mut chain = chain();
    let message = Message { gas_limit: inclusion_gas(300), ..transfer(secp(ALICE), 0, secp(60), fil(1)) };
    let output = chain.execute(vec![message.clone()]);
    let receipt = output.message_receipt(0).unwrap();
    assert_eq!(receipt.exit_code, ExitCode::SYS_OUT_OF_GAS);
    assert_eq!(receipt.gas_used, message.gas_limit);
    assert_eq!(chain.balance(&secp(60)), fil(0));
}

#[test]
fn call_tells_the_gas_that_the_block_then_charges() {
    let mut chain = chain();
    let to_new = transfer(secp(ALICE), 0, secp(70), fil(1));
    let from_bls = transfer(bls(BOB), 0, secp(ALICE), fil(1));
    let failing = call(secp(ALICE), 1, Address::new_id(GATEWAY_ID), 77, &(), fil(0));
    let before = chain.state_root;
    let blocks = chain.store.len();
    let outcomes = [&to_new, &from_bls, &failing].map(|message| chain.call(message));
    assert_eq!((chain.state_root, chain.store.len()), (before, blocks), "a call keeps nothing");
    let output = chain.execute(vec![to_new, from_bls, failing]);
    for (index, outcome) in outcomes.iter().enumerate() {
        let receipt = output.message_receipt(index).unwrap();
        assert_eq!((outcome.exit_code, outcome.gas_used), (receipt.exit_code, receipt.gas_used), "message {index}");
        assert_eq!(outcome.failure.is_some(), !outcome.exit_code.is_success(), "message {index}");
    }
}

#[test]
fn call_needs_no_nonce_no_gas_limit_and_no_gas_money() {
    let chain = chain();
    let message = Message {
        sequence: 77,
        gas_limit: 0,
        gas_fee_cap: fil(1_000_000),
        ..transfer(secp(ALICE), 0, bls(BOB), fil(1000))
    };
    assert_eq!(chain.call(&message).exit_code, ExitCode::OK);
}

#[test]
fn call_of_what_cannot_run_says_why() {
    let chain = chain();
    let outcome = |message: Message| chain.call(&message);
    let good = || transfer(secp(ALICE), 0, bls(BOB), fil(1));
    let stranger = outcome(Message { from: secp(99), ..good() });
    assert_eq!(stranger.exit_code, ExitCode::SYS_SENDER_INVALID);
    assert!(stranger.failure.is_some());
    assert_eq!(outcome(Message { value: fil(1001), ..good() }).exit_code, ExitCode::SYS_INSUFFICIENT_FUNDS);
    let negative = Message { value: TokenAmount::from_atto(-1), ..good() };
    assert_eq!(outcome(negative).exit_code, ExitCode::SYS_SENDER_STATE_INVALID);
    let greedy = Message { gas_limit: u64::MAX, ..good() };
    assert_eq!(outcome(greedy).exit_code, ExitCode::OK, "more gas than there is counts as all there is");
    let tight = outcome(Message { gas_limit: 1, ..good() });
    assert_eq!(tight.exit_code, ExitCode::SYS_OUT_OF_GAS);
}

#[test]
fn receipts_and_events_are_among_the_new_blocks() {
    let mut chain = chain();
    let output =
        chain.execute(vec![transfer(secp(ALICE), 0, bls(BOB), fil(1)), transfer(bls(BOB), 0, secp(80), fil(1))]);
    assert_eq!(load_receipts(&chain.store, &output.receipts_root).unwrap(), output.receipts);
    assert_eq!(output.events.len(), output.receipts.len());
    for (receipt, events) in output.receipts.iter().zip(&output.events) {
        assert_eq!(receipt.events_root.is_some(), !events.is_empty());
        if let Some(root) = &receipt.events_root {
            assert_eq!(load_events(&chain.store, root).unwrap(), *events);
        }
    }
}
