//! One checkpoint actor, a scripted gateway, and validators.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use actor_runtime::mock::{MockRuntime, SentMessage, code};
use actor_runtime::{ActorError, Runtime, SendReturn, decode_params, encode_params};
use checkpoint_actor::runs::DELIVERY_GAS_RESERVE;
use checkpoint_actor::{State, dispatch, invariants};
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use serde::Serialize;
use subnet_types::actors::{
    CheckpointConstructorParams, CloseChildReturn, CommitCheckpointReturn, DeliverBatchParams, DeliverParams,
    DeliverReturn, DeliverUnclaimedReturn, GATEWAY_ID, INIT_ID, JoinParams, KillReturn, METHOD_CONSTRUCTOR,
    OwnerParams, RefundChildParams, RefundReturn, RegisterChildReturn, RegisterParams, SubmitCheckpointParams,
    SubmitCheckpointReturn, UnlockParams, UnlockReturn, checkpoint, gateway, refusal,
};
use subnet_types::checkpoint::{
    CHECKPOINT_VERSION, Checkpoint, CheckpointDomain, ConfigurationApplied, QuorumCertificate,
};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage, MessageBatch};
use subnet_types::genesis::{ChainParameters, MembershipMode, ParentAnchor, SubnetParameters};
use subnet_types::hash::{cid_of_bytes, merkle_range_proof};
use subnet_types::limits::CROSS_HOP_GAS;
use subnet_types::membership::{Validator, ValidatorSet};
use subnet_types::message::SignaturePolicy;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence, TimestampMs};
use subnet_types::{BlsPublicKey, Digest, SubnetId, VoteKey};

use crate::keys::{Keys, key_sum, sum};

/// The actor under test.
pub const ACTOR: ActorID = 200;
/// Who set the subnet up.
pub const OWNER: ActorID = 150;
/// Ids of validators: this plus the number their keys are made from.
pub const VALIDATOR: ActorID = 1_000;
/// Somebody.
pub const STRANGER: ActorID = 160;
pub const PERIOD: u64 = 10;
/// Enough to deliver one transfer, and not two.
pub const GAS_FOR_ONE: u64 = CROSS_HOP_GAS + DELIVERY_GAS_RESERVE;
pub const LAG_MAX: u64 = 100;
pub const UNBONDING: u64 = 50;
pub const SILENCE: u64 = 300;
pub const NOTICE: u64 = 20;
/// One nanoFIL: a unit of power.
pub const NANO: u64 = 1_000_000_000;

/// What the gateway does, for tests to set.
#[derive(Default)]
pub struct Gateway {
    pub oldest_unapplied: Cell<Option<Height>>,
    /// Exit code of CommitCheckpoint.
    pub commit_exit: Cell<u32>,
    /// Nonces that it refuses with a receipt, sending the value back.
    pub refused: RefCell<Vec<u64>>,
    /// Nonces at which the call itself fails.
    pub failing: RefCell<Vec<u64>>,
    pub delivered: RefCell<Vec<u64>>,
    /// Amounts of the messages that wait for the subnet.
    pub waiting: RefCell<Vec<u64>>,
    /// What refunds brought.
    pub refunded: RefCell<Vec<TokenAmount>>,
}

pub struct World {
    pub rt: MockRuntime,
    pub gateway: Rc<Gateway>,
}

pub fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

pub fn address() -> Address {
    Address::new_actor(b"checkpoint actor")
}

pub fn parent() -> Digest {
    Digest([7; 32])
}

pub fn subnet() -> SubnetId {
    SubnetId::root(314).child(address()).unwrap()
}

