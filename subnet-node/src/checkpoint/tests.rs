//! Several nodes and one parent: who submits what, when.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use client::api::ChildStatus;
use fvm_ipld_encoding::{RawBytes, from_slice};
use fvm_shared::message::Message;
use subnet_types::actors::{CallParams, DeliverBatchParams, SubmitCheckpointParams, checkpoint};
use subnet_types::limits::{BLOCK_GAS_MIN, CROSS_CALL_GAS_MAX};
use subnet_types::{CrossMessage, Digest, Nonce, Sequence};
use tokio_util::sync::CancellationToken;

use super::rotation::Turn;
use super::submitter::{Submitter, SubmitterParts};
use crate::app::tests::world::{
    Node, PARENT_IDENTITY, PERIOD, VALIDATORS, account, fil, funded, releasing, sending, subnet, vote_key,
};
use crate::metrics::Metrics;
use crate::parent::Endpoints;
use crate::parent::api::ParentApi;
use crate::parent::tests::fake::{FakeApi, Lies, World};

/// A chain with `count` certified checkpoints.
async fn certified(count: u64) -> Node {
    let node = Node::new(subnet());
    while node.chain().tip().height.get() < count * PERIOD + 1 {
        node.step().await;
    }
    node
}

/// All validators, each with a parent node of its own.
struct Team {
    world: Arc<World>,
    apis: Vec<FakeApi>,
    submitters: Vec<Submitter>,
}

impl Team {
    fn new(node: &Node) -> Self {
        Self::at(node, World::new(PARENT_IDENTITY))
    }

    fn at(node: &Node, world: Arc<World>) -> Self {
        let apis: Vec<FakeApi> = (1..=VALIDATORS).map(|_| FakeApi::new(&world)).collect();
        let each = apis.iter().map(|api| vec![api.clone()]).collect();
        Self::asking(node, world, apis, each)
    }

    /// All validators ask the same nodes.
    fn sharing(node: &Node, world: &Arc<World>, apis: &[FakeApi]) -> Self {
        let each = (1..=VALIDATORS).map(|_| apis.to_vec()).collect();
        Self::asking(node, world.clone(), apis.to_vec(), each)
    }

    fn asking(node: &Node, world: Arc<World>, apis: Vec<FakeApi>, each: Vec<Vec<FakeApi>>) -> Self {
        let mut sequence = Sequence::new(1);
        while let Some(record) = node.chain().checkpoint(sequence).unwrap() {
            world.digests.lock().entry(sequence).or_insert(record.digest);
            sequence = sequence.next();
        }
        let submitters = (1..=VALIDATORS)
            .zip(each)
            .map(|(seed, apis)| {
                let apis = apis.into_iter().map(|api| Box::new(api) as Box<dyn ParentApi>).collect();
                Submitter::new(SubmitterParts {
                    chain: node.chain().clone(),
                    endpoints: Arc::new(Endpoints::new(apis, PARENT_IDENTITY, Metrics::new().parent)),
                    account: account(seed),
                    vote_key: vote_key(seed).public(),
                    actor: node.content.genesis.subnet.checkpoint_actor().unwrap(),
                    parent: PARENT_IDENTITY,
                    metrics: Metrics::new().checkpoint,
                })
            })
            .collect();
        Self { world, apis, submitters }
    }

    async fn work(self, time: Duration) -> Arc<World> {
        let stop = CancellationToken::new();
        let tasks: Vec<_> =
            self.submitters.into_iter().map(|submitter| tokio::spawn(submitter.run(stop.clone()))).collect();
        tokio::time::sleep(time).await;
        stop.cancel();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        self.world
    }
}

/// Validators by their place in the rotation of a checkpoint.
fn rotation(node: &Node, sequence: u64) -> Vec<u8> {
    let validators = node.chain().validators(node.next_height()).unwrap();
    let mut seeds: Vec<u8> = (1..=VALIDATORS).collect();
    seeds.sort_by_key(|seed| Turn::of(&validators, &vote_key(*seed).public(), Sequence::new(sequence)).position);
    seeds
}

