//! One gateway and its surroundings.

use actor_runtime::mock::{MockRuntime, SentMessage, code, foreign_code};
use actor_runtime::{ActorError, Runtime, SendReturn, decode_params, encode_params};
use fvm_ipld_encoding::RawBytes;
use fvm_ipld_encoding::ipld_block::IpldBlock;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use gateway_actor::types::{Child, Draft, GatewayGenesis};
use gateway_actor::{State, dispatch, invariants};
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::actors::{
    ApplyParentUpdateParams, ApplyParentUpdateReturn, BURNT_FUNDS_ID, COURIER_ID, CallParams, CallReturn,
    CheckpointCut, CloseChildParams, CloseChildReturn, DeliverParams, DeliverReturn, EnqueueReturn, GATEWAY_ID,
    RefundChildParams, RefundReturn, RegisterChildParams, SYSTEM_ID, SendParams, UnlockParams, UnlockReturn,
    checkpoint, gateway,
};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage, message_id};
use subnet_types::genesis::{ParentAnchor, mint_reserve};
use subnet_types::hash::cid_of_bytes;
use subnet_types::membership::Validator;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power, TimestampMs};
use subnet_types::{BlsPublicKey, Digest, SubnetId, ValidatorSet, VoteKey};

/// Id of the child's checkpoint actor.
pub const CHILD: ActorID = 200;
/// An account with a native key.
pub const ALICE: ActorID = 101;
/// An actor without another address than f2.
pub const ROBOT: ActorID = 102;
/// An account with an Ethereum key.
pub const ETHAN: ActorID = 103;
/// Blocks in a period.
pub const PERIOD: u64 = 10;

pub struct World {
    pub rt: MockRuntime,
}

pub fn fil(atto: u64) -> TokenAmount {
    TokenAmount::from_atto(atto)
}

pub fn f1(name: &str) -> Address {
    Address::new_secp256k1(&[name.as_bytes(), &[4; 65]].concat()[..65]).unwrap()
}

pub fn child_address() -> Address {
    Address::new_actor(b"child")
}

pub fn root() -> SubnetId {
    SubnetId::root(314)
}

pub fn child() -> SubnetId {
    root().child(child_address()).unwrap()
}

pub fn validator(seed: u8, power: u64) -> Validator {
    Validator {
        owner: f1("validator"),
        vote_key: VoteKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        power: Power::new(power),
    }
}

pub fn set(number: u64, powers: &[(u8, u64)]) -> ValidatorSet {
    let validators = powers.iter().map(|(seed, power)| validator(*seed, *power)).collect();
    ValidatorSet::new(ConfigurationNumber::new(number), validators).unwrap()
}

/// Checkpoint actors lock; accounts say their key's address.
fn answer_as_usual(_: &MockRuntime, sent: &SentMessage) -> Option<SendReturn> {
    match sent.method {
        checkpoint::LOCK => Some(SendReturn::ok()),
        2 => Some(SendReturn { exit_code: ExitCode::OK, return_data: encode_params(&f1("alice")).unwrap() }),
        _ => None,
    }
}

impl World {
    fn new(subnet: SubnetId, parent: Option<ParentAnchor>, price: u64) -> Self {
        let rt = MockRuntime::new(GATEWAY_ID);
        let genesis = GatewayGenesis {
            subnet,
            identity: Digest([7; 32]),
            validators: set(1, &[(1, 10), (2, 10), (3, 10)]),
            parent,
            checkpoint_period_blocks: PERIOD,
            checkpoint_code: code("checkpoint"),
            cross_gas_price: fil(price),
        };
        rt.save_state(&State::genesis(rt.store(), genesis).unwrap()).unwrap();
        rt.add_actor(ALICE, code("account"), Some(f1("alice")));
        rt.add_actor(ROBOT, foreign_code(b"robot"), Some(Address::new_actor(b"robot")));
        rt.add_actor(ETHAN, code("ethaccount"), Some(Address::new_delegated(10, &[0xee; 20]).unwrap()));
        rt.add_actor(COURIER_ID, foreign_code(b"courier"), None);
        rt.set_block(5, 1_000);
        rt.answer_with(answer_as_usual);
        Self { rt }
    }

