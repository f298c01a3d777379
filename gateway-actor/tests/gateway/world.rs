//! One gateway and its surroundings.

use actor_runtime::mock::{MockRuntime, code, foreign_code};
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
    BURNT_FUNDS_ID, CheckpointCut, EnqueueReturn, FundParams, GATEWAY_ID, RegisterChildParams, ReleaseParams,
    SYSTEM_ID, checkpoint, gateway,
};
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::genesis::{ParentAnchor, mint_reserve};
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

impl World {
    fn new(subnet: SubnetId, parent: Option<ParentAnchor>) -> Self {
        let rt = MockRuntime::new(GATEWAY_ID);
        let genesis = GatewayGenesis {
            subnet,
            identity: Digest([7; 32]),
            validators: set(1, &[(1, 10), (2, 10), (3, 10)]),
            parent,
            checkpoint_period_blocks: PERIOD,
            checkpoint_code: code("checkpoint"),
        };
        rt.save_state(&State::genesis(rt.store(), genesis).unwrap()).unwrap();
        rt.add_actor(ALICE, code("account"), Some(f1("alice")));
        rt.add_actor(ROBOT, foreign_code(b"robot"), Some(Address::new_actor(b"robot")));
        rt.add_actor(ETHAN, code("ethaccount"), Some(Address::new_delegated(10, &[0xee; 20]).unwrap()));
        rt.set_block(5, 1_000);
        rt.answer_with(|_, sent| {
            // Checkpoint actors lock; accounts say their key's address.
            (sent.method == checkpoint::LOCK).then(SendReturn::ok).or_else(|| {
                (sent.method == 2)
                    .then(|| SendReturn { exit_code: ExitCode::OK, return_data: encode_params(&f1("alice")).unwrap() })
            })
        });
        Self { rt }
    }

    /// A root without children.
    pub fn root() -> Self {
        Self::new(root(), None)
    }

    /// A root with one active child.
    pub fn root_with_child() -> Self {
        let world = Self::root();
        world.rt.add_actor(CHILD, code("checkpoint"), Some(child_address()));
        world.ok::<RawOrUnit>(
            CHILD,
            0,
            gateway::REGISTER_CHILD,
            &RegisterChildParams { actor: child_address(), cross_gas_price: TokenAmount::default() },
        );
        world.call(CHILD, 0, gateway::ACTIVATE_CHILD, None).unwrap();
        world.rt.take_sends();
        world
    }

    /// A subnet of the root.
    pub fn subnet() -> Self {
        let anchor = ParentAnchor {
            identity: Digest([8; 32]),
            height: Height::new(50),
            timestamp: TimestampMs::new(1_000),
            validators: set(1, &[(9, 1)]),
        };
        let world = Self::new(child(), Some(anchor));
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
        let draft = Draft { origin: f1("alice"), destination, value: fil(1), kind: CrossKind::Transfer };
        let mut released = 0;
        while state.release(self.rt.store(), Height::new(5), draft.clone()).is_ok() {
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
        assert_eq!(self.rt.balance(), self.state().unclaimed_total, "only the ledger's value rests in the gateway");
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
        let mut messages = Vec::new();
        fvm_ipld_amt::Amt::<CrossMessage, _>::load(&state.outbox.messages, self.rt.store())
            .unwrap()
            .for_each(|_, message| {
                messages.push(message.clone());
                Ok(())
            })
            .unwrap();
        messages
    }

    pub fn fund(&self, value: u64) -> EnqueueReturn {
        self.ok(ALICE, value, gateway::FUND, &FundParams { subnet: child(), to: f1("bob") })
    }

    pub fn release(&self, value: u64) -> EnqueueReturn {
        self.ok(ALICE, value, gateway::RELEASE, &ReleaseParams { to: f1("bob") })
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

pub fn as_receipt(mut message: CrossMessage) -> CrossMessage {
    let return_data = RawBytes::default();
    message.kind = CrossKind::Receipt { of: Digest([9; 32]), of_sequence: 0, exit_code: ExitCode::new(5), return_data };
    message
}

/// An f2 address that nobody has: crediting it fails.
pub fn nobody() -> Address {
    Address::new_actor(b"nobody")
}
