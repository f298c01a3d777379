//! The protocol's own messages on a subnet: what they mint, fix and leave alone.
#![allow(clippy::unwrap_used)]

mod common;

use common::accounts::{call, cross_transfer, secp, transfer};
use common::chain::Chain;
use common::fees::Fees;
use common::genesis::{CHECKPOINT_PERIOD_BLOCKS, ROOT_CHAIN_ID, child_genesis, owner, validators};
use common::parent::{top_down, update};
use fvm_exec::{BlockInput, BlockOutput, ExecError};
use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{BURNT_FUNDS_ID, CheckpointCut, GATEWAY_ID, REWARD_ID, SYSTEM_ID, gateway, refusal};
use subnet_types::cross::{CrossAddress, CrossKind};
use subnet_types::genesis::mint_reserve;
use subnet_types::hash::encode;
use subnet_types::limits::{
    CHANGES_PER_UPDATE_MAX, CROSS_MESSAGES_PER_BLOCK_MAX, CROSS_MESSAGES_PER_CHECKPOINT_MAX, IMPLICIT_GAS_MAX,
    SUBNET_DEPTH_MAX, VALIDATORS_MAX,
};
use subnet_types::parent::MembershipChange;
use subnet_types::{
    BlsPublicKey, ConfigurationNumber, Height, Nonce, Power, Sequence, SubnetId, Validator, ValidatorSet, VoteKey,
};

const ALICE: u8 = 1;
const BOB: u8 = 2;

fn fil(whole: u64) -> TokenAmount {
    TokenAmount::from_whole(whole)
}

/// A child in whose first block Alice gets 1000 FIL from the parent.
fn funded() -> (Chain, BlockOutput) {
    let mut chain = Chain::child();
    let messages = vec![top_down(&chain.genesis.subnet, 0, secp(ALICE), fil(1000))];
    let output = chain.execute_update(update(6, messages), vec![]);
    (chain, output)
}

#[test]
fn child_starts_with_the_whole_reserve_and_no_circulation() {
    let chain = Chain::child();
    let supply = chain.view().supply().unwrap();
    assert_eq!(supply.reserve_left, mint_reserve());
    assert_eq!((supply.circulating, supply.burnt), (fil(0), fil(0)));
    assert_eq!(chain.view().total().unwrap(), mint_reserve());
}

#[test]
fn update_mints_exactly_its_messages_values() {
    let mut chain = Chain::child();
    let subnet = chain.genesis.subnet.clone();
    let messages = vec![
        top_down(&subnet, 0, secp(ALICE), fil(5)),
        top_down(&subnet, 1, secp(BOB), fil(7)),
        top_down(&subnet, 2, secp(ALICE), TokenAmount::from_atto(1)),
    ];
    let output = chain.execute_update(update(6, messages), vec![]);
    let outcomes = output.parent_update.expect("an update").expect("applied").outcomes;
    assert_eq!(outcomes, [ExitCode::OK; 3]);
    assert_eq!(output.gas_used, 0, "users pay nothing for it");
    let minted = fil(12) + TokenAmount::from_atto(1);
    assert_eq!(chain.balance_of(SYSTEM_ID), mint_reserve() - &minted);
    assert_eq!(chain.balance(&secp(ALICE)), fil(5) + TokenAmount::from_atto(1));
    assert_eq!(chain.balance(&secp(BOB)), fil(7));
    assert_eq!(chain.balance_of(GATEWAY_ID), fil(0));
    let supply = chain.view().supply().unwrap();
    assert_eq!((supply.circulating, supply.burnt), (minted, fil(0)));
    let parent = chain.view().gateway().unwrap().parent.expect("a parent");
    assert_eq!((parent.height, parent.next_nonce), (Height::new(6), Nonce::new(3)));
}

#[test]
fn minted_value_can_be_spent_in_the_same_block() {
    let mut chain = Chain::child();
    let messages = vec![top_down(&chain.genesis.subnet, 0, secp(ALICE), fil(10))];
    let spend = transfer(secp(ALICE), 0, secp(BOB), fil(4));
    let output = chain.execute_update(update(6, messages), vec![spend]);
    assert_eq!(output.message_receipt(0).unwrap().exit_code, ExitCode::OK);
    assert_eq!(chain.balance(&secp(BOB)), fil(4));
}

