//! What a proposer puts into its block.

use engine_api::{Source, Verdict};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use mempool::{MessageRules, Rejection};

use super::world::{Node, account, fil, parent_update, root, subnet, top_down};
use crate::app::pool_rules;

/// An address whose key would be the point at infinity.
fn bls_zero() -> Address {
    Address::new_bls(&[&[0xc0][..], &[0; 47]].concat()).unwrap()
}

/// Would fill a block and offers more than anyone; no block may hold it.
fn poison(node: &Node) -> Message {
    Message {
        gas_limit: node.content.genesis.chain.block_gas_limit,
        gas_premium: TokenAmount::from_atto(1000),
        ..node.message(&account(1), bls_zero(), fil(1), 0)
    }
}

#[test]
fn pool_refuses_at_the_door_what_no_block_may_hold() {
    let node = Node::new(root());
    let rules = pool_rules(&node.content.genesis);
    let verdict = |message: &Message| {
        let signed = node.sign(message, &account(1));
        rules.check(&signed, signed.to_bytes().len())
    };
    let good = Message { to: account(2).address(), ..poison(&node) };
    assert_eq!(verdict(&good), Ok(()));
    let rejection = verdict(&poison(&node)).unwrap_err();
    assert!(matches!(&rejection, Rejection::Form { reason } if reason.contains("zero address")), "{rejection}");
    assert!(rejection.is_fault());
}

#[tokio::test]
async fn message_that_no_block_may_hold_neither_fills_blocks_nor_stays() {
    // A pool that does not know the VM's rules: the builder must not depend on them.
    let rules = MessageRules { form: |_, _, _| Ok(()), ..pool_rules(&root().genesis) };
    let node = Node::with_rules(root(), rules);
    let poison = node.push(&poison(&node), &account(1));
    let normal = node.push(&node.message(&account(2), account(3).address(), fil(1), 0), &account(2));
    let block = node.build().await;
    let (_, messages) = block.payload.parse().unwrap();
    assert_eq!(messages, [normal]);
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    assert!(!node.is_waiting(&poison), "it left the pool");
}

#[tokio::test]
async fn odd_rounds_go_on_without_the_parent() {
    let node = Node::new(subnet());
    let name = &node.content.genesis.subnet;
    let update = parent_update(60, vec![top_down(name, 0, account(1).address(), fil(30))]);
    *node.parent.candidate.lock() = Some(update);
    for (round, is_brought) in [(0, true), (1, false), (2, true), (3, false)] {
        let block = node.build_in(round).await;
        let (info, _) = block.payload.parse().unwrap();
        assert_eq!(info.parent_update.is_some(), is_brought, "round {round}");
        assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    }
}
