//! Reading the parent: which of several answers is kept, and what happens when a source fails or lies.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cid::Cid;
use subnet_types::parent::Handover;
use subnet_types::{CrossMessage, Digest, ParentUpdate, TimestampMs};
use tokio_util::sync::CancellationToken;

use super::fake::{FakeApi, World};
use crate::app::tests::world::{
    Node, PARENT_IDENTITY, ParentState, START_MS, account, certificate, fil, parent_update, subnet, top_down,
};
use crate::logging::Lines;
use crate::metrics::Metrics;
use crate::parent::api::{ParentApi, ProofApi, ProofQuery};
use crate::parent::rules::no_certificate;
use crate::parent::{Endpoints, Follower, FollowerParts, ParentCursor, ParentError, ParentSource, files};

fn endpoints(apis: &[FakeApi]) -> Arc<Endpoints> {
    let apis = apis.iter().map(|api| Box::new(api.clone()) as Box<dyn ParentApi>).collect();
    Arc::new(Endpoints::new(apis, PARENT_IDENTITY, Metrics::new().parent))
}

/// The same nodes as if they were this chain's.
fn peers(node: &Node, apis: &[FakeApi]) -> Arc<Endpoints<dyn ProofApi>> {
    let apis = apis.iter().map(|api| Box::new(api.clone()) as Box<dyn ProofApi>).collect();
    Arc::new(Endpoints::new(apis, *node.chain().identity(), Metrics::new().parent))
}

/// What an operator sets, and the time.
struct Setting {
    proofs: Option<PathBuf>,
    trusted_header: Option<Cid>,
    age_ms: u64,
}

fn follower_with(node: &Node, apis: &[FakeApi], setting: Setting) -> Follower {
    follower_of(node, apis, &[], setting)
}

fn follower_of(node: &Node, apis: &[FakeApi], of_this_chain: &[FakeApi], setting: Setting) -> Follower {
    let Setting { proofs, trusted_header, age_ms } = setting;
    Follower::new(FollowerParts {
        chain: node.chain().clone(),
        endpoints: endpoints(apis),
        peers: peers(node, of_this_chain),
        proofs,
        trusted_header,
        clock: Arc::new(move || TimestampMs::new(START_MS + age_ms)),
        metrics: Metrics::new().parent,
        poll: Duration::from_millis(200),
    })
}