#[test]
fn failing_update_changes_nothing_and_the_block_goes_on() {
    let (mut chain, _) = funded();
    let subnet = chain.genesis.subnet.clone();
    let skipped = update(7, vec![top_down(&subnet, 2, secp(BOB), fil(1))]);
    let repeated = update(7, vec![top_down(&subnet, 0, secp(ALICE), fil(1000))]);
    let backwards = update(3, vec![]);
    let too_much = update(7, vec![top_down(&subnet, 1, secp(BOB), mint_reserve())]);
    let negative = update(7, vec![top_down(&subnet, 1, secp(BOB), fil(1) - fil(2))]);
    for (name, update) in [
        ("skipped", skipped),
        ("repeated", repeated),
        ("backwards", backwards),
        ("too much", too_much),
        ("negative", negative),
    ] {
        let alone = BlockInput { parent_update: Some(update.clone()), ..chain.input(vec![]) };
        let output = chain.try_execute(&alone).unwrap();
        let exit_code = output.parent_update.expect("an update").expect_err("must fail");
        assert!(!exit_code.is_success(), "{name}");
        assert_eq!(output.receipts[0].exit_code, exit_code, "{name}");
        assert_eq!(output.state_root, chain.state_root, "{name}");
    }
    let message = transfer(secp(ALICE), 0, secp(BOB), fil(1));
    let output = chain.execute_update(update(3, vec![]), vec![message]);
    assert!(output.parent_update.as_ref().expect("an update").is_err());
    assert_eq!(output.message_receipt(0).unwrap().exit_code, ExitCode::OK);
}

#[test]
fn root_takes_no_update() {
    let chain = Chain::root(&[]);
    let update = update(6, vec![]);
    let output = chain.try_execute(&BlockInput { parent_update: Some(update), ..chain.input(vec![]) }).unwrap();
    assert!(output.parent_update.expect("an update").is_err());
    assert_eq!(output.state_root, chain.state_root);
}

#[test]
fn users_cannot_send_the_protocols_messages() {
    let (mut chain, _) = funded();
    let to = Address::new_id(GATEWAY_ID);
    let forged = update(7, vec![top_down(&chain.genesis.subnet, 1, secp(ALICE), fil(1))]);
    let reward = Address::new_id(REWARD_ID);
    let tips = subnet_types::actors::AwardTipsParams { beneficiary: secp(ALICE), amount: fil(1) };
    let output = chain.execute(vec![
        call(secp(ALICE), 0, to, gateway::APPLY_PARENT_UPDATE, &forged, fil(1)),
        call(secp(ALICE), 1, to, gateway::CUT_CHECKPOINT, &(), fil(0)),
        call(secp(ALICE), 2, reward, subnet_types::actors::reward::AWARD_TIPS, &tips, fil(0)),
    ]);
    for index in 0..3 {
        assert_eq!(output.message_receipt(index).unwrap().exit_code, ExitCode::USR_FORBIDDEN, "message {index}");
    }
}

/// Executes empty blocks up to the one before the next cut.
fn go_to_the_cut(chain: &mut Chain) {
    while !chain.height.get().is_multiple_of(chain.genesis.chain.checkpoint_period_blocks) {
        chain.execute(vec![]);
    }
}

fn cut(output: &BlockOutput) -> &CheckpointCut {
    output.cut.as_ref().expect("a cut")
}

