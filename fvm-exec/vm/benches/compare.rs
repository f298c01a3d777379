//! Our executor beside the stock one, message by message, in one process.
//!
//! Both run the same block in turn (stock, ours, ours, stock…), so that whatever else the machine does meets both.
//! Printed are medians: microseconds per message, and the ratio ours/stock of neighbouring runs. State is kept warm
//! and not flushed; the figures are execution alone. `VM_BENCH_PAIRS` sets the number of pairs.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../tests/vm/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::{Duration, Instant};

use fvm::executor::{ApplyKind, Executor};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use support::compare::{ENGINE, Ours, RAW_LENGTH, Stock, ours, stock};
use support::deep;
use support::script::{NO_LIMIT, Script};
use support::world::{SCRIPTS, World, alice, bob, fil, message};

const PAIRS: usize = 41;
const MESSAGES: u64 = 200;

/// A message by its nonce.
type Make = Box<dyn Fn(u64) -> Message + Sync>;

fn workloads() -> Vec<(&'static str, u64, Make)> {
    let call = |to: Address, method_num: u64, script: Script| -> Make {
        let params = script.encode();
        Box::new(move |nonce| Message {
            method_num,
            params: params.clone(),
            ..message(alice(), nonce, to, TokenAmount::default())
        })
    };
    let script = |script: Script| call(Address::new_id(SCRIPTS[0]), 2, script);
    let empty = Address::new_id(World::get().odd["empty"]);
    let queries = (0..30).fold(Script::new(), |script, _| script.call("self::current_balance", &[]));
    let nested =
        (0..10).fold(Script::new(), |script, _| script.send_block(empty, 2, 0, &TokenAmount::default(), NO_LIMIT, 0));
    // Three verifications of a text that is the same in all messages, or another one in each.
    let verify = |text: u64| {
        let mut script = Script::new();
        let signer = script.data(&alice().to_bytes());
        let signature = script.data(&[[1; 64].as_slice(), &[0]].concat());
        let texts = [0, 1, 2].map(|number: u8| script.data(&[&[number; 200][..], &text.to_le_bytes()].concat()));
        texts.into_iter().fold(script, |script, (at, length)| {
            script.call("crypto::verify_signature", &[1, signature.0, 65, signer.0, signer.1, at, length])
        })
    };
    let fresh = move |nonce| Message {
        method_num: 2,
        params: verify(nonce).encode(),
        ..message(alice(), nonce, Address::new_id(SCRIPTS[0]), TokenAmount::default())
    };
    let state = Script::new()
        .call("self::root", &[0x700, 60])
        .call("ipld::block_open", &[0x700])
        .block(0x71, &[0x82, 1, 2])
        .call("ipld::block_link", &[3, 0xb220, 32, 0x700, 60])
        .step("self::set_root", &[0x700]);
    vec![
        ("send/to=f3", MESSAGES, Box::new(|nonce| message(alice(), nonce, bob(), TokenAmount::from_atto(1)))),
        ("call/actor=empty", MESSAGES, call(empty, 2, Script::new())),
        ("call/actor=account", MESSAGES, call(bob(), 2, Script::new())),
        ("call/actor=script syscalls=30", MESSAGES, script(queries)),
        ("call/actor=script state=written", MESSAGES, script(state)),
        ("call/actor=script verified=3 known", MESSAGES / 4, script(verify(0))),
        ("call/actor=script verified=3 new", MESSAGES / 4, Box::new(fresh)),
        ("call/actor=script nested=10", MESSAGES / 4, script(nested)),
        ("call/actor=script loop=100000", MESSAGES / 4, script(Script::new().step("count", &[100_000]))),
        ("call/actor=script pays=10", MESSAGES / 4, script((0..10).fold(Script::new(), |s, _| s.pay(bob(), &fil(0))))),
    ]
}

/// An executor and the nonce of the next message on it.
struct Runner<E> {
    executor: E,
    nonce: u64,
}

impl<E> Runner<E> {
    fn run(&mut self, count: u64, make: &Make, mut apply: impl FnMut(&mut E, Message)) -> Duration {
        let messages: Vec<_> = (self.nonce..self.nonce + count).map(make).collect();
        self.nonce += count;
        let start = Instant::now();
        messages.into_iter().for_each(|message| apply(&mut self.executor, message));
        start.elapsed()
    }
}

fn apply(executor: &mut impl Executor, message: Message) {
    executor.execute_message(message, ApplyKind::Explicit, RAW_LENGTH).unwrap();
}

fn record(executor: &mut Ours, message: Message) {
    executor.execute_recorded(&message, ApplyKind::Explicit, RAW_LENGTH).unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let pairs = std::env::var("VM_BENCH_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(PAIRS);
    println!("page scan: {}", ENGINE.scans_pages());
    println!("{:<36}{:>10}{:>10}{:>8}{:>10}", "µs per message, medians", "stock", "ours", "ratio", "recorded");
    deep(|| {
        let mut base = 0.0;
        for (name, count, make) in workloads() {
            let root = World::get().root;
            let mut theirs: Runner<Stock> = Runner { executor: stock(root, false), nonce: 0 };
            let mut own: Runner<Ours> = Runner { executor: ours(root, false), nonce: 0 };
            let mut logged: Runner<Ours> = Runner { executor: ours(root, false), nonce: 0 };
            let micros = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
            let (mut a, mut b, mut c, mut ratios) = (vec![], vec![], vec![], vec![]);
            // The first pairs only warm up.
            for pair in 0..pairs + 3 {
                let (stock, ours) = if pair % 2 == 0 {
                    let stock = micros(theirs.run(count, &make, apply));
                    (stock, micros(own.run(count, &make, apply)))
                } else {
                    let ours = micros(own.run(count, &make, apply));
                    (micros(theirs.run(count, &make, apply)), ours)
                };
                let recorded = micros(logged.run(count, &make, record));
                if pair >= 3 {
                    a.push(stock);
                    b.push(ours);
                    c.push(recorded);
                    ratios.push(ours / stock);
                }
            }
            let (a, b, c) = (median(a), median(b), median(c));
            println!("{name:<36}{a:>10.1}{b:>10.1}{:>8.2}{c:>10.1}", median(ratios));
            match name {
                "send/to=f3" => base = b,
                "call/actor=empty" => println!("{:<36}{:>20.1}", "  of which starting and ending it", b - base),
                _ => {}
            }
        }
    });
}