pub fn parameters(mode: MembershipMode, validators_min: u64) -> SubnetParameters {
    SubnetParameters {
        chain: ChainParameters {
            block_interval_ms: 1_000,
            block_gas_limit: 10_000_000_000,
            base_fee_min: atto(100),
            signatures: SignaturePolicy::Bound,
            checkpoint_period_blocks: PERIOD,
            trusting_period_ms: 60_000,
            cross_gas_price: TokenAmount::default(),
            bundle: cid_of_bytes(b"bundle"),
        },
        mode,
        validators_min,
        stake_min: atto(NANO),
        parent_lag_blocks_max: LAG_MAX,
        unbonding_blocks: UNBONDING,
        silence_blocks_max: SILENCE,
        exit_notice_blocks: NOTICE,
    }
}

pub fn anchor() -> ParentAnchor {
    let validator = Validator {
        owner: Keys::of(99).owner,
        vote_key: VoteKey([9; 32]),
        checkpoint_key: BlsPublicKey([9; 48]),
        power: Power::new(1),
    };
    ParentAnchor {
        identity: parent(),
        height: Height::new(500),
        timestamp: TimestampMs::new(1_000_000),
        validators: ValidatorSet::new(ConfigurationNumber::FIRST, vec![validator]).unwrap(),
    }
}

fn answer(value: &impl Serialize) -> SendReturn {
    SendReturn { exit_code: ExitCode::OK, return_data: encode_params(value).unwrap() }
}

impl Gateway {
    fn answer(&self, rt: &MockRuntime, sent: &SentMessage) -> Option<SendReturn> {
        Some(match sent.method {
            gateway::REGISTER_CHILD => answer(&RegisterChildReturn { subnet: subnet(), parent: parent() }),
            gateway::ACTIVATE_CHILD => answer(&anchor()),
            gateway::LOG_CHANGE => SendReturn::ok(),
            gateway::CLOSE_CHILD => {
                let waiting = self.waiting.borrow();
                answer(&CloseChildReturn { unapplied: waiting.len() as u64, amount: atto(waiting.iter().sum()) })
            }
            gateway::REFUND_CHILD => {
                let params: RefundChildParams = decode_params(sent.params.clone()).unwrap();
                let mut waiting = self.waiting.borrow_mut();
                let count = waiting.len().min(params.messages_max as usize);
                let amount = atto(waiting.drain(..count).sum());
                let unlock = encode_params(&UnlockParams { amount }).unwrap();
                let granted = rt.call(dispatch, GATEWAY_ID, &atto(0), checkpoint::UNLOCK, unlock).unwrap();
                self.refunded.borrow_mut().push(decode_params::<UnlockReturn>(granted).unwrap().amount);
                answer(&RefundReturn { refunded: count as u64, left: waiting.len() as u64 })
            }
            gateway::COMMIT_CHECKPOINT if self.commit_exit.get() != 0 => {
                SendReturn::failed(ExitCode::new(self.commit_exit.get()))
            }
            gateway::COMMIT_CHECKPOINT => {
                answer(&CommitCheckpointReturn { oldest_unapplied: self.oldest_unapplied.get() })
            }
            gateway::DELIVER => {
                let params: DeliverParams = decode_params(sent.params.clone()).unwrap();
                let is_failing = |message: &CrossMessage| self.failing.borrow().contains(&message.nonce.get());
                if params.messages.iter().any(is_failing) {
                    return Some(SendReturn::failed(ExitCode::SYS_OUT_OF_GAS));
                }
                let outcomes = params.messages.iter().map(|message| {
                    let nonce = message.nonce.get();
                    self.delivered.borrow_mut().push(nonce);
                    if !self.refused.borrow().contains(&nonce) {
                        return ExitCode::OK;
                    }
                    rt.call(dispatch, GATEWAY_ID, &message.amount(), checkpoint::LOCK, None).unwrap();
                    refusal::FORBIDDEN
                });
                answer(&DeliverReturn { outcomes: outcomes.collect() })
            }
            _ => return None,
        })
    }
}

