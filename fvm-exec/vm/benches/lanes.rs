//! What two lanes gain over one: the same messages on one thread and on two at once, on one engine.
//!
//! ```text
//! µs       time of one message on one thread, without what the thread waited for a core
//! 2 lanes  the same while another thread does the same
//! speed-up 2 × µs / 2 lanes: 2.0 when lanes do not disturb each other
//! apart    the same speed-up of two processes, which share nothing but the machine: the most that lanes can have
//! switches how often a thread gave up its core by itself, for a lock, in a thousand messages on two lanes
//! TLB      interrupts of the other core to unmap or protect memory, in a thousand messages on two lanes
//! ```
//!
//! Runs of one and two threads alternate and medians are printed, so that whatever else the machine does meets both.
//! `VM_BENCH_PAIRS` sets the number of pairs. Where other work takes the cores, two threads are rarely on both of them at
//! once and seem not to disturb each other; `chrt -r 10` before the command keeps them there.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../tests/vm/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;

use fvm::executor::{ApplyKind, Executor as _};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use support::compare::{ENGINE, Ours, RAW_LENGTH, ours};
use support::deep;
use support::script::{NO_LIMIT, Script};
use support::world::{SCRIPTS, World, alice, bob, exec, message};

const PAIRS: usize = 21;
/// First argument of the process beside.
const BESIDE: &str = "beside";

/// A message by its nonce, and how many of them make a run.
struct Workload {
    name: &'static str,
    messages: u64,
    make: Box<dyn Fn(u64) -> Message + Sync>,
}

fn workloads() -> Vec<Workload> {
    let call = |name, messages, to: Address, script: Script| {
        let params = script.encode();
        let make = move |nonce| Message {
            method_num: 2,
            params: params.clone(),
            ..message(alice(), nonce, to, TokenAmount::default())
        };
        Workload { name, messages, make: Box::new(make) }
    };
    let script = Address::new_id(SCRIPTS[0]);
    let empty = Address::new_id(World::get().odd["empty"]);
    let nested =
        (0..10).fold(Script::new(), |script, _| script.send_block(empty, 2, 0, &TokenAmount::default(), NO_LIMIT, 0));
    let touch = Script::new().step("fill", &[0x2_0000, 7, 0x1_0000]);
    let grow = Script::new().step("grow", &[4]).step("fill", &[0x3_0000, 7, 0x1_0000]);
    let huge = Script::new().step("grow", &[8_000]).step("fill", &[0x3_0000, 7, 8_000 << 16]).encode();
    let small = Script::new().encode();
    // Whoever comes after a giant finds its place; the first message of each run is one.
    let after_huge = move |nonce: u64| Message {
        method_num: 2,
        params: if nonce.is_multiple_of(2_000) { huge.clone() } else { small.clone() },
        ..message(alice(), nonce, script, TokenAmount::default())
    };
    vec![
        Workload {
            name: "send",
            messages: 4_000,
            make: Box::new(|nonce| message(alice(), nonce, bob(), TokenAmount::from_atto(1))),
        },
        call("call/actor=empty", 4_000, empty, Script::new()),
        call("call/actor=account", 2_000, bob(), Script::new()),
        call("call/actor=script", 2_000, script, Script::new()),
        call("call/actor=script touches=64KiB", 2_000, script, touch),
        call("call/actor=script grows=256KiB", 2_000, script, grow),
        call("call/actor=script nested=10", 500, script, nested),
        call("call/actor=script loop=100000", 100, script, Script::new().step("count", &[100_000])),
        Workload { name: "call/actor=script after=512MiB", messages: 2_000, make: Box::new(after_huge) },
        Workload { name: "exec/actor=checkpoint", messages: 100, make: Box::new(exec) },
    ]
}

/// A lane and the nonce of its next message.
struct Lane {
    executor: Ours,
    nonce: u64,
}

/// What a thread has spent on a message.
#[derive(Clone, Copy)]
struct Spent {
    micros: f64,
    switches: f64,
}

