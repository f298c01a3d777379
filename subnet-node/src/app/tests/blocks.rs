//! Which blocks are valid: each rule with a block that keeps it, one that breaks it and one that comes to break it.

use engine_api::{Block, Source, SubnetApp, Verdict};
use fvm_shared::econ::TokenAmount;
use subnet_types::hash::cid_of_bytes;
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;
use subnet_types::{BlockInfo, Digest, Height, Payload, SignedMessage, TimestampMs};

use super::world::{Node, START_MS, account, fil, parent_update, root, vote_key};

/// The block with these messages and a header that fits them.
fn with_messages(block: &Block, messages: &[SignedMessage]) -> Block {
    let payload = Payload::new(&BlockInfo::default(), messages);
    with_payload(block, payload)
}

fn with_payload(block: &Block, payload: Payload) -> Block {
    let mut header = block.header.clone();
    header.payload_root = payload.root();
    Block { header, payload }
}

async fn expect_rejection(node: &Node, block: &Block, expected: &str) {
    for source in [Source::Live, Source::Certified] {
        match node.judge(block, source).await {
            Verdict::Reject(reason) => assert!(reason.contains(expected), "{expected:?} is not in {reason:?}"),
            verdict => panic!("{expected}: {verdict:?}"),
        }
    }
}

#[tokio::test]
async fn every_header_field_is_checked_against_the_chain() {
    let node = Node::new(root());
    node.step().await;
    let block = node.build().await;
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    type Change = fn(&mut subnet_types::BlockHeader);
    let other = cid_of_bytes(b"other");
    assert_ne!(block.header.state_root, other);
    let changes: Vec<(&str, Change)> = vec![
        ("version", |header| header.version += 1),
        ("chain", |header| header.chain = Digest([9; 32])),
        ("parent", |header| header.parent = cid_of_bytes(b"other")),
        ("state_root", |header| header.state_root = cid_of_bytes(b"other")),
        ("receipts_root", |header| header.receipts_root = cid_of_bytes(b"other")),
        ("gas_used", |header| header.gas_used += 1),
        ("base_fee", |header| header.base_fee += TokenAmount::from_atto(1)),
        ("validators_hash", |header| header.validators_hash = Digest([9; 32])),
        ("next_validators_hash", |header| header.next_validators_hash = Digest([9; 32])),
        ("payload_root", |header| header.payload_root = cid_of_bytes(b"other")),
        ("proposer", |header| header.proposer = vote_key(77).public()),
        ("timestamp", |header| header.timestamp = TimestampMs::new(START_MS)),
    ];
    for (field, change) in changes {
        let mut changed = block.clone();
        change(&mut changed.header);
        expect_rejection(&node, &changed, field).await;
    }
}

#[tokio::test]
async fn time_moves_on_even_when_the_clock_does_not() {
    let node = Node::new(root());
    let mut block = node.build().await;
    let parent = node.chain().tip().timestamp;
    block.header.timestamp = parent;
    expect_rejection(&node, &block, "timestamp").await;
    block.header.timestamp = TimestampMs::new(parent.get() + 1);
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    node.app().commit(node.decide(block)).await.unwrap();
    // A clock that was set back: the proposer's time still passes its parent's.
    node.now.store(START_MS - 60_000, std::sync::atomic::Ordering::Relaxed);
    let block = node.build().await;
    assert_eq!(block.header.timestamp.get(), parent.get() + 2);
}

#[tokio::test]
async fn time_ahead_of_the_clock_withholds_only_the_live_vote_and_only_for_a_while() {
    let node = Node::new(root());
    let mut block = node.build().await;
    let now = node.now.load(std::sync::atomic::Ordering::Relaxed);
    block.header.timestamp = TimestampMs::new(now + CLOCK_DRIFT_MS_MAX);
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    block.header.timestamp = TimestampMs::new(now + CLOCK_DRIFT_MS_MAX + 1);
    assert!(matches!(node.judge(&block, Source::Live).await, Verdict::NotYet(reason) if reason.contains("clock")));
    assert_eq!(node.judge(&block, Source::Certified).await, Verdict::Accept, "a certificate needs no clock");
    node.now.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
}

