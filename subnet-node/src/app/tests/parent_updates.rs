//! What comes from the parent.

use engine_api::{Block, Source, SubnetApp, Verdict};
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;
use subnet_types::parent::{MembershipChange, WitnessBlock};
use subnet_types::{
    BlockInfo, ConfigurationNumber, CrossMessage, Digest, Height, Nonce, ParentUpdate, Payload, TimestampMs,
};

use super::parent_chain::parent_set;
use super::world::{Node, ParentState, account, certified, fil, parent_update, subnet, top_down, validators};
use crate::parent::ParentCursor;
use crate::parent::rules::{Adoption, ParentUpdateRejection as R, ProvenUpdate, TrustRule, check, no_certificate};
use crate::storage::{CrossOrigin, CrossStep};

fn cursor(node: &Node) -> ParentCursor {
    let gateway = node.chain().latest_state().unwrap().gateway().unwrap();
    ParentCursor::of(&gateway, node.chain().store()).unwrap().unwrap()
}

fn messages(node: &Node) -> Vec<CrossMessage> {
    let name = &node.content.genesis.subnet;
    vec![top_down(name, 0, account(1).address(), fil(30)), top_down(name, 1, account(2).address(), fil(12))]
}

fn two_messages(node: &Node) -> ParentUpdate {
    parent_update(60, messages(node))
}

/// So many transfers of an attoFIL each.
fn transfers(node: &Node, count: u64) -> Vec<CrossMessage> {
    let (name, to) = (&node.content.genesis.subnet, account(1).address());
    (0..count).map(|nonce| top_down(name, nonce, to, fvm_shared::econ::TokenAmount::from_atto(1))).collect()
}

fn rule(node: &Node) -> TrustRule {
    TrustRule { block_timestamp: node.chain().tip().timestamp, trusting_period_ms: 600_000 }
}

/// The verdict of the rules on top of the last block.
fn judged(node: &Node, update: &ParentUpdate) -> Result<ProvenUpdate, R> {
    check(&cursor(node), update, rule(node))
}

/// A block of validator 1 that brings `update`, whatever its follower says.
async fn block_with(node: &Node, update: ParentUpdate) -> Block {
    let mut header = node.build().await.header;
    let payload = Payload::new(&BlockInfo { parent_update: Some(update), evidence: vec![] }, &[]);
    header.payload_root = payload.root();
    Block { header, payload }
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

    let traces = node.chain().cross_traces(&messages(&node)[0].id).unwrap();
    assert!(
        matches!(traces[..], [ref trace] if matches!(trace.step, CrossStep::Settled { exit_code, came: Some(CrossOrigin { child: None, .. }) } if exit_code.is_success()))
    );
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
    let verdict = node.judge(&block_with(&node, forged).await, Source::Live).await;
    assert!(matches!(&verdict, Verdict::Reject(reason) if reason.contains("more than 2/3")), "{verdict:?}");
}

