//! Value on its way up.

use fvm_shared::METHOD_SEND;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{BURNT_FUNDS_ID, ReleaseParams, gateway};
use subnet_types::cross::CrossKind;
use subnet_types::limits::CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX;

use crate::world::{ALICE, ROBOT, World, f1, fil, root};

#[test]
fn release_is_batched_and_burned() {
    let world = World::subnet();
    let released = world.release(5);
    assert_eq!(released.nonce.get(), 0);
    let outbox = world.outbox();
    assert_eq!((outbox.len(), outbox[0].id), (1, released.id));
    assert_eq!((&outbox[0].destination.subnet, &outbox[0].destination.address), (&root(), &f1("bob")));
    assert_eq!((&outbox[0].value, &outbox[0].kind), (&fil(5), &CrossKind::Transfer));
    assert_eq!(world.sends().pop().unwrap(), (Address::new_id(BURNT_FUNDS_ID), METHOD_SEND, fil(5)));
    assert_eq!(world.state().released_in_period, fil(5));
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
fn full_outbox_refuses_until_the_next_cut() {
    let world = World::subnet();
    let release = ReleaseParams { to: f1("bob") };
    let mut accepted = 0u64;
    let error = loop {
        match world.call(ROBOT, 1, gateway::RELEASE, actor_runtime::encode_params(&release).unwrap()) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.exit_code, ExitCode::new(53));
    assert!(error.message.contains("outbox full") && error.message.contains("height 10"), "{error}");
    let bytes = world.state().outbox.bytes as usize;
    let one = bytes / accepted as usize;
    assert!(bytes + one + 16 > CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX, "{bytes} bytes of {accepted} messages");
    assert_eq!(world.burnt(), fil(accepted), "the refused one was not burned");

    let cut = world.cut(10).unwrap();
    assert_eq!(cut.messages.count, accepted);
    let next = world.release(1);
    assert_eq!(next.nonce.get(), accepted);
}
