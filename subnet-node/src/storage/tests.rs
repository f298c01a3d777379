use engine_api::{Block, UndecidedBlock};
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::block::BLOCK_VERSION;
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::{
    BlockHeader, BlockInfo, BlsSignature, ChainIdentity, ConfigurationNumber, Digest, FinalityCertificate, Height,
    Nonce, Payload, QuorumCertificate, Sequence, TimestampMs, VoteKey,
};

use super::*;

const CHAIN: ChainIdentity = Digest([1; 32]);

fn open(folder: &tempfile::TempDir) -> Result<Store, StoreError> {
    Store::open(&folder.path().join("db"), &CHAIN, MemoryLimits::default())
}

fn results(name: &[u8]) -> BlockResults {
    let cid = cid_of_bytes(name);
    BlockResults { state_root: cid, receipts_root: cid, gas_used: 1, validators: cid }
}

fn genesis() -> GenesisCommit {
    GenesisCommit {
        identity: CHAIN,
        results: results(b"genesis"),
        blocks: vec![(cid_of_bytes(b"code"), b"code"[..].into())],
    }
}

fn block(height: u64) -> Block {
    let payload = Payload::new(&BlockInfo::default(), &[]);
    let cid = cid_of_bytes(b"x");
    let header = BlockHeader {
        version: BLOCK_VERSION,
        chain: CHAIN,
        height: Height::new(height),
        parent: cid,
        timestamp: TimestampMs::new(height),
        proposer: VoteKey([1; 32]),
        payload_root: payload.root(),
        state_root: cid,
        receipts_root: cid,
        gas_used: 0,
        base_fee: TokenAmount::from_atto(100),
        validators_hash: Digest::ZERO,
        next_validators_hash: Digest::ZERO,
    };
    Block { header, payload }
}

fn commit(height: u64) -> BlockCommit {
    let block = block(height);
    let certificate =
        FinalityCertificate { height: Height::new(height), round: 0, block: block.id(), signatures: vec![] };
    BlockCommit {
        message_cids: vec![cid_of_bytes(&encode(&height))],
        results: results(&encode(&("results", height))),
        receipts: vec![],
        events: vec![],
        blocks: vec![(cid_of_bytes(&encode(&("state", height))), encode(&("state", height)).into())],
        certificate: StoredCertificate { certificate, extensions: vec![] },
        checkpoint: None,
        certified: None,
        cross: vec![(Digest([7; 32]), CrossTrace { height: Height::new(height), step: unclaimed(None) })],
        block,
    }
}

fn unclaimed(child: Option<u64>) -> CrossStep {
    CrossStep::Unclaimed { came: Some(CrossOrigin { child, nonce: Nonce::new(1) }) }
}

fn assert_has(store: &Store, commit: &BlockCommit) {
    let height = commit.block.header.height;
    assert_eq!(store.header(height).unwrap().as_ref(), Some(&commit.block.header));
    assert_eq!(store.payload(height).unwrap().as_ref(), Some(&commit.block.payload));
    assert_eq!(store.results(height).unwrap().as_ref(), Some(&commit.results));
    assert_eq!(store.certificate(height).unwrap().as_ref(), Some(&commit.certificate));
    assert_eq!(store.height_of(&commit.block.id()).unwrap(), Some(height));
    assert_eq!(store.message_position(&commit.message_cids[0]).unwrap(), Some(MessagePosition { height, index: 0 }));
    assert_eq!(Blockstore::get(store, &commit.blocks[0].0).unwrap().as_deref(), Some(&*commit.blocks[0].1));
}

fn assert_has_not(store: &Store, commit: &BlockCommit) {
    let height = commit.block.header.height;
    assert_eq!(store.header(height).unwrap(), None);
    assert_eq!(store.payload(height).unwrap(), None);
    assert_eq!(store.results(height).unwrap(), None);
    assert_eq!(store.certificate(height).unwrap(), None);
    assert_eq!(store.height_of(&commit.block.id()).unwrap(), None);
    assert_eq!(store.message_position(&commit.message_cids[0]).unwrap(), None);
    assert_eq!(Blockstore::get(store, &commit.blocks[0].0).unwrap(), None);
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    assert_eq!(store.head().unwrap(), None);
    store.put_genesis(&genesis()).unwrap();
    store.commit_block(&commit(1)).unwrap();
    drop(store);
    let store = open(&folder).unwrap();
    assert_eq!(store.head().unwrap(), Some(Height::new(1)));
    assert_has(&store, &commit(1));
    assert_eq!(Blockstore::get(&store, &cid_of_bytes(b"code")).unwrap(), Some(b"code".to_vec()));
    store.commit_block(&commit(2)).unwrap();
    assert_eq!(store.cross_traces(&Digest([7; 32])).unwrap().len(), 2, "traces add up over blocks");
}

