//! A root, and subnets set up on it by messages.

use checkpoint_actor::State;
use fvm_exec::BlockOutput;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::receipt::Receipt;
use fvm_shared::{ActorID, MethodNum};
use init::{ExecParams, ExecReturn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::actors::{
    CheckpointConstructorParams, GATEWAY_ID, INIT_ID, RegisterParams, SendParams, SubmitCheckpointParams, checkpoint,
    gateway, manifest_names,
};
use subnet_types::checkpoint::{
    CHECKPOINT_VERSION, Checkpoint, CheckpointDomain, ConfigurationApplied, QuorumCertificate,
};
use subnet_types::cross::{CrossAddress, CrossMessage, MessageBatch};
use subnet_types::genesis::{MembershipMode, SubnetParameters};
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::quantity::Height;
use subnet_types::{Digest, SubnetId};

use crate::common::accounts::{call, secp};
use crate::common::chain::Chain;
use crate::common::genesis::parameters;
use crate::keys::{Keys, key_sum, sum};

/// Who sets things up and sends value.
pub fn alice() -> Address {
    secp(100)
}

pub fn nano(amount: u64) -> TokenAmount {
    TokenAmount::from_nano(amount)
}

/// A root on which `validators` keys have funded owners.
pub struct Root {
    pub chain: Chain,
}

/// A subnet on a root.
#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: ActorID,
    pub actor: Address,
    pub name: SubnetId,
    /// Numbers of its validators' keys.
    pub seeds: Vec<u64>,
}

pub fn decode<T: DeserializeOwned>(receipt: &Receipt) -> T {
    receipt.return_data.deserialize().unwrap()
}

impl Root {
    /// A root with the owners of keys 1 to `keys`, and Alice.
    pub fn with_keys(keys: u64) -> Self {
        let mut balances: Vec<_> =
            (1..=keys).map(|seed| (Keys::of(seed).owner, TokenAmount::from_whole(1_000))).collect();
        balances.push((alice(), TokenAmount::from_whole(1_000_000)));
        Self { chain: Chain::root(&balances) }
    }

    /// One message in a block of its own; how it ended.
    pub fn send(
        &mut self,
        from: Address,
        to: Address,
        method: MethodNum,
        params: &impl Serialize,
        value: TokenAmount,
    ) -> Receipt {
        let message = call(from, self.chain.nonce(&from), to, method, params, value);
        self.send_all(vec![message]).message_receipt(0).unwrap().clone()
    }

    pub fn send_all(&mut self, messages: Vec<Message>) -> BlockOutput {
        let output = self.chain.execute(messages);
        self.check();
        output
    }

    /// Sends what must succeed.
    pub fn ok(
        &mut self,
        from: Address,
        to: Address,
        method: MethodNum,
        params: &impl Serialize,
        value: TokenAmount,
    ) -> Receipt {
        let before = self.chain.state_root;
        let receipt = self.send(from, to, method, params, value.clone());
        if !receipt.exit_code.is_success() {
            let after = std::mem::replace(&mut self.chain.state_root, before);
            let message = call(from, self.chain.nonce(&from), to, method, params, value);
            let failure = self.chain.call(&message).failure;
            self.chain.state_root = after;
            panic!("exit {}: {failure:?}", receipt.exit_code);
        }
        receipt
    }

    /// The invariants of gateway and checkpoint actors.
    pub fn check(&self) {
        let view = self.chain.view();
        let gateway = view.gateway().unwrap();
        let store = &self.chain.store;
        let violations = gateway_actor::invariants::check(&gateway, store, &self.chain.balance_of(GATEWAY_ID));
        assert!(violations.is_empty(), "{violations:#?}");
        for (id, child) in gateway.children(store).unwrap() {
            let state = view.checkpoint(id).unwrap().unwrap();
            assert_eq!(state.subnet.as_ref(), Some(&child.subnet));
            let violations = checkpoint_actor::invariants::check(&state, store, &self.chain.balance_of(id));
            assert!(violations.is_empty(), "{violations:#?}");
        }
    }

    /// Creates and registers a subnet of Alice's.
    pub fn create(&mut self, mode: MembershipMode, validators_min: u64) -> Subnet {
        self.create_of(alice(), mode, validators_min)
    }

    /// Creates and registers a subnet.
    pub fn create_of(&mut self, owner: Address, mode: MembershipMode, validators_min: u64) -> Subnet {
        let subnet = self.exec(owner, mode, validators_min);
        let actor = subnet.actor;
        self.ok(alice(), actor, checkpoint::REGISTER, &RegisterParams { actor }, nano(0));
        subnet
    }

