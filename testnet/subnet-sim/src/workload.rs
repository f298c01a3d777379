//! What users do: value and calls go to every other chain, now and then to nobody, to an address that is refused, too
//! late, with too low a fee or too little gas; and calls that were put off are answered.

use cross_caller::{
    AnswerDeferredParams, Conduct, METHOD_ANSWER_DEFERRED, METHOD_START, ProbeParams, StartParams, served,
};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{BURNT_FUNDS_ID, CallParams, GATEWAY_ID, SYSTEM_ID, SendParams, gateway};
use subnet_types::cross::CrossAddress;
use subnet_types::hash::encode;
use subnet_types::limits::CROSS_CALL_GAS_MAX;
use subnet_types::{Height, SubnetId};

use crate::placed::callee;
use crate::world::{Post, ROOT, Sender, World, message};

/// Most that a user sends at once, in nanoFIL.
const VALUE_NANO_MAX: u64 = 5_000_000_000;
/// Actions after a block, at most.
const ACTIONS_MAX: u64 = 3;
/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 30_000_000;
/// Gas of a message that sends a cross message.
const CROSS_GAS: u64 = 600_000_000;
/// Share of messages with something wrong with them, for each kind of wrong, in thousandths.
const WRONG_PERMILLE: u64 = 60;
/// Least gas of those with too little: what any block takes.
const STARVED_GAS_MIN: u64 = 2_000_000;
/// Gas that a call asks for.
const CALL_GAS_MIN: u64 = 2_000_000;
const CALL_GAS_MAX: u64 = 40_000_000;
/// Share of calls that ask for all the gas there is, in thousandths, and of these with those that ask for more.
const FULL_PERMILLE: u64 = 25;
const BEYOND_PERMILLE: u64 = 40;
/// Blocks after which a message expires, at most.
const EXPIRY_BLOCKS_MAX: u64 = 40;
/// Bytes that a call asks to be answered with, at most: more than a receipt carries.
const RETURN_BYTES_MAX: u64 = 6_000;
/// How late a user's message may reach the chain, in milliseconds.
const DELAY_MS_MAX: u64 = 3_000;

/// A cross message to be sent.
struct Crossing {
    to: CrossAddress,
    call: Option<CallParams>,
    value: TokenAmount,
    fee: TokenAmount,
    expires: Option<Height>,
}

