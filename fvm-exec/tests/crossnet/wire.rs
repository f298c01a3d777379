//! A chain with a cross-caller, on which tests send implicitly as the gateway.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::thread;

use cid::Cid;
use cross_caller::{Conduct, State};
use fvm::executor::ApplyRet;
use fvm::externs::{Chain as ChainExtern, Consensus, Externs, Rand};
use fvm::machine::NetworkConfig;
use fvm_exec::{NETWORK_VERSION, Overlay};
use fvm_ipld_encoding::{CborStore, RawBytes};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::clock::ChainEpoch;
use fvm_shared::consensus::ConsensusFault;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use fvm_shared::{METHOD_SEND, MethodNum};
use lanes::{BlockExecutor, Options};
use serde::Serialize;
use subnet_types::actors::{
    COURIER_ID, CallReturn, CarryCallParams, CarryReceiptParams, CrossCall, CrossReceipt, GATEWAY_ID, courier,
};
use subnet_types::cross::CrossAddress;
use subnet_types::hash::encode;
use subnet_types::limits::{CROSS_CARRY_GAS, CROSS_RECEIPT_GAS};
use subnet_types::{Digest, SubnetId};
use vm::WasmEngine;

use crate::common::accounts::{call, secp};
use crate::common::chain::Chain;

/// What the gateway starts with, in attoFIL.
pub const GATEWAY_BALANCE: u64 = 1_000_000;
/// Gas for a destination where a test does not say otherwise.
pub const GAS: u64 = 200_000_000;
/// Stack of a thread that runs 1,024 calls in each other.
const STACK_BYTES: usize = 64 << 20;

static ENGINE: LazyLock<Arc<WasmEngine>> =
    LazyLock::new(|| WasmEngine::new(&NetworkConfig::new(NETWORK_VERSION), 4).unwrap());

/// A chain that answers nothing.
#[derive(Clone)]
struct NoExterns;

impl Externs for NoExterns {}

impl Rand for NoExterns {
    fn get_chain_randomness(&self, _: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        anyhow::bail!("no randomness here")
    }
    fn get_beacon_randomness(&self, _: ChainEpoch) -> anyhow::Result<[u8; 32]> {
        anyhow::bail!("no randomness here")
    }
}

impl Consensus for NoExterns {
    fn verify_consensus_fault(&self, _: &[u8], _: &[u8], _: &[u8]) -> anyhow::Result<(Option<ConsensusFault>, i64)> {
        anyhow::bail!("no consensus faults here")
    }
}

impl ChainExtern for NoExterns {
    fn get_tipset_cid(&self, _: ChainEpoch) -> anyhow::Result<Cid> {
        anyhow::bail!("no blocks here")
    }
}

/// Somebody with gas money.
pub fn alice() -> Address {
    secp(1)
}

pub fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

pub fn elsewhere() -> CrossAddress {
    CrossAddress { subnet: SubnetId::root(7), address: Address::new_actor(b"somebody elsewhere") }
}

/// Id of the call that the cross-caller has started with this conduct.
pub fn id_of(conduct: Conduct) -> Digest {
    Digest([1 + conduct as u8; 32])
}

/// How something that was carried ended.
#[derive(Debug)]
pub struct Carried {
    pub exit_code: ExitCode,
    pub gas_used: u64,
    pub return_data: RawBytes,
    /// What the VM says of a failure.
    pub failure: String,
}

impl Carried {
    /// The answer to a call that succeeded.
    pub fn answer(&self) -> CallReturn {
        assert_eq!(self.exit_code, ExitCode::OK, "{}", self.failure);
        self.return_data.deserialize().unwrap()
    }
}

/// The chain. The gateway has [`GATEWAY_BALANCE`], the cross-caller waits for one outcome of each [`Conduct`].
pub struct Wire {
    pub chain: Chain,
    pub callee: ActorID,
}

impl Wire {
    pub fn new() -> Self {
        let mut chain = Chain::root(&[(alice(), TokenAmount::from_whole(1_000))]);
        let mut state = State::new(&chain.store).unwrap();
        for conduct in [Conduct::Take, Conduct::Fail, Conduct::Loop] {
            state.start(&chain.store, &id_of(conduct), conduct).unwrap();
        }
        let callee = chain.place("callee", test_actors::CROSS_CALLER.wasm, &state);
        let mut wire = Self { chain, callee };
        let alice = wire.chain.view().lookup_id(&alice()).unwrap().unwrap();
        let gateway = Address::new_id(GATEWAY_ID);
        let funded =
            wire.apply(alice, gateway, METHOD_SEND, RawBytes::default(), &atto(GATEWAY_BALANCE), 1_000_000_000);
        assert_eq!(funded.exit_code, ExitCode::OK, "{}", funded.failure);
        wire
    }

