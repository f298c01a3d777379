//! Messages at random.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use proptest::collection::vec;
use proptest::prelude::*;

use super::actors::{EXTRAS, SYSCALLS};
use super::script::{NO_LIMIT, Script};
use super::world::{NOBODY, SCRIPTS, World, alice, bob, carol, exec, fil, message};
use crate::common::accounts::{bls, ethereum, secp};

/// A step of a script.
#[derive(Clone, Debug)]
enum Step {
    Any(u32, Vec<u64>),
    Write(u8),
    Pay(Address, TokenAmount),
    Run(Address, Vec<Step>, TokenAmount, u64, u64),
    Exit(u64, u64),
    Emit(usize),
    Query(Address),
}

fn build(steps: &[Step]) -> Script {
    steps.iter().fold(Script::new(), |mut script, step| match step {
        Step::Any(number, args) => script.any(*number, args),
        Step::Write(number) => {
            let script = script.block(0x71, &[0x81, number % 24]);
            let block = script.last_block();
            script.call("ipld::block_link", &[block, 0xb220, 32, 0x700, 60]).step("self::set_root", &[0x700])
        }
        Step::Pay(to, value) => script.pay(*to, value),
        Step::Run(to, steps, value, gas, flags) => script.run(*to, &build(steps), value, *gas, *flags),
        Step::Exit(code, block) => script.exit(*code, *block, "so be it"),
        Step::Emit(count) => script.emit(&vec![(3, "key", 0x55, b"value".as_slice()); *count]),
        Step::Query(address) => {
            let (at, len) = script.data(&address.to_bytes());
            script.call("actor::resolve_address", &[at, len])
        }
    })
}

pub fn anyone() -> impl Strategy<Value = Address> {
    prop_oneof![
        4 => (0..SCRIPTS.len()).prop_map(|index| Address::new_id(SCRIPTS[index])),
        4 => prop_oneof![Just(alice()), Just(bob()), Just(carol())],
        2 => (60u8..66).prop_map(secp),
        1 => (60u8..63).prop_map(bls),
        2 => (60u8..66).prop_map(ethereum),
        1 => prop_oneof![Just(0u64), Just(1), Just(2), Just(99), Just(10), Just(NOBODY), 100u64..112].prop_map(Address::new_id),
        1 => Just(Address::new_actor(b"nobody")),
    ]
}

fn amount() -> impl Strategy<Value = TokenAmount> {
    prop_oneof![
        3 => Just(TokenAmount::default()),
        5 => (1u64..5).prop_map(fil),
        2 => (1u64..1_000).prop_map(TokenAmount::from_atto),
        1 => (90u64..2_000).prop_map(fil),
    ]
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..8,
        3 => 0u64..0x1000,
        2 => Just(0x700u64),
        2 => (0..SCRIPTS.len()).prop_map(|index| SCRIPTS[index]),
        1 => 0x2_ff00u64..0x3_0010,
        1 => prop_oneof![Just(32u64), Just(0xb220), Just(0x55), Just(0x71), Just(60)],
        1 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // `spin` would use all the gas there is; the stock kernel panics on some lengths of an aggregate, which has a test
    // of its own.
    let left_out = ["spin", "crypto::verify_bls_aggregate"].map(super::actors::step);
    let numbers = (0..(SYSCALLS.len() + EXTRAS.len()) as u32)
        .prop_filter("tested elsewhere", move |number| !left_out.contains(number));
    let gas = prop_oneof![4 => Just(NO_LIMIT), 2 => 0u64..30_000_000];
    let leaf = prop_oneof![
        8 => (numbers, vec(argument(), 9)).prop_map(|(number, args)| Step::Any(number, args)),
        3 => any::<u8>().prop_map(Step::Write),
        4 => (anyone(), amount()).prop_map(|(to, value)| Step::Pay(to, value)),
        1 => (prop_oneof![Just(0u64), 0u64..50], 0u64..3).prop_map(|(code, block)| Step::Exit(code, block)),
        1 => (0usize..4).prop_map(Step::Emit),
        2 => anyone().prop_map(Step::Query),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let flags = prop_oneof![5 => Just(0u64), 1 => Just(1u64)];
        (anyone(), vec(inner, 0..6), amount(), gas.clone(), flags)
            .prop_map(|(to, steps, value, gas, flags)| Step::Run(to, steps, value, gas, flags))
    })
}

/// A message from one of the three accounts, whose turn `sequence` it is for.
#[derive(Clone, Debug)]
pub struct Draft {
    pub from: usize,
    message: Message,
}

impl Draft {
    /// The message with this nonce.
    pub fn with_sequence(&self, sequence: u64) -> Message {
        Message { sequence, ..self.message.clone() }
    }
}

fn from(account: usize) -> Address {
    [alice(), bob(), carol()][account]
}

/// Any message.
pub fn draft() -> impl Strategy<Value = Draft> {
    let limit = prop_oneof![6 => Just(2_000_000_000u64), 1 => 1u64..3_000_000, 3 => 1_000_000u64..60_000_000];
    let transfer = (0usize..3, anyone(), amount(), limit.clone()).prop_map(|(account, to, value, gas_limit)| {
        let message = Message { gas_limit, ..message(from(account), 0, to, value) };
        Draft { from: account, message }
    });
    let call = (0usize..3, 0..SCRIPTS.len(), vec(step(), 0..10), amount(), limit.clone()).prop_map(
        |(account, index, steps, value, gas_limit)| {
            let message = message(from(account), 0, Address::new_id(SCRIPTS[index]), value);
            let params = build(&steps).encode();
            Draft { from: account, message: Message { method_num: 2, params, gas_limit, ..message } }
        },
    );
    let odd = (0usize..3, 0..World::get().odd.len(), amount()).prop_map(|(account, index, value)| {
        let id = *World::get().odd.values().nth(index).unwrap();
        let message = message(from(account), 0, Address::new_id(id), value);
        Draft { from: account, message: Message { method_num: 2, gas_limit: 300_000_000, ..message } }
    });
    let method = (0usize..3, anyone(), 1u64..6, vec(any::<u8>(), 0..20), amount()).prop_map(
        |(account, to, method_num, params, value)| {
            let message = message(from(account), 0, to, value);
            Draft { from: account, message: Message { method_num, params: RawBytes::new(params), ..message } }
        },
    );
    let exec = limit.prop_map(|gas_limit| Draft { from: 0, message: Message { gas_limit, ..exec(0) } });
    prop_oneof![4 => transfer, 10 => call, 1 => odd, 2 => method, 1 => exec]
}