#[tokio::test]
async fn block_for_another_height_gets_no_vote() {
    let node = Node::new(root());
    let first = node.build().await;
    node.app().commit(node.decide(first.clone())).await.unwrap();
    assert!(matches!(node.judge(&first, Source::Live).await, Verdict::NotYet(_)));
    let mut ahead = node.build().await;
    ahead.header.height = Height::new(9);
    assert!(matches!(node.judge(&ahead, Source::Live).await, Verdict::NotYet(_)));
}

#[tokio::test]
async fn nonces_continue_from_the_state_and_turn_invalid_with_it() {
    let node = Node::new(root());
    let block = node.build().await;
    let key = account(1);
    let to = account(50).address();
    let transfer = |skip| node.sign(&node.message(&key, to, fil(1), skip), &key);
    let good = with_messages(&block, &[transfer(0), transfer(1)]);
    assert_eq!(node.judge(&good, Source::Live).await, Verdict::Accept);
    expect_rejection(&node, &with_messages(&block, &[transfer(1)]), "expected 0").await;
    expect_rejection(&node, &with_messages(&block, &[transfer(0), transfer(2)]), "expected 1").await;
    expect_rejection(&node, &with_messages(&block, &[transfer(1), transfer(0)]), "expected 0").await;
    expect_rejection(&node, &with_messages(&block, &[transfer(0), transfer(0)]), "stands in the block before").await;
    let used = transfer(0);
    node.app().commit(node.decide(good)).await.unwrap();
    let next = node.build().await;
    expect_rejection(&node, &with_messages(&next, &[used]), "expected 2").await;
}

#[tokio::test]
async fn senders_must_cover_value_and_fees_of_all_their_messages() {
    let node = Node::new(root());
    let block = node.build().await;
    let key = account(1);
    let to = account(50).address();
    // 20 M gas at 1000 attoFIL each.
    let fee = TokenAmount::from_atto(20_000_000_000u64);
    let sign = |value: TokenAmount, skip| node.sign(&node.message(&key, to, value, skip), &key);
    let all = &fil(1000) - &fee;
    assert_eq!(node.judge(&with_messages(&block, &[sign(all.clone(), 0)]), Source::Live).await, Verdict::Accept);
    let more = &all + TokenAmount::from_atto(1);
    expect_rejection(&node, &with_messages(&block, &[sign(more, 0)]), "may cost").await;
    expect_rejection(&node, &with_messages(&block, &[sign(all, 0), sign(fil(0), 1)]), "may cost").await;
    let stranger = account(60);
    let message = node.sign(&node.message(&stranger, to, fil(0), 0), &stranger);
    expect_rejection(&node, &with_messages(&block, &[message]), "no account").await;
}

#[tokio::test]
async fn signatures_of_other_keys_chains_and_forms_are_rejected() {
    let node = Node::new(root());
    let block = node.build().await;
    let (key, thief) = (account(1), account(2));
    let message = node.message(&key, account(50).address(), fil(1), 0);
    let good = node.sign(&message, &key);
    assert_eq!(node.judge(&with_messages(&block, std::slice::from_ref(&good)), Source::Live).await, Verdict::Accept);
    let stolen = SignedMessage { signature: node.sign(&message, &thief).signature, ..good.clone() };
    expect_rejection(&node, &with_messages(&block, &[stolen]), "signature of message 0").await;
    let elsewhere = client::sign_message(&message, &key, &Digest([3; 32]));
    expect_rejection(&node, &with_messages(&block, &[elsewhere]), "signature of message 0").await;
    let bare = key.sign(&subnet_types::message::bare_signing_bytes(&message));
    expect_rejection(&node, &with_messages(&block, &[SignedMessage { signature: bare, ..good }]), "bare").await;
}

