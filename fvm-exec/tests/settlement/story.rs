//! Two chains side by side, each executing its own blocks: value goes down, comes back, and nothing is lost on the way.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::receipt::Receipt;
use num_traits::Zero;
use subnet_types::actors::{
    ApplyParentUpdateParams, CheckpointCut, GATEWAY_ID, SubmitCheckpointReturn, gateway, refusal,
};
use subnet_types::checkpoint::{CHECKPOINT_VERSION, Checkpoint};
use subnet_types::cross::CrossKind;
use subnet_types::hash::cid_of;
use subnet_types::parent::MembershipChange;
use subnet_types::{Digest, Genesis, Height, Nonce, TimestampMs};

use crate::common::accounts::{call, cross_transfer, secp};
use crate::common::chain::Chain;
use crate::keys::Keys;
use crate::subnet::{Root, Subnet, alice, decode, nano};

pub fn fil(whole: u64) -> TokenAmount {
    TokenAmount::from_whole(whole)
}

fn nobody() -> Address {
    Address::new_actor(b"nobody")
}

/// A subnet with its own chain.
pub struct Pair {
    pub root: Root,
    pub subnet: Subnet,
    pub child: Chain,
}

impl Pair {
    pub fn new() -> Self {
        let mut root = Root::with_keys(5);
        let subnet = root.active(4);
        let state = root.state(&subnet);
        let record = state.activation(&root.chain.store).unwrap().unwrap();
        assert_eq!(record.subnet, subnet.name);
        let genesis = Genesis::from_activation(&record);
        assert_eq!(Some(genesis.identity()), state.chain, "both sides name the same chain");
        Self { root, subnet, child: Chain::start(genesis) }
    }

    /// What the parent has for the child beyond what it applied.
    fn update(&self) -> ApplyParentUpdateParams {
        let parent = self.child.view().gateway().unwrap().parent.unwrap();
        let pending = self.child.view().gateway().unwrap().pending(&self.child.store).unwrap().number();
        let (gateway, store) = (self.root.chain.view().gateway().unwrap(), &self.root.chain.store);
        let height = self.root.chain.height.previous().unwrap();
        let time = self.root.chain.genesis.timestamp.get() + height.get() * 1000;
        let entry = gateway.child(store, self.subnet.id).unwrap().unwrap();
        let changes: Vec<MembershipChange> = gateway.changes(store, self.subnet.id, pending.next(), 64).unwrap();
        ApplyParentUpdateParams {
            parent_height: height,
            parent_block: cid_of(&("root block", height)),
            parent_timestamp: TimestampMs::new(time),
            parent_validators: None,
            messages: gateway.top_down(store, self.subnet.id, parent.next_nonce, 256).unwrap(),
            changes,
            next_nonce: entry.next_nonce,
            next_configuration: entry.configuration_logged.next(),
        }
    }

    pub fn follow(&mut self) {
        let update = self.update();
        self.follow_by(update);
    }

    fn follow_by(&mut self, update: ApplyParentUpdateParams) {
        let output = self.child.execute_update(update, vec![]);
        assert!(matches!(output.parent_update, Some(Ok(_))), "{:?}", output.parent_update);
        self.check_child();
    }

    fn release(&mut self, from: Address, to: Address, value: TokenAmount) {
        let nonce = self.child.nonce(&from);
        let root = self.subnet.name.parent().unwrap();
        let message = cross_transfer(from, nonce, root, to, value);
        let output = self.child.execute(vec![message]);
        assert!(output.message_receipt(0).unwrap().exit_code.is_success());
        self.check_child();
    }

    fn check_child(&self) {
        let gateway = self.child.view().gateway().unwrap();
        let balance = self.child.balance_of(GATEWAY_ID);
        let violations = gateway_actor::invariants::check(&gateway, &self.child.store, &balance);
        assert!(violations.is_empty(), "{violations:#?}");
    }

    pub fn run_to_cut(&mut self) -> CheckpointCut {
        loop {
            let output = self.child.execute(vec![]);
            if let Some(cut) = output.cut {
                self.check_child();
                return cut;
            }
        }
    }

    /// Settles `cut`, which must be accepted.
    pub fn settle(&mut self, cut: &CheckpointCut, seeds: &[u64]) -> SubmitCheckpointReturn {
        let receipt = self.submit(cut, seeds);
        assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
        decode(&receipt)
    }