    /// Address of the cross-caller.
    pub fn callee(&self) -> Address {
        Address::new_actor(b"callee")
    }

    pub fn state(&self) -> State {
        let actor = self.chain.view().actor(self.callee).unwrap().unwrap();
        self.chain.store.get_cbor(&actor.state).unwrap().unwrap()
    }

    /// Balances of gateway, courier and cross-caller, in attoFIL.
    pub fn balances(&self) -> [TokenAmount; 3] {
        [GATEWAY_ID, COURIER_ID, self.callee].map(|id| self.chain.balance_of(id))
    }

    /// Has the gateway call a method of the cross-caller, with 10 attoFIL.
    pub fn call(&mut self, method: MethodNum, params: &impl Serialize) -> Carried {
        self.call_with(self.callee(), method, params, GAS)
    }

    /// Has the gateway call anybody, with 10 attoFIL and the least gas with which the courier must come along.
    pub fn call_with(&mut self, to: Address, method: MethodNum, params: &impl Serialize, gas_limit: u64) -> Carried {
        let call =
            CrossCall { id: Digest([9; 32]), origin: elsewhere(), method, params: RawBytes::new(encode(params)) };
        let params = RawBytes::new(encode(&CarryCallParams { to, gas_limit, call }));
        self.carry(courier::CARRY_CALL, params, &atto(10), gas_limit + CROSS_CARRY_GAS)
    }

    /// Has the gateway tell the cross-caller an outcome.
    pub fn tell(&mut self, of: Digest, exit_code: ExitCode) -> Carried {
        let return_data = RawBytes::new(encode(&6u64));
        let receipt = CrossReceipt { of, from: elsewhere(), exit_code, return_data, value: atto(2), fee: atto(1) };
        let params = RawBytes::new(encode(&CarryReceiptParams { to: self.callee(), receipt }));
        self.carry(courier::CARRY_RECEIPT, params, &atto(0), CROSS_RECEIPT_GAS + CROSS_CARRY_GAS)
    }

    fn carry(&mut self, method: MethodNum, params: RawBytes, value: &TokenAmount, gas_limit: u64) -> Carried {
        let courier = Address::new_id(COURIER_ID);
        let carried = self.apply(GATEWAY_ID, courier, method, params, value, gas_limit);
        assert!(carried.gas_used <= gas_limit, "{carried:?}");
        // Whatever happens, the courier has nothing afterwards.
        assert_eq!(self.chain.balance_of(COURIER_ID), atto(0));
        carried
    }

    /// A signed message of Alice's in a block of its own.
    pub fn send(&mut self, to: ActorID, method: MethodNum, params: &impl Serialize, value: u64) -> ExitCode {
        let message = call(alice(), self.chain.nonce(&alice()), Address::new_id(to), method, params, atto(value));
        self.chain.execute(vec![message]).message_receipt(0).unwrap().exit_code
    }

    /// A message that nobody has signed, committed by itself.
    fn apply(
        &mut self,
        from: ActorID,
        to: Address,
        method_num: MethodNum,
        params: RawBytes,
        value: &TokenAmount,
        gas_limit: u64,
    ) -> Carried {
        let message = Message {
            version: 0,
            from: Address::new_id(from),
            to,
            sequence: 0,
            value: value.clone(),
            method_num,
            params,
            gas_limit,
            gas_fee_cap: TokenAmount::default(),
            gas_premium: TokenAmount::default(),
        };
        let (store, root, epoch) = (self.chain.store.clone(), self.chain.state_root, self.chain.height.epoch());
        let work = move || -> (ApplyRet, Cid) {
            let mut context = NetworkConfig::new(NETWORK_VERSION).for_epoch(epoch, 1_700_000_000, root);
            context.set_base_fee(atto(100)).set_circulating_supply(TokenAmount::from_whole(1_000));
            let overlay = Overlay::new(store.clone());
            let one = NonZeroUsize::MIN;
            let options = Options { lanes: one, cores: one, pins: false };
            let code = ENGINE.code().unwrap();
            let mut executor = BlockExecutor::new(options, &context, overlay.clone(), NoExterns, code).unwrap();
            let ret = executor.apply_implicit(message).unwrap();
            let root = executor.flush().unwrap();
            store.commit(overlay.take(&[root]).unwrap());
            (ret, root)
        };
        let (ret, root) = thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
        self.chain.state_root = root;
        Carried {
            exit_code: ret.msg_receipt.exit_code,
            gas_used: ret.msg_receipt.gas_used,
            return_data: ret.msg_receipt.return_data,
            failure: ret.failure_info.map(|failure| failure.to_string()).unwrap_or_default(),
        }
    }
}
