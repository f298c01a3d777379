//! Blocks executed before they are proposed, and the hints that they are proposed with.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use engine_api::{Block, DecidedBlock, Source, SubnetApp, Verdict};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use subnet_types::actors::{GATEWAY_ID, gateway};
use subnet_types::hash::encode;
use subnet_types::{Height, SignedMessage};

use super::world::{Node, account, fil, parent_update, subnet, top_down};
use crate::app::draft::DraftOptions;

/// Accounts with money on the subnet.
const RICH: u8 = 4;

/// With what every block is worth being drafted.
const EAGER: DraftOptions = DraftOptions { heavy: Duration::ZERO, full_percent: 0 };

/// With what a full block counts as heavy, though a few calls are executed in no time.
const HEAVY: DraftOptions = DraftOptions { heavy: Duration::from_nanos(1), full_percent: 75 };

/// With what a full block is drafted and none is heavy.
const FULL: DraftOptions = DraftOptions { heavy: Duration::from_secs(3600), full_percent: 75 };

/// Two nodes of one subnet after a block that has funded accounts: a proposer, and a validator with two lanes.
struct Pair {
    proposer: Node,
    validator: Node,
}

impl Pair {
    /// The proposer drafts as the chain's parameters say, or by these options.
    async fn new(drafts: Option<DraftOptions>) -> Self {
        let (mut proposer, mut validator) = (Node::new(subnet()), Node::new(subnet()));
        (proposer.drafts, validator.lanes) = (drafts, NonZeroUsize::new(2).unwrap());
        for node in [&mut proposer, &mut validator] {
            node.restart();
        }
        let name = &proposer.content.genesis.subnet;
        let money = |index: u8| top_down(name, index.into(), account(1 + index).address(), fil(30));
        *proposer.parent.candidate.lock() = Some(parent_update(60, (0..RICH).map(money).collect()));
        let first = proposer.build().await;
        let pair = Self { proposer, validator };
        pair.commit(first).await;
        pair
    }

    async fn commit(&self, block: Block) -> DecidedBlock {
        let decided = self.proposer.decide(block);
        for node in [&self.proposer, &self.validator] {
            node.app().commit(decided.clone()).await.unwrap();
        }
        assert_eq!(self.proposer.chain().tip(), self.validator.chain().tip());
        decided
    }

    /// A call of the gateway that changes its state, as everybody's does.
    fn release(&self, seed: u8, skip: u64) -> SignedMessage {
        let key = account(seed);
        let mut release = self.proposer.message(&key, Address::new_id(GATEWAY_ID), fil(1), skip);
        release.method_num = gateway::SEND;
        release.params = RawBytes::new(encode(&client::cross::transfer(
            subnet_types::SubnetId::root(31_415_926),
            account(7).address(),
            fvm_shared::econ::TokenAmount::default(),
        )));
        release.gas_limit = self.proposer.content.genesis.chain.block_gas_limit / 10;
        self.proposer.push(&release, &key)
    }

    /// Eight calls, which nearly fill a block.
    fn fill(&self) {
        for skip in 0..2 {
            for seed in 1..=RICH {
                self.release(seed, skip);
            }
        }
    }

    /// Executions of the validator: between waypoints, and misled by some.
    fn hinted(&self) -> (u64, u64) {
        let totals = self.validator.chain().executor().totals();
        (totals.blocks.get("waypoints").copied().unwrap_or_default(), totals.misled)
    }

    /// Drafts of the proposer: begun, proposed, proposed with hints, dropped.
    fn drafts(&self) -> [u64; 4] {
        self.proposer.app().inner.parts.metrics.draft.counts()
    }
}

fn messages(block: &Block) -> usize {
    block.payload.parse().unwrap().1.len()
}

#[tokio::test]
async fn draft_of_a_full_block_is_proposed_with_waypoints_between_which_others_execute_it() {
    let pair = Pair::new(Some(HEAVY)).await;
    pair.fill();
    pair.proposer.prepare().await;
    // It is too late for this one.
    pair.release(1, 2);
    let built = pair.proposer.built(0).await;
    assert_eq!(messages(&built.block), 8);
    assert!(!built.hints.is_empty());
    assert_eq!(pair.drafts(), [1, 1, 1, 0]);
    let before = pair.proposer.chain().tip().timestamp.get();
    assert_eq!(built.block.header.timestamp.get(), before + pair.proposer.content.genesis.chain.block_interval_ms);

    let verdict = pair.validator.judge_hinted(&built.block, Source::Live, built.hints).await;
    assert_eq!(verdict, Verdict::Accept);
    pair.commit(built.block).await;
    assert_eq!(pair.hinted(), (1, 0));
    let counts = pair.proposer.app().inner.parts.metrics.speculation.counts();
    assert_eq!((counts.0, counts.2), (2, 0), "the draft is executed once");
    assert_eq!(messages(&pair.proposer.build().await), 1, "it goes into the next block");
}

