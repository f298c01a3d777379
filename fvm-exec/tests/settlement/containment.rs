//! Hostile calls, up and down, at whole gateways and checkpoint actors in the VM.

use fvm_shared::error::ExitCode;
use fvm_shared::receipt::Receipt;
use subnet_types::Sequence;
use subnet_types::actors::{DeliverBatchParams, GATEWAY_ID, SubmitCheckpointReturn, checkpoint};
use subnet_types::cross::{CrossKind, CrossMessage};
use subnet_types::hash::merkle_range_proof;
use subnet_types::quantity::Nonce;

use crate::common::accounts::{call, secp};
use crate::common::chain::Chain;
use crate::common::parent::{top_down, update};
use crate::hostile::{
    BROUGHT, Case, GAS, between_neighbours, callee, case, cases, check_balances, check_receipts, given, place,
    with_much_gas,
};
use crate::slices::batch;
use crate::subnet::{Root, Subnet, alice, decode, nano};

/// A root with a cross-caller and a subnet that has custody.
fn town() -> (Root, Subnet) {
    let mut root = Root::with_keys(4);
    place(&mut root.chain);
    let subnet = root.active(4);
    (root, subnet)
}

/// The cases from the subnet, between neighbours.
fn rising(root: &Root, subnet: &Subnet, cases: &[Case]) -> Vec<CrossMessage> {
    between_neighbours(&batch(root, subnet, 1, &|_| secp(1))[0], cases)
}

/// What waits for the subnet, but for what funded it.
fn queued(root: &Root, subnet: &Subnet) -> Vec<CrossMessage> {
    let gateway = root.chain.view().gateway().unwrap();
    gateway.top_down(&root.chain.store, subnet.id, Nonce::new(1), 1_000).unwrap()
}

/// Brings a part of a batch with this gas; how that ended.
fn deliver(
    root: &mut Root,
    subnet: &Subnet,
    batch: &[CrossMessage],
    part: std::ops::Range<usize>,
    gas_limit: u64,
) -> Receipt {
    let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
    let proof = merkle_range_proof(&leaves, part.start, part.end);
    let params = DeliverBatchParams { sequence: Sequence::new(1), messages: batch[part].to_vec(), proof };
    let nonce = root.chain.nonce(&alice());
    let mut message = call(alice(), nonce, subnet.actor, checkpoint::DELIVER_BATCH, &params, nano(0));
    message.gas_limit = gas_limit;
    root.send_all(vec![message]).message_receipt(0).unwrap().clone()
}

#[test]
fn hostile_calls_in_a_checkpoint_cost_only_themselves() {
    let (mut root, subnet) = town();
    let cases = cases();
    let messages = rising(&root, &subnet, &cases);
    let checkpoint = root.next(&subnet, &messages);
    let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &messages);
    let custody = root.state(&subnet).custody;
    let nonce = root.chain.nonce(&alice());
    let message = call(alice(), nonce, subnet.actor, checkpoint::SUBMIT_CHECKPOINT, &params, nano(0));
    let receipt = root.send_all(vec![with_much_gas(message)]).message_receipt(0).unwrap().clone();
    assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
    assert_eq!(decode::<SubmitCheckpointReturn>(&receipt).undelivered, 0, "{} gas", receipt.gas_used);
    check_receipts(&messages, &cases, &queued(&root, &subnet));
    check_balances(&root.chain, &cases);
    let state = root.state(&subnet);
    assert_eq!((state.custody, state.batch_reserved), (custody - given(&cases), nano(0)), "refunds are locked again");
    assert_eq!(state.unclaimed, nano(0), "nothing was set aside");
}