#[tokio::test]
async fn each_parent_rule_has_its_own_rejection() {
    let node = Node::new(subnet());
    let good = two_messages(&node);
    assert_eq!(judged(&node, &good).unwrap().params.messages, messages(&node));
    type Change = fn(&mut ParentUpdate);
    type Expected = fn(&R) -> bool;
    let cases: Vec<(Change, Expected)> = vec![
        (|u| u.header.version = 2, |r| matches!(r, R::Version { actual: 2, .. })),
        (|u| u.header.chain = Digest([1; 32]), |r| matches!(r, R::Chain { .. })),
        (|u| u.header.validators_hash = Digest([1; 32]), |r| matches!(r, R::Validators { .. })),
        (|u| u.header.height = Height::new(50), |r| matches!(r, R::NotNewer { .. })),
        (|u| u.header.height = Height::new(0), |r| matches!(r, R::NotNewer { .. })),
        (|u| u.header.timestamp = TimestampMs::new(5), |r| matches!(r, R::TimeGoesBack { .. })),
        // A state of which the witness shows nothing: that of a fork, or a made-up one.
        (|u| u.header.state_root = u.header.payload_root, |r| matches!(r, R::Witness(_))),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut update = good.clone();
        change(&mut update);
        let rejection = judged(&node, &certified(update)).unwrap_err();
        assert!(expected(&rejection), "case {index}: {rejection}");
    }
    let at = |ahead_ms: u64| {
        let mut update = good.clone();
        update.header.timestamp = TimestampMs::new(rule(&node).block_timestamp.get() + ahead_ms);
        judged(&node, &certified(update))
    };
    assert!(at(CLOCK_DRIFT_MS_MAX).is_ok(), "clocks differ");
    assert!(matches!(at(CLOCK_DRIFT_MS_MAX + 1), Err(R::FromTheFuture { .. })));
    let mut other = good.clone();
    other.certificate.block = other.header.payload_root;
    assert!(matches!(judged(&node, &other), Err(R::OtherBlock { .. })));
    let mut other_height = good.clone();
    other_height.certificate.height = Height::new(61);
    assert!(matches!(judged(&node, &other_height), Err(R::OtherBlock { .. })));
    let mut few = good.clone();
    few.certificate.signatures.pop();
    assert!(matches!(judged(&node, &few), Err(R::Certificate { .. })));
    let mut forged = good.clone();
    forged.certificate.round = 1;
    assert!(matches!(judged(&node, &forged), Err(R::Certificate { .. })), "signatures of another round");
    let stale = ParentUpdate { certificate: parent_update(59, messages(&node)).certificate, ..good };
    assert!(matches!(judged(&node, &stale), Err(R::OtherBlock { .. })), "a certificate of an older block");
}

#[tokio::test]
async fn witness_that_lacks_swaps_adds_or_alters_a_block_is_refused() {
    let node = Node::new(subnet());
    let good = two_messages(&node);
    let refused = |change: &dyn Fn(&mut Vec<WitnessBlock>)| {
        let mut update = good.clone();
        change(&mut update.witness);
        // Header and certificate are as they were: nothing but the witness is wrong.
        matches!(judged(&node, &update), Err(R::Witness(_)))
    };
    for index in 0..good.witness.len() {
        assert!(refused(&|blocks| drop(blocks.remove(index))), "block {index} is missing");
        assert!(refused(&|blocks| blocks[index].bytes[0] ^= 1), "block {index} is altered");
        assert!(refused(&|blocks| blocks.insert(index, blocks[index].clone())), "block {index} stands twice");
    }
    assert!(refused(&|blocks| blocks.swap(0, 1)));
    assert!(refused(&|blocks| blocks.push(WitnessBlock { bytes: vec![0x80] })));
    assert!(refused(&|blocks| blocks.clear()));
}

#[tokio::test]
async fn range_begins_at_the_cursor_and_is_whole() {
    let node = Node::new(subnet());
    let queue = transfers(&node, 130);
    let state = ParentState::new(60, queue.clone());
    let proven = judged(&node, &state.update(0, 2)).unwrap().params.messages;
    // As many as one block applies.
    assert_eq!(proven, queue[..128]);
    for from in [10, 50, 128] {
        assert!(matches!(judged(&node, &state.update(from, 2)), Err(R::Witness(_))), "a hole up to message {from}");
    }
    let mut holed = queue;
    holed.remove(60);
    let witness = ParentState::new(60, holed[..60].to_vec()).update(0, 2).witness;
    let gap = ParentUpdate { witness, ..state.update(0, 2) };
    assert!(matches!(judged(&node, &gap), Err(R::Witness(_))), "the proof of a shorter queue");
    *node.parent.candidate.lock() = Some(state.update(0, 2));
    node.step().await;
    assert!(matches!(judged(&node, &state.update(0, 2)), Err(R::Witness(_))), "an overlap with what was applied");
}

