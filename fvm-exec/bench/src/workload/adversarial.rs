//! Messages that fail, and messages that depend on more than they seem to.

use fvm_ipld_encoding::CborStore as _;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::state::ActorState;
use multihash_codetable::Code::Blake2b256;
use subnet_types::actors::BURNT_FUNDS_ID;

use super::creation::{ethereum, new_key};
use super::random::Random;
use super::site::Site;
use super::swaps::{Market, market, swap};
use super::tokens::{token, transfer};
use super::turn::{Senders, Source, Turn};
use super::world::{address, code};

/// More than anybody has.
const TOO_MUCH_FIL: u64 = 1_000_000;
/// Gas that a transfer of tokens runs out of inside the token.
const SHORT_GAS: u64 = 4_000_000;
/// More than a swap gives.
const TOO_MUCH_OUT: u64 = 1 << 40;
/// Accounts with placeholders of their own.
const PLACEHOLDERS: u64 = 8;

/// An actor that returns what the actor in its parameters holds (an id in eight bytes, little-endian), and itself.
const PROBE: &str = r#"(module
    (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
    (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
    (import "actor" "balance_of" (func $balance_of (param i32 i64) (result i32)))
    (import "self" "current_balance" (func $current_balance (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "invoke") (param $params i32) (result i32)
        (drop (call $read (i32.const 0) (local.get $params) (i32.const 0) (i32.const 64) (i32.const 8)))
        (drop (call $balance_of (i32.const 128) (i64.load (i32.const 64))))
        (drop (call $current_balance (i32.const 144)))
        (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 128) (i32.const 32)))
        (i32.load (i32.const 0))))"#;

/// Any method; the actor does not look at it.
const PROBE_METHOD: u64 = 2;

/// What may be wrong with a message. All are drawn equally often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    Plain,
    ValueAboveBalance,
    OutOfGas,
    GasBelowInclusion,
    WrongNonce,
    GasAboveBalance,
    NestedRefusal,
    Slippage,
    ReadsBalance,
    ReadsBurntFunds,
    PaysProbe,
    NewAddress,
    NewAddressAgain,
    UnknownSender,
    PlaceholderSends,
    UnknownReceiver,
    ToOneself,
    SameSender,
}

const TRICKS: [Trick; 18] = [
    Trick::Plain,
    Trick::ValueAboveBalance,
    Trick::OutOfGas,
    Trick::GasBelowInclusion,
    Trick::WrongNonce,
    Trick::GasAboveBalance,
    Trick::NestedRefusal,
    Trick::Slippage,
    Trick::ReadsBalance,
    Trick::ReadsBurntFunds,
    Trick::PaysProbe,
    Trick::NewAddress,
    Trick::NewAddressAgain,
    Trick::UnknownSender,
    Trick::PlaceholderSends,
    Trick::UnknownReceiver,
    Trick::ToOneself,
    Trick::SameSender,
];

pub(crate) struct Adversarial {
    accounts: u64,
    first_account: ActorID,
    token: ActorID,
    market: Market,
    probe: ActorID,
    /// New addresses that were paid so far.
    made: u64,
}

impl Adversarial {
    pub fn new(site: &mut Site<'_>, messages: u64) -> anyhow::Result<Self> {
        let accounts = 2 * messages;
        let token = token(site, 0..accounts)?;
        // Those with odd numbers have not allowed the pool anything.
        let traders: Vec<_> = (0..accounts).step_by(2).collect();
        let market = market(site, &traders)?;
        let probe = site.code(&wat::parse_str(PROBE)?)?;
        let probe = site.place(probe, &[(); 0])?;
        let (code, state) = (code("placeholder")?, site.blocks.put_cbor(&[(); 0], Blake2b256)?);
        for address in (0..PLACEHOLDERS).map(placeholder) {
            let actor = ActorState::new(code, state, TokenAmount::from_whole(1_000), 0, Some(address));
            site.place_actor(Some(address), actor);
        }
        Ok(Self { accounts, first_account: site.world.account_id(0), token, market, probe, made: 0 })
    }

    fn any(&self, random: &mut Random) -> u64 {
        random.below(self.accounts)
    }

    fn probe(&self, senders: &mut Senders, from: Address, id: ActorID) -> Message {
        senders.call_raw(from, self.probe, PROBE_METHOD, id.to_le_bytes().to_vec())
    }
}

fn placeholder(number: u64) -> Address {
    ethereum(u64::MAX - number)
}

/// The message, but for the nonce, which the sender keeps: preflight refuses the message.
fn refused(senders: &Senders, from: Address, to: Address) -> Message {
    let mut fresh = senders.clone();
    fresh.send(from, to, TokenAmount::from_nano(1))
}

impl Source for Adversarial {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let trick = TRICKS[turn.random.below(TRICKS.len() as u64) as usize];
        let (sender, receiver) = (self.any(turn.random), self.any(turn.random));
        let (from, to, nano) = (address(sender), address(receiver), TokenAmount::from_nano(1));
        let senders = &mut *turn.senders;
        match trick {
            Trick::Plain => senders.send(from, to, nano),
            Trick::ValueAboveBalance => senders.send(from, to, TokenAmount::from_whole(TOO_MUCH_FIL)),
            Trick::OutOfGas => Message { gas_limit: SHORT_GAS, ..transfer(senders, self.token, sender, receiver) },
            Trick::GasBelowInclusion => Message { gas_limit: 1, ..refused(senders, from, to) },
            Trick::WrongNonce => {
                let sequence = senders.nonce(&from) + 1 + turn.random.below(3);
                Message { sequence, ..refused(senders, from, to) }
            }
            Trick::GasAboveBalance => Message { gas_fee_cap: TokenAmount::from_whole(1), ..refused(senders, from, to) },
            Trick::NestedRefusal => swap(senders, &self.market, sender | 1, 0, 1),
            Trick::Slippage => swap(senders, &self.market, sender & !1, 0, TOO_MUCH_OUT),
            Trick::ReadsBalance => self.probe(senders, from, self.first_account + receiver),
            Trick::ReadsBurntFunds => self.probe(senders, from, BURNT_FUNDS_ID),
            Trick::PaysProbe => senders.send(from, Address::new_id(self.probe), nano),
            Trick::NewAddress => {
                self.made += 1;
                senders.send(from, new_key(self.made), nano)
            }
            Trick::NewAddressAgain => senders.send(from, new_key(self.made), nano),
            Trick::UnknownSender => refused(senders, ethereum(self.accounts), to),
            Trick::PlaceholderSends => senders.send(placeholder(turn.random.below(PLACEHOLDERS)), to, nano),
            Trick::UnknownReceiver => senders.send(from, Address::new_actor(b"nobody"), nano),
            Trick::ToOneself => senders.send(from, from, nano),
            Trick::SameSender => senders.send(address(0), to, nano),
        }
    }
}