#[tokio::test(start_paused = true)]
async fn each_checkpoint_is_submitted_once_by_the_first_in_its_rotation() {
    let node = certified(3).await;
    let world = Team::new(&node).work(Duration::from_secs(120)).await;
    let pushed = world.pushed.lock();
    let senders: Vec<_> = pushed.iter().map(|signed| signed.message.from).collect();
    let firsts: Vec<_> = (1..=3).map(|sequence| account(rotation(&node, sequence)[0]).address()).collect();
    assert_eq!(senders, firsts);
    for (index, signed) in pushed.iter().enumerate() {
        assert_eq!(signed.message.method_num, checkpoint::SUBMIT_CHECKPOINT);
        assert_eq!(signed.message.to, node.content.genesis.subnet.checkpoint_actor().unwrap());
        let params: SubmitCheckpointParams = from_slice(signed.message.params.bytes()).unwrap();
        let record = node.chain().checkpoint(Sequence::new(index as u64 + 1)).unwrap().unwrap();
        assert_eq!((params.checkpoint, Some(params.certificate)), (record.checkpoint, record.certificate));
        mempool::verify(signed, &PARENT_IDENTITY, subnet_types::message::SignaturePolicy::Bound).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn second_takes_over_when_the_first_is_cut_off() {
    let node = certified(1).await;
    let team = Team::new(&node);
    let order = rotation(&node, 1);
    team.apis[usize::from(order[0] - 1)].is_down.store(true, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(60)).await;
    let senders: Vec<_> = world.pushed.lock().iter().map(|signed| signed.message.from).collect();
    assert_eq!(senders, [account(order[1]).address()]);
}

#[tokio::test(start_paused = true)]
async fn estimate_that_fails_costs_no_message() {
    let node = certified(1).await;
    let team = Team::new(&node);
    team.world.is_refusing_estimates.store(true, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(300)).await;
    assert!(world.pushed.lock().is_empty());
    // The refusal ends, and work goes on where it stood.
    world.is_refusing_estimates.store(false, Ordering::Relaxed);
    let world = Team::at(&node, world).work(Duration::from_secs(60)).await;
    assert_eq!(world.pushed.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_on_the_parent_are_delivered_once_by_whoever_is_first() {
    let node = funded().await;
    for _ in 0..2 {
        node.step().await;
    }
    let team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    *team.world.undelivered.lock() = 1;
    let world = team.work(Duration::from_secs(60)).await;
    let pushed = world.pushed.lock();
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].message.method_num, checkpoint::DELIVER_BATCH);
    let params: DeliverBatchParams = from_slice(pushed[0].message.params.bytes()).unwrap();
    assert_eq!((params.sequence, params.messages.len()), (Sequence::new(1), 1));
}

/// Gas of a parent's blocks in which two transfers are delivered at once.
const BLOCK_GAS_FOR_TWO: u64 = 732_000_000;

/// The nonces that each delivery of the first checkpoint's batch brought.
fn slices(world: &World) -> Vec<Vec<u64>> {
    let pushed = world.pushed.lock();
    let deliveries = pushed.iter().filter(|signed| signed.message.method_num == checkpoint::DELIVER_BATCH);
    let nonces = deliveries.map(|signed| {
        let params: DeliverBatchParams = from_slice(signed.message.params.bytes()).unwrap();
        assert_eq!(params.sequence, Sequence::new(1));
        assert!(signed.message.gas_limit <= BLOCK_GAS_FOR_TWO);
        params.messages.iter().map(|message| message.nonce.get()).collect()
    });
    nonces.collect()
}

#[tokio::test(start_paused = true)]
async fn batch_too_large_for_one_message_follows_its_checkpoint_in_slices() {
    let node = releasing(5).await;
    for _ in 0..2 {
        node.step().await;
    }
    let team = Team::new(&node);
    team.world.block_gas_limit.store(BLOCK_GAS_FOR_TWO, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(120)).await;
    let submission: SubmitCheckpointParams = from_slice(world.pushed.lock()[0].message.params.bytes()).unwrap();
    assert_eq!((submission.checkpoint.messages.count, submission.messages.len()), (5, 0));
    assert_eq!(slices(&world), [vec![0, 1], vec![2, 3], vec![4]], "each once, whoever sent it");
}

#[tokio::test(start_paused = true)]
async fn delivery_that_somebody_left_halfway_goes_on_from_the_parents_cursor_after_later_cuts() {
    let node = releasing(5).await;
    // The batch is of the first of three periods: the gateway's own state names only the last one's.
    for _ in 0..2 * PERIOD + 1 {
        node.step().await;
    }
    let team = Team::new(&node);
    team.world.block_gas_limit.store(BLOCK_GAS_FOR_TWO, Ordering::Relaxed);
    let last = node.chain().last_checkpoint().unwrap().unwrap().checkpoint.sequence;
    assert!(last >= Sequence::new(3));
    *team.world.last_sequence.lock() = last;
    (*team.world.next_nonce.lock(), *team.world.undelivered.lock()) = (Nonce::new(3), 2);
    let world = team.work(Duration::from_secs(120)).await;
    assert_eq!(slices(&world), [vec![3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn checkpoint_brings_no_messages_while_those_of_another_wait() {
    let node = releasing(1).await;
    for _ in 0..2 {
        node.step().await;
    }
    let team = Team::new(&node);
    *team.world.undelivered.lock() = 1;
    let world = team.work(Duration::from_secs(60)).await;
    let submission: SubmitCheckpointParams = from_slice(world.pushed.lock()[0].message.params.bytes()).unwrap();
    assert_eq!(submission.messages.len(), 0);
    let world = Team::new(&node).work(Duration::from_secs(60)).await;
    let submission: SubmitCheckpointParams = from_slice(world.pushed.lock()[0].message.params.bytes()).unwrap();
    assert_eq!(submission.messages.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn message_that_waits_is_replaced_at_a_higher_price_not_followed_by_another() {
    let node = certified(1).await;
    let team = Team::new(&node);
    team.world.is_including.store(false, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(60)).await;
    let pushed = world.pushed.lock();
    let first = rotation(&node, 1)[0];
    let own: Vec<_> = pushed.iter().filter(|signed| signed.message.from == account(first).address()).collect();
    assert!(own.len() >= 2, "{} attempts", own.len());
    for pair in own.windows(2) {
        assert_eq!(pair[0].message.sequence, pair[1].message.sequence);
        assert!(pair[1].message.gas_premium > pair[0].message.gas_premium);
    }
}

/// What one account pushed, in order.
fn pushed_by(world: &World, seed: u8) -> Vec<Message> {
    let pushed = world.pushed.lock();
    let own = pushed.iter().filter(|signed| signed.message.from == account(seed).address());
    own.map(|signed| signed.message.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn price_is_raised_only_as_far_as_a_submission_may_cost() {
    let node = certified(1).await;
    let team = Team::new(&node);
    team.world.is_including.store(false, Ordering::Relaxed);
    // 0.9 FIL for the estimated million of gas: a quarter more would be above the limit.
    team.world.price.store(900_000_000_000, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(120)).await;
    for seed in 1..=VALIDATORS {
        let own = pushed_by(&world, seed);
        assert_eq!(own.len(), 1, "validator {seed}");
        assert_eq!(world.pool.lock().get(&(own[0].from, 0)).map(|signed| &signed.message), Some(&own[0]));
    }
}

#[tokio::test(start_paused = true)]
async fn next_duty_takes_the_place_of_a_message_of_an_earlier_run_that_is_stuck() {
    let node = certified(2).await;
    let team = Team::new(&node);
    team.world.is_including.store(false, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(60)).await;
    let seed = rotation(&node, 2)[0];
    let before = pushed_by(&world, seed);
    let stuck = before.last().expect("everybody tried").clone();

    // Checkpoint 1 was accepted from elsewhere, and the nodes are started anew.
    *world.last_sequence.lock() = Sequence::new(1);
    let world = Team::at(&node, world).work(Duration::from_secs(60)).await;
    let after = pushed_by(&world, seed).split_off(before.len());
    let first = after.first().expect("it tried again");
    let params: SubmitCheckpointParams = from_slice(first.params.bytes()).unwrap();
    assert_eq!(params.checkpoint.sequence, Sequence::new(2));
    assert!(after.iter().all(|message| message.sequence == stuck.sequence), "nothing queues behind it");
    assert!(first.gas_premium.atto() * 100 >= stuck.gas_premium.atto() * 125);
    assert!(first.gas_fee_cap.atto() * 100 >= stuck.gas_fee_cap.atto() * 125);
}

#[tokio::test(start_paused = true)]
async fn delivery_asks_for_no_more_gas_than_a_block_of_the_parent_has() {
    // A call that may use as much gas as any wants more beside it than the smallest block has.
    let call = CallParams { method: 2, params: RawBytes::default(), gas_limit: CROSS_CALL_GAS_MAX };
    let node = sending(1, Some(call)).await;
    for _ in 0..2 {
        node.step().await;
    }
    let team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    *team.world.undelivered.lock() = 1;
    team.world.block_gas_limit.store(BLOCK_GAS_MIN, Ordering::Relaxed);
    let world = team.work(Duration::from_secs(60)).await;
    let gas: Vec<_> = world.pushed.lock().iter().map(|signed| signed.message.gas_limit).collect();
    assert_eq!(gas, [BLOCK_GAS_MIN]);
}

#[tokio::test(start_paused = true)]
async fn node_of_another_history_submits_nothing() {
    let node = certified(2).await;
    let team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    team.world.digests.lock().insert(Sequence::new(1), Digest([9; 32]));
    let world = team.work(Duration::from_secs(120)).await;
    assert!(world.pushed.lock().is_empty());
    // An endpoint that lied is no reason to stop for ever.
    world.digests.lock().remove(&Sequence::new(1));
    let world = Team::at(&node, world).work(Duration::from_secs(60)).await;
    assert_eq!(world.pushed.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn parent_that_has_everything_is_left_alone() {
    let node = certified(1).await;
    let team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    let calls: Vec<_> = team.apis.iter().map(|api| api.calls.clone()).collect();
    let world = team.work(Duration::from_secs(60)).await;
    assert!(world.pushed.lock().is_empty());
    assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) < 20), "asked now and then only");
}

/// A liar and two honest nodes of the parent, the liar first.
fn liar_and_two(world: &Arc<World>, lies: Lies) -> Vec<FakeApi> {
    let apis: Vec<FakeApi> = (0..3).map(|_| FakeApi::new(world)).collect();
    *apis[0].lies.lock() = lies;
    apis
}

#[tokio::test(start_paused = true)]
async fn endpoint_gets_nothing_signed_but_a_settling_call_without_value() {
    let node = certified(1).await;
    let actor = node.content.genesis.subnet.checkpoint_actor().unwrap();
    let honest = Team::new(&node).work(Duration::from_secs(60)).await.pushed.lock()[0].message.clone();
    let paying = |nonce| Message { value: fil(900), sequence: nonce, ..honest.clone() };
    let pendings = vec![
        Some(vec![paying(0)]),
        Some(vec![Message { version: 7, gas_limit: 1, ..Message { value: fil(0), ..paying(0) } }]),
        Some(vec![paying(0), Message { value: fil(0), ..paying(1) }]),
        None,
    ];
    for pending in pendings {
        let team = Team::new(&node);
        for api in &team.apis {
            let mut lies = api.lies.lock();
            lies.pending = pending.clone();
            lies.estimate = Some(Box::new(|message: &mut Message| {
                message.value = fil(900);
                (message.to, message.method_num, message.sequence) = (account(9).address(), 0, 77);
            }));
        }
        let world = team.work(Duration::from_secs(120)).await;
        let pushed = world.pushed.lock();
        assert!(!pushed.is_empty());
        for signed in pushed.iter() {
            let message = &signed.message;
            assert_eq!((message.to, message.method_num, message.version), (actor, checkpoint::SUBMIT_CHECKPOINT, 0));
            assert_eq!(message.value, fil(0));
            assert_eq!(message.params, honest.params);
            assert!(message.sequence < 3, "{}", message.sequence);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_lying_endpoint_of_three_stops_nothing() {
    let node = certified(3).await;
    let digest = node.chain().checkpoint(Sequence::new(3)).unwrap().unwrap().digest;
    let status = |lie: fn(&mut ChildStatus)| Lies { status: Some(Box::new(lie)), ..Lies::default() };
    let all_done = move |status: &mut ChildStatus| {
        (status.last_sequence, status.last_digest) = (Sequence::new(3), digest);
    };
    let lies = [
        ("ahead", status(|status| status.last_sequence = Sequence::new(u64::MAX / 2))),
        ("foreign", status(|status| (status.last_sequence, status.last_digest) = (Sequence::new(1), Digest([9; 32])))),
        ("stale", status(|status| (status.last_sequence, status.last_digest) = (Sequence::ZERO, Digest::ZERO))),
        ("all done", Lies { status: Some(Box::new(all_done)), ..Lies::default() }),
        ("ignorant", Lies { is_ignorant: true, ..Lies::default() }),
        ("refusing", Lies { is_refusing: true, ..Lies::default() }),
        (
            "dear",
            Lies { estimate: Some(Box::new(|message: &mut Message| message.gas_fee_cap = fil(1))), ..Lies::default() },
        ),
    ];
    for (name, lies) in lies {
        let world = World::new(PARENT_IDENTITY);
        let apis = liar_and_two(&world, lies);
        Team::sharing(&node, &world, &apis).work(Duration::from_secs(55)).await;
        assert_eq!(*world.last_sequence.lock(), Sequence::new(3), "{name}");
        assert_eq!(world.pushed.lock().len(), 3, "{name}: nothing in vain");
    }
}

#[tokio::test(start_paused = true)]
async fn duty_that_a_minority_makes_up_costs_a_message_in_ten_minutes_at_most() {
    let node = certified(2).await;
    let world = World::new(PARENT_IDENTITY);
    *world.last_sequence.lock() = Sequence::new(2);
    let stale = |status: &mut ChildStatus| (status.last_sequence, status.last_digest) = (Sequence::ZERO, Digest::ZERO);
    let apis = liar_and_two(&world, Lies { status: Some(Box::new(stale)), ..Lies::default() });
    Team::sharing(&node, &world, &apis).work(Duration::from_secs(3000)).await;
    for seed in 1..=VALIDATORS {
        let count = pushed_by(&world, seed).len();
        assert!(count <= 5, "validator {seed}: {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_delivered_between_the_checkpoints_of_a_long_backlog() {
    let node = releasing(5).await;
    while node.chain().tip().height.get() < 12 * PERIOD + 1 {
        node.step().await;
    }
    let mut team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    *team.world.undelivered.lock() = 5;
    team.world.block_gas_limit.store(BLOCK_GAS_FOR_TWO, Ordering::Relaxed);
    team.submitters.truncate(1);
    let world = team.work(Duration::from_secs(600)).await;
    let methods: Vec<_> = world.pushed.lock().iter().map(|signed| signed.message.method_num).collect();
    let deliveries = || methods.iter().enumerate().filter(|(_, method)| **method == checkpoint::DELIVER_BATCH);
    assert_eq!((deliveries().count(), *world.last_sequence.lock()), (3, Sequence::new(12)));
    assert!(deliveries().all(|(index, _)| index < 11), "before the last checkpoint: {methods:?}");
}

#[tokio::test(start_paused = true)]
async fn message_that_was_set_aside_is_brought_again_a_few_times() {
    let node = funded().await;
    for _ in 0..2 {
        node.step().await;
    }
    let record = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap();
    let message = node.chain().checkpoint_messages(&record).unwrap()[0].clone();
    let team = Team::new(&node);
    *team.world.last_sequence.lock() = Sequence::new(1);
    *team.world.next_nonce.lock() = Nonce::new(1);
    *team.world.unclaimed.lock() = vec![Nonce::ZERO];
    let world = team.work(Duration::from_secs(50)).await;
    assert!(world.pushed.lock().is_empty(), "it waits, so that what made it fail may be over");
    let world = Team::at(&node, world).work(Duration::from_secs(600)).await;
    {
        let pushed = world.pushed.lock();
        assert_eq!(pushed.len(), 1);
        assert_eq!(pushed[0].message.method_num, checkpoint::DELIVER_UNCLAIMED);
        assert_eq!(from_slice::<CrossMessage>(pushed[0].message.params.bytes()).unwrap(), message);
    }
    // Where the gateway fails at it whatever happens, each node gives up.
    *world.unclaimed.lock() = vec![Nonce::ZERO];
    world.is_retrying_in_vain.store(true, Ordering::Relaxed);
    world.pushed.lock().clear();
    let world = Team::at(&node, world).work(Duration::from_secs(36_000)).await;
    for seed in 1..=VALIDATORS {
        assert_eq!(pushed_by(&world, seed).len(), 3, "validator {seed}");
    }
}