impl World {
    /// An actor that init created.
    pub fn created(mode: MembershipMode, validators_min: u64) -> Self {
        let rt = MockRuntime::new(ACTOR);
        let gateway = Rc::new(Gateway::default());
        let owner = Address::new_actor(b"owner");
        rt.add_actor(ACTOR, code("checkpoint"), Some(address()));
        rt.add_actor(OWNER, code("account"), Some(owner));
        rt.set_block(600, 1_100);
        let answering = gateway.clone();
        rt.answer_with(move |rt, sent| answering.answer(rt, sent));
        let world = Self { rt, gateway };
        let params = CheckpointConstructorParams { owner, parameters: parameters(mode, validators_min) };
        world.rt.call(dispatch, INIT_ID, &atto(0), METHOD_CONSTRUCTOR, encode_params(&params).unwrap()).unwrap();
        world.check();
        world
    }

    /// The same, registered with the gateway.
    pub fn registered(mode: MembershipMode, validators_min: u64) -> Self {
        let world = Self::created(mode, validators_min);
        world.call(STRANGER, 0, checkpoint::REGISTER, &RegisterParams { actor: address() }).unwrap();
        world
    }

    /// An active subnet of validators 1 to `count`, each with `power`, and some custody.
    pub fn active(mode: MembershipMode, powers: &[u64]) -> Self {
        let world = Self::registered(mode, powers.len() as u64);
        for (index, power) in powers.iter().enumerate() {
            world.join(index as u64 + 1, power * NANO).unwrap();
        }
        world.lock(1_000);
        world.rt.take_sends();
        world
    }

    /// Four validators of power 10.
    pub fn of_four() -> Self {
        Self::active(MembershipMode::Collateral, &[10; 4])
    }

    pub fn call(
        &self,
        caller: ActorID,
        value: u64,
        method: MethodNum,
        params: &impl Serialize,
    ) -> Result<Option<IpldBlock>, ActorError> {
        self.call_with(caller, value, method, encode_params(params).unwrap())
    }

    pub fn call_with(
        &self,
        caller: ActorID,
        value: u64,
        method: MethodNum,
        params: Option<IpldBlock>,
    ) -> Result<Option<IpldBlock>, ActorError> {
        let before = self.state();
        let result = self.rt.call(dispatch, caller, &atto(value), method, params);
        if result.is_err() {
            assert_eq!(self.state(), before, "a refused call changes nothing");
        }
        self.check();
        result
    }

    pub fn check(&self) {
        let violations = invariants::check(&self.state(), self.rt.store(), &self.rt.balance());
        assert!(violations.is_empty(), "{violations:#?}");
    }

    pub fn state(&self) -> State {
        self.rt.load_state().unwrap()
    }

    pub fn join(&self, seed: u64, stake: u64) -> Result<(), ActorError> {
        self.join_with(seed, stake, Keys::of(seed).join(&parent(), &address()))
    }

    pub fn join_with(&self, seed: u64, stake: u64, params: JoinParams) -> Result<(), ActorError> {
        let caller = VALIDATOR + seed;
        self.rt.add_actor(caller, code("account"), Some(Keys::of(seed).owner));
        self.call(caller, stake, checkpoint::JOIN, &params).map(drop)
    }

    pub fn lock(&self, value: u64) {
        self.call_with(GATEWAY_ID, value, checkpoint::LOCK, None).unwrap();
    }

    /// The next checkpoint with these messages, all else unchanged.
    pub fn next(&self, messages: &[CrossMessage]) -> Checkpoint {
        let state = self.state();
        let sequence = state.last_sequence.next();
        let configuration = state.configuration_confirmed;
        let known = state.configuration(self.rt.store(), configuration).unwrap().unwrap();
        Checkpoint {
            version: CHECKPOINT_VERSION,
            chain: state.chain.unwrap(),
            sequence,
            height: Height::new(sequence.get() * PERIOD),
            block: cid_of_bytes(b"block"),
            state_root: cid_of_bytes(b"state"),
            previous: state.last_digest,
            messages: MessageBatch::of(state.next_batch_nonce, messages),
            burned: atto(0),
            top_down_applied: state.top_down_applied,
            configuration: ConfigurationApplied { number: configuration, validators_hash: known.validators_hash },
            upgrade: Digest::ZERO,
        }
    }

