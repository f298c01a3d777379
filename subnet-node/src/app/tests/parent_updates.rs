//! What comes from the parent.

use engine_api::{Source, SubnetApp, Verdict};
use subnet_types::{Nonce, ParentUpdate};

use super::world::{Node, account, certified, fil, parent_update, subnet, top_down};
use crate::parent::{Confirmation, ParentCursor};
use crate::storage::CrossStep;

fn cursor(node: &Node) -> ParentCursor {
    let gateway = node.chain().latest_state().unwrap().gateway().unwrap();
    ParentCursor::of(&gateway, node.chain().store()).unwrap().unwrap()
}

fn two_messages(node: &Node) -> ParentUpdate {
    let name = &node.content.genesis.subnet;
    let messages =
        vec![top_down(name, 0, account(1).address(), fil(30)), top_down(name, 1, account(2).address(), fil(12))];
    parent_update(60, messages)
}

#[tokio::test]
async fn value_from_the_parent_is_credited_once_and_can_be_spent() {
    let node = Node::new(subnet());
    let update = two_messages(&node);
    *node.parent.candidate.lock() = Some(update.clone());
    node.step().await;
    assert_eq!(node.balance(&account(1).address()), fil(30));
    assert_eq!(node.balance(&account(2).address()), fil(12));
    let after = cursor(&node);
    assert_eq!((after.next_nonce, after.height.get(), after.block), (Nonce::new(2), 59, Some(update.header.id())));
    let supply = node.chain().latest_state().unwrap().supply().unwrap();
    assert_eq!(supply.circulating, fil(42));

    // The same candidate again is not proposed, and would be rejected.
    let next = node.step().await;
    assert_eq!(next.block.payload.parse().unwrap().0.parent_update, None);
    assert_eq!(node.balance(&account(1).address()), fil(30));

    let key = account(1);
    node.push(&node.message(&key, account(3).address(), fil(5), 0), &key);
    node.step().await;
    assert_eq!(node.balance(&account(3).address()), fil(5));

    let traces = node.chain().cross_traces(&update.messages[0].id).unwrap();
    assert!(
        matches!(traces[..], [ref trace] if matches!(trace.step, CrossStep::Settled { exit_code } if exit_code.is_success()))
    );
}

#[tokio::test]
async fn update_is_judged_by_the_rules_and_by_this_nodes_own_view() {
    let node = Node::new(subnet());
    *node.parent.candidate.lock() = Some(two_messages(&node));
    let block = node.build().await;
    assert!(block.payload.parse().unwrap().0.parent_update.is_some());
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    for (confirmation, expected) in [
        (Confirmation::CannotRead("parent is down".to_owned()), "parent is down"),
        (Confirmation::Differs("another message".to_owned()), "another message"),
    ] {
        *node.parent.confirmation.lock() = Some(confirmation);
        let verdict = node.judge(&block, Source::Live).await;
        assert!(matches!(&verdict, Verdict::NotYet(reason) if reason.contains(expected)), "{verdict:?}");
        assert_eq!(node.judge(&block, Source::Certified).await, Verdict::Accept, "what is final needs no confirmation");
    }
}

#[tokio::test]
async fn update_that_breaks_a_rule_is_neither_proposed_nor_accepted() {
    let node = Node::new(subnet());
    let mut forged = two_messages(&node);
    forged.certificate.signatures.truncate(2);
    *node.parent.candidate.lock() = Some(forged.clone());
    let block = node.build().await;
    let (info, _) = block.payload.parse().unwrap();
    assert_eq!(info.parent_update, None, "a proposer does not offer what others refuse");
    let info = subnet_types::BlockInfo { parent_update: Some(forged), evidence: vec![] };
    let payload = subnet_types::Payload::new(&info, &[]);
    let mut header = block.header;
    header.payload_root = payload.root();
    let verdict = node.judge(&engine_api::Block { header, payload }, Source::Live).await;
    assert!(matches!(&verdict, Verdict::Reject(reason) if reason.contains("more than 2/3")), "{verdict:?}");
}

