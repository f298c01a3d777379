//! Every workload on both executors, small: they must agree on every receipt, event and root.

use std::num::NonZeroUsize;
use std::time::Duration;

use exec_bench::contender::{Engines, Entrant};
use exec_bench::deep;
use exec_bench::measure::{Effort, Warmth, measure};
use exec_bench::simulate::Model;
use exec_bench::workload::{Name, Shape, Size, Workload, World};

const SIZE: Size = Size { messages: 40, seed: 7 };
const BLOCKS: usize = 2;

fn one_block_each(blocks: usize) -> Effort {
    Effort { pairs_max: blocks, pairs_min: blocks, time_max: Duration::ZERO, rounds_before: 0 }
}

#[test]
fn executors_agree_on_every_workload() {
    let lanes = |lanes| NonZeroUsize::new(lanes).unwrap();
    let ours = [1, 2, 3].map(|number| Entrant::Ours { lanes: lanes(number) });
    let entrants = [&[Entrant::Stock], &ours[..], &[Entrant::Validator { lanes: lanes(2) }]].concat();
    deep(|| {
        let engines = Engines::new(lanes(3)).unwrap();
        let world = World::new(2 * SIZE.messages + 20).unwrap();
        for shape in Name::ALL.iter().flat_map(|name| Shape::of(*name)) {
            for warmth in [Warmth::Cold, Warmth::Warm] {
                let mut workload = Workload::new(shape.clone(), &world, SIZE).unwrap();
                // A disagreement is an error, and so is a message that fails where none is meant to.
                let rounds = measure(&engines, &entrants, &mut workload, warmth, one_block_each(BLOCKS), |_| {});
                let rounds = rounds.unwrap_or_else(|error| panic!("{shape:?} {warmth:?}: {error:#}"));
                assert_eq!(rounds.len(), BLOCKS);
                assert!(rounds.iter().all(|round| round.len() == entrants.len()));
            }
        }
    })
    .unwrap();
}

#[test]
fn adversarial_messages_fail_in_all_their_ways() {
    deep(|| {
        let engines = Engines::new(NonZeroUsize::MIN).unwrap();
        let size = Size { messages: 300, ..SIZE };
        let world = World::new(2 * size.messages).unwrap();
        let mut workload = Workload::new(Shape::Adversarial, &world, size).unwrap();
        let block = workload.next_block();
        let mut contender = engines.start(Entrant::Ours { lanes: NonZeroUsize::MIN }, &workload.world).unwrap();
        let results = contender.execute(block, None).unwrap();
        let mut codes: Vec<_> = results.iter().map(|result| result.msg_receipt.exit_code.value()).collect();
        codes.sort_unstable();
        codes.dedup();
        // Done; unknown sender; wrong nonce; no such receiver; out of gas; more than there is; pool refusals.
        for code in [0, 1, 7, 6, 45, 47] {
            assert!(codes.contains(&code), "no message ends with {code}, but with {codes:?}");
        }
        assert!(results.iter().any(|result| result.msg_receipt.gas_used == 0), "preflight refuses some");
    })
    .unwrap();
}

#[test]
fn same_seed_gives_the_same_blocks_and_another_seed_others() {
    let world = World::new(2 * SIZE.messages).unwrap();
    let blocks = |shape: &Shape, seed: u64| {
        let mut workload = Workload::new(shape.clone(), &world, Size { seed, ..SIZE }).unwrap();
        (workload.world.root, workload.next_block(), workload.next_block())
    };
    for shape in Name::ALL.iter().flat_map(|name| Shape::of(*name)) {
        let first = blocks(&shape, 1);
        assert_eq!(first, blocks(&shape, 1), "{shape:?}");
        assert_eq!(first.1.len() as u64, SIZE.messages);
        assert_ne!(first.1, first.2, "the second block of {shape:?} goes on with the nonces");
    }
    let drawn = Shape::ZipfSends { exponent: 0.9 };
    assert_ne!(blocks(&drawn, 1), blocks(&drawn, 2));
}

// What a workload is named for is what its messages really touch.
#[test]
fn messages_depend_on_each_other_as_their_names_say() {
    let all = SIZE.messages as usize;
    let cases = [
        (Shape::DisjointSends, all),
        (Shape::HotReceiver, all),
        (Shape::HotSender, 1),
        (Shape::TokenDisjoint, all),
        (Shape::TokenShared { tokens: 1 }, 1),
        (Shape::TokenShared { tokens: 8 }, 8),
        (Shape::SwapShared, 1),
        (Shape::SwapPairs, 2),
        (Shape::CreationStorm, all),
        (Shape::DeployStorm, 1),
        (Shape::StorageMix, all - all * 2 / 10 + 1),
        (Shape::WrongHints, all / 2 + 1),
    ];
    deep(|| {
        let engines = Engines::new(NonZeroUsize::MIN).unwrap();
        let world = World::new(2 * SIZE.messages).unwrap();
        for (shape, groups) in cases {
            let mut workload = Workload::new(shape.clone(), &world, SIZE).unwrap();
            let model = Model::measure(&engines, &mut workload, Duration::ZERO).unwrap();
            assert_eq!(model.groups(), groups, "{shape:?}");
            assert!(model.exec_seconds(16, 1.0) <= model.exec_seconds(1, 1.0));
        }
    })
    .unwrap();
}
