//! Reading the parent: what is kept, what is confirmed, and what happens when an endpoint fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use subnet_types::{Digest, ParentUpdate};
use tokio_util::sync::CancellationToken;

use super::fake::{FakeApi, World};
use crate::app::tests::world::{Node, PARENT_IDENTITY, START_MS, account, fil, parent_update, subnet, top_down};
use crate::metrics::Metrics;
use crate::parent::api::ParentApi;
use crate::parent::{Confirmation, Endpoints, Follower, FollowerParts, ParentCursor, ParentError, ParentSource};

fn endpoints(apis: &[FakeApi]) -> Arc<Endpoints> {
    let apis = apis.iter().map(|api| Box::new(api.clone()) as Box<dyn ParentApi>).collect();
    Arc::new(Endpoints::new(apis, PARENT_IDENTITY, Metrics::new().parent).unwrap())
}

fn follower(node: &Node, apis: &[FakeApi]) -> Follower {
    Follower::new(FollowerParts {
        chain: node.chain().clone(),
        endpoints: endpoints(apis),
        clock: Arc::new(|| subnet_types::TimestampMs::new(START_MS + 1000)),
        metrics: Metrics::new().parent,
        poll: Duration::from_millis(200),
    })
}

fn cursor(node: &Node) -> ParentCursor {
    let gateway = node.chain().latest_state().unwrap().gateway().unwrap();
    ParentCursor::of(&gateway, node.chain().store()).unwrap().unwrap()
}

/// Lets the follower look at its parent for a while.
async fn follow(follower: &Follower, time: Duration) {
    let stop = CancellationToken::new();
    let task = tokio::spawn(follower.clone().run(stop.clone()));
    tokio::time::sleep(time).await;
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn news_become_a_candidate_and_are_confirmed_only_as_they_stand() {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let follower = follower(&node, &[FakeApi::new(&world)]);
    let cursor = cursor(&node);
    follow(&follower, Duration::from_secs(1)).await;
    assert_eq!(follower.candidate(&cursor), None, "a parent without news");

    let name = &node.content.genesis.subnet;
    let update = parent_update(60, vec![top_down(name, 0, account(1).address(), fil(3))]);
    *world.update.lock() = Some(update.clone());
    follow(&follower, Duration::from_secs(10)).await;
    assert_eq!(follower.candidate(&cursor), Some(update.clone()));
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed);
    let mut other = update.clone();
    other.messages[0].value = fil(4);
    assert!(
        matches!(follower.confirm(&cursor, &other).await, Confirmation::Differs(reason) if reason.contains("nonce 0"))
    );
    let mut fewer = update.clone();
    fewer.messages.clear();
    assert!(
        matches!(follower.confirm(&cursor, &fewer).await, Confirmation::Differs(reason) if reason.contains("0 messages"))
    );

    // For another cursor the same reading is worth nothing.
    let moved = ParentCursor { next_nonce: subnet_types::Nonce::new(1), ..cursor };
    assert_eq!(follower.candidate(&moved), None);
}

#[tokio::test(start_paused = true)]
async fn header_without_messages_is_proposed_only_once_trust_grows_stale() {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let follower = follower(&node, &[FakeApi::new(&world)]);
    let cursor = cursor(&node);
    // The anchor is at height 50; header h proves the state after h - 1.
    for (header, is_due) in [(52, false), (80, false), (81, true)] {
        *world.update.lock() = Some(parent_update(header, vec![]));
        follow(&follower, Duration::from_secs(5)).await;
        assert_eq!(follower.candidate(&cursor).is_some(), is_due, "header {header}");
    }
}

#[tokio::test(start_paused = true)]
async fn forged_news_are_never_kept() {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let follower = follower(&node, &[FakeApi::new(&world)]);
    let name = &node.content.genesis.subnet;
    let mut forged = parent_update(60, vec![top_down(name, 0, account(1).address(), fil(3))]);
    forged.certificate.signatures.pop();
    *world.update.lock() = Some(forged);
    follow(&follower, Duration::from_secs(5)).await;
    assert_eq!(follower.candidate(&cursor(&node)), None);
}