#[test]
fn cut_reports_fees_burned_and_nothing_else() {
    let (mut chain, _) = funded();
    let mut burnt = BigInt::from(0);
    let mut send = |chain: &mut Chain, message: Message| {
        let base_fee = chain.base_fee.atto().clone();
        let output = chain.execute(vec![message.clone()]);
        let receipt = output.message_receipt(0).unwrap();
        assert_eq!(receipt.exit_code, ExitCode::OK);
        burnt += Fees::of(&message, receipt.gas_used, &base_fee).burnt;
        output
    };
    send(&mut chain, transfer(secp(ALICE), 0, secp(BOB), fil(100)));
    let up = cross_transfer(secp(BOB), 0, SubnetId::root(ROOT_CHAIN_ID), secp(BOB), fil(30));
    send(&mut chain, up);
    assert_eq!(chain.balance_of(BURNT_FUNDS_ID), TokenAmount::from_atto(burnt.clone()));
    assert_eq!(chain.balance_of(SYSTEM_ID), mint_reserve() - fil(1000) + fil(30));

    // The block that cuts counts as well.
    while !chain.height.get().is_multiple_of(CHECKPOINT_PERIOD_BLOCKS) {
        chain.execute(vec![]);
    }
    let message = transfer(secp(ALICE), 1, secp(BOB), fil(1));
    let base_fee = chain.base_fee.atto().clone();
    let output = chain.execute(vec![message.clone()]);
    burnt += Fees::of(&message, output.message_receipt(0).unwrap().gas_used, &base_fee).burnt;

    let cut = cut(&output);
    assert_eq!(cut.burned, TokenAmount::from_atto(burnt.clone()));
    assert_eq!((cut.messages.count, &cut.messages.value), (1, &fil(30)));
    assert_eq!((cut.sequence, cut.height), (Sequence::new(1), Height::new(CHECKPOINT_PERIOD_BLOCKS)));
    assert_eq!(cut.top_down_applied.nonce, Nonce::new(1));
    let gateway = chain.view().gateway().unwrap();
    assert_eq!(gateway.last_cut.as_ref(), Some(cut));
    let batch = gateway.batch(&chain.store, cut).unwrap();
    assert_eq!((batch.len(), &batch[0].value), (1, &fil(30)));
    let supply = chain.view().supply().unwrap();
    assert_eq!(supply.circulating, fil(970) - TokenAmount::from_atto(burnt));

    go_to_the_cut(&mut chain);
    let output = chain.execute(vec![]);
    assert_eq!(super_cut(&output), (Sequence::new(2), fil(0), 0), "a quiet period burns nothing");
}

fn super_cut(output: &BlockOutput) -> (Sequence, TokenAmount, u64) {
    let cut = cut(output);
    (cut.sequence, cut.burned.clone(), cut.messages.count)
}

#[test]
fn receipts_come_in_the_protocols_order() {
    let (mut chain, _) = funded();
    go_to_the_cut(&mut chain);
    let messages = vec![top_down(&chain.genesis.subnet, 1, secp(BOB), fil(1))];
    let message = transfer(secp(ALICE), 0, secp(BOB), fil(1));
    let output = chain.execute_update(update(9, messages), vec![message]);
    assert_eq!(output.receipts.len(), 4, "update, message, tips, cut");
    assert!(output.receipts.iter().all(|receipt| receipt.exit_code.is_success()));
    assert!(output.parent_update.is_some() && output.cut.is_some());
    assert!(chain.balance(&owner(1)).is_positive());
}

#[test]
fn cut_at_another_height_is_fatal() {
    let (chain, _) = funded();
    let input = BlockInput { cuts: true, ..chain.input(vec![]) };
    assert!(matches!(chain.try_execute(&input), Err(ExecError::Implicit { action: "the checkpoint cut", .. })));
    let root = Chain::root(&[]);
    let input = BlockInput { cuts: true, ..root.input(vec![]) };
    assert!(matches!(root.try_execute(&input), Err(ExecError::Implicit { .. })));
}

#[test]
fn validators_change_at_the_cut_and_not_before() {
    let (mut chain, _) = funded();
    let gone = validators().validators()[3].clone();
    let removal = MembershipChange {
        number: ConfigurationNumber::new(2),
        validator: subnet_types::Validator { power: Power::ZERO, ..gone },
    };
    let with_change = subnet_types::actors::ApplyParentUpdateParams { changes: vec![removal], ..update(8, Vec::new()) };
    chain.execute_update(with_change, vec![]);
    let voters = |chain: &Chain| chain.view().gateway().unwrap().validators(&chain.store).unwrap();
    while !chain.height.get().is_multiple_of(CHECKPOINT_PERIOD_BLOCKS) {
        assert_eq!(voters(&chain), validators());
        chain.execute(vec![]);
    }
    let output = chain.execute(vec![]);
    assert_eq!(cut(&output).configuration.number, ConfigurationNumber::new(2));
    assert_eq!(voters(&chain).len(), 3);
}

/// An address that nobody has, with the longest payload there is.
fn nobody(index: u64) -> Address {
    Address::new_delegated(99, &[[index as u8; 46].as_slice(), &index.to_be_bytes()].concat()).unwrap()
}

/// The longest name there is, beside the chain under test.
fn deepest() -> SubnetId {
    (1..SUBNET_DEPTH_MAX as u64).fold(SubnetId::root(ROOT_CHAIN_ID), |subnet, _| subnet.child(nobody(7)).unwrap())
}

