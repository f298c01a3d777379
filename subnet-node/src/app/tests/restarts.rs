//! Crash anywhere, restart, go on.

use engine_api::{SubnetApp, UndecidedBlock};
use subnet_types::Height;

use super::world::{Node, account, fil, root};

#[tokio::test]
async fn node_that_restarts_after_every_block_reaches_the_same_roots() {
    let steady = Node::new(root());
    let mut crashing = Node::new(root());
    for round in 0..4u8 {
        for seed in 1..4 {
            let key = account(seed);
            let transfer = steady.message(&key, account(20 + round).address(), fil(1), 0);
            steady.push(&transfer, &key);
        }
        let decided = steady.step().await;
        assert_eq!(decided.block.payload.items.len(), 4);
        crashing.app().commit(decided.clone()).await.unwrap();
        crashing.restart();
        assert_eq!(crashing.chain().tip(), steady.chain().tip());
        assert_eq!(crashing.app().decided(decided.block.header.height).await.unwrap(), Some(decided));
        assert_eq!(steady.balance(&account(20 + round).address()), fil(3));
    }
    assert_eq!(crashing.balance(&account(23).address()), fil(3));
}

#[tokio::test]
async fn committing_again_changes_nothing_and_another_block_is_refused() {
    let node = Node::new(root());
    let first = node.build().await;
    let other = node.build().await;
    assert_ne!(first.id(), other.id());
    let decided = node.decide(first);
    node.app().commit(decided.clone()).await.unwrap();
    let tip = node.chain().tip();
    node.app().commit(decided.clone()).await.unwrap();
    assert_eq!(node.chain().tip(), tip);
    node.step().await;
    node.app().commit(decided).await.unwrap();
    assert_eq!(node.chain().tip().height, Height::new(2));
    let failure = node.app().commit(node.decide(other.clone())).await.unwrap_err();
    assert!(failure.reason.contains(&other.id().to_string()), "{failure}");
}

#[tokio::test]
async fn decided_block_that_contradicts_this_nodes_state_stops_it() {
    let node = Node::new(root());
    node.step().await;
    let mut block = node.build().await;
    block.header.state_root = block.header.receipts_root;
    let failure = node.app().commit(node.decide(block)).await.unwrap_err();
    assert!(failure.reason.contains("state_root"), "{failure}");
    assert_eq!(node.chain().tip().height, Height::new(1));
}

#[tokio::test]
async fn proposals_survive_a_restart_until_their_height_is_committed() {
    let mut node = Node::new(root());
    let block = node.build().await;
    let height = block.header.height;
    let stored: Vec<UndecidedBlock> = (0..2)
        .map(|round| UndecidedBlock { height, round, block: block.id(), record: vec![1, 2, round as u8] })
        .collect();
    for undecided in &stored {
        node.app().put_undecided(undecided.clone()).await.unwrap();
    }
    node.restart();
    assert_eq!(node.app().undecided(height).await.unwrap(), stored);
    assert_eq!(node.app().undecided(height.next()).await.unwrap(), []);
    node.app().commit(node.decide(block)).await.unwrap();
    assert_eq!(node.app().undecided(height).await.unwrap(), []);
}
