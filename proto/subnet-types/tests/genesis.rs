//! What a chain cannot start from, and what it says then.

use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use subnet_types::genesis::{
    ATTO_PER_POWER, BASE_FEE_MIN_ATTO_MAX, ChainParameters, GENESIS_TIMESTAMP_MS_MAX, GENESIS_VERSION, GenesisBalance,
    MembershipMode, ParentAnchor, SUPPLY_MAX_FIL, TOTAL_POWER_MAX,
};
use subnet_types::hash::cid_of_bytes;
use subnet_types::message::SignaturePolicy;
use subnet_types::{
    BlsPublicKey, ConfigurationNumber, Digest, Genesis, Height, Power, SubnetId, SubnetParameters, TimestampMs,
    Validator, ValidatorSet, VoteKey,
};

fn account(seed: u8) -> Address {
    Address::new_secp256k1(&[seed; 65]).expect("65 bytes make an f1 address")
}

fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

fn one_atto_above(amount: TokenAmount) -> TokenAmount {
    amount + atto(1)
}

fn set_of(owners: &[(Address, u64)]) -> ValidatorSet {
    let validators = (1..).zip(owners).map(|(seed, (owner, power))| Validator {
        owner: *owner,
        vote_key: VoteKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        power: Power::new(*power),
    });
    ValidatorSet::new(ConfigurationNumber::FIRST, validators.collect()).expect("a set")
}

fn chain() -> ChainParameters {
    ChainParameters {
        block_interval_ms: 1_000,
        block_gas_limit: 10_000_000_000,
        base_fee_min: atto(100),
        signatures: SignaturePolicy::Bound,
        checkpoint_period_blocks: 10,
        trusting_period_ms: 60_000,
        cross_gas_price: TokenAmount::default(),
        bundle: cid_of_bytes(b"bundle"),
    }
}

fn root() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(314),
        timestamp: TimestampMs::new(1_700_000_000_000),
        chain: chain(),
        validators: set_of(&[(account(1), 10), (account(2), 20)]),
        balances: vec![GenesisBalance { address: account(1), balance: TokenAmount::from_whole(1) }],
        parent: None,
    }
}

fn parameters(mode: MembershipMode) -> SubnetParameters {
    SubnetParameters {
        chain: chain(),
        mode,
        validators_min: 4,
        stake_min: atto(ATTO_PER_POWER),
        parent_lag_blocks_max: 1,
        unbonding_blocks: 1,
        silence_blocks_max: 1,
        exit_notice_blocks: 1,
    }
}

/// What `check` says of the root with one change; empty when nothing.
fn said(change: impl FnOnce(&mut Genesis)) -> String {
    let mut genesis = root();
    change(&mut genesis);
    genesis.check().map_or_else(|error| error.to_string(), |()| String::new())
}

#[track_caller]
fn tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn sound_documents_pass() {
    assert_eq!(root().check(), Ok(()));
    let anchor = ParentAnchor {
        identity: Digest([1; 32]),
        height: Height::new(3),
        timestamp: root().timestamp,
        validators: set_of(&[(account(9), 1)]),
    };
    let subnet = SubnetId::root(314).child(Address::new_actor(b"actor")).expect("one level");
    assert_eq!(Genesis { subnet, balances: vec![], parent: Some(anchor), ..root() }.check(), Ok(()));
    for mode in [MembershipMode::Collateral, MembershipMode::Federated, MembershipMode::Static] {
        assert_eq!(parameters(mode).check(), Ok(()));
    }
}

#[test]
fn more_power_than_the_engine_counts_is_refused() {
    assert_eq!(said(|genesis| genesis.validators = set_of(&[(account(1), TOTAL_POWER_MAX)])), "");
    let text = said(|genesis| genesis.validators = set_of(&[(account(1), TOTAL_POWER_MAX), (account(2), 1)]));
    tells(&text, &["total power", "6148914691236517206", "1 to 6148914691236517205"]);
    assert_eq!(TOTAL_POWER_MAX.checked_mul(3), Some(u64::MAX));
}

#[test]
fn owner_that_cannot_be_an_account_is_refused() {
    let delegated = Address::new_delegated(10, &[7; 20]).expect("an f4 address");
    for owner in [Address::new_bls(&[7; 48]).expect("an f3 address"), delegated] {
        assert_eq!(said(|genesis| genesis.validators = set_of(&[(account(1), 1), (owner, 1)])), "");
    }
    for owner in [Address::new_id(100), Address::new_actor(b"actor")] {
        let text = said(|genesis| genesis.validators = set_of(&[(account(1), 1), (owner, 1)]));
        let address = subnet_types::subnet_id::display_address(&owner);
        tells(&text, &["owner", &"02".repeat(32), &address, "f1, f3 or f4"]);
    }
}

#[test]
fn time_beyond_signed_64_bits_is_refused() {
    let at = |ms| said(|genesis| genesis.timestamp = TimestampMs::new(ms));
    assert_eq!(at(GENESIS_TIMESTAMP_MS_MAX), "");
    tells(&at(GENESIS_TIMESTAMP_MS_MAX + 1), &["timestamp", "9223372036854775808", "0 to 9223372036854775807"]);
    assert_ne!(at(u64::MAX), "");
}

#[test]
fn base_fee_below_zero_or_beyond_paying_is_refused() {
    let with = |fee: TokenAmount| said(|genesis| genesis.chain.base_fee_min = fee);
    assert_eq!(with(atto(0)), "");
    assert_eq!(with(atto(BASE_FEE_MIN_ATTO_MAX)), "");
    tells(&with(-atto(1)), &["base_fee_min", "-1", "0 to 1000000000000"]);
    tells(&with(one_atto_above(atto(BASE_FEE_MIN_ATTO_MAX))), &["base_fee_min", "1000000000001"]);
    assert_ne!(with(TokenAmount::from_atto(BigInt::from(1) << 300)), "");
    let mut parameters = parameters(MembershipMode::Federated);
    parameters.chain.base_fee_min = TokenAmount::from_whole(1);
    tells(&parameters.check().expect_err("refused").to_string(), &["base_fee_min"]);
}

#[test]
fn least_stake_gives_power_where_power_is_stake_and_is_no_more_than_there_is() {
    let with = |mode, stake_min: TokenAmount| {
        let parameters = SubnetParameters { stake_min, ..parameters(mode) };
        parameters.check().map_or_else(|error| error.to_string(), |()| String::new())
    };
    let supply = || TokenAmount::from_whole(SUPPLY_MAX_FIL);
    for mode in [MembershipMode::Collateral, MembershipMode::Static] {
        assert_eq!(with(mode, atto(ATTO_PER_POWER)), "");
        tells(&with(mode, atto(ATTO_PER_POWER - 1)), &["stake_min", "999999999 attoFIL", "1000000000 to"]);
    }
    // The owner gives power there.
    assert_eq!(with(MembershipMode::Federated, atto(1)), "");
    for mode in [MembershipMode::Collateral, MembershipMode::Static, MembershipMode::Federated] {
        tells(&with(mode, atto(0)), &["stake_min", "is 0 attoFIL"]);
        tells(&with(mode, -atto(1)), &["stake_min", "is -1 attoFIL"]);
        assert_eq!(with(mode, supply()), "");
        tells(&with(mode, one_atto_above(supply())), &["stake_min", "to 2000000000000000000000000000"]);
    }
}
