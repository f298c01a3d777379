//! A subnet ends, as wasm in the VM: what waits comes back, accounts are paid by proof, stakes go home, and nothing is
//! left or made.

use fvm_exec::witness::record_balance;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::receipt::Receipt;
use num_traits::Zero;
use subnet_types::actors::{
    ClaimBalanceParams, ClaimBalanceReturn, GATEWAY_ID, OwnerParams, RefundChildParams, RefundReturn, SendParams,
    checkpoint, gateway,
};
use subnet_types::cross::CrossAddress;

use crate::common::accounts::{call, secp};
use crate::keys::Keys;
use crate::story::{Pair, fil};
use crate::subnet::{alice, decode, nano};

/// Ceiling of a claim: nearly all of it for the blocks that it reads.
const CLAIM_GAS_MAX: u64 = 60_000_000;

/// Most bytes of the proof of one account, in a state of a few hundred.
const PROOF_BYTES_MAX: usize = 16 * 1024;

impl Pair {
    fn wait(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.root.chain.execute(vec![]);
        }
    }

    fn exit(&mut self) -> Receipt {
        let nonce = self.root.chain.nonce(&alice());
        let mut message = call(alice(), nonce, self.subnet.actor, checkpoint::EXIT, &0, nano(0));
        message.params = RawBytes::default();
        self.root.send_all(vec![message]).message_receipt(0).unwrap().clone()
    }

    fn own(&mut self, seed: u64, method: u64) -> Receipt {
        let owner = Keys::of(seed).owner;
        self.root.ok(owner, self.subnet.actor, method, &OwnerParams { owner }, nano(0))
    }

    /// Claims for `address` by a proof from the child's own state.
    fn claim(&mut self, root: &cid::Cid, address: Address) -> Receipt {
        let recorded = record_balance(&self.child.store, root, &address).unwrap();
        let bytes: usize = recorded.blocks.iter().map(|block| block.bytes.len()).sum();
        println!("proof of one balance: {} blocks, {bytes} bytes", recorded.blocks.len());
        assert!(bytes < PROOF_BYTES_MAX, "{bytes}");
        let params = ClaimBalanceParams { path: vec![], address, proof: recorded.blocks };
        self.root.send(alice(), self.subnet.actor, checkpoint::CLAIM_BALANCE, &params, nano(0))
    }
}

#[test]
fn killed_subnet_pays_everybody_and_keeps_nothing() {
    let mut pair = Pair::new();
    for seed in 1..=40 {
        pair.root.fund(&pair.subnet, secp(seed), fil(u64::from(seed)));
    }
    pair.follow();
    let cut = pair.run_to_cut();
    pair.settle(&cut, &[1, 2, 3]);
    pair.check_supply();
    let settled = pair.child.state_root;
    let balance = |pair: &Pair, seed: u8| record_balance(&pair.child.store, &settled, &secp(seed)).unwrap().balance;

    // These go down and are never applied.
    pair.root.fund(&pair.subnet, secp(7), fil(5));
    pair.root.fund(&pair.subnet, secp(8), fil(6));
    for seed in 1..=3 {
        pair.own(seed, checkpoint::KILL);
    }
    let notice = pair.root.state(&pair.subnet).notice.unwrap();
    let send = SendParams {
        to: CrossAddress { subnet: pair.subnet.name.clone(), address: secp(1) },
        call: None,
        fee: nano(0),
        expires: None,
        wants_receipt: false,
    };
    let refused = pair.root.send(alice(), Address::new_id(GATEWAY_ID), gateway::SEND, &send, nano(5));
    assert_eq!(refused.exit_code.value(), 63);

    assert_eq!(pair.exit().exit_code.value(), 187);
    pair.wait(10);
    assert!(pair.root.chain.height.get() >= notice.get() + 10);
    assert!(pair.exit().exit_code.is_success());

    let actor = pair.subnet.actor;
    let alice_before = pair.root.chain.balance(&alice());
    let done = pair.root.ok(alice(), actor, checkpoint::REFUND, &RefundChildParams { messages_max: 64 }, nano(0));
    let refunded: RefundReturn = decode(&done);
    assert_eq!((refunded.refunded, refunded.left), (2, 0));
    println!("refund of two transfers: {:.2} M gas", done.gas_used as f64 / 1e6);
    let alice_after = pair.root.chain.balance(&alice());
    assert!(alice_after > &alice_before + fil(10) && alice_after < &alice_before + fil(11), "eleven, less gas");
    pair.root.check();

    let mut paid = TokenAmount::zero();
    for seed in [1, 2, 40] {
        let (here, there) = (pair.root.chain.balance(&secp(seed)), balance(&pair, seed));
        let receipt = pair.claim(&settled, secp(seed));
        assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
        println!("claim: {:.2} M gas", receipt.gas_used as f64 / 1e6);
        assert!(receipt.gas_used < CLAIM_GAS_MAX, "{}", receipt.gas_used);
        assert_eq!(decode::<ClaimBalanceReturn>(&receipt).amount, there);
        assert_eq!(pair.root.chain.balance(&secp(seed)), here + &there);
        paid += there;
        assert_eq!(pair.claim(&settled, secp(seed)).exit_code.value(), 200);
        pair.root.check();
    }
    for seed in (1..=40).filter(|seed| ![1, 2, 40].contains(seed)) {
        let receipt = pair.claim(&settled, secp(seed));
        assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
        paid += balance(&pair, seed);
    }
    let state = pair.root.state(&pair.subnet);
    assert_eq!(state.exit.as_ref().unwrap().claimed_total, paid);

    // What is left is what others than accounts of keys hold on the child: nobody, or what paid for its gas.
    pair.wait(20);
    for seed in 1..=4 {
        pair.own(seed, checkpoint::WITHDRAW);
        assert_eq!(pair.root.state(&pair.subnet).stake_total, nano(10 * (4 - seed)));
    }
    let state = pair.root.state(&pair.subnet);
    assert!(state.stake_total.is_zero() && state.unbonding_total.is_zero());
    assert_eq!(pair.root.chain.balance_of(pair.subnet.id), state.custody, "nothing else sits in the actor");
    pair.root.check();
}

#[test]
fn member_leaves_and_takes_its_stake_when_its_removal_is_confirmed() {
    let mut pair = Pair::new();
    pair.own(4, checkpoint::LEAVE);
    let owner = Keys::of(4).owner;
    let refused = pair.root.send(owner, pair.subnet.actor, checkpoint::WITHDRAW, &OwnerParams { owner }, nano(0));
    assert_eq!(refused.exit_code.value(), 193);
    pair.follow();
    let cut = pair.run_to_cut();
    pair.settle(&cut, &[1, 2, 3]);
    assert_eq!(pair.root.state(&pair.subnet).configuration_confirmed.get(), 2);
    pair.wait(20);
    pair.own(4, checkpoint::WITHDRAW);
    let state = pair.root.state(&pair.subnet);
    assert_eq!((state.stake_total, state.unbonding_total), (nano(30), nano(0)));
    // Three are left, and their word is enough.
    let cut = pair.run_to_cut();
    pair.settle(&cut, &[1, 2, 3]);
    pair.root.check();
}
