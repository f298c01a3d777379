//! Genesis with a bundle that never runs.

use super::*;
use actor_runtime::builtin;
use fvm_ipld_blockstore::{Block, MemoryBlockstore};
use fvm_ipld_encoding::IPLD_RAW;
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION};
use subnet_types::message::SignaturePolicy;
use subnet_types::{BlsPublicKey, ConfigurationNumber, Power, SubnetId, TimestampMs, Validator, ValidatorSet, VoteKey};

fn bundle(store: &MemoryBlockstore) -> Bundle {
    let code = |name: &str| {
        let cid = store.put(Blake2b256, &Block::new(IPLD_RAW, name.as_bytes())).unwrap();
        (name.to_owned(), cid)
    };
    let list = put(store, &builtin::NAMES.map(code)).unwrap();
    let manifest = put(store, &(1u32, list)).unwrap();
    Bundle::load(store, &manifest).unwrap()
}

fn root(bundle: Cid) -> Genesis {
    let validator = Validator {
        owner: Address::new_secp256k1(&[1; 65]).unwrap(),
        vote_key: VoteKey([1; 32]),
        checkpoint_key: BlsPublicKey([1; 48]),
        power: Power::new(10),
    };
    let addresses = [
        Address::new_secp256k1(&[2; 65]).unwrap(),
        Address::new_bls(&[3; 48]).unwrap(),
        Address::new_delegated(EAM_ID, &[4; 20]).unwrap(),
    ];
    let mut balances: Vec<_> =
        addresses.map(|address| GenesisBalance { address, balance: TokenAmount::from_whole(7) }).into();
    balances.sort_by_key(|entry| entry.address);
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(314),
        timestamp: TimestampMs::new(1_700_000_000_000),
        chain: ChainParameters {
            block_interval_ms: 1000,
            block_gas_limit: 10_000_000_000,
            base_fee_min: TokenAmount::from_atto(100),
            signatures: SignaturePolicy::Bound,
            checkpoint_period_blocks: 10,
            trusting_period_ms: 1_000_000,
            cross_gas_price: TokenAmount::default(),
            bundle,
        },
        validators: ValidatorSet::new(ConfigurationNumber::FIRST, vec![validator]).unwrap(),
        balances,
        parent: None,
    }
}

// A changed vector is a changed chain: every node must start from the same state.
#[test]
fn example_genesis_keeps_its_cids() {
    let store = MemoryBlockstore::default();
    let bundle = bundle(&store);
    let genesis = root(bundle.manifest());
    assert_eq!(genesis.cid().to_string(), "bafy2bzacec7um4o4pryjbgmex2eaochpghqeewqkeorrsh7lkw2wwj7z4n62g");
    let output = build(&store, &genesis).unwrap();
    assert_eq!(output.state_root.to_string(), "bafy2bzaceb6rpfwd4ak5x45czmwv2in4mnff6q6ni7vqdjo5jwzvhbmaxk7yq");
}

#[test]
fn init_knows_the_accounts_and_continues_after_them() {
    let store = MemoryBlockstore::default();
    let bundle = bundle(&store);
    let genesis = root(bundle.manifest());
    let output = build(&store, &genesis).unwrap();
    for (cid, block) in &output.new_blocks {
        store.put_keyed(cid, block).unwrap();
    }
    let view = crate::StateView::new(&store, &output.state_root).unwrap();
    let state = view.actor(INIT_ID).unwrap().unwrap().state;
    let mut init: init::State = store.get_cbor(&state).unwrap().unwrap();
    assert_eq!((init.next_id, init.network_name.as_str()), (FIRST_USER_ID + 3, "/r314"));
    for (index, entry) in genesis.balances.iter().enumerate() {
        assert_eq!(init.resolve(&store, &entry.address).unwrap(), Some(FIRST_USER_ID + index as u64));
    }
    // The actor's own code can go on from here.
    let next = init.assign_id(&store, &Address::new_actor(b"next"), None).unwrap();
    assert_eq!(next, FIRST_USER_ID + 3);
}

#[test]
fn store_below_stays_as_it_was() {
    let store = MemoryBlockstore::default();
    let bundle = bundle(&store);
    let genesis = root(bundle.manifest());
    let output = build(&store, &genesis).unwrap();
    assert!(!store.has(&output.state_root).unwrap());
    assert!(output.new_blocks.iter().any(|(cid, _)| *cid == output.state_root));
}