#[test]
fn proposals_go_with_the_decision_of_their_height_and_later_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    store.put_genesis(&genesis()).unwrap();
    let proposed = |height: u64, round: u32| {
        let block = cid_of_bytes(&encode(&(height, round)));
        UndecidedBlock { height: Height::new(height), round, block, record: vec![1, 2, 3] }
    };
    let all = [proposed(1, 0), proposed(1, 3), proposed(2, 0)];
    all.iter().for_each(|block| store.put_undecided(block).unwrap());
    assert_eq!(store.undecided(Height::new(1)).unwrap(), all[..2]);
    store.commit_block(&commit(1)).unwrap();
    assert_eq!(store.undecided(Height::new(1)).unwrap(), []);
    assert_eq!(store.undecided(Height::new(2)).unwrap(), all[2..]);
}

#[test]
fn id_that_is_used_again_and_again_does_not_grow_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    store.put_genesis(&genesis()).unwrap();
    let again = |height: u64| {
        let mut commit = commit(height);
        commit.cross = vec![commit.cross[0].clone(); CROSS_TRACES_PER_EDGE_MAX - 1];
        commit
    };
    store.commit_block(&again(1)).unwrap();
    store.commit_block(&again(2)).unwrap();
    let heights: Vec<u64> =
        store.cross_traces(&Digest([7; 32])).unwrap().iter().map(|trace| trace.height.get()).collect();
    assert_eq!((heights.len(), heights.last()), (CROSS_TRACES_PER_EDGE_MAX, Some(&2)), "the first ones stay");
}

#[test]
fn a_chain_that_uses_an_id_again_and_again_leaves_room_for_what_other_chains_send() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    store.put_genesis(&genesis()).unwrap();
    let id = Digest([7; 32]);
    let with = |height: u64, steps: Vec<CrossStep>| {
        let trace = |step| (id, CrossTrace { height: Height::new(height), step });
        BlockCommit { cross: steps.into_iter().map(trace).collect(), ..commit(height) }
    };
    let queued = |nonce, came| CrossStep::QueuedUp { nonce: Nonce::new(nonce), came };
    let cut = |nonce| CrossStep::Cut { sequence: Sequence::new(1), nonce: Nonce::new(nonce) };
    let forged = |nonce| queued(nonce, Some(CrossOrigin { child: Some(300), nonce: Nonce::new(nonce) }));
    store.commit_block(&with(1, (0..100).map(forged).collect())).unwrap();
    let honest = [queued(100, None), unclaimed(Some(301)), unclaimed(None)];
    store.commit_block(&with(2, [(0..101).map(cut).collect(), honest.to_vec(), vec![cut(100)]].concat())).unwrap();
    let kept: Vec<CrossStep> = store.cross_traces(&id).unwrap().into_iter().map(|trace| trace.step).collect();
    let room = CROSS_TRACES_PER_EDGE_MAX as u64;
    let mut expected: Vec<CrossStep> = (0..room).map(forged).chain((0..room).map(cut)).collect();
    expected.extend(honest);
    expected.push(cut(100));
    assert_eq!(kept, expected, "cuts are kept of what is kept");
}

#[test]
fn block_that_cannot_be_written_whole_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    store.put_genesis(&genesis()).unwrap();
    // Certifies a checkpoint that was never cut: found out after most of the batch is put together.
    let certificate = QuorumCertificate {
        configuration: ConfigurationNumber::FIRST,
        signers: vec![1],
        key_sum: vec![0; 96],
        signature: BlsSignature([0; 96]),
    };
    let broken = BlockCommit { certified: Some((Sequence::new(1), certificate)), ..commit(1) };
    assert!(matches!(store.commit_block(&broken), Err(StoreError::Missing { what: "checkpoint", .. })));
    assert_has_not(&store, &broken);
    assert_eq!(store.head().unwrap(), Some(Height::GENESIS));
    store.commit_block(&commit(1)).unwrap();
    assert_has(&store, &commit(1));
}

#[test]
fn blocks_enter_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    assert!(matches!(store.commit_block(&commit(1)), Err(StoreError::NoGenesis)));
    store.put_genesis(&genesis()).unwrap();
    assert!(matches!(store.commit_block(&commit(2)), Err(StoreError::Order { .. })));
    store.commit_block(&commit(1)).unwrap();
    let again = store.commit_block(&commit(1));
    assert!(matches!(again, Err(StoreError::Order { expected, .. }) if expected == Height::new(2)));
    assert!(matches!(store.put_genesis(&genesis()), Err(StoreError::Order { .. })));
}

#[test]
fn database_of_another_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    store.put_genesis(&genesis()).unwrap();
    drop(store);
    let other = Digest([2; 32]);
    let error = Store::open(&folder.path().join("db"), &other, MemoryLimits::default()).unwrap_err();
    assert!(
        matches!(&error, StoreError::WrongChain { expected, actual, .. } if *expected == other && *actual == CHAIN)
    );
    assert!(error.to_string().contains("--home"), "{error}");
    open(&folder).unwrap();
}

#[test]
fn second_instance_is_refused_with_a_hint_until_the_first_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).unwrap();
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    open(&folder).unwrap();
}

#[test]
fn folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("db"), b"a file").unwrap();
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(error.to_string().contains("db"), "{error}");
}

#[test]
fn ipld_blocks_cannot_be_put_apart_from_a_block() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    assert!(store.put_keyed(&cid_of_bytes(b"a"), b"a").is_err());
}