    /// Makes the checkpoint of `cut`, signs and submits it.
    fn submit(&mut self, cut: &CheckpointCut, seeds: &[u64]) -> Receipt {
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            chain: self.child.genesis.identity(),
            sequence: cut.sequence,
            height: cut.height,
            block: cid_of(&("child block", cut.height)),
            state_root: self.child.state_root,
            previous: self.root.state(&self.subnet).last_digest,
            messages: cut.messages.clone(),
            burned: cut.burned.clone(),
            top_down_applied: cut.top_down_applied,
            configuration: cut.configuration,
            upgrade: Digest::ZERO,
        };
        let messages = self.child.view().gateway().unwrap().batch(&self.child.store, cut).unwrap();
        let params = self.root.submission(&self.subnet, &checkpoint, seeds, &messages);
        self.root.submit(&self.subnet, &params)
    }

    /// Custody above = circulating below + on its way down. Holds right after a cut was settled.
    pub fn check_supply(&self) {
        let circulating = self.child.view().supply().unwrap().circulating;
        let child = self.root.chain.view().gateway().unwrap().child(&self.root.chain.store, self.subnet.id);
        let applied = self.child.view().gateway().unwrap().parent.unwrap().next_nonce;
        let gateway = self.root.chain.view().gateway().unwrap();
        let waiting = gateway.top_down(&self.root.chain.store, self.subnet.id, applied, 1_000).unwrap();
        let in_flight: TokenAmount = waiting.iter().map(|message| message.amount()).sum();
        assert_eq!(self.root.state(&self.subnet).custody, circulating + in_flight);
        assert!(child.unwrap().unwrap().next_nonce >= applied);
    }
}

#[test]
fn value_goes_down_is_spent_and_comes_back_exactly_once() {
    let mut pair = Pair::new();
    pair.root.fund(&pair.subnet, secp(1), fil(20));
    pair.follow();
    // The thousand nanoFIL of the custody went to the same account.
    assert_eq!(pair.child.balance(&secp(1)), fil(20) + nano(1_000));
    pair.release(secp(1), secp(2), fil(3));
    let cut = pair.run_to_cut();
    assert_eq!((cut.messages.count, cut.messages.value.clone()), (1, fil(3)));
    assert!(cut.burned > TokenAmount::zero(), "the release paid for its gas");

    let progress = pair.settle(&cut, &[1, 2, 4]);
    assert_eq!((progress.next_nonce, progress.undelivered), (Nonce::new(1), 0));
    assert_eq!(pair.root.chain.balance(&secp(2)), fil(3));
    pair.check_supply();
    let stake = pair.root.state(&pair.subnet).stake_total;
    let held = pair.root.state(&pair.subnet).custody + stake;
    assert_eq!(pair.root.chain.balance_of(pair.subnet.id), held, "nothing else sits in the actor");
}

#[test]
fn what_nobody_can_take_comes_back_from_both_directions() {
    let mut pair = Pair::new();
    pair.root.fund(&pair.subnet, secp(1), fil(20));
    pair.root.fund(&pair.subnet, nobody(), fil(5));
    let alice_before = pair.root.chain.balance(&alice());
    pair.follow();
    pair.release(secp(1), nobody(), fil(2));
    let spent = pair.child.balance(&secp(1));
    let cut = pair.run_to_cut();
    assert_eq!((cut.messages.count, cut.messages.value.clone()), (2, fil(7)), "a receipt and a release");

    pair.settle(&cut, &[1, 2, 3]);
    // Alice paid for submitting, and got her five back.
    let alice_after = pair.root.chain.balance(&alice());
    assert!(alice_after > alice_before && alice_after < alice_before + fil(5));
    // The release nobody could take went back into custody, and waits as a receipt.
    pair.check_supply();
    let waiting = pair.update().messages;
    assert_eq!((waiting.len(), waiting[0].value.clone()), (1, fil(2)));
    assert!(matches!(waiting[0].kind, CrossKind::Receipt { exit_code, .. } if exit_code == refusal::NO_DESTINATION));

    pair.follow();
    assert_eq!(pair.child.balance(&secp(1)), spent + fil(2));
    let cut = pair.run_to_cut();
    assert_eq!(cut.messages.count, 0, "a receipt makes no receipt");
    pair.settle(&cut, &[1, 2, 3]);
    pair.check_supply();
}

