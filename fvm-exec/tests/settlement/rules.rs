//! Rules whose breach must cost only whoever breaks them, in the real VM.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams, SubmitCheckpointReturn, checkpoint};
use subnet_types::checkpoint::{Checkpoint, QuorumCertificate};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::genesis::MembershipMode;
use subnet_types::hash::encode;
use subnet_types::{BlsSignature, Digest, Ed25519Signature, Nonce};

use crate::common::accounts::{call, secp};
use crate::keys::{Keys, key_sum};
use crate::subnet::{Root, Subnet, alice, decode, nano};

fn up(root: &Root, subnet: &Subnet, count: u64, value: u64) -> Vec<CrossMessage> {
    let first = root.state(subnet).next_batch_nonce.get();
    let message = |nonce| CrossMessage {
        id: Digest([1; 32]),
        origin: CrossAddress { subnet: subnet.name.clone(), address: secp(1) },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: subnet.name.parent().unwrap(), address: secp(50) },
        value: nano(value),
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: nano(0),
        expires: None,
        wants_receipt: false,
    };
    (first..first + count).map(message).collect()
}

fn settle(root: &mut Root, subnet: &Subnet, seeds: &[u64], messages: &[CrossMessage]) -> ExitCode {
    let checkpoint = root.next(subnet, messages);
    let params = root.submission(subnet, &checkpoint, seeds, messages);
    root.submit(subnet, &params).exit_code
}

#[test]
fn join_needs_both_proofs_in_the_vm_too() {
    let mut root = Root::with_keys(2);
    let subnet = root.create(MembershipMode::Collateral, 2);
    let identity = root.chain.genesis.identity();
    let mut refused = |change: &dyn Fn(&mut subnet_types::actors::JoinParams)| {
        let mut join = Keys::of(1).join(&identity, &subnet.actor);
        change(&mut join);
        root.send(Keys::of(1).owner, subnet.actor, checkpoint::JOIN, &join, nano(10)).exit_code
    };
    assert_eq!(refused(&|join| join.vote_proof = Ed25519Signature([0; 64])), ExitCode::new(130));
    assert_eq!(refused(&|join| join.checkpoint_proof = BlsSignature([0; 96])), ExitCode::new(131));
    let other = Keys::of(1).join(&identity, &Address::new_actor(b"other"));
    assert_eq!(refused(&|join| join.checkpoint_proof = other.checkpoint_proof), ExitCode::new(131));
    assert_eq!(refused(&|_| {}), ExitCode::OK);
    assert_eq!(refused(&|_| {}), ExitCode::new(133));
}

#[test]
fn wrong_checkpoints_are_refused_and_the_right_one_is_accepted_once() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    assert_eq!(settle(&mut root, &subnet, &[1, 2], &[]), ExitCode::new(169));
    let greedy = up(&root, &subnet, 1, 1_001);
    assert_eq!(settle(&mut root, &subnet, &[1, 2, 3], &greedy), ExitCode::new(161));

    let messages = up(&root, &subnet, 2, 10);
    let checkpoint = root.next(&subnet, &messages);
    let good = root.submission(&subnet, &checkpoint, &[1, 3, 4], &messages);
    let mut altered: SubmitCheckpointParams = good.clone();
    altered.messages[0].destination.address = secp(66);
    assert_eq!(root.submit(&subnet, &altered).exit_code, ExitCode::new(172));
    let mut forged = good.clone();
    forged.certificate.signers = vec![0b1111];
    assert_eq!(root.submit(&subnet, &forged).exit_code, ExitCode::new(182), "the sum of other keys");
    forged.certificate.key_sum = key_sum(&[1, 2, 3, 4]);
    assert_eq!(root.submit(&subnet, &forged).exit_code, ExitCode::new(171));
    let mut gap = good.clone();
    gap.checkpoint.sequence = gap.checkpoint.sequence.next();
    assert_eq!(root.submit(&subnet, &gap).exit_code, ExitCode::new(153));

    assert_eq!(root.submit(&subnet, &good).exit_code, ExitCode::OK);
    assert_eq!(root.submit(&subnet, &good).exit_code, ExitCode::new(152));
    assert_eq!(root.chain.balance(&secp(50)), nano(20));
}

#[test]
fn certificate_of_another_subnet_or_an_earlier_checkpoint_proves_nothing() {
    let mut root = Root::with_keys(4);
    // The same validators with the same keys, so that nothing but what they signed differs.
    let (ours, other) = (root.active(4), root.active(4));
    let first = root.next(&ours, &[]);
    let submit = |root: &mut Root, checkpoint: &Checkpoint, certificate: QuorumCertificate| {
        let params = SubmitCheckpointParams { checkpoint: checkpoint.clone(), certificate, messages: Vec::new() };
        root.submit(&ours, &params).exit_code.value()
    };
    let of_other = root.certify(&other, &first, &[1, 2, 3]);
    assert_eq!(submit(&mut root, &first, of_other), 171, "signed for another checkpoint actor");
    let foreign = root.next(&other, &[]);
    let of_foreign = root.certify(&other, &foreign, &[1, 2, 3]);
    assert_eq!(submit(&mut root, &foreign, of_foreign), 151, "another subnet's, with its certificate");
    let good = root.certify(&ours, &first, &[1, 2, 3]);
    assert_eq!(submit(&mut root, &first, good.clone()), 0);
    let second = root.next(&ours, &[]);
    assert_eq!(submit(&mut root, &second, good.clone()), 171, "a certificate of the one before");
    assert_eq!(submit(&mut root, &first, good), 152, "with its own checkpoint");
    let good = root.certify(&ours, &second, &[1, 2, 3]);
    assert_eq!(submit(&mut root, &second, good), 0);
}