#[tokio::test]
async fn full_block_that_takes_no_time_is_proposed_as_drafted_without_hints() {
    let pair = Pair::new(Some(FULL)).await;
    pair.fill();
    pair.proposer.prepare().await;
    let built = pair.proposer.built(0).await;
    assert_eq!((messages(&built.block), built.hints.len()), (8, 0));
    assert_eq!(pair.drafts(), [1, 1, 0, 0]);
}

#[tokio::test]
async fn hints_that_are_wrong_garbage_or_cut_give_the_same_block() {
    let pair = Pair::new(Some(HEAVY)).await;
    pair.fill();
    pair.proposer.prepare().await;
    let built = pair.proposer.built(0).await;
    let hints = built.hints.to_vec();
    let mut damaged = vec![hints[..hints.len() / 2].to_vec(), vec![0; 100], b"hints".to_vec(), vec![0x80]];
    for at in (1..8).map(|share| hints.len() * share / 8) {
        let mut altered = hints.clone();
        altered[at] ^= 1;
        damaged.push(altered);
    }
    let decided = pair.proposer.decide(built.block.clone());
    pair.proposer.app().commit(decided.clone()).await.unwrap();
    let expected = pair.proposer.chain().tip();
    // Each validator tries one; all of them start from the same block.
    let first = pair.proposer.chain().block(Height::new(1)).unwrap().unwrap();
    for hints in damaged {
        let mut node = Node::new(subnet());
        node.lanes = NonZeroUsize::new(2).unwrap();
        node.restart();
        node.now.store(u64::MAX / 2, std::sync::atomic::Ordering::Relaxed);
        node.app().commit(node.decide(first.clone())).await.unwrap();
        assert_eq!(node.judge_hinted(&built.block, Source::Live, Bytes::from(hints)).await, Verdict::Accept);
        node.app().commit(decided.clone()).await.unwrap();
        assert_eq!(node.chain().tip(), expected);
    }
}

#[tokio::test]
async fn light_block_is_not_drafted_and_takes_what_comes_in_time() {
    let pair = Pair::new(None).await;
    pair.release(1, 0);
    pair.proposer.prepare().await;
    assert_eq!(pair.drafts(), [0; 4]);
    pair.release(2, 0);
    let built = pair.proposer.built(0).await;
    assert_eq!((messages(&built.block), built.hints.len()), (2, 0));
}

#[tokio::test]
async fn draft_that_proves_light_gives_way_to_what_came_in_time() {
    // The block before lets expect an hour, and a minute is asked for.
    let options = DraftOptions { heavy: Duration::from_secs(60), full_percent: 101 };
    let pair = Pair::new(Some(options)).await;
    let old = [pair.release(1, 0)];
    pair.proposer.app().inner.drafts.committed(&old, Duration::from_secs(3600));
    pair.proposer.prepare().await;
    pair.release(2, 0);
    let built = pair.proposer.built(0).await;
    assert_eq!((messages(&built.block), built.hints.len()), (2, 0));
    assert_eq!(pair.drafts(), [1, 0, 0, 1]);
    pair.commit(built.block).await;
}

#[tokio::test]
async fn draft_is_of_no_use_in_another_round_and_after_the_block_was_built() {
    let pair = Pair::new(Some(EAGER)).await;
    pair.release(1, 0);
    pair.proposer.prepare().await;
    let built = pair.proposer.built(1).await;
    assert_eq!((pair.drafts(), built.hints.len()), ([1, 0, 0, 1], 0));
    pair.proposer.prepare().await;
    assert_eq!(pair.drafts(), [1, 0, 0, 1], "too late");
    pair.commit(built.block).await;
}

#[tokio::test]
async fn draft_is_forgotten_when_the_tip_moves() {
    let pair = Pair::new(Some(EAGER)).await;
    pair.release(1, 0);
    pair.proposer.prepare().await;
    // Another block is decided at its height.
    let other = pair.validator.build().await;
    let decided = pair.commit(other).await;
    assert_eq!(pair.drafts(), [1, 0, 0, 1]);
    let built = pair.proposer.built(0).await;
    assert_eq!(built.block.header.parent, decided.block.id());
    pair.commit(built.block).await;
}

#[tokio::test]
async fn node_that_is_far_behind_drafts_nothing() {
    let pair = Pair::new(Some(EAGER)).await;
    pair.release(1, 0);
    pair.proposer.now.fetch_add(3_600_000, std::sync::atomic::Ordering::Relaxed);
    pair.proposer.prepare().await;
    assert_eq!(pair.drafts(), [0; 4]);
}
