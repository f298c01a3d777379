//! What the parent pays. The figures are printed: `cargo test --release -p fvm-exec --test settlement gas -- --nocapture`.

use std::collections::BTreeMap;

use fvm_shared::address::Address;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::{Digest, Nonce};

use crate::common::accounts::secp;
use crate::keys::Keys;
use crate::slices::{batch, delivery};
use crate::subnet::{Root, Subnet, alice, nano};

/// Goal of the acceptance of a checkpoint with four validators.
const ACCEPTANCE_GAS_MAX: u64 = 60_000_000;

/// Goal of a transfer to an account that exists, in a slice, with its part of all that the slice costs. It takes 8.0
/// million.
const BATCHED_TRANSFER_GAS_MAX: u64 = 12_000_000;

/// Ceiling of one delivery in a slice of 151 messages: nearly all of it for reading and proving these.
const SLICE_GAS_MAX: u64 = 300_000_000;

fn up(subnet: &Subnet, nonce: u64, to: Address) -> CrossMessage {
    CrossMessage {
        id: Digest([1; 32]),
        origin: CrossAddress { subnet: subnet.name.clone(), address: secp(1) },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: subnet.name.parent().unwrap(), address: to },
        value: nano(1),
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: nano(0),
        expires: None,
        wants_receipt: false,
    }
}

#[test]
fn acceptance_costs_nearly_the_same_with_any_number_of_validators() {
    let mut root = Root::with_keys(128);
    let mut figures = BTreeMap::new();
    for validators in [4, 16, 64, 128] {
        let subnet = root.active(validators);
        for absent in [0, (validators - 1) / 3] {
            // The second checkpoint is like all that follow; the first finds empty tables.
            for sequence in 1..=2 {
                let seeds: Vec<u64> = (1..=validators - absent).collect();
                let checkpoint = root.next(&subnet, &[]);
                let params = root.submission(&subnet, &checkpoint, &seeds, &[]);
                let receipt = root.submit(&subnet, &params);
                assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
                if sequence == 2 {
                    figures.insert((validators, absent), receipt.gas_used);
                }
            }
        }
    }
    println!("acceptance of a checkpoint, gas:");
    for ((validators, absent), gas) in &figures {
        println!("  {validators:>3} validators, {absent:>2} absent: {:>6.2} M", *gas as f64 / 1e6);
    }
    let (least, most) = (figures.values().min().unwrap(), figures.values().max().unwrap());
    assert!(figures[&(4, 0)] < ACCEPTANCE_GAS_MAX && figures[&(4, 1)] < ACCEPTANCE_GAS_MAX);
    assert!(*most <= 2 * least, "{least} to {most}");
}

#[test]
fn joining_funding_and_delivering_stay_far_below_a_block() {
    let mut root = Root::with_keys(8);
    let mut subnet = root.create(subnet_types::genesis::MembershipMode::Collateral, 4);
    let mut figures: Vec<(&str, u64)> = Vec::new();
    figures.push(("first join", root.join(&mut subnet, 1, 10).gas_used));
    root.join(&mut subnet, 2, 10);
    figures.push(("third join", root.join(&mut subnet, 3, 10).gas_used));
    figures.push(("join that activates", root.join(&mut subnet, 4, 10).gas_used));
    figures.push(("join of an active subnet", root.join(&mut subnet, 5, 1).gas_used));
    figures.push(("first fund", root.fund(&subnet, secp(1), nano(1_000)).gas_used));
    for _ in 0..20 {
        root.fund(&subnet, secp(1), nano(1));
    }
    figures.push(("22nd fund", root.fund(&subnet, secp(1), nano(1)).gas_used));

    let mut gas_of = |count: u64, to: &dyn Fn(u64) -> Address| {
        let first = root.state(&subnet).next_batch_nonce.get();
        let messages: Vec<_> = (first..first + count).map(|nonce| up(&subnet, nonce, to(nonce))).collect();
        let checkpoint = root.next(&subnet, &messages);
        let params = root.submission(&subnet, &checkpoint, &[1, 2, 3, 4], &messages);
        let receipt = root.submit(&subnet, &params);
        assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
        assert_eq!(root.state(&subnet).undelivered(), 0);
        receipt.gas_used
    };
    gas_of(1, &|_| secp(50));
    let none = gas_of(0, &|_| secp(50));
    let known = gas_of(32, &|_| secp(50));
    let new = gas_of(32, &|nonce| Keys::of(10_000 + nonce).owner);
    let refused = gas_of(32, &|_| Address::new_id(GATEWAY_ID));
    figures.push(("delivery to an account that exists", (known - none) / 32));
    figures.push(("delivery to a new account", (new - none) / 32));
    figures.push(("delivery refused, with receipt", (refused - none) / 32));
    println!("settlement, gas:");
    for (what, gas) in &figures {
        println!("  {what:<36} {:>7.2} M", *gas as f64 / 1e6);
        assert!(*gas < 200_000_000, "{what}: {gas}");
    }
}

#[test]
fn transfers_in_a_slice_share_what_delivering_costs() {
    const COUNT: usize = 150;
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    root.fund(&subnet, secp(1), nano(100_000));
    let (mut figures, mut overhead) = (Vec::new(), 0);
    // The first batch makes the accounts.
    for _ in 0..2 {
        let to = |nonce: u64| secp(200 + u8::try_from(nonce % 50).unwrap());
        let batch = batch(&root, &subnet, COUNT as u64 + 1, &to);
        let checkpoint = root.next(&subnet, &batch);
        let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
        assert!(root.submit(&subnet, &params).exit_code.is_success());
        let mut deliver = |range: std::ops::Range<usize>| {
            let message = delivery(&root, &subnet, alice(), checkpoint.sequence, &batch, range.clone());
            let receipt = root.send_all(vec![message]).message_receipt(0).unwrap().clone();
            assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
            assert_eq!(root.state(&subnet).undelivered(), (batch.len() - range.end) as u64);
            receipt.gas_used
        };
        figures.push(deliver(0..COUNT) / COUNT as u64);
        overhead = deliver(0..COUNT + 1);
    }
    println!("a slice of {COUNT} that were delivered and one that was not: {:.2} M gas", overhead as f64 / 1e6);
    println!("each of {COUNT} transfers in a slice, gas:");
    for (what, gas) in ["to accounts some of which are new", "to accounts that exist"].iter().zip(&figures) {
        println!("  {what:<36} {:>7.2} M", *gas as f64 / 1e6);
    }
    assert!(figures[1] <= BATCHED_TRANSFER_GAS_MAX, "{figures:?}");
    assert!(overhead <= SLICE_GAS_MAX, "{overhead}");
}