#[test]
fn two_relayers_in_one_block_do_not_get_in_each_others_way() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    let messages = up(&root, &subnet, 2, 10);
    let checkpoint = root.next(&subnet, &messages);
    let from_each = |root: &Root, seeds: &[u64], from: Address| {
        let params = root.submission(&subnet, &checkpoint, seeds, &messages);
        call(from, root.chain.nonce(&from), subnet.actor, checkpoint::SUBMIT_CHECKPOINT, &params, nano(0))
    };
    let first = from_each(&root, &[1, 2, 3], alice());
    let second = from_each(&root, &[2, 3, 4], Keys::of(1).owner);
    let output = root.send_all(vec![first, second]);
    let exits: Vec<_> = (0..2).map(|index| output.message_receipt(index).unwrap().exit_code).collect();
    assert_eq!(exits, [ExitCode::OK, ExitCode::new(152)]);
    assert_eq!(root.chain.balance(&secp(50)), nano(20));
}

#[test]
fn whoever_submits_with_little_gas_delays_messages_but_fails_none() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    let messages = up(&root, &subnet, 6, 10);
    let checkpoint = root.next(&subnet, &messages);
    let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &messages);
    let send = |root: &mut Root, gas_limit, method, params: Vec<u8>| {
        let mut message = call(alice(), root.chain.nonce(&alice()), subnet.actor, method, &0, nano(0));
        message.params = RawBytes::new(params);
        message.gas_limit = gas_limit;
        root.send_all(vec![message]).message_receipt(0).unwrap().clone()
    };
    // Whatever the limit: the call fails as a whole, or what it did stands and nothing was lost.
    let mut accepted = false;
    let mut stops = Vec::new();
    for gas_limit in (20..400).step_by(20).map(|million| million * 1_000_000) {
        let receipt = if accepted {
            let params =
                DeliverBatchParams { sequence: checkpoint.sequence, messages: messages.clone(), proof: Vec::new() };
            send(&mut root, gas_limit, checkpoint::DELIVER_BATCH, encode(&params))
        } else {
            send(&mut root, gas_limit, checkpoint::SUBMIT_CHECKPOINT, encode(&params))
        };
        if receipt.exit_code.is_success() {
            accepted = true;
            stops.push(decode::<SubmitCheckpointReturn>(&receipt).next_nonce.get());
        } else {
            let expected = if stops.last() == Some(&6) { ExitCode::new(180) } else { ExitCode::SYS_OUT_OF_GAS };
            assert_eq!(receipt.exit_code, expected, "limit {gas_limit}");
        }
        let state = root.state(&subnet);
        let delivered = state.next_delivery_nonce.get();
        assert_eq!(root.chain.balance(&secp(50)), nano(10 * delivered), "what is passed is paid");
        assert_eq!(state.unclaimed, nano(0));
    }
    assert_eq!(stops.first(), Some(&0), "the least gas that accepts delivers nothing: {stops:?}");
    assert_eq!(stops.last(), Some(&6));
    assert!(stops.is_sorted());
}

#[test]
fn hostile_recipients_cost_only_their_own_messages() {
    let mut root = Root::with_keys(4);
    let subnet = root.active(4);
    let mut messages = up(&root, &subnet, 5, 10);
    messages[1].destination.address = Address::new_actor(b"nobody");
    messages[2].destination.address = subnet.actor;
    messages[3].kind = CrossKind::Call { method: 2, params: RawBytes::new(vec![1]) };
    let custody = root.state(&subnet).custody;
    assert_eq!(settle(&mut root, &subnet, &[1, 2, 3], &messages), ExitCode::OK);
    assert_eq!(root.chain.balance(&secp(50)), nano(20));
    let state = root.state(&subnet);
    assert_eq!((state.undelivered(), state.custody), (0, custody - nano(20)));
    let gateway = root.chain.view().gateway().unwrap();
    let receipts = gateway.top_down(&root.chain.store, subnet.id, Nonce::new(1), 10).unwrap();
    assert_eq!(receipts.len(), 3);
    assert!(receipts.iter().all(|receipt| receipt.value == nano(10) && receipt.destination.address == secp(1)));
}

#[test]
fn subnet_that_overreaches_halts_only_itself() {
    let mut root = Root::with_keys(4);
    let (greedy, honest) = (root.active(4), root.active(4));
    let messages = up(&root, &greedy, 1, 1_500);
    assert_eq!(settle(&mut root, &greedy, &[1, 2, 3, 4], &messages), ExitCode::new(161));
    let messages = up(&root, &honest, 1, 1_000);
    assert_eq!(settle(&mut root, &honest, &[1, 2, 3], &messages), ExitCode::OK);
    assert_eq!(root.state(&greedy).custody, nano(1_000));
}
