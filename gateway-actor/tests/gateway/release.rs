//! Value on its way up.

use actor_runtime::Runtime;
use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{ReleaseParams, SYSTEM_ID, gateway};
use subnet_types::cross::CrossKind;
use subnet_types::genesis::mint_reserve;
use subnet_types::limits::{
    CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, CROSS_MESSAGES_PER_CHECKPOINT_MAX, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX,
};

use crate::world::{ALICE, ROBOT, World, f1, fil, root};

#[test]
fn release_is_batched_and_leaves_circulation() {
    let world = World::subnet();
    let released = world.release(5);
    assert_eq!(released.nonce.get(), 0);
    let outbox = world.outbox();
    assert_eq!((outbox.len(), outbox[0].id), (1, released.id));
    assert_eq!((&outbox[0].destination.subnet, &outbox[0].destination.address), (&root(), &f1("bob")));
    assert_eq!((&outbox[0].value, &outbox[0].kind), (&fil(5), &CrossKind::Transfer));
    assert_eq!(world.sends().pop().unwrap(), (Address::new_id(SYSTEM_ID), METHOD_SEND, fil(5)));
    assert_eq!(world.state().reserve, mint_reserve() + fil(5));
}

#[test]
fn release_without_value_for_an_id_or_on_a_root_is_refused() {
    let world = World::subnet();
    let to = |to| ReleaseParams { to };
    assert_eq!(world.error(ALICE, 0, gateway::RELEASE, &to(f1("bob"))).exit_code, ExitCode::new(48));
    assert_eq!(world.error(ALICE, 1, gateway::RELEASE, &to(Address::new_id(100))).exit_code, ExitCode::new(51));
    let root = World::root();
    assert_eq!(root.error(ALICE, 1, gateway::RELEASE, &to(f1("bob"))).exit_code, ExitCode::new(54));
}

#[test]
fn full_outbox_drains_batch_by_batch_and_then_takes_users_again() {
    let world = World::subnet();
    let mut accepted = world.fill_outbox();
    let error = world.error(ROBOT, 1, gateway::RELEASE, &ReleaseParams { to: f1("bob") });
    assert_eq!(error.exit_code, ExitCode::new(53));
    assert!(error.message.contains("outbox full") && error.message.contains("height 10"), "{error}");
    let waiting = world.state().outbox;
    assert!(waiting.bytes as usize >= OUTBOX_BYTES_MAX || waiting.count as usize >= OUTBOX_MESSAGES_MAX);
    assert_eq!(world.state().reserve, mint_reserve() + fil(accepted), "the refused one kept its value");

    let mut taken = 0;
    for period in 1.. {
        let cut = world.cut(10 * period).unwrap();
        assert_eq!(cut.messages.first_nonce.get(), taken);
        taken += cut.messages.count;
        assert!(world.state().batch(world.rt.store(), &cut).unwrap().iter().all(|message| message.value == fil(1)));
        if taken == accepted {
            break;
        }
        let bytes = world.state().outbox.bytes as usize;
        let one = bytes / (accepted - taken) as usize;
        let count = cut.messages.count as usize;
        let is_full = (count + 2) * one > CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX;
        assert!(is_full || count == CROSS_MESSAGES_PER_CHECKPOINT_MAX, "{period}");
        if period == 1 {
            // Room again, behind what waits.
            assert_eq!(world.release(1).nonce.get(), accepted);
            accepted += 1;
        }
    }
    assert_eq!(world.state().outbox.base.get(), accepted);
}
