//! Threads that are late change nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cid::Cid;
use fvm::executor::ApplyRet;
use fvm_exec::Overlay;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::address::Address;
use lanes::{BlockExecutor, Options};

use crate::common::store::MemoryStore;
use crate::support::compare::{ENGINE, TestExterns, assert_same, context};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{SCRIPTS, World, fil};
use crate::town::{CITIZENS, Expected, ROOT, citizen, numbered, run, send, writes};

/// A store that takes its time now and then, longer or shorter by a sequence of its own.
#[derive(Clone)]
struct Moody {
    store: MemoryStore,
    turns: Arc<AtomicU64>,
}

impl Blockstore for Moody {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        let turn = self.turns.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mood = (turn ^ turn >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56;
        if mood < 24 {
            std::thread::sleep(Duration::from_micros(mood * 20));
        }
        self.store.get(cid)
    }

    fn put_keyed(&self, cid: &Cid, bytes: &[u8]) -> anyhow::Result<()> {
        self.store.put_keyed(cid, bytes)
    }
}

const REPEATS: u64 = 100;

#[test]
fn a_hundred_runs_with_delays_are_one() {
    let other = Address::new_id(SCRIPTS[3]);
    let messages: Vec<_> = (0..48)
        .map(|from| match from % 6 {
            0 => run(from, 0, 0, &writes(from)),
            1 => run(from, 0, 1, &Script::new().run(other, &writes(from), &fil(0), NO_LIMIT, 0)),
            2 => send(from, 0, numbered(CITIZENS + 2 * (from % 4)), fil(1)),
            3 => run(from, 0, 2, &Script::new().call("actor::balance_of", &[99])),
            4 => send(from, 0, citizen(from + 1), fil(1)),
            _ => run(from, 0, 2, &Script::new().call("self::root", &[0x700, 60])),
        })
        .collect();
    let expected = Expected::of_all(*ROOT, &messages);
    let components: Vec<_> = (0..48).map(|index| index % 7).collect();
    let mut speculated = 0;
    for repeat in 0..REPEATS {
        deep(|| {
            let store = Moody { store: World::get().store.clone(), turns: Arc::new(AtomicU64::new(repeat)) };
            let lanes = NonZeroUsize::new(3).unwrap();
            let options = Options { lanes, cores: lanes, pins: false };
            let context = context(*ROOT, false);
            let code = ENGINE.code().unwrap();
            let mut executor = BlockExecutor::new(options, &context, Overlay::new(store), TestExterns, code).unwrap();
            let rets: Vec<ApplyRet> = executor.execute_hinted(&expected.block(), &components).unwrap();
            for ((message, expected), ret) in expected.messages.iter().zip(&expected.rets).zip(&rets) {
                assert_same(message, expected, ret);
            }
            speculated += executor.stats().committed;
            assert_eq!(executor.flush().unwrap(), expected.root);
        });
    }
    assert!(speculated > 0, "nothing ran ahead");
}