#[tokio::test]
async fn gas_of_a_block_is_bounded_and_each_message_pays_for_its_place() {
    let node = Node::new(root());
    let block = node.build().await;
    let key = account(1);
    let with_gas = |gas_limit, skip| {
        let mut message = node.message(&key, account(50).address(), fil(1), skip);
        message.gas_limit = gas_limit;
        node.sign(&message, &key)
    };
    let limit = node.content.genesis.chain.block_gas_limit;
    let full = with_messages(&block, &[with_gas(limit - 20_000_000, 0), with_gas(20_000_000, 1)]);
    assert_eq!(node.judge(&full, Source::Live).await, Verdict::Accept);
    let over = with_messages(&block, &[with_gas(limit - 20_000_000, 0), with_gas(20_000_001, 1)]);
    expect_rejection(&node, &over, "the block has").await;
    expect_rejection(&node, &with_messages(&block, &[with_gas(1000, 0)]), "gas limit 1000").await;
    let mut cheap = node.message(&key, account(50).address(), fil(1), 0);
    cheap.gas_fee_cap = TokenAmount::from_atto(99);
    let cheap = node.sign(&cheap, &key);
    expect_rejection(&node, &with_messages(&block, &[cheap]), "fee cap 99").await;
}

#[tokio::test]
async fn garbage_payloads_are_rejected() {
    let node = Node::new(root());
    let block = node.build().await;
    expect_rejection(&node, &with_payload(&block, Payload::default()), "payload").await;
    let garbage = Payload { items: vec![vec![0xff; 10]] };
    expect_rejection(&node, &with_payload(&block, garbage), "item 0").await;
    let mut stray = block.payload.clone();
    stray.items.push(vec![1, 2, 3]);
    expect_rejection(&node, &with_payload(&block, stray), "item 1").await;
}

#[tokio::test]
async fn root_takes_no_parent_update() {
    let node = Node::new(root());
    let block = node.build().await;
    let info = BlockInfo { parent_update: Some(parent_update(60, vec![])), evidence: vec![] };
    expect_rejection(&node, &with_payload(&block, Payload::new(&info, &[])), "root").await;
}

#[tokio::test]
async fn proposer_leaves_out_what_does_not_fit() {
    let node = Node::new(root());
    let key = account(1);
    let fitting = node.push(&node.message(&key, account(50).address(), fil(1), 0), &key);
    // Waits for the nonce between.
    node.push(&node.message(&key, account(50).address(), fil(1), 2), &key);
    let block = node.build().await;
    let (_, messages) = block.payload.parse().unwrap();
    assert_eq!(messages, std::slice::from_ref(&fitting));
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    node.app().commit(node.decide(block)).await.unwrap();
    let included = node.chain().message(&fitting.cid()).unwrap().unwrap();
    assert!(included.receipt.exit_code.is_success() && included.receipt.gas_used > 0);
    assert_eq!(included.message, fitting);
}

#[tokio::test]
async fn signatures_of_a_proposal_are_checked_once_and_never_at_its_commit() {
    let (node, follower) = (Node::new(root()), Node::new(root()));
    for seed in 1..=9 {
        let key = account(seed);
        node.push(&node.message(&key, account(50).address(), fil(1), 0), &key);
    }
    let checked = |node: &Node| node.app().inner.parts.verifier.work().0;
    let block = node.build().await;
    assert_eq!(checked(&node), 0, "they were when they were admitted");
    for source in [Source::Live, Source::Certified] {
        assert_eq!(follower.judge(&block, source).await, Verdict::Accept);
        assert_eq!(checked(&follower), 9);
    }
    for node in [&node, &follower] {
        node.app().commit(node.decide(block.clone())).await.unwrap();
    }
    assert_eq!((checked(&node), checked(&follower)), (0, 9));
}
