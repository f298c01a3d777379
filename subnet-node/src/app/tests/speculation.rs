//! Blocks executed ahead of their decision.

use engine_api::{Block, Source, SubnetApp, Verdict};
use subnet_types::TimestampMs;

use super::world::{Node, account, fil, root};

/// A node that has two transfers to put into its blocks.
fn busy() -> Node {
    let node = Node::new(root());
    for seed in [1, 2] {
        let key = account(seed);
        node.push(&node.message(&key, account(50).address(), fil(1), 0), &key);
    }
    node
}

/// Begun, taken, thrown away.
fn counts(node: &Node) -> (u64, u64, u64) {
    node.app().inner.parts.metrics.speculation.counts()
}

/// Another valid block for the same height.
fn later(block: &Block) -> Block {
    let mut later = block.clone();
    later.header.timestamp = TimestampMs::new(block.header.timestamp.get() + 1);
    later
}

async fn commit(node: &Node, block: Block) {
    node.app().commit(node.decide(block)).await.unwrap();
}

#[tokio::test]
async fn accepted_block_is_executed_before_its_decision_and_gives_what_it_gives_after_it() {
    let (builder, validator, follower) = (busy(), Node::new(root()), Node::new(root()));
    for height in 1..=3 {
        let block = builder.build().await;
        assert_eq!(validator.judge(&block, Source::Live).await, Verdict::Accept);
        for node in [&builder, &validator, &follower] {
            commit(node, block.clone()).await;
        }
        assert_eq!(counts(&builder), (height, height, 0), "its own");
        assert_eq!(counts(&validator), (height, height, 0), "another's");
        assert_eq!(counts(&follower), (0, 0, 0), "it saw the decision only");
        for node in [&builder, &validator] {
            assert_eq!(node.chain().tip(), follower.chain().tip());
        }
    }
    assert_eq!(follower.balance(&account(50).address()), fil(2));
}

#[tokio::test]
async fn decision_for_another_block_throws_the_execution_away() {
    let (node, follower) = (busy(), Node::new(root()));
    let block = node.build().await;
    let decided = later(&block);
    commit(&node, decided.clone()).await;
    commit(&follower, decided.clone()).await;
    assert_eq!(node.chain().tip(), follower.chain().tip());
    assert_eq!(node.chain().tip().id, decided.id());
    node.app().close().await;
    assert_eq!(counts(&node), (1, 0, 1));
}

#[tokio::test]
async fn nothing_is_written_before_the_decision_and_a_restart_begins_anew() {
    let mut node = busy();
    let before = node.chain().tip();
    let block = node.build().await;
    node.app().close().await;
    assert_eq!(counts(&node).0, 1);
    assert_eq!(node.chain().tip(), before);
    assert_eq!(node.chain().header(block.header.height).unwrap(), None);
    node.restart();
    assert_eq!(node.chain().tip(), before);
    assert_eq!(node.judge(&block, Source::Certified).await, Verdict::Accept);
    commit(&node, block.clone()).await;
    assert_eq!(counts(&node), (1, 1, 0));
    assert_eq!(node.chain().tip().id, block.id());
}

#[tokio::test]
async fn refused_block_is_not_executed() {
    let node = busy();
    let mut block = node.build().await;
    block.header.gas_used += 1;
    assert!(matches!(node.judge(&block, Source::Live).await, Verdict::Reject(_)));
    let mut early = later(&block);
    early.header.gas_used -= 1;
    early.header.timestamp = TimestampMs::new(early.header.timestamp.get() + 1_000_000);
    assert!(matches!(node.judge(&early, Source::Live).await, Verdict::NotYet(_)));
    node.app().close().await;
    assert_eq!(counts(&node).0, 1, "the one it built");
}

#[tokio::test]
async fn execution_that_was_taken_still_needs_the_payload_of_its_block() {
    let node = busy();
    let block = node.build().await;
    let mut other = block.clone();
    other.payload.items.pop();
    assert_eq!(other.id(), block.id(), "the header names the payload it belongs to");
    let error = node.app().commit(node.decide(other)).await.unwrap_err().to_string();
    assert!(error.contains("payload_root"), "{error}");
    assert_eq!(node.chain().header(block.header.height).unwrap(), None);
}