#[test]
fn fullest_updates_and_the_cut_behind_them_fit_the_implicit_gas() {
    let mut genesis = child_genesis(actor_bundle::manifest_cid());
    let member = |seed: u64, power| Validator {
        owner: nobody(seed),
        vote_key: VoteKey([&[99; 24][..], &seed.to_be_bytes()].concat().try_into().unwrap()),
        checkpoint_key: BlsPublicKey([&[99; 40][..], &seed.to_be_bytes()].concat().try_into().unwrap()),
        power: Power::new(power),
    };
    let all = (1..=VALIDATORS_MAX as u64 - 1).map(|seed| member(seed, 1)).chain([validators().validators()[0].clone()]);
    genesis.validators = ValidatorSet::new(ConfigurationNumber::FIRST, all.collect()).unwrap();
    // Time for more refusals than a checkpoint carries.
    genesis.chain.checkpoint_period_blocks = 2 * CHECKPOINT_PERIOD_BLOCKS;
    let mut chain = Chain::start(genesis);
    let subnet = chain.genesis.subnet.clone();
    let (mut nonce, mut number, mut figures) = (0, 1, Vec::new());
    let mut apply = |chain: &mut Chain, what, is_receipt: bool, to: &dyn Fn(u64) -> Address| {
        let messages = (nonce..nonce + CROSS_MESSAGES_PER_BLOCK_MAX as u64).map(|nonce| {
            let mut message = top_down(&subnet, nonce, to(nonce), fil(1));
            message.origin = CrossAddress { subnet: deepest(), address: nobody(nonce) };
            if is_receipt {
                let (of, return_data) = (message.id, Default::default());
                message.kind = CrossKind::Receipt { of, of_sequence: 0, exit_code: ExitCode::new(5), return_data };
            }
            message
        });
        let mut update = update(6, messages.collect());
        nonce += update.messages.len() as u64;
        let changes = (1..=CHANGES_PER_UPDATE_MAX as u64).map(|index| MembershipChange {
            number: ConfigurationNumber::new(number + index),
            validator: member(index, 2 + number),
        });
        update.changes = changes.collect();
        number += update.changes.len() as u64;
        let output = chain.execute_update(update, vec![]);
        let outcomes = output.parent_update.expect("an update").expect("applied").outcomes;
        figures.push((what, output.receipts[0].gas_used));
        outcomes
    };

    let key = |index: u64| Address::new_secp256k1(&[[9; 57].as_slice(), &index.to_be_bytes()].concat()).unwrap();
    let outcomes = apply(&mut chain, "to new accounts", false, &key);
    assert!(outcomes.iter().all(|code| code.is_success()), "{outcomes:?}");
    let outcomes =
        apply(&mut chain, "receipts for nobody, kept", true, &|index| Address::new_actor(&index.to_be_bytes()));
    assert!(outcomes.iter().all(|code| *code == refusal::RECEIPT_UNKNOWN), "{outcomes:?}");
    // Several, for the later ones find a large outbox.
    for what in ["refused, with receipt", "the same again"].into_iter().chain(["and again"; 7]) {
        let outcomes = apply(&mut chain, what, false, &|index| Address::new_actor(&index.to_be_bytes()));
        assert!(outcomes.iter().all(|code| !code.is_success()), "{outcomes:?}");
    }
    go_to_the_cut(&mut chain);
    let output = chain.execute(vec![]);
    let gateway = chain.view().gateway().unwrap();
    let taken = gateway.batch(&chain.store, cut(&output)).unwrap();
    let bytes: usize = taken.iter().map(|message| encode(message).len()).sum();
    println!("a batch of {} messages, {bytes} bytes; {} wait behind it", taken.len(), gateway.outbox.count);
    assert!(taken.len() == CROSS_MESSAGES_PER_CHECKPOINT_MAX && gateway.outbox.count > 0);
    // The last receipt; the first is that of the update, which this block has not.
    figures.push(("the cut", output.receipts.last().unwrap().gas_used));
    for (what, gas_used) in &figures {
        println!("{what:<28} {:>8.1} M gas", *gas_used as f64 / 1e6);
    }
    for (what, gas_used) in figures {
        assert!(gas_used > 0 && gas_used < IMPLICIT_GAS_MAX / 2, "{what}: {gas_used}");
    }
}
