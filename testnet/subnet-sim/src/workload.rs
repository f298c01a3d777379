//! What users do: value goes down, up and sideways, now and then to nobody, to an address that is refused, or with too
//! little gas.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::actors::{FundParams, GATEWAY_ID, ReleaseParams, gateway};
use subnet_types::hash::encode;

use crate::world::{Post, Sender, World, message};

/// Most that a user sends at once, in nanoFIL.
const VALUE_NANO_MAX: u64 = 5_000_000_000;
/// Actions after a block, at most.
const ACTIONS_MAX: u64 = 3;
/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 30_000_000;
/// Gas of a cross message.
const CROSS_GAS: u64 = 300_000_000;
/// Share of messages with too little gas, and of those to a wrong recipient, in thousandths.
const WRONG_PERMILLE: u64 = 80;
/// Least gas of those with too little: what any block takes.
const STARVED_GAS_MIN: u64 = 2_000_000;

impl World {
    /// Lets users do something on chain `number`.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub(crate) fn act(&mut self, number: usize) -> anyhow::Result<()> {
        for _ in 0..self.prng.below(ACTIONS_MAX + 1) {
            let user = self.prng.index(self.options.users);
            let value = TokenAmount::from_nano(1 + self.prng.below(VALUE_NANO_MAX));
            let mut message = self.action(number, value.clone());
            let needed = &value + &message.gas_fee_cap * CROSS_GAS;
            if self.chains[number].account(&self.user(user))?.balance < needed {
                continue;
            }
            if self.prng.permille(WRONG_PERMILLE) {
                message.gas_limit = STARVED_GAS_MIN + self.prng.below(message.gas_limit / 4);
            }
            let delay_ms = self.prng.below(3000);
            self.post(Post { to: number, sender: Sender::User(user), message }, delay_ms);
        }
        Ok(())
    }

    fn action(&mut self, number: usize, value: TokenAmount) -> Message {
        let to = self.recipient();
        let gateway = Address::new_id(GATEWAY_ID);
        let children: Vec<usize> =
            self.chains.iter().filter(|chain| chain.parent == Some(number)).map(|chain| chain.number).collect();
        let is_root = self.chains[number].parent.is_none();
        match self.prng.below(4) {
            0 | 1 if !children.is_empty() => {
                let child = children[self.prng.index(children.len())];
                let params = encode(&FundParams { subnet: self.chains[child].name.clone(), to });
                message(gateway, gateway::FUND, params, value, CROSS_GAS)
            }
            1 | 2 if !is_root => message(gateway, gateway::RELEASE, encode(&ReleaseParams { to }), value, CROSS_GAS),
            _ => message(to, 0, Vec::new(), value, TRANSFER_GAS),
        }
    }

    fn recipient(&mut self) -> Address {
        if self.prng.permille(WRONG_PERMILLE) {
            return match self.prng.below(3) {
                // An actor that is not there.
                0 => Address::new_actor(b"nobody"),
                // The checkpoint actor of some chain, which is refused.
                1 => {
                    let chain = self.prng.index(self.chains.len());
                    self.chains[chain].name.checkpoint_actor().unwrap_or(Address::new_actor(b"root"))
                }
                // An id, which means something else on every chain.
                _ => Address::new_id(100 + self.prng.below(10)),
            };
        }
        let user = self.prng.index(self.options.users);
        self.user(user)
    }
}