#[tokio::test(start_paused = true)]
async fn confirmation_waits_for_a_parent_node_that_is_behind_but_not_for_ever() {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let follower = follower(&node, &[FakeApi::new(&world)]);
    let (cursor, update) = (cursor(&node), parent_update(90, vec![]));
    let late = {
        let (world, update) = (world.clone(), update.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            *world.update.lock() = Some(update);
        })
    };
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed);
    late.await.unwrap();
    let ahead = parent_update(91, vec![]);
    assert!(matches!(follower.confirm(&cursor, &ahead).await, Confirmation::CannotRead(_)));
}

/// A node, its cursor, and the same news on two parent endpoints.
fn two_endpoints() -> (Node, ParentCursor, ParentUpdate, [FakeApi; 2]) {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let update = news(&node, 60, 3);
    *world.update.lock() = Some(update.clone());
    let cursor = cursor(&node);
    (node, cursor, update, [FakeApi::new(&world), FakeApi::new(&world)])
}

/// `count` transfers, proved by header `height`.
fn news(node: &Node, height: u64, count: u64) -> ParentUpdate {
    let name = &node.content.genesis.subnet;
    parent_update(height, (0..count).map(|nonce| top_down(name, nonce, account(1).address(), fil(3))).collect())
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_differs_is_contradicted_by_the_next_and_not_believed_again() {
    let (node, cursor, update, apis) = two_endpoints();
    // The certificate covers the header only: other messages look as good.
    let mut lie = update.clone();
    lie.messages[0].value = fil(4);
    *apis[0].update.lock() = Some(lie);
    let follower = follower(&node, &apis);
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed);
    let reads = |api: &FakeApi| api.reads.load(Ordering::Relaxed);
    assert_eq!((reads(&apis[0]), reads(&apis[1])), (1, 1));
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed);
    assert_eq!((reads(&apis[0]), reads(&apis[1])), (1, 1), "what was confirmed is remembered");

    // Where all differ, the proposal is the lie; each endpoint was asked once.
    let mut other = update;
    other.messages[0].value = fil(5);
    assert!(matches!(follower.confirm(&cursor, &other).await, Confirmation::Differs(_)));
    assert_eq!(reads(&apis[0]) + reads(&apis[1]), 3);
}

