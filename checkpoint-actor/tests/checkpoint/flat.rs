//! Acceptance costs the same for ever: nothing of what is delivered stays behind.

use std::cell::Cell;

use actor_runtime::Runtime;
use cid::Cid;
use fvm_ipld_blockstore::{Blockstore, MemoryBlockstore};
use subnet_types::quantity::{Height, Sequence};

use crate::world::{GAS_FOR_ONE, PERIOD, World, atto, message};

/// Counts what is written.
struct Counting<'a> {
    store: &'a MemoryBlockstore,
    blocks: Cell<usize>,
    largest: Cell<usize>,
}

impl Blockstore for Counting<'_> {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        self.store.get(cid)
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.blocks.set(self.blocks.get() + 1);
        self.largest.set(self.largest.get().max(block.len()));
        self.store.put_keyed(cid, block)
    }
}

#[test]
fn thousandth_checkpoint_writes_as_much_as_the_first() {
    let world = World::of_four();
    let store = Counting { store: world.rt.store(), blocks: Cell::new(0), largest: Cell::new(0) };
    let mut state = world.state();
    let mut checkpoint = world.next(&[]);
    let mut written = Vec::new();
    for sequence in 1..=1_000 {
        let message = message(state.next_batch_nonce.get(), 0);
        checkpoint.sequence = Sequence::new(sequence);
        checkpoint.height = Height::new(sequence * PERIOD);
        checkpoint.messages = subnet_types::cross::MessageBatch::of(message.nonce, std::slice::from_ref(&message));
        store.blocks.set(0);
        state.accept(&store, &checkpoint, World::digest(&checkpoint), Height::new(600)).unwrap();
        state.pass_message(&checkpoint.messages, message.nonce, &atto(0)).unwrap();
        state.forget_if_delivered(&store, checkpoint.sequence, &checkpoint.messages).unwrap();
        written.push(store.blocks.get());
    }
    assert!(written.iter().all(|blocks| *blocks == written[0]), "{written:?}");
    assert!(store.largest.get() < 200, "a block of {} bytes", store.largest.get());
}

#[test]
fn delivered_batches_leave_nothing_behind() {
    let world = World::of_four();
    let empty = world.state().undelivered_batches;
    let kept = || world.state().undelivered_batches(world.rt.store()).unwrap();
    let together = world.messages(2, 10);
    world.settle(&world.next(&together), &together).unwrap();
    world.settle(&world.next(&[]), &[]).unwrap();
    assert_eq!((world.state().undelivered_batches, kept()), (empty, vec![]));

    let (third, checkpoint) = (world.messages(2, 10), world.next(&world.messages(2, 10)));
    world.settle(&checkpoint, &[]).unwrap();
    let fourth = world.messages(1, 10);
    world.settle(&world.next(&fourth), &[]).unwrap();
    let sequences: Vec<u64> = kept().iter().map(|(sequence, _)| sequence.get()).collect();
    assert_eq!((sequences, &kept()[0].1), (vec![3, 4], &checkpoint.messages));
    // The first of the third batch is delivered, its second waits.
    world.rt.set_gas(GAS_FOR_ONE, 1);
    assert_eq!(world.deliver(3, &third).unwrap().undelivered, 2);
    assert_eq!(kept().len(), 2, "a batch is kept until its last message is delivered");
    world.rt.set_gas(10_000_000_000, 0);
    world.deliver(3, &third).unwrap();
    world.deliver(4, &fourth).unwrap();
    assert_eq!(world.state().undelivered_batches, empty);
}
