//! `docs/protocol/vectors.json`: what is signed or hashed, field by field, with its bytes and its hash, for whoever writes a
//! second implementation. The file is what this code gives; `docs/protocol/verify.py` computes it again from the fields
//! alone, by the document.

use std::path::PathBuf;

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use serde_json::{Value, json};
use subnet_types::checkpoint::{CHECKPOINT_VERSION, CheckpointDomain, ConfigurationApplied, TopDownApplied};
use subnet_types::cross::{CrossAddress, call_key, message_id};
use subnet_types::hash::{cid_of_bytes, encode, merkle_range_proof, merkle_root};
use subnet_types::identity::chain_identity;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::vote::{VoteKind, extension_signing_bytes, vote_signing_bytes};
use subnet_types::{
    BlsPublicKey, Checkpoint, ConfigurationNumber, CrossKind, CrossMessage, Digest, Height, Nonce, Power, Sequence,
    SubnetId, TimestampMs, Validator, ValidatorSet, VoteKey,
};

const ORIGIN_CHAIN: Digest = Digest([0x21; 32]);

fn hexed(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(bytes)
}

fn account(seed: u8) -> Address {
    Address::new_secp256k1(&[seed; 65]).expect("65 bytes make an f1 address")
}

fn parent() -> SubnetId {
    SubnetId::root(31_415_926).child(Address::new_actor(b"one")).expect("one level")
}

fn child() -> SubnetId {
    parent().child(Address::new_actor(b"two")).expect("two levels")
}

fn message(nonce: u64, kind: CrossKind) -> CrossMessage {
    let origin = account(1);
    CrossMessage {
        id: message_id(&ORIGIN_CHAIN, &origin, 100 + nonce),
        origin: CrossAddress { subnet: child(), address: origin },
        origin_sequence: 100 + nonce,
        destination: CrossAddress { subnet: SubnetId::root(31_415_926), address: account(2) },
        value: TokenAmount::from_nano(3) + TokenAmount::from_atto(nonce),
        kind,
        nonce: Nonce::new(nonce),
        gas_limit: 1_000 + nonce,
        fee: TokenAmount::from_atto(50 + nonce),
        expires: (nonce % 2 == 1).then(|| Height::new(900 + nonce)),
        wants_receipt: nonce.is_multiple_of(3),
    }
}

fn messages() -> Vec<CrossMessage> {
    let receipt = CrossKind::Receipt {
        of: Digest([0x31; 32]),
        of_sequence: 17,
        exit_code: ExitCode::new(107),
        return_data: RawBytes::new(vec![1, 2, 3]),
    };
    vec![
        message(6, CrossKind::Transfer),
        message(7, CrossKind::Transfer),
        message(8, CrossKind::Call { method: 3_844_450_837, params: RawBytes::new(vec![0x81, 5]) }),
        message(9, CrossKind::Call { method: 2, params: RawBytes::default() }),
        message(10, receipt),
    ]
}

fn cross_address(address: &CrossAddress) -> Value {
    json!({"subnet": address.subnet.to_string(), "address": hexed(address.address.to_bytes())})
}

fn message_vector(message: &CrossMessage) -> Value {
    let kind = match &message.kind {
        CrossKind::Transfer => json!({"transfer": {}}),
        CrossKind::Call { method, params } => json!({"call": {
            "method": method,
            "params": hexed(params.bytes()),
            "key": call_key(&message.origin.subnet, &message.id).to_string(),
        }}),
        CrossKind::Receipt { of, of_sequence, exit_code, return_data } => json!({"receipt": {
            "of": of.to_string(),
            "of_sequence": of_sequence,
            "exit_code": exit_code.value(),
            "return_data": hexed(return_data.bytes()),
        }}),
    };
    json!({
        "origin_chain": ORIGIN_CHAIN.to_string(),
        "id": message.id.to_string(),
        "origin": cross_address(&message.origin),
        "origin_sequence": message.origin_sequence,
        "destination": cross_address(&message.destination),
        "value": message.value.atto().to_string(),
        "kind": kind,
        "nonce": message.nonce.get(),
        "gas_limit": message.gas_limit,
        "fee": message.fee.atto().to_string(),
        "expires": message.expires.map(Height::get),
        "wants_receipt": message.wants_receipt,
        "cbor": hexed(encode(message)),
        "leaf": message.leaf().to_string(),
    })
}