#[tokio::test]
async fn handover_leads_to_the_next_validators_and_the_gateway_tracks_them() {
    let node = Node::new(subnet());
    let step = |height, voters, next_voters| ParentState { voters, next_voters, ..ParentState::new(height, vec![]) };
    let after =
        |height, voters| ParentState { voters, next_voters: voters, ..ParentState::new(height, messages(&node)) };
    let linked = |handovers: Vec<ParentState>, state: ParentState| ParentUpdate {
        handovers: handovers.iter().map(ParentState::handover).collect(),
        ..state.update(0, 2)
    };
    let good = linked(vec![step(55, 101, 105), step(57, 105, 109)], after(60, 109));
    let proven = judged(&node, &good).unwrap();
    assert_eq!((proven.params.parent_validators, proven.adoption), (Some(parent_set(109)), None));

    let refused = |change: &dyn Fn(&mut ParentUpdate)| {
        let mut update = good.clone();
        change(&mut update);
        judged(&node, &update).unwrap_err()
    };
    let skipped = refused(&|u| drop(u.handovers.remove(0)));
    assert!(matches!(skipped, R::Validators { height, .. } if height == Height::new(57)), "{skipped}");
    assert!(matches!(refused(&|u| u.handovers.clear()), R::Validators { .. }));
    assert!(matches!(refused(&|u| u.handovers.swap(0, 1)), R::Validators { .. }));
    assert!(matches!(refused(&|u| u.handovers[1].validators = parent_set(105)), R::OtherSet { .. }));
    assert!(matches!(refused(&|u| u.handovers[0].certificate.signatures.truncate(2)), R::Certificate { .. }));
    assert!(matches!(refused(&|u| u.handovers[0].certificate.height = Height::new(9)), R::OtherBlock { .. }));
    assert!(matches!(refused(&|u| u.handovers = vec![u.handovers[0].clone(); 17]), R::TooManyHandovers { actual: 17 }));
    // Handovers whose voters would stand by them.
    let by = |handovers: Vec<ParentState>, state: ParentState| judged(&node, &linked(handovers, state)).unwrap_err();
    assert!(matches!(by(vec![step(55, 101, 101)], after(60, 101)), R::SameValidators { .. }));
    assert!(matches!(by(vec![step(50, 101, 105)], after(60, 105)), R::Order { .. }), "older than what is tracked");
    assert!(matches!(by(vec![step(57, 101, 105), step(56, 105, 109)], after(60, 109)), R::Order { .. }));
    assert!(matches!(by(vec![step(60, 101, 105)], after(60, 105)), R::Order { .. }), "not before the header");
    assert!(matches!(by(vec![], after(60, 105)), R::Validators { .. }), "a certificate of others");
    let foreign = refused(&|u| u.handovers[0].header.chain = Digest([1; 32]));
    assert!(matches!(foreign, R::Chain { .. }), "{foreign}");

    *node.parent.candidate.lock() = Some(good);
    node.step().await;
    assert_eq!((cursor(&node).validators, node.balance(&account(1).address())), (parent_set(109), fil(30)));
    // From now on the old ones prove nothing.
    let old = ParentState::new(70, messages(&node)).update(2, 2);
    assert!(matches!(judged(&node, &old), Err(R::Validators { .. })));
    assert!(judged(&node, &ParentState { queue: messages(&node), ..after(70, 109) }.update(2, 2)).is_ok());
}

#[tokio::test]
async fn more_handovers_than_one_update_may_have_take_several_blocks() {
    let node = Node::new(subnet());
    let voters = |step: u64| if step.is_multiple_of(2) { 101 } else { 105 };
    let step = |step: u64| ParentState {
        voters: voters(step),
        next_voters: voters(step + 1),
        ..ParentState::new(51 + step, vec![])
    };
    let update = |from: u64, to: u64| ParentUpdate {
        handovers: (from..to).map(|number| step(number).handover()).collect(),
        // The block that hands over next is the last that the new ones prove.
        ..step(to).update(0, 2)
    };
    assert!(matches!(judged(&node, &update(0, 19)), Err(R::TooManyHandovers { actual: 19 })));
    for (from, to) in [(0, 15), (15, 19)] {
        *node.parent.candidate.lock() = Some(update(from, to));
        node.step().await;
        let after = cursor(&node);
        assert_eq!((after.height.get(), after.validators), (50 + to, parent_set(voters(to))));
    }
}