impl World {
    /// Lets users do something on chain `number`.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub(crate) fn act(&mut self, number: usize) -> anyhow::Result<()> {
        for _ in 0..self.prng.below(ACTIONS_MAX + 1) {
            let mut message = self.action(number);
            let needed = &message.value + &message.gas_fee_cap * message.gas_limit;
            let wanted = self.prng.index(self.options.users);
            let Some(user) = self.who_has(number, wanted, &needed)? else { continue };
            if self.prng.permille(WRONG_PERMILLE) {
                message.gas_limit = STARVED_GAS_MIN + self.prng.below(message.gas_limit / 4);
            }
            let delay_ms = self.prng.below(DELAY_MS_MAX);
            self.post(Post { to: number, sender: Sender::User(user), message }, delay_ms);
        }
        self.change_members(number)?;
        if self.prng.permille(500) { self.answer(number) } else { Ok(()) }
    }

    /// Has a call answered that the destination on chain `number` has put off, if there is one.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub(crate) fn answer(&mut self, number: usize) -> anyhow::Result<()> {
        let Some((key, came)) = self.checks.journeys.deferred_on(number) else { return Ok(()) };
        let exit_code = if self.prng.permille(300) { ExitCode::new(33) } else { ExitCode::OK };
        // A call that fails gives all of its value back.
        let value = if exit_code != ExitCode::OK || self.prng.permille(500) { came } else { TokenAmount::default() };
        let data = RawBytes::new(vec![1; self.prng.index(40)]);
        let params = encode(&AnswerDeferredParams { key, exit_code, data, value });
        let message = message(callee(), METHOD_ANSWER_DEFERRED, params, TokenAmount::default(), CROSS_GAS);
        let needed = &message.gas_fee_cap * message.gas_limit;
        if let Some(user) = self.who_has(number, 0, &needed)? {
            self.post(Post { to: number, sender: Sender::User(user), message }, 0);
        }
        Ok(())
    }

    /// A user who has so much there: the one that is wanted, or the first.
    fn who_has(&self, chain: usize, wanted: usize, needed: &TokenAmount) -> anyhow::Result<Option<usize>> {
        for user in [wanted, 0] {
            if self.chains[chain].account(&self.user(user))?.balance >= *needed {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    fn action(&mut self, number: usize) -> Message {
        let value = TokenAmount::from_nano(1 + self.prng.below(VALUE_NANO_MAX));
        match self.prng.below(20) {
            // Not to an account of those that only gateways credit.
            0 => {
                let user = self.prng.index(self.options.users);
                message(self.user(user), 0, Vec::new(), value, TRANSFER_GAS)
            }
            // Lost: what the system actor and the burnt funds get from users.
            1 => {
                let to = if self.prng.permille(500) { SYSTEM_ID } else { BURNT_FUNDS_ID };
                message(Address::new_id(to), 0, Vec::new(), value, TRANSFER_GAS)
            }
            2..=5 => self.started(number, value),
            _ => self.sent(number, value),
        }
    }

    /// A cross message of the user's own.
    fn sent(&mut self, number: usize, value: TokenAmount) -> Message {
        let wants_receipt = self.prng.permille(300);
        let Crossing { to, call, value, fee, expires } = self.crossing(number, value);
        let params = encode(&SendParams { to, call, fee: fee.clone(), expires, wants_receipt });
        message(Address::new_id(GATEWAY_ID), gateway::SEND, params, value + fee, CROSS_GAS)
    }

    /// A call that an actor sends, which is told how it ends.
    fn started(&mut self, number: usize, value: TokenAmount) -> Message {
        let Crossing { to, call, value, fee, expires } = self.crossing(number, value);
        let CallParams { method, params, gas_limit } = call.unwrap_or_else(|| self.call());
        let conduct = match self.prng.below(10) {
            0 => Conduct::Fail,
            1 => Conduct::Loop,
            _ => Conduct::Take,
        };
        let amount = &value + &fee;
        let params = encode(&StartParams { to, method, params, value, fee, gas_limit, expires, conduct });
        message(callee(), METHOD_START, params, amount, CROSS_GAS)
    }

    fn crossing(&mut self, number: usize, value: TokenAmount) -> Crossing {
        let call = self.prng.permille(400).then(|| self.call());
        let address = if call.is_some() && !self.prng.permille(300) { callee() } else { self.recipient() };
        let to = CrossAddress { subnet: self.destination(number), address };
        let mut fee = self.fee(number, &to.subnet, call.as_ref()) + TokenAmount::from_nano(self.prng.below(100));
        if self.prng.permille(2 * WRONG_PERMILLE) {
            // Often enough for the first edge and not for those behind it.
            fee = self.fee(number, &to.subnet, call.as_ref()).div_floor(1 + self.prng.below(3));
        }
        let value = if call.is_some() && self.prng.permille(200) { TokenAmount::default() } else { value };
        let is_expiring = self.prng.permille(2 * WRONG_PERMILLE);
        let height = self.chains[number].due_ms.saturating_sub(self.start_ms()) / 1000;
        let expires = is_expiring.then(|| Height::new(height + self.prng.below(EXPIRY_BLOCKS_MAX)));
        Crossing { to, call, value, fee, expires }
    }

    /// Any other chain; now and then one that is not there, or the same.
    fn destination(&mut self, number: usize) -> SubnetId {
        if self.prng.permille(WRONG_PERMILLE) {
            let chain = self.prng.index(self.chains.len());
            let name = self.chains[chain].name.clone();
            return match self.prng.below(3) {
                0 => SubnetId::root(ROOT + 1),
                1 => name.child(Address::new_actor(b"no subnet")).unwrap_or(name),
                _ => self.chains[number].name.clone(),
            };
        }
        let others = self.chains.len() - 1;
        let other = self.prng.index(others);
        self.chains[if other >= number { other + 1 } else { other }.min(others)].name.clone()
    }

    fn account(&mut self) -> Address {
        if self.prng.permille(300) {
            return self.checks.sinks[self.prng.index(self.checks.sinks.len())];
        }
        let user = self.prng.index(self.options.users);
        self.user(user)
    }

    fn recipient(&mut self) -> Address {
        if !self.prng.permille(2 * WRONG_PERMILLE) {
            return self.account();
        }
        match self.prng.below(5) {
            // An actor that is not there.
            0 => Address::new_actor(b"nobody"),
            // One that takes calls.
            1 => callee(),
            // The checkpoint actor of some chain, which is refused.
            2 => {
                let chain = self.prng.index(self.chains.len());
                self.chains[chain].name.checkpoint_actor().unwrap_or(Address::new_actor(b"root"))
            }
            // An account of the kind that the VM makes of a name.
            3 => Address::new_delegated(10, &[7; 20]).unwrap_or(Address::new_actor(b"nobody")),
            // An id, which means something else on every chain.
            _ => Address::new_id(100 + self.prng.below(10)),
        }
    }

    /// Something that a destination does well, or badly.
    fn call(&mut self) -> CallParams {
        let number = self.prng.below(RETURN_BYTES_MAX);
        let (method, params): (MethodNum, Vec<u8>) = match self.prng.below(12) {
            0..=2 => (served::ADD, encode(&number)),
            3 => (served::REVERT, encode(&(16 + number as u32 % 150))),
            4 => (served::LOOP, Vec::new()),
            5 => (served::RECURSE, Vec::new()),
            6 => (served::EXHAUST_MEMORY, Vec::new()),
            7 | 8 => (served::DEFER, Vec::new()),
            9 => (served::RETURN, encode(&number)),
            10 => (served::RETURN_GARBAGE, Vec::new()),
            _ => (served::PROBE, encode(&self.probe())),
        };
        let gas_limit = match self.prng.below(1_000) {
            0..FULL_PERMILLE => CROSS_CALL_GAS_MAX,
            FULL_PERMILLE..BEYOND_PERMILLE => CROSS_CALL_GAS_MAX + 1,
            // What nobody ends ends with its gas, mostly sooner.
            _ => CALL_GAS_MIN + self.prng.below(CALL_GAS_MAX),
        };
        CallParams { method, params: RawBytes::new(params), gas_limit }
    }

    /// A message that code from another chain sends while its chain delivers it.
    fn probe(&mut self) -> ProbeParams {
        let to = Address::new_id(GATEWAY_ID);
        let chain = self.prng.index(self.chains.len());
        let (method, params, value) = match self.prng.below(4) {
            0 => (gateway::CUT_CHECKPOINT, Vec::new(), TokenAmount::default()),
            1 => (
                gateway::CLAIM,
                encode(&subnet_types::actors::ClaimParams { address: self.user(0) }),
                Default::default(),
            ),
            _ => {
                let to = CrossAddress { subnet: self.chains[chain].name.clone(), address: self.user(0) };
                let fee = self.fee(0, &to.subnet, None);
                let value = TokenAmount::from_nano(1u64) + &fee;
                let send = SendParams { to, call: None, fee, expires: None, wants_receipt: self.prng.permille(500) };
                (gateway::SEND, encode(&send), value)
            }
        };
        ProbeParams { to, method, params: RawBytes::new(params), value }
    }
}