impl Lane {
    fn run(&mut self, workload: &Workload, start: &Barrier) -> Spent {
        let messages: Vec<_> = (self.nonce..self.nonce + workload.messages).map(&workload.make).collect();
        self.nonce += workload.messages;
        start.wait();
        let (waited, switched, begin) = (waited_micros(), switches(), Instant::now());
        for message in messages {
            let ret = self.executor.execute_message(message, ApplyKind::Explicit, RAW_LENGTH).unwrap();
            assert!(ret.msg_receipt.gas_used > 0);
        }
        let micros = begin.elapsed().as_secs_f64() * 1e6 - (waited_micros() - waited);
        let count = workload.messages as f64;
        Spent { micros: micros / count, switches: (switches() - switched) * 1e3 / count }
    }
}

/// Another process that runs the same until it is killed.
struct Beside(Child);

impl Beside {
    fn start(workload: &Workload) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args([BESIDE, workload.name]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }

    /// What that process does.
    fn be(workload: &Workload) {
        let mut lane = deep(lane);
        deep(|| lane.run(workload, &Barrier::new(1)));
        println!("runs");
        loop {
            deep(|| lane.run(workload, &Barrier::new(1)));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn lane() -> Lane {
    Lane { executor: ours(World::get().root, false), nonce: 0 }
}

/// Microseconds that this thread has waited for a core up to now.
fn waited_micros() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().nth(1).and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

/// How often this thread has given up its core by itself.
fn switches() -> f64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0.0)
}

/// Interrupts of all cores for other cores' changes of memory.
fn shootdowns() -> f64 {
    let interrupts = fs::read_to_string("/proc/interrupts").unwrap_or_default();
    let line = interrupts.lines().find(|line| line.trim_start().starts_with("TLB")).unwrap_or_default();
    line.split_whitespace().filter_map(|word| word.parse::<f64>().ok()).sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let pairs = std::env::var("VM_BENCH_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(PAIRS);
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if let [beside, name] = &args[..]
        && beside == BESIDE
    {
        return Beside::be(workloads().iter().find(|workload| workload.name == name).unwrap());
    }
    let only = args.first();
    println!("page scan: {}", ENGINE.scans_pages());
    println!(
        "{:<36}{:>9}{:>9}{:>10}{:>7}{:>10}{:>9}",
        "medians", "µs", "2 lanes", "speed-up", "apart", "switches", "TLB"
    );
    for workload in workloads() {
        if only.is_some_and(|only| !workload.name.contains(only.as_str())) {
            continue;
        }
        let mut lanes = [deep(lane), deep(lane)];
        let (mut alone, mut together, mut ratios, mut switched, mut shot) = (vec![], vec![], vec![], vec![], vec![]);
        // The first pairs only warm up.
        for pair in 0..pairs + 2 {
            let one = deep(|| lanes[pair % 2].run(&workload, &Barrier::new(1)));
            let start = Barrier::new(2);
            let before = shootdowns();
            let two: Vec<Spent> = std::thread::scope(|scope| {
                let run = |lane| scope.spawn(|| deep(|| Lane::run(lane, &workload, &start)));
                let threads: Vec<_> = lanes.iter_mut().map(run).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let shots = (shootdowns() - before) * 1e3 / (2 * workload.messages) as f64;
            if pair >= 2 {
                let both = (two[0].micros + two[1].micros) / 2.0;
                alone.push(one.micros);
                together.push(both);
                ratios.push(2.0 * one.micros / both);
                switched.push((two[0].switches + two[1].switches) / 2.0);
                shot.push(shots);
            }
        }
        let beside = Beside::start(&workload);
        let apart = (0..pairs).map(|_| deep(|| lanes[0].run(&workload, &Barrier::new(1))).micros).collect();
        drop(beside);
        let alone = median(alone);
        println!(
            "{:<36}{:>9.1}{:>9.1}{:>10.2}{:>7.2}{:>10.1}{:>9.1}",
            workload.name,
            alone,
            median(together),
            median(ratios),
            2.0 * alone / median(apart),
            median(switched),
            median(shot)
        );
    }
}
