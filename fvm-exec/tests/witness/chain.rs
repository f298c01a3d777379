//! States that the VM wrote, with the project's own actors: the witness proves what the gateway's accessors say.

use std::time::Instant;

use cid::Cid;
use fvm_exec::StateView;
use fvm_exec::witness::{Proven, RecordError, WitnessError, record, verify};
use subnet_types::genesis::MembershipMode;

use crate::common::accounts::{cross_transfer, secp};
use crate::common::chain::Chain;
use crate::made::{ask, size};
use crate::subnet::{Root, Subnet, alice, nano};

/// The longest stretch that is asked for: each message is a block, and a witness has room for more blocks than these.
const STRETCH_MAX: usize = 300;
/// Messages that go into one block.
const PER_BLOCK: u64 = 250;

/// Sends value down so many times.
fn fund(root: &mut Root, subnet: &Subnet, count: u64) {
    let mut left = count;
    while left > 0 {
        let now = left.min(PER_BLOCK);
        let nonce = root.chain.nonce(&alice());
        let sent = |n| cross_transfer(alice(), nonce + n, subnet.name.clone(), secp(1), nano(1 + n));
        let messages = (0..now).map(sent).collect();
        let output = root.send_all(messages);
        for index in 0..now as usize {
            assert!(output.message_receipt(index).unwrap().exit_code.is_success(), "message {index}");
        }
        left -= now;
    }
}

/// An active subnet to which nothing was sent yet.
fn unfunded(root: &mut Root) -> Subnet {
    let mut subnet = root.create(MembershipMode::Collateral, 4);
    for seed in 1..=4 {
        root.join(&mut subnet, seed, 10);
    }
    subnet
}

/// Makes and verifies the witness of a range, and compares with what the gateway's accessors read.
fn check(chain: &Chain, state_root: &Cid, subnet: &Subnet, nonce: u64, configuration: u64, max: usize) -> Proven {
    let query = ask(&subnet.name, nonce, configuration, max);
    let begin = Instant::now();
    let recorded = record(&chain.store, state_root, &query).unwrap();
    let record_time = begin.elapsed();
    let begin = Instant::now();
    let proven = verify(state_root, &query, &recorded.blocks).unwrap();
    let verify_time = begin.elapsed();
    assert_eq!(proven, recorded.proven, "both sides read the same");

    let view = StateView::new(&chain.store, state_root).unwrap();
    let (gateway, store) = (view.gateway().unwrap(), &chain.store);
    let entry = gateway.child(store, subnet.id).unwrap().unwrap();
    assert_eq!(proven.messages, gateway.top_down(store, subnet.id, query.from_nonce, max).unwrap());
    let changes_max = query.limits.changes_max;
    assert_eq!(proven.changes, gateway.changes(store, subnet.id, query.from_configuration, changes_max).unwrap());
    assert_eq!((proven.next_nonce, proven.next_configuration), (entry.next_nonce, entry.configuration_logged.next()));
    println!(
        "{:>4} messages from {nonce}: {:>3} blocks, {:>6} bytes; made in {record_time:?}, verified in {verify_time:?}",
        proven.messages.len(),
        recorded.blocks.len(),
        size(&recorded.blocks),
    );
    proven
}

#[test]
fn any_stretch_of_a_queue_is_proved_as_the_gateway_holds_it() {
    let mut root = Root::with_keys(5);
    let mut subnet = unfunded(&mut root);
    let other = root.active(4);
    let mut total = 0;
    for (more, configuration) in [(0, 2), (1, 2), (99, 2), (900, 2)] {
        fund(&mut root, &subnet, more);
        total += more as usize;
        let proven = check(&root.chain, &root.chain.state_root, &subnet, 0, configuration, STRETCH_MAX);
        assert_eq!((proven.messages.len(), proven.changes.len()), (total.min(STRETCH_MAX), 0));
    }
    root.join(&mut subnet, 5, 1_000);
    let (chain, state_root) = (&root.chain, root.chain.state_root);
    for nonce in [0, 1, 7, 8, 9, 511, 512, 513, 993, 999, 1_000] {
        for max in [0, 1, 8, 128, STRETCH_MAX] {
            let proven = check(chain, &state_root, &subnet, nonce, 2, max);
            assert_eq!(proven.messages.len(), max.min(1_000 - nonce as usize));
            assert_eq!(proven.changes.len(), 1);
        }
    }
    let all = record(&chain.store, &state_root, &ask(&subnet.name, 0, 2, 1_000));
    assert!(matches!(all, Err(RecordError::Refused(WitnessError::TooManyBlocks { .. }))), "{all:?}");
    assert!(check(chain, &state_root, &subnet, 1_000, 3, 128).changes.is_empty());
    assert_eq!(check(chain, &state_root, &other, 0, 2, 128).messages.len(), 1);
}

#[test]
fn witness_is_of_one_state_and_one_child() {
    let mut root = Root::with_keys(5);
    let subnet = unfunded(&mut root);
    let other = root.active(4);
    fund(&mut root, &subnet, 20);
    let before = root.chain.state_root;
    fund(&mut root, &subnet, 1);
    let after = root.chain.state_root;
    let query = ask(&subnet.name, 0, 2, 128);
    let old = record(&root.chain.store, &before, &query).unwrap();
    let new = record(&root.chain.store, &after, &query).unwrap();
    assert_eq!((old.proven.messages.len(), new.proven.messages.len()), (20, 21));
    assert_eq!(verify(&before, &query, &old.blocks).unwrap(), old.proven);
    assert_eq!(verify(&after, &query, &old.blocks), Err(WitnessError::Missing { cid: after }));
    assert_eq!(verify(&before, &query, &new.blocks), Err(WitnessError::Missing { cid: before }));

    let query_of_other = ask(&other.name, 0, 2, 128);
    let of_other = record(&root.chain.store, &after, &query_of_other).unwrap();
    assert_eq!(of_other.proven.messages.len(), 1);
    assert!(matches!(verify(&after, &query, &of_other.blocks), Err(WitnessError::Missing { .. })));
    assert!(matches!(verify(&after, &query_of_other, &new.blocks), Err(WitnessError::Missing { .. })));
}
