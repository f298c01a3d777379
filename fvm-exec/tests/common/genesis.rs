//! Genesis documents and bundles for tests.

use cid::Cid;
use fvm_ipld_blockstore::{Block, Blockstore, MemoryBlockstore};
use fvm_ipld_car::{CarHeader, CarWriter};
use fvm_ipld_encoding::{CborStore, IPLD_RAW};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::Code::Blake2b256;
use subnet_types::bytes::{BlsPublicKey, VoteKey};
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION, GenesisBalance, ParentAnchor};
use subnet_types::message::SignaturePolicy;
use subnet_types::{
    ConfigurationNumber, Digest, Genesis, Height, Power, SubnetId, TimestampMs, Validator, ValidatorSet,
};

use super::accounts::secp;

/// Chain id of the roots that tests start.
pub const ROOT_CHAIN_ID: u64 = 31_415_926;
/// Time of block 0.
pub const GENESIS_TIME_MS: u64 = 1_700_000_000_000;
/// Base fee of block 1, and the least there is.
pub const BASE_FEE_MIN_ATTO: u64 = 100;
/// Blocks between checkpoints of a child.
pub const CHECKPOINT_PERIOD_BLOCKS: u64 = 10;

/// A bundle whose actors are no wasm: enough for what never runs them.
pub fn fake_bundle() -> (Cid, Vec<u8>) {
    let store = MemoryBlockstore::default();
    let mut cids = Vec::new();
    let mut list = Vec::new();
    for name in actor_runtime::builtin::NAMES {
        let code = store.put(Blake2b256, &Block::new(IPLD_RAW, name.as_bytes())).unwrap();
        list.push((name.to_owned(), code));
        cids.push(code);
    }
    let list = store.put_cbor(&list, Blake2b256).unwrap();
    let manifest = store.put_cbor(&(1u32, list), Blake2b256).unwrap();
    let mut car = Vec::new();
    let mut writer = CarWriter::new(CarHeader::from(vec![manifest]), &mut car).unwrap();
    for cid in cids.into_iter().chain([list, manifest]) {
        let data = store.get(&cid).unwrap().unwrap();
        writer.write(fvm_ipld_car::Block { cid, data }).unwrap();
    }
    drop(writer);
    (manifest, car)
}

/// Four validators of equal power; validator `n` is owned by the account `owner(n)`.
pub fn validators() -> ValidatorSet {
    let validators = (1..=4)
        .map(|seed| Validator {
            owner: owner(seed),
            vote_key: VoteKey([seed; 32]),
            checkpoint_key: BlsPublicKey([seed; 48]),
            power: Power::new(10),
        })
        .collect();
    ValidatorSet::new(ConfigurationNumber::FIRST, validators).unwrap()
}

/// Owner of validator `seed`, apart from the accounts that tests fund.
pub fn owner(seed: u8) -> Address {
    secp(200 + seed)
}

/// Rules with a gas limit of ten billion, a minimum base fee of 100 and a checkpoint every 10 blocks.
pub fn parameters(bundle: Cid) -> ChainParameters {
    ChainParameters {
        block_interval_ms: 1000,
        block_gas_limit: 10_000_000_000,
        base_fee_min: TokenAmount::from_atto(BASE_FEE_MIN_ATTO),
        signatures: SignaturePolicy::Bound,
        checkpoint_period_blocks: CHECKPOINT_PERIOD_BLOCKS,
        trusting_period_ms: 1_000_000_000,
        cross_gas_price: TokenAmount::default(),
        bundle,
    }
}

/// A root with these accounts, in any order.
pub fn root_genesis(bundle: Cid, balances: &[(Address, TokenAmount)]) -> Genesis {
    let mut balances: Vec<GenesisBalance> = balances
        .iter()
        .map(|(address, balance)| GenesisBalance { address: *address, balance: balance.clone() })
        .collect();
    balances.sort_by_key(|entry| entry.address);
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(ROOT_CHAIN_ID),
        timestamp: TimestampMs::new(GENESIS_TIME_MS),
        chain: parameters(bundle),
        validators: validators(),
        balances,
        parent: None,
    }
}

/// Identity of the parent that tests' children follow.
pub const PARENT_IDENTITY: Digest = Digest([0xaa; 32]);

/// A child of the root [`ROOT_CHAIN_ID`].
pub fn child_genesis(bundle: Cid) -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(ROOT_CHAIN_ID).child(Address::new_actor(b"checkpoint actor of the child")).unwrap(),
        timestamp: TimestampMs::new(GENESIS_TIME_MS),
        chain: parameters(bundle),
        validators: validators(),
        balances: Vec::new(),
        parent: Some(ParentAnchor {
            identity: PARENT_IDENTITY,
            height: Height::new(5),
            timestamp: TimestampMs::new(GENESIS_TIME_MS),
            validators: validators(),
        }),
    }
}
