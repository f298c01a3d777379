//! Over random mixes of messages, every balance is what plain arithmetic says, and no value appears or vanishes.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::accounts::{bls, call, secp, transfer};
use common::chain::Chain;
use common::fees::Fees;
use common::genesis::{BASE_FEE_MIN_ATTO, owner};
use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use num_traits::Zero;
use proptest::prelude::*;
use subnet_types::actors::{BURNT_FUNDS_ID, GATEWAY_ID, REWARD_ID, SYSTEM_ID};

/// Accounts at genesis; as many addresses more have no account yet.
const ACCOUNTS: u8 = 4;
/// What each holds: a few dozen times what one message's gas must be covered with.
const START_ATTO: u64 = 1_000_000_000_000;
/// A transfer that makes an account has enough with this.
const GAS_FOR_A_NEW_ACCOUNT: u64 = 20_000_000;

#[derive(Clone, Debug)]
enum Kind {
    Transfer,
    UnknownMethod,
    WrongNonce,
    TooLittleGas,
    FeeCapBelowBaseFee,
}

#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    from: u8,
    to: u8,
    value: u64,
    gas_limit: u64,
    fee_cap: u64,
    premium: u64,
}

fn address(index: u8) -> Address {
    if index.is_multiple_of(2) { secp(index + 1) } else { bls(index + 1) }
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let kind = prop_oneof![
        6 => Just(Kind::Transfer),
        2 => Just(Kind::UnknownMethod),
        1 => Just(Kind::WrongNonce),
        1 => Just(Kind::TooLittleGas),
        1 => Just(Kind::FeeCapBelowBaseFee),
    ];
    let step = (
        kind,
        // Sometimes one without an account.
        0..ACCOUNTS + 1,
        0..2 * ACCOUNTS,
        0..START_ATTO / 2,
        GAS_FOR_A_NEW_ACCOUNT..100_000_000,
        BASE_FEE_MIN_ATTO..3_000,
        0u64..300,
    );
    let step = step.prop_map(|(kind, from, to, value, gas_limit, fee_cap, premium)| Step {
        kind,
        from,
        to,
        value,
        gas_limit,
        fee_cap,
        premium: premium.min(fee_cap),
    });
    prop::collection::vec(prop::collection::vec(step, 0..20), 1..4)
}

/// The accounts as plain arithmetic has them.
struct Ledger {
    balances: BTreeMap<Address, BigInt>,
    nonces: BTreeMap<Address, u64>,
    burnt: BigInt,
    tips: BigInt,
}

/// What must come of a message.
#[derive(Debug, PartialEq)]
enum Fate {
    Refused,
    Succeeds,
    Fails,
}

impl Ledger {
    fn start() -> Self {
        let balances = (0..ACCOUNTS).map(|index| (address(index), BigInt::from(START_ATTO))).collect();
        Self { balances, nonces: BTreeMap::new(), burnt: BigInt::zero(), tips: BigInt::zero() }
    }

    fn balance(&self, of: &Address) -> BigInt {
        self.balances.get(of).cloned().unwrap_or_default()
    }

    /// Judges a message by what the sender holds and has sent when its turn comes.
    fn fate(&self, kind: &Kind, message: &Message) -> Fate {
        let Some(balance) = self.balances.get(&message.from) else { return Fate::Refused };
        let left = balance - Fees::cover(message);
        let expected = self.nonces.get(&message.from).copied().unwrap_or_default();
        match kind {
            Kind::TooLittleGas | Kind::FeeCapBelowBaseFee => Fate::Refused,
            _ if message.sequence != expected || left < BigInt::zero() => Fate::Refused,
            Kind::UnknownMethod => Fate::Fails,
            _ if left >= *message.value.atto() => Fate::Succeeds,
            _ => Fate::Fails,
        }
    }

    fn apply(&mut self, fate: &Fate, message: &Message, gas_used: u64, base_fee: &BigInt) {
        if *fate == Fate::Refused {
            return;
        }
        let fees = Fees::of(message, gas_used, base_fee);
        *self.balances.entry(message.from).or_default() -= fees.total();
        *self.nonces.entry(message.from).or_default() += 1;
        self.burnt += fees.burnt;
        self.tips += fees.tip;
        if *fate == Fate::Succeeds {
            *self.balances.entry(message.from).or_default() -= message.value.atto();
            *self.balances.entry(message.to).or_default() += message.value.atto();
        }
    }
}