#[tokio::test(start_paused = true)]
async fn what_no_certificate_proves_is_not_remembered() {
    let (node, cursor, update, apis) = two_endpoints();
    let mut forged = update.clone();
    forged.certificate.signatures.truncate(2);
    *apis[0].update.lock() = Some(forged);
    let alone = follower(&node, &apis[..1]);
    let wrong = alone.confirm(&cursor, &update).await;
    assert!(matches!(&wrong, Confirmation::Differs(reason) if reason.contains("certificate")), "{wrong:?}");
    *apis[0].update.lock() = None;
    assert_eq!(alone.confirm(&cursor, &update).await, Confirmation::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn endpoint_whose_chain_stands_is_left_for_the_next() {
    let (node, cursor, _, apis) = two_endpoints();
    let newer = news(&node, 61, 3);
    *apis[1].update.lock() = Some(newer.clone());
    let follower = follower(&node, &apis);
    // The parent's blocks take a second.
    follow(&follower, Duration::from_secs(25)).await;
    assert_eq!(apis[1].reads.load(Ordering::Relaxed), 0, "a pause is no standstill");
    follow(&follower, Duration::from_secs(10)).await;
    assert_eq!(follower.candidate(&cursor), Some(newer));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_long_ago_is_not_proposed_but_still_confirmed() {
    let (node, cursor, update, apis) = two_endpoints();
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(2)).await;
    assert_eq!(follower.candidate(&cursor), Some(update.clone()));
    // A newer header comes, and then both endpoints go away.
    *apis[0].world.update.lock() = Some(news(&node, 61, 3));
    follow(&follower, Duration::from_secs(2)).await;
    apis.iter().for_each(|api| api.is_down.store(true, Ordering::Relaxed));
    follow(&follower, Duration::from_secs(30)).await;
    assert_eq!(follower.candidate(&cursor), None);
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed, "read before the newer one");
    let unread = news(&node, 62, 3);
    assert!(matches!(follower.confirm(&cursor, &unread).await, Confirmation::CannotRead(_)));
}

#[tokio::test(start_paused = true)]
async fn half_of_what_failed_is_offered_and_confirmed_until_the_cursor_moves() {
    let (node, cursor, update, apis) = two_endpoints();
    let follower = follower(&node, &apis);
    let part = |messages: usize| {
        let mut part = update.clone();
        part.messages.truncate(messages);
        part
    };
    follow(&follower, Duration::from_secs(2)).await;
    assert!(matches!(follower.confirm(&cursor, &part(1)).await, Confirmation::Differs(_)), "nothing failed yet");
    follow(&follower, Duration::from_secs(2)).await;
    assert_eq!(follower.candidate(&cursor), Some(update.clone()));

    follower.failed(&cursor, &update);
    assert_eq!(follower.candidate(&cursor), Some(part(1)), "half of three");
    assert_eq!(follower.confirm(&cursor, &part(1)).await, Confirmation::Confirmed);
    assert_eq!(follower.confirm(&cursor, &update).await, Confirmation::Confirmed, "of a node that forgot");
    let mut other = part(1);
    other.messages[0].value = fil(4);
    assert!(matches!(follower.confirm(&cursor, &other).await, Confirmation::Differs(_)), "a part, but of the truth");

    // The header alone waits until it is worth a place, as headers without messages do.
    follower.failed(&cursor, &part(1));
    follow(&follower, Duration::from_secs(2)).await;
    assert_eq!(follower.candidate(&cursor), None);
    let bare_at = |height| {
        let mut bare = news(&node, height, 3);
        bare.messages.clear();
        bare
    };
    *apis[0].world.update.lock() = Some(news(&node, 81, 3));
    follow(&follower, Duration::from_secs(2)).await;
    assert_eq!(follower.candidate(&cursor), Some(bare_at(81)));

    // Should even that fail, the next of them waits for as many blocks again.
    follower.failed(&cursor, &bare_at(81));
    for (header, expected) in [(82, None), (110, None), (111, Some(bare_at(111)))] {
        *apis[0].world.update.lock() = Some(news(&node, header, 3));
        follow(&follower, Duration::from_secs(2)).await;
        assert_eq!(follower.candidate(&cursor), expected, "header {header}");
    }

    // Once the cursor moves, everything is offered again.
    let moved = ParentCursor { height: subnet_types::Height::new(80), ..cursor };
    assert_eq!(follower.candidate(&moved), Some(news(&node, 111, 3)));
}

#[tokio::test(start_paused = true)]
async fn next_endpoint_is_asked_when_one_fails_and_one_of_another_chain_never() {
    let world = World::new(PARENT_IDENTITY);
    let (first, second) = (FakeApi::new(&world), FakeApi::new(&world));
    let stranger = FakeApi { identity: Digest([5; 32]), ..FakeApi::new(&world) };
    let all = endpoints(&[stranger.clone(), first.clone(), second.clone()]);
    let name = subnet().genesis.subnet;
    let status = |endpoints: Arc<Endpoints>| {
        let name = name.clone();
        async move {
            endpoints
                .ask("status", move |api| {
                    let name = name.clone();
                    Box::pin(async move { api.child_status(&name).await })
                })
                .await
        }
    };
    status(all.clone()).await.unwrap();
    assert_eq!(stranger.calls.load(Ordering::Relaxed), 1, "asked who it is, and nothing else");
    first.is_down.store(true, Ordering::Relaxed);
    status(all.clone()).await.unwrap();
    let before = first.calls.load(Ordering::Relaxed);
    status(all.clone()).await.unwrap();
    assert_eq!(first.calls.load(Ordering::Relaxed), before, "the one that answered last is asked first");
    second.is_down.store(true, Ordering::Relaxed);
    assert!(matches!(status(all).await, Err(ParentError::Call(_) | ParentError::WrongChain { .. })));
    let alone = status(endpoints(&[stranger])).await;
    assert!(matches!(alone, Err(ParentError::WrongChain { actual, .. }) if actual == Digest([5; 32])));
    assert!(matches!(Endpoints::new(vec![], PARENT_IDENTITY, Metrics::new().parent), Err(ParentError::None)));
}