#[tokio::test]
async fn expired_trust_waits_for_the_operator_but_not_where_a_quorum_decided() {
    let node = Node::new(subnet());
    let update = two_messages(&node);
    let tracked = cursor(&node).timestamp.get();
    let at = |ms: u64| TrustRule { block_timestamp: TimestampMs::new(tracked + ms), trusting_period_ms: 600_000 };
    assert_eq!(check(&cursor(&node), &update, at(600_000)).unwrap().adoption, None, "resumes after a long pause");
    let expired = Adoption::TrustExpired { age_ms: 600_001, trusting_period_ms: 600_000 };
    assert_eq!(check(&cursor(&node), &update, at(600_001)).unwrap().adoption, Some(expired));

    node.now.fetch_add(700_000, std::sync::atomic::Ordering::Relaxed);
    *node.parent.candidate.lock() = Some(update.clone());
    assert_eq!(node.build().await.payload.parse().unwrap().0.parent_update, None, "not proposed");
    let block = block_with(&node, update.clone()).await;
    let verdict = node.judge(&block, Source::Live).await;
    assert!(matches!(&verdict, Verdict::NotYet(reason) if reason.contains("parent.trusted_header")), "{verdict:?}");
    assert_eq!(node.judge(&block, Source::Certified).await, Verdict::Accept, "others adopted it");

    // The block's time is the proposer's choice: right after the last block, trust would not have expired.
    let tip = node.chain().tip().timestamp.get();
    let mut backdated = block.clone();
    backdated.header.timestamp = TimestampMs::new(tip + 1);
    assert_eq!(check(&cursor(&node), &update, at(tip + 1 - tracked)).unwrap().adoption, None);
    let verdict = node.judge(&backdated, Source::Live).await;
    assert!(matches!(&verdict, Verdict::NotYet(reason) if reason.contains("parent.trusted_header")), "{verdict:?}");
    assert_eq!(node.judge(&backdated, Source::Certified).await, Verdict::Accept);

    // Another header is no help, that one is.
    *node.parent.adopted.lock() = Some(parent_update(61, messages(&node)).header.id());
    assert!(matches!(node.judge(&block, Source::Live).await, Verdict::NotYet(_)));
    *node.parent.adopted.lock() = Some(update.header.id());
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    assert_eq!(node.build().await.payload.parse().unwrap().0.parent_update, Some(update));
    node.app().commit(node.decide(block)).await.unwrap();
    assert_eq!(node.balance(&account(1).address()), fil(30));
}

#[tokio::test]
async fn header_that_no_handover_leads_to_counts_once_it_is_adopted() {
    let node = Node::new(subnet());
    let before = ParentState { voters: 105, next_voters: 109, ..ParentState::new(59, vec![]) }.handover();
    let link = |before: subnet_types::parent::Handover| {
        let state = ParentState { voters: 109, next_voters: 109, ..ParentState::new(60, messages(&node)) };
        let mut update = state.update(0, 2);
        update.header.parent = before.header.id();
        let (height, id) = (update.header.height, update.header.id());
        update.certificate = super::world::certificate(&update.header.chain, height, &id, 109);
        ParentUpdate { handovers: vec![before], ..update }
    };
    assert!(matches!(judged(&node, &link(before.clone())), Err(R::Validators { .. })), "as a handover it is none");
    let bare = subnet_types::parent::Handover { certificate: no_certificate(&before.header), ..before };
    let update = link(bare.clone());
    let proven = judged(&node, &update).unwrap();
    assert!(matches!(proven.adoption, Some(Adoption::Unlinked { .. })));
    let mut forged = update.clone();
    forged.certificate.signatures.pop();
    assert!(matches!(judged(&node, &forged), Err(R::Certificate { .. })), "its own voters must stand by it");
    let mut other_set = bare;
    other_set.validators = validators(101, 4);
    assert!(matches!(judged(&node, &link(other_set)), Err(R::OtherSet { .. })));

    let block = block_with(&node, update.clone()).await;
    assert!(matches!(node.judge(&block, Source::Live).await, Verdict::NotYet(_)));
    *node.parent.adopted.lock() = Some(update.header.id());
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    node.app().commit(node.decide(block)).await.unwrap();
    assert_eq!(cursor(&node).validators, parent_set(109));
}

#[tokio::test]
async fn same_parent_height_again_brings_only_the_rest_of_its_range() {
    let node = Node::new(subnet());
    let state = ParentState::new(60, transfers(&node, 131));
    *node.parent.candidate.lock() = Some(state.update(0, 2));
    node.step().await;
    assert_eq!(judged(&node, &state.update(128, 2)).unwrap().params.messages.len(), 3);
    let lower = ParentState { height: 59, ..state.clone() };
    assert!(matches!(judged(&node, &lower.update(128, 2)), Err(R::NotNewer { .. })));
    let mut fork = state.update(128, 2);
    fork.header.gas_used = 1;
    assert!(matches!(judged(&node, &certified(fork)), Err(R::Fork { .. })));
    // The follower's own source would offer nothing for a height that is followed.
    node.app().commit(node.decide(block_with(&node, state.update(128, 2)).await)).await.unwrap();
    assert!(matches!(judged(&node, &state.update(131, 2)), Err(R::NotNewer { .. })));
}