#[test]
fn hostile_calls_in_slices_cost_only_themselves_and_wait_for_their_gas() {
    let (mut root, subnet) = town();
    let cases = cases();
    let messages = rising(&root, &subnet, &cases);
    let checkpoint = root.next(&subnet, &messages);
    let custody = root.state(&subnet).custody;
    let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
    assert!(root.submit(&subnet, &params).exit_code.is_success());
    let mut cursor = 0;
    while cursor < messages.len() {
        // The transfer before the call has gas enough, the call has not: whoever brings it can stop it, but not fail it.
        let end = (cursor + 2).min(messages.len());
        if let CrossKind::Call { .. } = messages[end - 1].kind {
            let gas_limit = 200_000_000 + messages[end - 1].gas_limit;
            let receipt = deliver(&mut root, &subnet, &messages, cursor..end, gas_limit.min(700_000_000));
            let progress: SubmitCheckpointReturn = decode(&receipt);
            cursor = progress.next_nonce.get() as usize;
        }
        let limit = 1_600_000_000;
        let receipt = deliver(&mut root, &subnet, &messages, cursor.min(end - 1)..end, limit);
        // What the first one delivered already is no harm.
        assert!([0, 180, 183].contains(&receipt.exit_code.value()), "exit {}", receipt.exit_code);
        cursor = root.state(&subnet).next_delivery_nonce.get() as usize;
        assert_eq!(cursor, end);
    }
    check_receipts(&messages, &cases, &queued(&root, &subnet));
    check_balances(&root.chain, &cases);
    let state = root.state(&subnet);
    assert_eq!((state.custody, state.batch_reserved), (custody - given(&cases), nano(0)));
}

#[test]
fn call_stays_where_it_is_until_somebody_brings_its_gas() {
    let (mut root, subnet) = town();
    let one = [case("counts", cross_caller::served::ADD, &3u64, ExitCode::OK)];
    let messages = rising(&root, &subnet, &one);
    let checkpoint = root.next(&subnet, &messages);
    let params = root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]);
    assert!(root.submit(&subnet, &params).exit_code.is_success());
    let cursor = |root: &Root| root.state(&subnet).next_delivery_nonce.get();
    for (gas_limit, expected) in [(250_000_000, 1), (380_000_000, 1), (GAS + 100_000_000, 1), (1_000_000_000, 3)] {
        let from = cursor(&root) as usize;
        let receipt = deliver(&mut root, &subnet, &messages, from..messages.len(), gas_limit);
        assert_eq!((receipt.exit_code, cursor(&root)), (ExitCode::OK, expected), "{gas_limit} gas");
        assert_eq!(root.chain.balance(&callee()), nano(if expected > 1 { BROUGHT } else { 0 }));
    }
    let receipts = queued(&root, &subnet);
    assert!(matches!(receipts[0].kind, CrossKind::Receipt { exit_code: ExitCode::OK, .. }), "{receipts:?}");
    assert_eq!((receipts.len(), receipts[0].value.clone()), (1, nano(0)));
}

#[test]
fn hostile_calls_in_a_parent_update_cost_only_themselves() {
    let mut chain = Chain::child();
    place(&mut chain);
    let cases = cases();
    let base = top_down(&chain.genesis.subnet, 0, secp(1), nano(0));
    let messages = between_neighbours(&base, &cases);
    let output = chain.execute_update(update(6, messages.clone()), vec![]);
    let outcomes = output.parent_update.expect("an update").expect("applied").outcomes;
    let expected: Vec<ExitCode> =
        cases.iter().flat_map(|case| [ExitCode::OK, case.exit_code]).chain([ExitCode::OK]).collect();
    assert_eq!(outcomes, expected);
    let (gateway, balance) = (chain.view().gateway().unwrap(), chain.balance_of(GATEWAY_ID));
    assert_eq!(gateway_actor::invariants::check(&gateway, &chain.store, &balance), []);
    check_balances(&chain, &cases);
    assert_eq!(chain.view().supply().unwrap().circulating, given(&cases), "the rest is on its way up");
    let cut = loop {
        if let Some(cut) = chain.execute(vec![]).cut {
            break cut;
        }
    };
    check_receipts(&messages, &cases, &chain.view().gateway().unwrap().batch(&chain.store, &cut).unwrap());
}