#[test]
fn joined_validator_signs_after_the_checkpoint_that_confirms_it() {
    let mut pair = Pair::new();
    pair.root.join(&mut pair.subnet, 5, 1_000);
    pair.follow();
    let pending = pair.child.view().gateway().unwrap().pending(&pair.child.store).unwrap();
    assert_eq!((pending.number().get(), pending.len()), (2, 5));
    let cut = pair.run_to_cut();
    assert_eq!(cut.configuration.validators_hash, pending.hash(), "both chains make the same set");
    assert_eq!(pair.root.state(&pair.subnet).configuration_confirmed.get(), 1);
    pair.settle(&cut, &[1, 2, 3]);
    assert_eq!(pair.root.state(&pair.subnet).configuration_confirmed.get(), 2);

    let cut = pair.run_to_cut();
    pair.settle(&cut, &[5]);
    pair.check_supply();
    let known = pair.root.state(&pair.subnet).validators(&pair.root.chain.store, pending.number()).unwrap().unwrap();
    assert_eq!(known.find(&Keys::of(5).vote_key()).unwrap().1.power.get(), 1_000);
}

#[test]
fn change_that_the_child_refuses_holds_up_no_message_and_no_parent_accepts_the_set() {
    let mut pair = Pair::new();
    pair.root.join(&mut pair.subnet, 5, 1_000);
    pair.root.fund(&pair.subnet, secp(1), fil(20));
    // What no honest parent logs: a checkpoint key that another validator has.
    let mut update = pair.update();
    let before = pair.child.view().gateway().unwrap().pending(&pair.child.store).unwrap();
    update.changes[0].validator.checkpoint_key = before.validators()[0].checkpoint_key;
    pair.follow_by(update);
    assert_eq!(pair.child.balance(&secp(1)), fil(20) + nano(1_000), "messages are applied");
    let pending = pair.child.view().gateway().unwrap().pending(&pair.child.store).unwrap();
    assert_eq!((pending.number().get(), pending.validators()), (2, before.validators()));

    let cut = pair.run_to_cut();
    assert_eq!((cut.configuration.number.get(), cut.configuration.validators_hash), (2, pending.hash()));
    let custody = pair.root.state(&pair.subnet).custody;
    assert_eq!(pair.submit(&cut, &[1, 2, 3]).exit_code, ExitCode::new(166), "another set than the parent's");
    let state = pair.root.state(&pair.subnet);
    assert_eq!((state.custody, state.configuration_confirmed.get(), state.last_sequence.get()), (custody, 1, 0));
    // Below, value still comes down.
    pair.root.fund(&pair.subnet, secp(1), fil(1));
    pair.follow();
    assert_eq!(pair.child.balance(&secp(1)), fil(21) + nano(1_000));
}

#[test]
fn users_cannot_call_what_is_for_system_or_checkpoint_actors() {
    let mut pair = Pair::new();
    let gateway_address = Address::new_id(GATEWAY_ID);
    let update = pair.update();
    let empty: [u8; 0] = [];
    for (method, params) in [
        (gateway::APPLY_PARENT_UPDATE, subnet_types::hash::encode(&update)),
        (gateway::CUT_CHECKPOINT, empty.to_vec()),
        (gateway::ACTIVATE_CHILD, empty.to_vec()),
    ] {
        let mut message = call(alice(), pair.root.chain.nonce(&alice()), gateway_address, method, &0, nano(0));
        message.params = fvm_ipld_encoding::RawBytes::new(params);
        let outcome = pair.root.chain.call(&message);
        assert_eq!(outcome.exit_code, ExitCode::USR_FORBIDDEN, "method {method}");
    }
    pair.follow();
}

#[test]
fn subnet_that_was_down_for_long_settles_while_it_drains_its_queue() {
    let mut pair = Pair::new();
    for _ in 0..3 {
        pair.root.fund(&pair.subnet, secp(1), fil(1));
    }
    // Far longer ago than the parent lets a subnet ignore what it queued.
    pair.root.chain.height = Height::new(5_000);
    pair.root.fund(&pair.subnet, secp(1), fil(1));
    let mut part = pair.update();
    part.messages.truncate(2);
    let output = pair.child.execute_update(part.clone(), vec![]);
    assert!(matches!(output.parent_update, Some(Ok(_))), "{:?}", output.parent_update);
    let cut = pair.run_to_cut();
    assert_eq!(cut.top_down_applied.nonce, Nonce::new(2));
    assert!(cut.top_down_applied.parent_height < part.parent_height, "something is missing there");
    pair.settle(&cut, &[1, 2, 3]);
    pair.check_supply();

    pair.follow();
    let cut = pair.run_to_cut();
    assert_eq!((cut.top_down_applied.nonce, cut.messages.count), (Nonce::new(5), 0));
    assert!(cut.top_down_applied.parent_height >= part.parent_height);
    pair.settle(&cut, &[1, 2, 3]);
    pair.check_supply();
}
