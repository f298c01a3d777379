//! A chain with two tokens and a pool of them, whose invariants are checked after every block.

use fvm_exec::BlockOutput;
use fvm_ipld_encoding::CborStore;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::event::StampedEvent;
use fvm_shared::receipt::Receipt;
use fvm_shared::{ActorID, MethodNum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use test_actors::{POOL, TOKEN};
use token_actor::{ConstructorParams, Holder};

use crate::common::accounts::{bls, call, secp};
use crate::common::chain::Chain;

/// What Alice and Bob start with of each token.
pub const START: u64 = 1_000_000_000;

/// An f1 account; creator of the tokens.
pub fn alice() -> Address {
    secp(1)
}

/// An f3 account.
pub fn bob() -> Address {
    bls(2)
}

/// An f1 account without tokens.
pub fn carol() -> Address {
    secp(3)
}

pub fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

/// The chain and where its actors are.
pub struct Market {
    pub chain: Chain,
    pub token_a: ActorID,
    pub token_b: ActorID,
    /// Of tokens a and b; empty.
    pub pool: ActorID,
    /// Belongs to no pool.
    pub token_c: ActorID,
}

impl Market {
    /// Alice and Bob have [`START`] of each token.
    pub fn new() -> Self {
        Self::with_others(0)
    }

    /// The same with so many other holders of a single unit, whose accounts nobody uses.
    pub fn with_others(others: u64) -> Self {
        let gas_money = TokenAmount::from_whole(1000);
        let mut chain = Chain::root(&[alice(), bob(), carol()].map(|address| (address, gas_money.clone())));
        let [creator, bob] = [alice(), bob()].map(|address| chain.view().lookup_id(&address).unwrap().unwrap());
        let mut token = |name: &str| {
            let first = [creator, bob].map(|owner| Holder { owner, amount: atto(START) });
            let others = (0..others).map(|index| Holder { owner: 1_000_000 + index, amount: atto(1) });
            let params = ConstructorParams {
                name: format!("Token {name}"),
                symbol: name.to_uppercase(),
                granularity: 1,
                creator,
                holders: first.into_iter().chain(others).collect(),
            };
            let state = token_actor::State::new(&chain.store, &params).unwrap();
            chain.place(name, TOKEN.wasm, &state)
        };
        let [token_a, token_b, token_c] = ["a", "b", "c"].map(&mut token);
        let pool = chain.place("pool", POOL.wasm, &pool_actor::State::new(token_a, token_b).unwrap());
        let market = Self { chain, token_a, token_b, pool, token_c };
        market.check();
        market
    }

    /// Executes a block with one call and returns its receipt.
    pub fn send(&mut self, from: Address, to: ActorID, method: MethodNum, params: &impl Serialize) -> Receipt {
        self.send_block(from, to, method, params).message_receipt(0).unwrap().clone()
    }

    /// Executes a block with one call that must succeed and returns what it returned.
    pub fn done<T: DeserializeOwned>(
        &mut self,
        from: Address,
        to: ActorID,
        method: MethodNum,
        params: &impl Serialize,
    ) -> T {
        let receipt = self.send(from, to, method, params);
        assert_eq!(receipt.exit_code, ExitCode::OK);
        receipt.return_data.deserialize().unwrap()
    }

    /// The exit code of a call that must change none of the actors.
    pub fn refused(&mut self, from: Address, to: ActorID, method: MethodNum, params: &impl Serialize) -> ExitCode {
        let before = self.states();
        let receipt = self.send(from, to, method, params);
        assert_eq!(self.states(), before);
        receipt.exit_code
    }

    /// Executes a block with one call and returns the events of that call.
    pub fn events(
        &mut self,
        from: Address,
        to: ActorID,
        method: MethodNum,
        params: &impl Serialize,
    ) -> Vec<StampedEvent> {
        self.send_block(from, to, method, params).events[BlockOutput::receipt_index(0)].clone()
    }

    fn send_block(&mut self, from: Address, to: ActorID, method: MethodNum, params: &impl Serialize) -> BlockOutput {
        let nonce = self.chain.nonce(&from);
        let message = call(from, nonce, Address::new_id(to), method, params, TokenAmount::default());
        let output = self.chain.execute(vec![message]);
        self.check();
        output
    }

    /// What a method returns to a query without parameters.
    pub fn query<T: DeserializeOwned>(&self, to: ActorID, method: MethodNum) -> T {
        let mut message = call(alice(), 0, Address::new_id(to), method, &(), TokenAmount::default());
        message.params = RawBytes::default();
        let outcome = self.chain.call(&message);
        assert_eq!(outcome.exit_code, ExitCode::OK, "{:?}", outcome.failure);
        outcome.return_data.deserialize().unwrap()
    }

    /// What somebody has of a token, read from the token's state.
    pub fn balance(&self, token: ActorID, owner: &Address) -> TokenAmount {
        let Some(owner) = self.chain.view().lookup_id(owner).unwrap() else { return TokenAmount::default() };
        self.token(token).token.get_balance(&self.chain.store, owner).unwrap()
    }

    /// What an owner still allows an operator.
    pub fn allowance(&self, token: ActorID, owner: &Address, operator: &Address) -> TokenAmount {
        let [owner, operator] = [owner, operator].map(|address| self.chain.view().lookup_id(address).unwrap().unwrap());
        self.token(token).token.get_allowance_between(&self.chain.store, owner, operator).unwrap()
    }

    /// A token's state.
    pub fn token(&self, token: ActorID) -> token_actor::State {
        self.state(token)
    }

    /// The pool's reserves in attos, read from its state.
    pub fn reserves(&self) -> (u128, u128) {
        let pool_actor::Reserves { a, b } = self.state::<pool_actor::State>(self.pool).reserves();
        (u128::try_from(a.atto()).unwrap(), u128::try_from(b.atto()).unwrap())
    }

    fn state<T: DeserializeOwned>(&self, id: ActorID) -> T {
        let actor = self.chain.view().actor(id).unwrap().unwrap();
        self.chain.store.get_cbor(&actor.state).unwrap().unwrap()
    }

    fn states(&self) -> Vec<cid::Cid> {
        let actors = [self.token_a, self.token_b, self.token_c, self.pool];
        actors.iter().map(|id| self.chain.view().actor(*id).unwrap().unwrap().state).collect()
    }

    fn check(&self) {
        for token in [self.token_a, self.token_b, self.token_c] {
            assert_eq!(token_actor::check(&self.token(token), &self.chain.store), []);
        }
        let pool = Address::new_id(self.pool);
        let [a, b] = [self.token_a, self.token_b].map(|token| self.balance(token, &pool));
        assert_eq!(pool_actor::check(&self.state(self.pool), &a, &b), []);
    }
}