#[tokio::test]
async fn each_parent_rule_has_its_own_rejection() {
    use crate::parent::rules::{ParentUpdateRejection as R, TrustRule, check};
    let node = Node::new(subnet());
    let cursor = cursor(&node);
    let rule = TrustRule { block_timestamp: node.chain().tip().timestamp, trusting_period_ms: 600_000 };
    let good = two_messages(&node);
    assert_eq!(check(&cursor, &good, rule), Ok(()));
    type Change = Box<dyn Fn(&mut ParentUpdate)>;
    type Expected = fn(&R) -> bool;
    let cases: Vec<(Change, Expected)> = vec![
        (Box::new(|u| u.header.version = 2), |r| matches!(r, R::Version { actual: 2 })),
        (Box::new(|u| u.header.chain = subnet_types::Digest([1; 32])), |r| matches!(r, R::Chain { .. })),
        (Box::new(|u| u.header.validators_hash = subnet_types::Digest([1; 32])), |r| matches!(r, R::Validators { .. })),
        (Box::new(|u| u.header.height = subnet_types::Height::new(50)), |r| matches!(r, R::NotNewer { .. })),
        (Box::new(|u| u.header.height = subnet_types::Height::new(0)), |r| matches!(r, R::NotNewer { .. })),
        (Box::new(|u| u.header.timestamp = subnet_types::TimestampMs::new(5)), |r| matches!(r, R::TimeGoesBack { .. })),
        (Box::new(|u| u.messages.swap(0, 1)), |r| matches!(r, R::Gap { what: "message", index: 0, .. })),
        (Box::new(|u| u.messages[1].nonce = Nonce::new(2)), |r| matches!(r, R::Gap { index: 1, .. })),
        (Box::new(|u| u.messages = vec![u.messages[0].clone(); 257]), |r| matches!(r, R::TooMany { .. })),
        (Box::new(|u| u.witness.push(subnet_types::parent::WitnessBlock { bytes: vec![] })), |r| {
            matches!(r, R::Witness { actual: 1 })
        }),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut update = good.clone();
        change(&mut update);
        let rejection = check(&cursor, &certified(update), rule).unwrap_err();
        assert!(expected(&rejection), "case {index}: {rejection}");
    }
    let mut other = good.clone();
    other.certificate.block = other.header.payload_root;
    assert!(matches!(check(&cursor, &other, rule), Err(R::OtherBlock { .. })));
    let mut few = good.clone();
    few.certificate.signatures.pop();
    assert!(matches!(check(&cursor, &few, rule), Err(R::Certificate(_))));
}

#[tokio::test]
async fn trust_in_the_tracked_header_runs_out() {
    use crate::parent::rules::{ParentUpdateRejection as R, TrustRule, check};
    let node = Node::new(subnet());
    let cursor = cursor(&node);
    let at = |ms: u64| TrustRule {
        block_timestamp: subnet_types::TimestampMs::new(cursor.timestamp.get() + ms),
        trusting_period_ms: 600_000,
    };
    let update = two_messages(&node);
    assert_eq!(check(&cursor, &update, at(600_000)), Ok(()));
    assert!(matches!(check(&cursor, &update, at(600_001)), Err(R::TrustExpired { age_ms: 600_001, .. })));
}

#[tokio::test]
async fn same_parent_height_again_brings_only_the_rest_of_its_range() {
    use crate::parent::rules::{ParentUpdateRejection as R, TrustRule, check};
    let node = Node::new(subnet());
    *node.parent.candidate.lock() = Some(two_messages(&node));
    node.step().await;
    let cursor = cursor(&node);
    let rule = TrustRule { block_timestamp: node.chain().tip().timestamp, trusting_period_ms: 600_000 };
    let rest = vec![top_down(&node.content.genesis.subnet, 2, account(1).address(), fil(1))];
    assert_eq!(check(&cursor, &parent_update(60, rest.clone()), rule), Ok(()));
    assert!(matches!(check(&cursor, &parent_update(60, vec![]), rule), Err(R::NotNewer { .. })));
    assert!(matches!(check(&cursor, &parent_update(59, rest.clone()), rule), Err(R::NotNewer { .. })));
    let mut fork = parent_update(60, rest);
    fork.header.gas_used = 1;
    assert!(matches!(check(&cursor, &certified(fork), rule), Err(R::Fork { .. })));
}

#[tokio::test]
async fn values_that_do_not_follow_the_parents_messages_never_reach_a_state() {
    // The proposer's own node commits, so even a decided update that the gateway refuses changes nothing.
    let node = Node::new(subnet());
    let mut update = two_messages(&node);
    update.messages[1].value = fil(1_000_000_000_000);
    let block = node.build().await;
    let info = subnet_types::BlockInfo { parent_update: Some(update), evidence: vec![] };
    let payload = subnet_types::Payload::new(&info, &[]);
    let mut header = block.header;
    header.payload_root = payload.root();
    node.app().commit(node.decide(engine_api::Block { header, payload })).await.unwrap();
    assert_eq!(node.balance(&account(1).address()), fil(0));
    assert_eq!(cursor(&node).next_nonce, Nonce::ZERO);
    let receipts = node.chain().receipts(node.chain().tip().height).unwrap();
    assert!(!receipts[0].exit_code.is_success());
    let failed = node.parent.failed.lock();
    assert!(matches!(failed[..], [ref failed] if failed.messages.len() == 2), "the follower is told");
}