/// A message with the nonce that is right if every message before it ran.
fn message(step: &Step, nonces: &mut BTreeMap<Address, u64>) -> Message {
    let from = address(step.from);
    let nonce = nonces.entry(from).or_default();
    let value = TokenAmount::from_atto(step.value);
    let mut message = transfer(from, *nonce, address(step.to), value.clone());
    message.gas_limit = step.gas_limit;
    message.gas_fee_cap = TokenAmount::from_atto(step.fee_cap);
    message.gas_premium = TokenAmount::from_atto(step.premium);
    match step.kind {
        Kind::Transfer => *nonce += 1,
        Kind::UnknownMethod => {
            let unknown = call(from, *nonce, Address::new_id(GATEWAY_ID), 99, &(), value);
            (message.to, message.method_num) = (unknown.to, unknown.method_num);
            *nonce += 1;
        }
        Kind::WrongNonce => message.sequence += 1,
        Kind::TooLittleGas => message.gas_limit = 1_000,
        Kind::FeeCapBelowBaseFee => {
            message.gas_fee_cap = TokenAmount::from_atto(BASE_FEE_MIN_ATTO - 1);
            message.gas_premium = TokenAmount::zero();
        }
    }
    message
}

fn check_block(chain: &mut Chain, ledger: &mut Ledger, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut nonces = ledger.nonces.clone();
    let messages: Vec<Message> = steps.iter().map(|step| message(step, &mut nonces)).collect();
    let base_fee = chain.base_fee.atto().clone();
    let output = chain.execute(messages.clone());
    let mut gas_used = 0;
    for (index, (step, message)) in steps.iter().zip(&messages).enumerate() {
        let receipt = output.message_receipt(index).unwrap();
        let fate = ledger.fate(&step.kind, message);
        prop_assert_eq!(receipt.exit_code.is_success(), fate == Fate::Succeeds, "{:?}: {:?}", step, receipt);
        prop_assert_eq!(receipt.gas_used == 0, fate == Fate::Refused, "{:?}: {:?}", step, receipt);
        ledger.apply(&fate, message, receipt.gas_used, &base_fee);
        gas_used += receipt.gas_used;
    }
    prop_assert_eq!(output.gas_used, gas_used);
    Ok(())
}

fn check(blocks: &[Vec<Step>]) -> Result<(), TestCaseError> {
    let accounts: Vec<_> = (0..ACCOUNTS).map(|index| (address(index), TokenAmount::from_atto(START_ATTO))).collect();
    let mut chain = Chain::root(&accounts);
    let mut ledger = Ledger::start();
    for steps in blocks {
        check_block(&mut chain, &mut ledger, steps)?;
    }
    for index in 0..2 * ACCOUNTS {
        let address = address(index);
        let expected = TokenAmount::from_atto(ledger.balance(&address));
        prop_assert_eq!(chain.balance(&address), expected, "balance of {}", index);
        prop_assert_eq!(chain.nonce(&address), ledger.nonces.get(&address).copied().unwrap_or_default());
    }
    prop_assert_eq!(chain.balance_of(BURNT_FUNDS_ID), TokenAmount::from_atto(ledger.burnt));
    prop_assert_eq!(chain.balance(&owner(1)), TokenAmount::from_atto(ledger.tips));
    for id in [SYSTEM_ID, REWARD_ID, GATEWAY_ID] {
        prop_assert!(chain.balance_of(id).is_zero(), "actor {} holds nothing", id);
    }
    let issued = TokenAmount::from_atto(START_ATTO) * u64::from(ACCOUNTS);
    let supply = chain.view().supply().unwrap();
    prop_assert_eq!(chain.view().total().unwrap(), issued.clone());
    prop_assert_eq!(supply.circulating + supply.burnt, issued);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_balance_is_what_plain_arithmetic_says(blocks in steps()) {
        check(&blocks)?;
    }
}