#[tokio::test]
async fn changes_of_the_subnets_validators_are_read_from_the_witness() {
    let node = Node::new(subnet());
    let change = |number: u64, seed: u8| {
        let validator = validators(seed, 1).validators()[0].clone();
        MembershipChange { number: ConfigurationNumber::new(number), validator }
    };
    let state = ParentState { changes: vec![change(2, 7), change(3, 8)], ..ParentState::new(60, vec![]) };
    assert_eq!(judged(&node, &state.update(0, 2)).unwrap().params.changes, state.changes);
    // Both stand in one block of the log, so the witness for the second alone is the same: it leaves nothing out.
    assert_eq!(judged(&node, &state.update(0, 3)).unwrap().params.changes, state.changes);
    *node.parent.candidate.lock() = Some(state.update(0, 2));
    node.step().await;
    assert_eq!(cursor(&node).next_configuration, ConfigurationNumber::new(4));
}

#[tokio::test]
async fn change_that_is_refused_costs_only_itself_and_every_node_makes_the_same_of_it() {
    let (proposer, other) = (Node::new(subnet()), Node::new(subnet()));
    let sealed = cursor(&proposer).next_configuration;
    // A checkpoint key that a validator of the subnet has already.
    let gateway = proposer.chain().latest_state().unwrap().gateway().unwrap();
    let before = gateway.pending(proposer.chain().store()).unwrap();
    let mut validator = validators(7, 1).validators()[0].clone();
    validator.checkpoint_key = before.validators()[0].checkpoint_key;
    let changes = vec![MembershipChange { number: sealed, validator }];
    let state = ParentState { changes, ..ParentState::new(60, messages(&proposer)) };
    *proposer.parent.candidate.lock() = Some(state.update(0, 2));

    let block = proposer.build().await;
    assert!(block.payload.parse().unwrap().0.parent_update.is_some(), "it is proposed");
    assert_eq!(other.judge(&block, Source::Live).await, Verdict::Accept);
    for node in [&proposer, &other] {
        node.app().commit(node.decide(block.clone())).await.unwrap();
        assert_eq!(node.balance(&account(1).address()), fil(30), "its messages are delivered");
        let after = cursor(node);
        assert_eq!((after.next_configuration, after.next_nonce), (sealed.next(), Nonce::new(2)));
        let pending = node.chain().latest_state().unwrap().gateway().unwrap().pending(node.chain().store()).unwrap();
        assert_eq!((pending.number(), pending.validators()), (sealed, before.validators()));
    }
    assert_eq!(proposer.chain().tip().results, other.chain().tip().results);
}

#[tokio::test]
async fn update_that_fails_changes_nothing_and_the_follower_is_told() {
    let node = Node::new(subnet());
    // More than there is to mint, which no parent would have queued.
    let mut queue = messages(&node);
    queue[1].value = fil(1_000_000_000_000);
    let block = block_with(&node, parent_update(60, queue)).await;
    node.app().commit(node.decide(block)).await.unwrap();
    assert_eq!(node.balance(&account(1).address()), fil(0));
    assert_eq!(cursor(&node).next_nonce, Nonce::ZERO);
    let receipts = node.chain().receipts(node.chain().tip().height).unwrap();
    assert!(!receipts[0].exit_code.is_success());
    assert_eq!(node.parent.failed.lock().len(), 1);
}

#[tokio::test]
async fn decided_block_whose_update_proves_nothing_stops_the_node() {
    let node = Node::new(subnet());
    let mut update = two_messages(&node);
    update.witness.pop();
    let block = block_with(&node, update).await;
    let failure = node.app().commit(node.decide(block)).await.unwrap_err();
    assert!(format!("{failure:?}").contains("witness"), "{failure:?}");
    assert_eq!(node.chain().tip().height, Height::GENESIS);
}