    /// Has the courier answer like this, beside what others answer as usual.
    pub fn courier(&self, answer: impl Fn(&MockRuntime, &SentMessage) -> SendReturn + 'static) {
        self.rt.answer_with(move |rt, sent| {
            let is_courier = sent.to == Address::new_id(COURIER_ID);
            if is_courier { Some(answer(rt, sent)) } else { answer_as_usual(rt, sent) }
        });
    }

    /// Has checkpoint actors unlock what is asked for out of a custody of so much, beside what others answer as usual.
    /// The courier's calls succeed.
    pub fn unlocking(&self, custody: u64) {
        let custody = std::cell::Cell::new(custody);
        self.rt.answer_with(move |rt, sent| match sent.method {
            checkpoint::UNLOCK => {
                let wanted: UnlockParams = decode_params(sent.params.clone()).unwrap();
                let amount = wanted.amount.min(fil(custody.get()));
                custody.set(custody.get() - u64::try_from(amount.atto().clone()).unwrap());
                rt.set_balance(GATEWAY_ID, &(rt.balance_of(GATEWAY_ID) + &amount));
                let return_data = encode_params(&UnlockReturn { amount }).unwrap();
                Some(SendReturn { exit_code: ExitCode::OK, return_data })
            }
            _ if sent.to == Address::new_id(COURIER_ID) => Some(SendReturn::ok()),
            _ => answer_as_usual(rt, sent),
        });
    }

    /// The child's checkpoint actor announces its end, or says that it has come. Returns how many messages wait for it.
    pub fn close(&self, has_exited: bool) -> u64 {
        self.close_and_count(has_exited).unapplied
    }

    /// The same, with all that it returns.
    pub fn close_and_count(&self, has_exited: bool) -> CloseChildReturn {
        self.ok(CHILD, 0, gateway::CLOSE_CHILD, &CloseChildParams { has_exited })
    }

    /// Has waiting messages answered after the end: how many were, and how many are left.
    pub fn refund(&self, messages_max: u64) -> (u64, u64) {
        let params = RefundChildParams { messages_max };
        let done: RefundReturn = self.ok(CHILD, 0, gateway::REFUND_CHILD, &params);
        (done.refunded, done.left)
    }

    /// A root without children.
    pub fn root() -> Self {
        Self::new(root(), None, 0)
    }

    /// A root with one active child.
    pub fn root_with_child() -> Self {
        Self::root_with_child_at(0)
    }

    /// A root with one active child, behind an edge with this price.
    pub fn root_with_child_at(price: u64) -> Self {
        let world = Self::root();
        world.add_child(CHILD, child_address(), price);
        world
    }

    /// Registers and activates a child.
    pub fn add_child(&self, id: ActorID, actor: Address, price: u64) {
        self.rt.add_actor(id, code("checkpoint"), Some(actor));
        let params = RegisterChildParams { actor, cross_gas_price: fil(price) };
        self.ok::<RawOrUnit>(id, 0, gateway::REGISTER_CHILD, &params);
        self.call(id, 0, gateway::ACTIVATE_CHILD, None).unwrap();
        self.rt.take_sends();
    }

    /// A subnet of the root.
    pub fn subnet() -> Self {
        Self::subnet_at(0)
    }

    /// A subnet of the root, behind an edge with this price.
    pub fn subnet_at(price: u64) -> Self {
        let anchor = ParentAnchor {
            identity: Digest([8; 32]),
            height: Height::new(50),
            timestamp: TimestampMs::new(1_000),
            validators: set(1, &[(9, 1)]),
        };
        let world = Self::new(child(), Some(anchor), price);
        world.rt.set_balance(SYSTEM_ID, &mint_reserve());
        world
    }

    /// One call, and the invariants after it.
    pub fn call(
        &self,
        caller: ActorID,
        value: u64,
        method: MethodNum,
        params: Option<IpldBlock>,
    ) -> Result<Option<IpldBlock>, ActorError> {
        let result = self.rt.call(dispatch, caller, &fil(value), method, params);
        self.check();
        result
    }