    /// Creates a subnet's actor.
    pub fn exec(&mut self, owner: Address, mode: MembershipMode, validators_min: u64) -> Subnet {
        let parameters = SubnetParameters {
            chain: parameters(actor_bundle::manifest_cid()),
            mode,
            validators_min,
            stake_min: nano(1),
            parent_lag_blocks_max: 1_000,
            unbonding_blocks: 20,
            silence_blocks_max: 30,
            exit_notice_blocks: 10,
        };
        let constructor = CheckpointConstructorParams { owner, parameters };
        let exec = ExecParams {
            code_cid: actor_bundle::code(manifest_names::CHECKPOINT).unwrap(),
            constructor_params: RawBytes::new(encode(&constructor)),
        };
        let created = self.ok(alice(), Address::new_id(INIT_ID), init::METHOD_EXEC, &exec, nano(0));
        let created: ExecReturn = decode(&created);
        let actor = created.robust_address;
        let name = self.chain.genesis.subnet.child(actor).unwrap();
        Subnet { id: created.id_address.id().unwrap(), actor, name, seeds: Vec::new() }
    }

    /// Joins the owner of key `seed` with a stake of `power` nanoFIL.
    pub fn join(&mut self, subnet: &mut Subnet, seed: u64, power: u64) -> Receipt {
        let keys = Keys::of(seed);
        let join = keys.join(&self.chain.genesis.identity(), &subnet.actor);
        subnet.seeds.push(seed);
        self.ok(keys.owner, subnet.actor, checkpoint::JOIN, &join, nano(power))
    }

    /// An active subnet of keys 1 to `validators`, with custody.
    pub fn active(&mut self, validators: u64) -> Subnet {
        let mut subnet = self.create(MembershipMode::Collateral, validators);
        for seed in 1..=validators {
            self.join(&mut subnet, seed, 10);
        }
        self.fund(&subnet, secp(1), nano(1_000));
        subnet
    }

    pub fn fund(&mut self, subnet: &Subnet, to: Address, value: TokenAmount) -> Receipt {
        let to = CrossAddress { subnet: subnet.name.clone(), address: to };
        let params = SendParams { to, call: None, fee: nano(0), expires: None, wants_receipt: false };
        self.ok(alice(), Address::new_id(GATEWAY_ID), gateway::SEND, &params, value)
    }

    pub fn state(&self, subnet: &Subnet) -> State {
        self.chain.view().checkpoint(subnet.id).unwrap().unwrap()
    }

    /// The subnet's next checkpoint with these messages, all else unchanged.
    pub fn next(&self, subnet: &Subnet, messages: &[CrossMessage]) -> Checkpoint {
        let state = self.state(subnet);
        let sequence = state.last_sequence.next();
        let number = state.configuration_confirmed;
        let known = state.configuration(&self.chain.store, number).unwrap().unwrap();
        Checkpoint {
            version: CHECKPOINT_VERSION,
            chain: state.chain.unwrap(),
            sequence,
            height: Height::new(sequence.get() * state.parameters.chain.checkpoint_period_blocks),
            block: cid_of_bytes(b"block"),
            state_root: cid_of_bytes(b"state"),
            previous: state.last_digest,
            messages: MessageBatch::of(state.next_batch_nonce, messages),
            burned: nano(0),
            top_down_applied: state.top_down_applied,
            configuration: ConfigurationApplied { number, validators_hash: known.validators_hash },
            upgrade: Digest::ZERO,
        }
    }

    /// Signs for the subnet with these keys.
    pub fn certify(&self, subnet: &Subnet, checkpoint: &Checkpoint, seeds: &[u64]) -> QuorumCertificate {
        let state = self.state(subnet);
        let set = state.validators(&self.chain.store, state.configuration_confirmed).unwrap().unwrap();
        let domain = CheckpointDomain { parent: self.chain.genesis.identity(), actor: subnet.actor };
        let digest = checkpoint.digest(&domain).unwrap();
        let positions = seeds.iter().map(|seed| set.find(&Keys::of(*seed).vote_key()).unwrap().0);
        let signatures: Vec<_> = seeds.iter().map(|seed| Keys::of(*seed).sign(digest.as_bytes())).collect();
        QuorumCertificate {
            configuration: set.number(),
            signers: QuorumCertificate::bitmap(set.len(), positions),
            key_sum: key_sum(seeds),
            signature: sum(&signatures),
        }
    }

    /// The message with which anybody settles `checkpoint`, signed by these keys.
    pub fn submission(
        &self,
        subnet: &Subnet,
        checkpoint: &Checkpoint,
        seeds: &[u64],
        messages: &[CrossMessage],
    ) -> SubmitCheckpointParams {
        SubmitCheckpointParams {
            checkpoint: checkpoint.clone(),
            certificate: self.certify(subnet, checkpoint, seeds),
            messages: messages.to_vec(),
        }
    }

    pub fn submit(&mut self, subnet: &Subnet, params: &SubmitCheckpointParams) -> Receipt {
        self.send(alice(), subnet.actor, checkpoint::SUBMIT_CHECKPOINT, params, nano(0))
    }
}
