//! What proving a range of messages costs, on one core: time to make and to verify a witness, and its size.
//!
//! `make bench-witness` prints a table and writes the same figures as JSON to the file that is its argument.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/witness/made.rs"]
mod made;

use std::time::{Duration, Instant};

use fvm_exec::witness::{record, verify};
use made::{Parent, ask, size};

/// Accounts of the parent, which decide how deep its trees are.
const ACCOUNTS: u64 = 2_000;
/// Children of the parent.
const CHILDREN: u64 = 20;
/// Queue of the child that asks.
const QUEUED: u64 = 1_000;
/// Repetitions, of which the median counts.
const ROUNDS: usize = 51;
/// Bytes of the parameters of a call.
const PAYLOAD: usize = 200;

struct Row {
    kind: &'static str,
    messages: usize,
    blocks: usize,
    bytes: usize,
    record: Duration,
    verify: Duration,
}

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let mut rows = Vec::new();
    for (kind, payload) in [("transfer", 0), ("call", PAYLOAD)] {
        rows.extend(measure(kind, payload));
    }
    println!("{:<10}{:>10}{:>8}{:>10}{:>14}{:>14}", "kind", "messages", "blocks", "bytes", "make (ms)", "verify (ms)");
    for row in &rows {
        let Row { kind, messages, blocks, bytes, record, verify } = row;
        println!("{kind:<10}{messages:>10}{blocks:>8}{bytes:>10}{:>14.3}{:>14.3}", ms(*record), ms(*verify));
    }
    if let Some(file) = file {
        std::fs::create_dir_all(std::path::Path::new(&file).parent().unwrap()).unwrap();
        std::fs::write(&file, json(&rows)).unwrap();
        println!("\nwritten to {file}");
    }
}

fn measure(kind: &'static str, payload: usize) -> Vec<Row> {
    let mut parent = Parent::with_accounts(ACCOUNTS);
    let children: Vec<_> = (0..CHILDREN).map(|number| parent.child(&format!("child {number}"))).collect();
    let child = &children[7];
    for _ in 0..QUEUED {
        parent.queue(child, payload);
    }
    let root = parent.root();
    [1, 100, 1_000]
        .into_iter()
        .map(|messages| {
            let query = ask(&child.name, 0, 2, messages);
            let recorded = record(&parent.store, &root, &query).unwrap();
            assert_eq!(recorded.proven.messages.len(), messages);
            Row {
                kind,
                messages,
                blocks: recorded.blocks.len(),
                bytes: size(&recorded.blocks),
                record: median(|| drop(record(&parent.store, &root, &query).unwrap())),
                verify: median(|| assert_eq!(verify(&root, &query, &recorded.blocks).unwrap(), recorded.proven)),
            }
        })
        .collect()
}

fn median(work: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn json(rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|Row { kind, messages, blocks, bytes, record, verify }| {
            format!(
                "    {{ \"kind\": \"{kind}\", \"messages\": {messages}, \"blocks\": {blocks}, \"bytes\": {bytes}, \
                 \"make_ms\": {:.3}, \"verify_ms\": {:.3} }}",
                ms(*record),
                ms(*verify)
            )
        })
        .collect();
    let setting =
        format!("\"accounts\": {ACCOUNTS}, \"children\": {CHILDREN}, \"queued\": {QUEUED}, \"rounds\": {ROUNDS}");
    format!("{{\n  {setting},\n  \"rows\": [\n{}\n  ]\n}}\n", rows.join(",\n"))
}