    /// Releases one attoFIL until the outbox is full for users; on the state alone, for thousands of calls take long.
    /// Returns how many fitted.
    pub fn fill_outbox(&self) -> u64 {
        let mut state = self.state();
        let destination = at(root(), f1("bob"));
        let draft = Draft::new(f1("alice"), destination, fil(1), CrossKind::Transfer);
        let mut released = 0;
        while state.send_up(self.rt.store(), Height::new(5), draft.clone()).is_ok() {
            released += 1;
        }
        self.rt.save_state(&state).unwrap();
        self.rt.set_balance(SYSTEM_ID, &state.reserve);
        self.check();
        released
    }

    pub fn check(&self) {
        let violations = invariants::check(&self.state(), self.rt.store(), &self.rt.balance());
        assert!(violations.is_empty(), "{violations:#?}");
        let held = self.state().unclaimed_total + self.state().owed_total;
        assert_eq!(self.rt.balance(), held, "only the ledger's value and the fees of owed answers rest in the gateway");
    }

    pub fn ok<T: DeserializeOwned>(
        &self,
        caller: ActorID,
        value: u64,
        method: MethodNum,
        params: &impl Serialize,
    ) -> T {
        decode_params(self.call(caller, value, method, encode_params(params).unwrap()).unwrap()).unwrap()
    }

    pub fn error(&self, caller: ActorID, value: u64, method: MethodNum, params: &impl Serialize) -> ActorError {
        let before = self.state();
        let error = self.call(caller, value, method, encode_params(params).unwrap()).unwrap_err();
        assert_eq!(self.state(), before, "a refused call changes nothing");
        error
    }

    pub fn state(&self) -> State {
        self.rt.load_state().unwrap()
    }

    pub fn child(&self) -> Child {
        self.state().child(self.rt.store(), CHILD).unwrap().unwrap()
    }

    pub fn queued(&self) -> Vec<CrossMessage> {
        self.state().top_down(self.rt.store(), CHILD, self.child().pruned_below, 10_000).unwrap()
    }

    pub fn outbox(&self) -> Vec<CrossMessage> {
        let state = self.state();
        state.outbox.waiting(self.rt.store(), Nonce::ZERO, usize::MAX).unwrap()
    }

    pub fn fund(&self, value: u64) -> EnqueueReturn {
        self.ok(ALICE, value, gateway::SEND, &transfer_to(at(child(), f1("bob"))))
    }

    pub fn release(&self, value: u64) -> EnqueueReturn {
        self.ok(ALICE, value, gateway::SEND, &transfer_to(at(root(), f1("bob"))))
    }

    /// Hands messages over as the child's checkpoint actor does.
    pub fn deliver_all(&self, messages: &[CrossMessage]) -> Vec<ExitCode> {
        let value = messages.iter().map(amount).sum();
        let params = DeliverParams { messages: messages.to_vec() };
        self.ok::<DeliverReturn>(CHILD, value, gateway::DELIVER, &params).outcomes
    }

    /// Hands one message over.
    pub fn deliver(&self, message: &CrossMessage) -> ExitCode {
        let outcomes = self.deliver_all(std::slice::from_ref(message));
        assert_eq!(outcomes.len(), 1);
        outcomes[0]
    }

    /// Applies messages from the parent, from the cursor on.
    pub fn apply_all(&self, messages: Vec<CrossMessage>) -> Vec<ExitCode> {
        let parent = self.state().parent.unwrap();
        let value = messages.iter().map(amount).sum();
        let update = ApplyParentUpdateParams {
            parent_height: parent.height,
            parent_block: cid_of_bytes(b"parent"),
            parent_timestamp: parent.timestamp,
            parent_validators: None,
            messages,
            changes: vec![],
            next_nonce: Nonce::ZERO,
            next_configuration: ConfigurationNumber::FIRST,
        };
        self.ok::<ApplyParentUpdateReturn>(SYSTEM_ID, value, gateway::APPLY_PARENT_UPDATE, &update).outcomes
    }

    /// What the ledger holds for an address.
    pub fn kept(&self, address: Address) -> TokenAmount {
        let entries = self.state().unclaimed(self.rt.store()).unwrap();
        entries.into_iter().find(|(holder, _)| *holder == address).map(|(_, kept)| kept).unwrap_or_default()
    }