fn follower(node: &Node, apis: &[FakeApi]) -> Follower {
    follower_with(node, apis, Setting { proofs: None, trusted_header: None, age_ms: 1000 })
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

/// A node, its cursor, and the same news on two parent endpoints.
fn two_endpoints() -> (Node, ParentCursor, ParentUpdate, [FakeApi; 2]) {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let update = news(&node, 60, 3);
    *world.update.lock() = Some(update.clone());
    let cursor = cursor(&node);
    (node, cursor, update, [FakeApi::new(&world), FakeApi::new(&world)])
}

fn queue(node: &Node, count: u64) -> Vec<CrossMessage> {
    let name = &node.content.genesis.subnet;
    (0..count).map(|nonce| top_down(name, nonce, account(1).address(), fil(3))).collect()
}

/// `count` transfers, proved by header `height`.
fn news(node: &Node, height: u64, count: u64) -> ParentUpdate {
    parent_update(height, queue(node, count))
}

fn reads(api: &FakeApi) -> usize {
    api.reads.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn news_become_a_candidate_for_the_cursor_that_they_were_verified_for() {
    let (node, world) = (Node::new(subnet()), World::new(PARENT_IDENTITY));
    let follower = follower(&node, &[FakeApi::new(&world)]);
    let cursor = cursor(&node);
    follow(&follower, Duration::from_secs(1)).await;
    assert_eq!(follower.candidate(&cursor), None, "a parent without news");
    let update = news(&node, 60, 1);
    *world.update.lock() = Some(update.clone());
    follow(&follower, Duration::from_secs(10)).await;
    assert_eq!(follower.candidate(&cursor), Some(update));
    let moved = ParentCursor { next_nonce: subnet_types::Nonce::new(1), ..cursor };
    assert_eq!(follower.candidate(&moved), None, "for another state it is worth nothing");
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
async fn source_that_gives_a_bad_proof_is_left_out_for_a_while() {
    let (node, cursor, update, apis) = two_endpoints();
    let mut forged = update.clone();
    forged.certificate.signatures.pop();
    *apis[0].update.lock() = Some(forged);
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(20)).await;
    assert_eq!(follower.candidate(&cursor), Some(update.clone()), "the other one does not lie");
    assert_eq!(reads(&apis[0]), 1);
    assert!(reads(&apis[1]) > 10);
    // Its operator has repaired it.
    *apis[0].update.lock() = Some(update);
    follow(&follower, Duration::from_secs(60)).await;
    assert!(reads(&apis[0]) > 10, "asked again");
}

#[tokio::test(start_paused = true)]
async fn source_that_lies_is_named_once_and_left_out_for_a_minute() {
    let (node, cursor, update, mut apis) = two_endpoints();
    (apis[0].url, apis[1].url) = ("http://liar", "http://honest");
    let mut forged = update.clone();
    forged.certificate.signatures.pop();
    *apis[0].update.lock() = Some(forged);
    // All of the follower runs on this thread.
    let log = Log::start();
    let named = || {
        let said = log.text();
        assert!(!said.contains("http://honest"), "{said}");
        let lines = said.lines().filter(|line| line.contains("http://liar"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(59)).await;
    let [line] = &named()[..] else { panic!("{:?}", named()) };
    assert!(line.contains("WARN") && line.contains("bad parent proof") && line.contains("more than 2/3"), "{line}");
    assert_eq!((reads(&apis[0]), follower.candidate(&cursor)), (1, Some(update)));
    // After a minute it is asked again, lies again, and is named again.
    follow(&follower, Duration::from_secs(2)).await;
    assert_eq!((named().len(), reads(&apis[0])), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_lie_is_refused() {
    let (node, cursor, update, apis) = two_endpoints();
    type Lie = fn(&mut ParentUpdate);
    let lies: [Lie; 5] = [
        |u| drop(u.witness.pop()),
        |u| u.witness.swap(0, 1),
        |u| u.certificate.block = u.header.payload_root,
        |u| u.header.chain = Digest([5; 32]),
        |u| u.header.state_root = u.header.receipts_root,
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let mut altered = update.clone();
        lie(&mut altered);
        *apis[0].update.lock() = Some(altered);
        let before = reads(&apis[0]);
        let follower = follower(&node, &apis[..1]);
        follow(&follower, Duration::from_secs(5)).await;
        assert_eq!(follower.candidate(&cursor), None, "lie {index}");
        assert_eq!(reads(&apis[0]) - before, 1, "lie {index}: left out");
    }
}

#[tokio::test(start_paused = true)]
async fn answer_that_says_less_does_not_win_over_a_proof_that_says_more() {
    let (node, cursor, update, apis) = two_endpoints();
    // True, but of long ago: it hides what came since.
    *apis[0].update.lock() = Some(parent_update(55, vec![]));
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(5)).await;
    assert_eq!(follower.candidate(&cursor), Some(update.clone()));
    assert!(reads(&apis[0]) > 5, "it is no lie either");
    // What was proved stays proved, though nobody says it any more.
    apis[1].is_down.store(true, Ordering::Relaxed);
    follow(&follower, Duration::from_secs(60)).await;
    assert_eq!(follower.candidate(&cursor), Some(update));
}

#[tokio::test(start_paused = true)]
async fn files_bring_proofs_as_endpoints_do() {
    let (node, cursor, update, apis) = two_endpoints();
    let folder = tempfile::tempdir().unwrap();
    let proofs = Some(folder.path().to_owned());
    apis.iter().for_each(|api| api.is_down.store(true, Ordering::Relaxed));
    let follower = follower_with(&node, &apis, Setting { proofs, trusted_header: None, age_ms: 1000 });
    let mut forged = update.clone();
    forged.witness.pop();
    files::write(&folder.path().join("a.proof"), &forged).unwrap();
    std::fs::write(folder.path().join("b.proof"), b"garbage").unwrap();
    follow(&follower, Duration::from_secs(5)).await;
    assert_eq!(follower.candidate(&cursor), None);
    files::write(&folder.path().join("c.proof"), &update).unwrap();
    follow(&follower, Duration::from_secs(10)).await;
    assert_eq!(follower.candidate(&cursor), Some(update));
}

#[tokio::test(start_paused = true)]
async fn expired_trust_needs_the_header_that_the_operator_named() {
    let (node, cursor, update, apis) = two_endpoints();
    let named = |trusted_header| Setting { proofs: None, trusted_header, age_ms: 600_001 };
    let without = follower_with(&node, &apis, named(None));
    follow(&without, Duration::from_secs(5)).await;
    assert_eq!(without.candidate(&cursor), None);
    assert!(!without.is_adopted(&update.header.id()));

    let other = news(&node, 61, 3).header.id();
    let wrong = follower_with(&node, &apis, named(Some(other)));
    follow(&wrong, Duration::from_secs(5)).await;
    assert_eq!(wrong.candidate(&cursor), None);

    let with = follower_with(&node, &apis, named(Some(update.header.id())));
    follow(&with, Duration::from_secs(5)).await;
    assert!(with.is_adopted(&update.header.id()));
    assert_eq!(with.candidate(&cursor), Some(update));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_offered_again_when_the_parent_or_the_cursor_has_moved() {
    let (node, cursor, update, apis) = two_endpoints();
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(2)).await;
    follower.failed(&cursor, &update);
    for (header, is_offered) in [(60, false), (89, false), (90, true)] {
        *apis[0].world.update.lock() = Some(news(&node, header, 3));
        follow(&follower, Duration::from_secs(2)).await;
        assert_eq!(follower.candidate(&cursor).is_some(), is_offered, "header {header}");
    }
}

/// An update over a header that no handover leads to, linked by the block before.
fn unlinked(node: &Node) -> ParentUpdate {
    let before = ParentState { voters: 105, next_voters: 109, ..ParentState::new(59, vec![]) }.handover();
    let state = ParentState { voters: 109, next_voters: 109, ..ParentState::new(60, queue(node, 3)) };
    let mut update = state.update(0, 2);
    update.header.parent = before.header.id();
    let (height, id) = (update.header.height, update.header.id());
    update.certificate = certificate(&update.header.chain, height, &id, 109);
    let link = Handover { certificate: no_certificate(&before.header), ..before };
    ParentUpdate { handovers: vec![link], ..update }
}

#[tokio::test(start_paused = true)]
async fn unlinked_proof_that_nobody_asked_for_is_a_bad_one_and_its_header_no_advice() {
    let (node, cursor, update, apis) = two_endpoints();
    let made_up = unlinked(&node);
    *apis[0].update.lock() = Some(made_up.clone());
    let log = Log::start();
    let alone = follower(&node, &apis[..1]);
    follow(&alone, Duration::from_secs(30)).await;
    assert_eq!((alone.candidate(&cursor), reads(&apis[0])), (None, 1), "left out");
    assert!(!log.text().contains(&made_up.header.id().to_string()), "{}", log.text());
    let both = follower(&node, &apis);
    follow(&both, Duration::from_secs(30)).await;
    assert_eq!((both.candidate(&cursor), reads(&apis[0])), (Some(update), 2));
    // So is one in a file.
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("a.proof"), &made_up).unwrap();
    let proofs = Some(folder.path().to_owned());
    let by_file = follower_with(&node, &[], Setting { proofs, trusted_header: None, age_ms: 1000 });
    follow(&by_file, Duration::from_secs(5)).await;
    assert_eq!(by_file.candidate(&cursor), None);
    assert!(log.text().contains("a.proof") && !log.text().contains(&made_up.header.id().to_string()));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_leads_on_the_header_that_the_operator_named_is_asked_for() {
    let (node, cursor, _, apis) = two_endpoints();
    let update = unlinked(&node);
    *apis[0].update.lock() = Some(update.clone());
    apis[0].is_unlinked.store(true, Ordering::Relaxed);
    let named = |trusted_header| Setting { proofs: None, trusted_header, age_ms: 1000 };
    let without = follower_with(&node, &apis[..1], named(None));
    follow(&without, Duration::from_secs(30)).await;
    assert_eq!((without.candidate(&cursor), apis[0].named.load(Ordering::Relaxed)), (None, 0));
    let with = follower_with(&node, &apis[..1], named(Some(update.header.id())));
    follow(&with, Duration::from_secs(30)).await;
    assert_eq!(with.candidate(&cursor), Some(update.clone()));
    // A node of this chain hands it on to those only who name it as well.
    assert_eq!(with.proved(&ProofQuery::of(&cursor, None)), None);
    let asked = with.proved(&ProofQuery::of(&cursor, Some(update.header.id()))).map(|proof| proof.proof.0);
    assert_eq!(asked, Some(update));
}

#[tokio::test(start_paused = true)]
async fn trusted_header_of_long_ago_changes_nothing_while_there_are_no_news() {
    let (node, _, update, apis) = two_endpoints();
    *node.parent.candidate.lock() = Some(update.clone());
    node.step().await;
    // At the same height, nothing after what was applied.
    *apis[0].world.update.lock() = Some(ParentState::new(60, queue(&node, 3)).update(3, 2));
    let old = news(&node, 55, 1).header.id();
    let follower = follower_with(&node, &apis, Setting { proofs: None, trusted_header: Some(old), age_ms: 1000 });
    follow(&follower, Duration::from_secs(20)).await;
    assert!(reads(&apis[0]) > 50, "{} reads: no pauses as after failures", reads(&apis[0]));
    assert_eq!(apis[0].named.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn silent_source_holds_up_no_other() {
    let (node, cursor, update, apis) = two_endpoints();
    apis[0].is_silent.store(true, Ordering::Relaxed);
    let follower = follower(&node, &apis);
    follow(&follower, Duration::from_secs(1)).await;
    assert_eq!(follower.candidate(&cursor), Some(update));
    follow(&follower, Duration::from_secs(60)).await;
    assert!(reads(&apis[1]) > 120, "{} reads in a minute", reads(&apis[1]));
    assert!(reads(&apis[0]) < 8, "{} reads: it rests longer each time", reads(&apis[0]));
}

#[tokio::test(start_paused = true)]
async fn node_without_a_parent_node_follows_through_one_of_its_own_chain() {
    let (node, cursor, update, apis) = two_endpoints();
    let setting = || Setting { proofs: None, trusted_header: None, age_ms: 1000 };
    let served = follower_with(&node, &apis, setting());
    assert_eq!(served.proved(&ProofQuery::of(&cursor, None)), None, "it has proved nothing yet");
    follow(&served, Duration::from_secs(2)).await;
    let proof = served.proved(&ProofQuery::of(&cursor, None)).unwrap();
    assert_eq!((&proof.proof.0, proof.messages), (&update, 3));
    let elsewhere = ParentCursor { next_nonce: subnet_types::Nonce::new(1), ..cursor.clone() };
    assert_eq!(served.proved(&ProofQuery::of(&elsewhere, None)), None, "a proof is for one state");

    // A peer that answers with what it has; another that says it has nothing; a third that lies.
    let identity = *node.chain().identity();
    let peer = || FakeApi { identity, ..FakeApi::new(&World::new(PARENT_IDENTITY)) };
    let (good, liar) = (peer(), peer());
    *good.update.lock() = Some(proof.proof.0);
    let mut forged = update.clone();
    forged.witness.pop();
    *liar.update.lock() = Some(forged);
    let alone = follower_of(&node, &[], &[liar.clone(), good], setting());
    follow(&alone, Duration::from_secs(5)).await;
    assert_eq!((alone.candidate(&cursor), reads(&liar)), (Some(update), 1));
    // A node of the parent is none of this chain, nor the other way round.
    let crossed = follower_of(&node, &[peer()], &apis, setting());
    follow(&crossed, Duration::from_secs(5)).await;
    assert_eq!(crossed.candidate(&cursor), None);
}

#[tokio::test(start_paused = true)]
async fn all_endpoints_are_asked_and_one_of_another_chain_never() {
    let world = World::new(PARENT_IDENTITY);
    let (first, second) = (FakeApi::new(&world), FakeApi::new(&world));
    let stranger = FakeApi { identity: Digest([5; 32]), ..FakeApi::new(&world) };
    let all = endpoints(&[stranger.clone(), first.clone(), second.clone()]);
    let name = subnet().genesis.subnet;
    let status = |endpoints: Arc<Endpoints>| {
        let name = name.clone();
        async move {
            let call = endpoints.ask_all("status", move |api| {
                let name = name.clone();
                Box::pin(async move { api.child_status(&name).await })
            });
            let answers = call.await;
            answers.into_iter().map(|(index, answer)| (index, answer.map(|_| ()))).collect::<Vec<_>>()
        }
    };
    let answers = status(all.clone()).await;
    assert!(matches!(answers[..], [(0, Err(ParentError::WrongChain { .. })), (1, Ok(())), (2, Ok(()))]));
    assert_eq!(stranger.calls.load(Ordering::Relaxed), 1, "asked who it is, and nothing else");
    first.is_down.store(true, Ordering::Relaxed);
    assert!(matches!(status(all.clone()).await[..], [(1, Err(ParentError::Call(_))), (2, Ok(()))]));
    let before = first.calls.load(Ordering::Relaxed);
    assert!(matches!(status(all.clone()).await[..], [(2, Ok(()))]), "those that failed just now rest");
    assert_eq!(first.calls.load(Ordering::Relaxed), before);
    tokio::time::sleep(Duration::from_secs(2)).await;
    first.is_down.store(false, Ordering::Relaxed);
    assert!(matches!(status(all.clone()).await[..], [(0, Err(_)), (1, Ok(())), (2, Ok(()))]), "not for ever");
    let alone = endpoints(&[stranger]);
    for _ in 0..2 {
        let answers = status(alone.clone()).await;
        assert!(matches!(answers[..], [(0, Err(ParentError::WrongChain { actual, .. }))] if actual == Digest([5; 32])));
    }
    assert!(status(endpoints(&[])).await.is_empty());
}

/// What is logged in this thread while it lives.
struct Log {
    lines: Lines,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn start() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        self.lines.text()
    }
}
