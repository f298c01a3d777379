//! Calls of ill will through the whole of it: checkpoint actor or parent update, gateway, courier, destination. Each costs
//! only itself, whichever way it came, and gets through no door.

use std::collections::BTreeMap;

use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use serde::Serialize;
use subnet_types::Digest;
use subnet_types::actors::refusal;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::hash::encode;
use subnet_types::quantity::Nonce;

use cross_caller::served;

use crate::common::accounts::secp;
use crate::common::chain::Chain;
use crate::subnet::nano;

/// What each call brings, in nanoFIL.
pub const BROUGHT: u64 = 5;

/// Gas for the code of most calls.
pub const GAS: u64 = 300_000_000;

/// Gas for what shall get far before it ends.
const MUCH_GAS: u64 = 1_000_000_000;

/// The cross-caller that serves the calls.
pub fn callee() -> Address {
    Address::new_actor(b"callee")
}

/// Puts a cross-caller onto a chain before its first block.
pub fn place(chain: &mut Chain) {
    let state = cross_caller::State::new(&chain.store).unwrap();
    chain.place("callee", test_actors::CROSS_CALLER.wasm, &state);
}

/// A call and how it has to end.
pub struct Case {
    pub what: &'static str,
    pub to: Address,
    pub kind: CrossKind,
    pub gas_limit: u64,
    pub exit_code: ExitCode,
}

/// A call of what the cross-caller serves.
pub fn case(what: &'static str, method: MethodNum, params: &impl Serialize, exit_code: ExitCode) -> Case {
    let kind = CrossKind::Call { method, params: RawBytes::new(encode(params)) };
    Case { what, to: callee(), kind, gas_limit: GAS, exit_code }
}

/// Everything a destination can do to who calls it.
pub fn cases() -> Vec<Case> {
    let much = |case: Case| Case { gas_limit: MUCH_GAS, ..case };
    vec![
        case("reverts", served::REVERT, &77u32, ExitCode::new(77)),
        case("pretends to be a refusal", served::REVERT, &100u32, refusal::FORGED_ORIGIN),
        Case { to: Address::new_actor(b"nobody"), ..case("is nobody", served::ADD, &1u64, refusal::NO_DESTINATION) },
        case("serves something else", 99, &(), cross_caller::refusal::NOT_SERVED),
        case("loops", served::LOOP, &(), refusal::OUT_OF_GAS),
        much(case("eats memory", served::EXHAUST_MEMORY, &(), refusal::TRAPPED)),
        // With what the last of its calls ends, handed up.
        much(case("recurses", served::RECURSE, &(), ExitCode::USR_FORBIDDEN)),
        much(case("overflows its stack", served::OVERFLOW_STACK, &(), refusal::TRAPPED)),
        much(case("returns too much", served::RETURN, &((1u64 << 20) - 64), refusal::RETURN_TOO_LARGE)),
        much(case("returns more than the VM takes", served::RETURN, &(8u64 << 20), ExitCode::USR_ASSERTION_FAILED)),
        case("returns nonsense", served::RETURN_GARBAGE, &(), refusal::BAD_RETURN),
        Case { gas_limit: 0, ..case("has no gas", served::ADD, &1u64, refusal::OUT_OF_GAS) },
    ]
}

/// An account that gets `index + 1` nanoFIL beside the calls.
pub fn neighbour(index: usize) -> Address {
    secp(150 + u8::try_from(index).unwrap())
}

/// The cases, each between two transfers to neighbours. `base` says from where and to which chain.
pub fn between_neighbours(base: &CrossMessage, cases: &[Case]) -> Vec<CrossMessage> {
    let mut messages = Vec::new();
    let mut push = |value, to, kind, gas_limit| {
        let sequence = base.nonce.get() + messages.len() as u64;
        let destination = CrossAddress { subnet: base.destination.subnet.clone(), address: to };
        messages.push(CrossMessage {
            id: Digest([sequence as u8 + 1; 32]),
            origin_sequence: sequence,
            destination,
            value: nano(value),
            kind,
            nonce: Nonce::new(sequence),
            gas_limit,
            ..base.clone()
        });
    };
    for (index, case) in cases.iter().enumerate() {
        push(index as u64 + 1, neighbour(index), CrossKind::Transfer, 0);
        push(BROUGHT, case.to, case.kind.clone(), case.gas_limit);
    }
    push(cases.len() as u64 + 1, neighbour(cases.len()), CrossKind::Transfer, 0);
    messages
}

/// What all neighbours get together.
pub fn given(cases: &[Case]) -> TokenAmount {
    nano((1..=cases.len() as u64 + 1).sum())
}

/// The receipts that a chain has queued for the origin of `messages`: each case has one, with its code and all its value,
/// and nothing else has.
pub fn check_receipts(messages: &[CrossMessage], cases: &[Case], receipts: &[CrossMessage]) {
    let mut answered = BTreeMap::new();
    for receipt in receipts {
        let CrossKind::Receipt { of, exit_code, .. } = receipt.kind else { panic!("{receipt:?}") };
        assert_eq!(answered.insert(of, (exit_code, receipt.amount())), None, "answered twice");
    }
    let outcomes: Vec<_> = messages.iter().skip(1).step_by(2).map(|message| answered.remove(&message.id)).collect();
    for (case, outcome) in cases.iter().zip(&outcomes) {
        println!("{:<32} {outcome:?}", case.what);
    }
    for (case, outcome) in cases.iter().zip(outcomes) {
        assert_eq!(outcome, Some((case.exit_code, nano(BROUGHT))), "what {}", case.what);
    }
    assert!(answered.is_empty(), "{answered:?}");
}

/// Every neighbour has what was meant for it, and the actor that was called has nothing.
pub fn check_balances(chain: &Chain, cases: &[Case]) {
    for index in 0..=cases.len() {
        assert_eq!(chain.balance(&neighbour(index)), nano(index as u64 + 1), "neighbour {index}");
    }
    assert_eq!((chain.balance(&callee()), chain.balance_of(subnet_types::actors::COURIER_ID)), (nano(0), nano(0)));
}

/// A message with nearly all the gas of a block.
pub fn with_much_gas(message: Message) -> Message {
    Message { gas_limit: 9_900_000_000, ..message }
}
