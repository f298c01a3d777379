//! Measures the block interval of four validators in one process.
//!
//! `cargo run --release -p engine-malachite --example interval -- [interval ms] [payload bytes] [blocks]`

#![allow(clippy::unwrap_used)]

#[path = "../tests/cluster/mod.rs"]
mod cluster;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use cluster::Cluster;
use support::Rules;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("arguments are numbers"));
    let interval = arguments.next().unwrap_or(200);
    let payload = arguments.next().unwrap_or(1000);
    let blocks = arguments.next().unwrap_or(100);
    let rules = Rules {
        block_interval: Duration::from_millis(interval),
        payload_bytes: usize::try_from(payload).expect("a size"),
        ..Rules::of(&[(0, 10), (1, 10), (2, 10), (3, 10)])
    };
    let mut cluster = Cluster::new("interval", 4, rules);
    cluster.start(0..4).await;
    cluster.reach(0..4, 5).await;
    let first = cluster.disk(0).tip();
    let mut intervals = Vec::new();
    let mut last = Instant::now();
    for height in first + 1..=first + blocks {
        cluster.reach([0], height).await;
        intervals.push(last.elapsed().as_millis());
        last = Instant::now();
    }
    let rounds = (first..=first + blocks)
        .filter(|height| cluster.disk(0).committed(*height).is_some_and(|decided| decided.certificate.round > 0))
        .count();
    cluster.stop_all().await;
    intervals.remove(0);
    intervals.sort_unstable();
    let at = |share: usize| intervals[(intervals.len() - 1) * share / 100];
    println!(
        "target {interval} ms, payload {payload} bytes, {blocks} blocks: p50 {} ms, p90 {} ms, p99 {} ms, max {} ms, {rounds} not in round 0",
        at(50),
        at(90),
        at(99),
        at(100)
    );
}