    pub fn digest(checkpoint: &Checkpoint) -> Digest {
        // A checkpoint without a digest cannot be signed; tests of that sign something else.
        checkpoint.digest(&CheckpointDomain { parent: parent(), actor: address() }).unwrap_or(Digest::ZERO)
    }

    /// A certificate of the confirmed configuration, signed by the validators with these numbers.
    pub fn certify(&self, checkpoint: &Checkpoint, seeds: &[u64]) -> QuorumCertificate {
        let state = self.state();
        let configuration = state.configuration_confirmed;
        let set = state.validators(self.rt.store(), configuration).unwrap().unwrap();
        let digest = Self::digest(checkpoint);
        let positions = seeds.iter().map(|seed| set.find(&Keys::of(*seed).vote_key()).unwrap().0);
        let signatures: Vec<_> = seeds.iter().map(|seed| Keys::of(*seed).sign(digest.as_bytes())).collect();
        QuorumCertificate {
            configuration,
            signers: QuorumCertificate::bitmap(set.len(), positions),
            key_sum: key_sum(seeds),
            signature: sum(&signatures),
        }
    }

    pub fn submit(
        &self,
        checkpoint: &Checkpoint,
        certificate: &QuorumCertificate,
        messages: &[CrossMessage],
    ) -> Result<SubmitCheckpointReturn, ActorError> {
        let params = SubmitCheckpointParams {
            checkpoint: checkpoint.clone(),
            certificate: certificate.clone(),
            messages: messages.to_vec(),
        };
        let returned = self.call(STRANGER, 0, checkpoint::SUBMIT_CHECKPOINT, &params)?;
        Ok(decode_params(returned).unwrap())
    }

    /// Submits with the signatures of validators 1 to 3 of four.
    pub fn settle(
        &self,
        checkpoint: &Checkpoint,
        messages: &[CrossMessage],
    ) -> Result<SubmitCheckpointReturn, ActorError> {
        self.submit(checkpoint, &self.certify(checkpoint, &[1, 2, 3]), messages)
    }

    pub fn deliver(&self, sequence: u64, messages: &[CrossMessage]) -> Result<SubmitCheckpointReturn, ActorError> {
        self.deliver_with(STRANGER, sequence, messages, Vec::new())
    }

    pub fn deliver_with(
        &self,
        caller: ActorID,
        sequence: u64,
        messages: &[CrossMessage],
        proof: Vec<Digest>,
    ) -> Result<SubmitCheckpointReturn, ActorError> {
        let params = DeliverBatchParams { sequence: Sequence::new(sequence), messages: messages.to_vec(), proof };
        let returned = self.call(caller, 0, checkpoint::DELIVER_BATCH, &params)?;
        Ok(decode_params(returned).unwrap())
    }

    /// Delivers the slice `range` of a batch.
    pub fn deliver_slice(
        &self,
        caller: ActorID,
        sequence: u64,
        batch: &[CrossMessage],
        range: Range<usize>,
    ) -> Result<SubmitCheckpointReturn, ActorError> {
        let proof = prove(batch, range.clone());
        self.deliver_with(caller, sequence, &batch[range], proof)
    }

    /// Has an unclaimed message delivered again.
    pub fn deliver_unclaimed(&self, message: &CrossMessage) -> Result<ExitCode, ActorError> {
        let returned = self.call(STRANGER, 0, checkpoint::DELIVER_UNCLAIMED, message)?;
        Ok(decode_params::<DeliverUnclaimedReturn>(returned).unwrap().exit_code)
    }