fn trees() -> Vec<Value> {
    let all: Vec<Digest> = (1..=7).map(|leaf| Digest([leaf; 32])).collect();
    let ranges = [(1, 0, 1), (2, 1, 2), (5, 2, 4), (7, 0, 7), (7, 3, 6), (7, 6, 7)];
    let tree = |(count, first, end): (usize, usize, usize)| {
        let leaves = &all[..count];
        let proof: Vec<_> = merkle_range_proof(leaves, first, end).iter().map(Digest::to_string).collect();
        let root = merkle_root(leaves.iter().copied()).to_string();
        let leaves: Vec<_> = leaves.iter().map(Digest::to_string).collect();
        json!({"leaves": leaves, "root": root, "first": first, "end": end, "proof": proof})
    };
    ranges.into_iter().map(tree).collect()
}

fn validators() -> ValidatorSet {
    let validator = |seed: u8| Validator {
        owner: account(seed),
        vote_key: VoteKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        power: Power::new(u64::from(seed) * 1_000_000_007),
    };
    ValidatorSet::new(ConfigurationNumber::new(4), vec![validator(9), validator(3)]).expect("a set")
}

fn validator_set_vector() -> Value {
    let set = validators();
    let validator = |validator: &Validator| {
        json!({
            "owner": hexed(validator.owner.to_bytes()),
            "vote_key": hexed(validator.vote_key.as_bytes()),
            "checkpoint_key": hexed(validator.checkpoint_key.as_bytes()),
            "power": validator.power.get(),
        })
    };
    json!({
        "number": set.number().get(),
        "validators": set.validators().iter().map(validator).collect::<Vec<_>>(),
        "cbor": hexed(encode(&set)),
        "hash": set.hash().to_string(),
    })
}

fn checkpoint_vector() -> Value {
    let messages = messages();
    let checkpoint = Checkpoint {
        version: CHECKPOINT_VERSION,
        chain: Digest([0x41; 32]),
        sequence: Sequence::new(12),
        height: Height::new(120),
        block: cid_of_bytes(b"block"),
        state_root: cid_of_bytes(b"state"),
        previous: Digest([0x42; 32]),
        messages: subnet_types::cross::MessageBatch::of(Nonce::new(6), &messages),
        burned: TokenAmount::from_atto(77),
        top_down_applied: TopDownApplied { nonce: Nonce::new(5), parent_height: Height::new(400) },
        configuration: ConfigurationApplied { number: validators().number(), validators_hash: validators().hash() },
        upgrade: Digest::ZERO,
    };
    let domain = CheckpointDomain { parent: Digest([0x43; 32]), actor: Address::new_actor(b"two") };
    json!({
        "parent": domain.parent.to_string(),
        "actor": hexed(domain.actor.to_bytes()),
        "version": checkpoint.version,
        "chain": checkpoint.chain.to_string(),
        "sequence": checkpoint.sequence.get(),
        "height": checkpoint.height.get(),
        "block": hexed(checkpoint.block.to_bytes()),
        "state_root": hexed(checkpoint.state_root.to_bytes()),
        "previous": checkpoint.previous.to_string(),
        "messages": {
            "root": checkpoint.messages.root.to_string(),
            "first_nonce": checkpoint.messages.first_nonce.get(),
            "count": checkpoint.messages.count,
            "value": checkpoint.messages.value.atto().to_string(),
        },
        "burned": checkpoint.burned.atto().to_string(),
        "top_down_applied": {
            "nonce": checkpoint.top_down_applied.nonce.get(),
            "parent_height": checkpoint.top_down_applied.parent_height.get(),
        },
        "configuration": {
            "number": checkpoint.configuration.number.get(),
            "validators_hash": checkpoint.configuration.validators_hash.to_string(),
        },
        "upgrade": checkpoint.upgrade.to_string(),
        "digest": checkpoint.digest(&domain).expect("a digest").to_string(),
        "cbor": hexed(encode(&checkpoint)),
    })
}