    /// What an address holds.
    pub fn holds(&self, address: Address) -> TokenAmount {
        self.rt.resolve_address(&address).map(|id| self.rt.balance_of(id)).unwrap_or_default()
    }

    /// Ends the period that `height` ends.
    pub fn cut(&self, height: i64) -> Result<CheckpointCut, ActorError> {
        self.rt.set_block(height, 2_000);
        self.call(SYSTEM_ID, 0, gateway::CUT_CHECKPOINT, None).map(|block| decode_params(block).unwrap())
    }

    /// What the reserve lacks: minted and not come back.
    pub fn minted(&self) -> TokenAmount {
        mint_reserve() - self.rt.balance_of(SYSTEM_ID)
    }

    pub fn burnt(&self) -> TokenAmount {
        self.rt.balance_of(BURNT_FUNDS_ID)
    }

    /// Where value went since the last look: (to, method, attoFIL).
    pub fn sends(&self) -> Vec<(Address, MethodNum, TokenAmount)> {
        self.rt.take_sends().into_iter().map(|sent| (sent.to, sent.method, sent.value)).collect()
    }
}

/// For returns that a test does not look at.
#[derive(Debug)]
pub struct RawOrUnit;

impl<'de> serde::Deserialize<'de> for RawOrUnit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A transfer without a fee.
pub fn transfer_to(to: CrossAddress) -> SendParams {
    SendParams { to, call: None, fee: fil(0), expires: None, wants_receipt: false }
}

/// A call without a fee.
pub fn call_to(to: CrossAddress, gas_limit: u64) -> SendParams {
    let call = CallParams { method: 7, params: RawBytes::new(vec![1, 2]), gas_limit };
    SendParams { call: Some(call), ..transfer_to(to) }
}

pub fn at(subnet: SubnetId, address: Address) -> CrossAddress {
    CrossAddress { subnet, address }
}

fn message(nonce: u64, value: u64, origin: CrossAddress, destination: CrossAddress) -> CrossMessage {
    CrossMessage {
        id: Digest([nonce as u8; 32]),
        origin,
        origin_sequence: nonce,
        destination,
        value: fil(value),
        kind: CrossKind::Transfer,
        nonce: Nonce::new(nonce),
        gas_limit: 0,
        fee: fil(0),
        expires: None,
        wants_receipt: false,
    }
}

/// A transfer from the child to an account of the root.
pub fn up(nonce: u64, value: u64) -> CrossMessage {
    message(nonce, value, at(child(), f1("carol")), at(root(), f1("dave")))
}

/// A transfer from the root to an account of the child.
pub fn down(nonce: u64, value: u64) -> CrossMessage {
    message(nonce, value, at(root(), f1("carol")), at(child(), f1("dave")))
}

/// A refusal of the transfer that `to` sent as the `of_sequence`-th message of the tested chain.
pub fn as_receipt(mut message: CrossMessage, to: Address, of_sequence: u64) -> CrossMessage {
    let return_data = RawBytes::default();
    let of = message_id(&Digest([7; 32]), &to, of_sequence);
    message.destination.address = to;
    message.kind = CrossKind::Receipt { of, of_sequence, exit_code: ExitCode::new(5), return_data };
    message
}

/// A call to the robot.
pub fn as_call(mut message: CrossMessage) -> CrossMessage {
    message.destination.address = Address::new_actor(b"robot");
    message.kind = CrossKind::Call { method: 7, params: RawBytes::new(vec![1, 2]) };
    message.gas_limit = 1_000;
    message
}

/// What the courier returns of a call.
pub fn returned(is_deferred: bool, data: &[u8]) -> SendReturn {
    let returned = CallReturn { is_deferred, data: RawBytes::new(data.to_vec()) };
    SendReturn { exit_code: ExitCode::OK, return_data: encode_params(&returned).unwrap() }
}

/// How much a message carries.
pub fn amount(message: &CrossMessage) -> u64 {
    message.amount().atto().try_into().unwrap()
}

/// An f2 address that nobody has: crediting it fails.
pub fn nobody() -> Address {
    Address::new_actor(b"nobody")
}