    /// `count` transfers of `value` from the subnet, from the next nonce on.
    pub fn messages(&self, count: u64, value: u64) -> Vec<CrossMessage> {
        let first = self.state().next_batch_nonce.get();
        (first..first + count).map(|nonce| message(nonce, value)).collect()
    }

    /// Goes on to a height of this chain.
    pub fn at(&self, height: u64) {
        self.rt.set_block(height as i64, height + 500);
    }

    fn as_owner(&self, seed: u64, method: MethodNum) -> Result<Option<IpldBlock>, ActorError> {
        self.call(VALIDATOR + seed, 0, method, &OwnerParams { owner: Keys::of(seed).owner })
    }

    pub fn leave(&self, seed: u64) -> Result<(), ActorError> {
        self.as_owner(seed, checkpoint::LEAVE).map(drop)
    }

    pub fn withdraw(&self, seed: u64) -> Result<(), ActorError> {
        self.as_owner(seed, checkpoint::WITHDRAW).map(drop)
    }

    /// The validator votes for the end. Returns whether that gave notice.
    pub fn kill(&self, seed: u64) -> Result<bool, ActorError> {
        let returned = self.as_owner(seed, checkpoint::KILL)?;
        Ok(decode_params::<KillReturn>(returned).unwrap().is_decided)
    }

    /// The validator takes its votes back.
    pub fn retract(&self, seed: u64) -> Result<(), ActorError> {
        self.as_owner(seed, checkpoint::RETRACT_VOTES).map(drop)
    }

    /// The subnet's owner gives notice.
    pub fn kill_as_owner(&self) -> Result<bool, ActorError> {
        let params = OwnerParams { owner: Address::new_actor(b"owner") };
        let returned = self.call(OWNER, 0, checkpoint::KILL, &params)?;
        Ok(decode_params::<KillReturn>(returned).unwrap().is_decided)
    }

    pub fn exit(&self) -> Result<(), ActorError> {
        self.call_with(STRANGER, 0, checkpoint::EXIT, None).map(drop)
    }

    /// Ends the subnet after a silence.
    pub fn end(&self) {
        self.at(self.state().exit_from().get());
        self.exit().unwrap();
    }

    pub fn refund(&self, messages_max: u64) -> Result<RefundReturn, ActorError> {
        let returned = self.call(STRANGER, 0, checkpoint::REFUND, &RefundChildParams { messages_max })?;
        Ok(decode_params(returned).unwrap())
    }

    /// The next checkpoint, which confirms the newest configuration, signed by these.
    pub fn confirm(&self, seeds: &[u64]) {
        let number = self.state().configuration_last;
        let known = self.state().configuration(self.rt.store(), number).unwrap().unwrap();
        let mut checkpoint = self.next(&[]);
        checkpoint.configuration = ConfigurationApplied { number, validators_hash: known.validators_hash };
        self.submit(&checkpoint, &self.certify(&checkpoint, seeds), &[]).unwrap();
    }

    /// What somebody holds.
    pub fn holds(&self, address: &Address) -> TokenAmount {
        self.rt.resolve_address(address).map(|id| self.rt.balance_of(id)).unwrap_or_default()
    }

    pub fn delivered(&self) -> Vec<u64> {
        self.gateway.delivered.borrow().clone()
    }
}

/// Proof that the messages of `range` are of `batch`.
pub fn prove(batch: &[CrossMessage], range: Range<usize>) -> Vec<Digest> {
    let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
    merkle_range_proof(&leaves, range.start, range.end)
}

/// The transfer of `value` with this nonce.
pub fn message(nonce: u64, value: u64) -> CrossMessage {
    CrossMessage {
        id: Digest([1; 32]),
        origin: CrossAddress { subnet: subnet(), address: Keys::of(1).owner },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: SubnetId::root(314), address: Keys::of(2).owner },
        value: atto(value),
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: atto(0),
        expires: None,
        wants_receipt: false,
    }
}