fn vote_vectors() -> Vec<Value> {
    let (identity, block, key) = (Digest([0x51; 32]), cid_of_bytes(b"block"), VoteKey([0x52; 32]));
    let vote = |kind, name: &str, block: Option<&Cid>| {
        json!({
            "kind": name,
            "identity": identity.to_string(),
            "height": 5,
            "round": 2,
            "block": block.map(|block| hexed(block.to_bytes())),
            "validator": hexed(key.as_bytes()),
            "preimage": hexed(vote_signing_bytes(&identity, kind, Height::new(5), 2, block, &key)),
        })
    };
    let extension = b"the checkpoint signature";
    vec![
        vote(VoteKind::Prevote, "prevote", None),
        vote(VoteKind::Prevote, "prevote", Some(&block)),
        vote(VoteKind::Precommit, "precommit", Some(&block)),
        json!({
            "kind": "extension",
            "identity": identity.to_string(),
            "height": 5,
            "round": 2,
            "block": hexed(block.to_bytes()),
            "validator": hexed(key.as_bytes()),
            "extension": hexed(extension),
            "preimage": hexed(extension_signing_bytes(&identity, Height::new(5), 2, &block, &key, extension)),
        }),
    ]
}

fn possession_vectors() -> Vec<Value> {
    let (chain, actor, owner) = (Digest([0x61; 32]), Address::new_actor(b"two"), account(8));
    let proof = |kind, name: &str, key: &[u8]| {
        json!({
            "kind": name,
            "parent": chain.to_string(),
            "actor": hexed(actor.to_bytes()),
            "owner": hexed(owner.to_bytes()),
            "key": hexed(key),
            "preimage": hexed(proof_of_possession_bytes(kind, &chain, &actor, &owner, key)),
        })
    };
    vec![proof(KeyKind::Vote, "vote", &[9; 32]), proof(KeyKind::Checkpoint, "checkpoint", &[9; 48])]
}

fn header_vector() -> Value {
    let header = subnet_types::BlockHeader {
        version: subnet_types::block::BLOCK_VERSION,
        chain: Digest([0x71; 32]),
        height: Height::new(5),
        parent: cid_of_bytes(b"parent"),
        timestamp: TimestampMs::new(1_700_000_001_000),
        proposer: VoteKey([0x72; 32]),
        payload_root: cid_of_bytes(b"payload"),
        state_root: cid_of_bytes(b"state"),
        receipts_root: cid_of_bytes(b"receipts"),
        gas_used: 12,
        base_fee: TokenAmount::from_atto(100),
        validators_hash: Digest([0x73; 32]),
        next_validators_hash: Digest([0x74; 32]),
    };
    json!({
        "version": header.version,
        "chain": header.chain.to_string(),
        "height": header.height.get(),
        "parent": hexed(header.parent.to_bytes()),
        "timestamp": header.timestamp.get(),
        "proposer": hexed(header.proposer.as_bytes()),
        "payload_root": hexed(header.payload_root.to_bytes()),
        "state_root": hexed(header.state_root.to_bytes()),
        "receipts_root": hexed(header.receipts_root.to_bytes()),
        "gas_used": header.gas_used,
        "base_fee": header.base_fee.atto().to_string(),
        "validators_hash": header.validators_hash.to_string(),
        "next_validators_hash": header.next_validators_hash.to_string(),
        "cbor": hexed(encode(&header)),
        "id": hexed(header.id().to_bytes()),
    })
}

fn vectors() -> Value {
    let genesis = cid_of_bytes(b"genesis");
    json!({
        "chain_identities": [{
            "subnet": child().to_string(),
            "subnet_cbor": hexed(encode(&child())),
            "genesis": hexed(genesis.to_bytes()),
            "identity": chain_identity(&child(), &genesis).to_string(),
        }],
        "messages": messages().iter().map(message_vector).collect::<Vec<_>>(),
        "trees": trees(),
        "validator_sets": [validator_set_vector()],
        "checkpoints": [checkpoint_vector()],
        "headers": [header_vector()],
        "votes": vote_vectors(),
        "proofs_of_possession": possession_vectors(),
    })
}

#[test]
fn vectors_of_the_document_are_what_this_code_gives() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let path = package.join("../../docs/protocol/vectors.json");
    let actual = serde_json::to_string_pretty(&vectors()).expect("JSON") + "\n";
    // Only on purpose: a change here breaks every running chain and every second implementation.
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(&path, &actual).expect("docs/protocol can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("docs/protocol/vectors.json can be read");
    for (number, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(actual, expected, "line {} of docs/protocol/vectors.json", number + 1);
    }
    assert_eq!(actual.len(), expected.len(), "docs/protocol/vectors.json has another length");
}
