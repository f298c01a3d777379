//! Frozen bytes of everything that is signed or hashed. A change here breaks every running chain and every second
//! implementation: it is a commit of its own, with the reason.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::message::Message;
use subnet_types::actors::{ApplyParentUpdateParams, JoinParams, SubmitCheckpointParams};
use subnet_types::block::BLOCK_VERSION;
use subnet_types::checkpoint::{CHECKPOINT_VERSION, CheckpointDomain, ConfigurationApplied, TopDownApplied};
use subnet_types::cross::{CrossAddress, MessageBatch, message_id};
use subnet_types::genesis::{ActivationRecord, ChainParameters, GENESIS_VERSION, GenesisBalance, ParentAnchor};
use subnet_types::hash::{cid_of, cid_of_bytes, encode, merkle_root};
use subnet_types::identity::chain_identity;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::message::{SignaturePolicy, signing_bytes};
use subnet_types::parent::{Handover, WitnessBlock};
use subnet_types::proposal::{
    block_stream_signing_bytes, hint_stream_signing_bytes, proposal_signing_bytes, validator_peer_signing_bytes,
};
use subnet_types::vote::{CommitSignature, VoteKind, extension_signing_bytes, vote_signing_bytes};
use subnet_types::{
    BlockHeader, BlockInfo, BlsPublicKey, BlsSignature, Checkpoint, ConfigurationNumber, CrossKind, CrossMessage,
    Digest, Ed25519Signature, FinalityCertificate, Genesis, Height, MembershipChange, Nonce, ParentUpdate, Payload,
    Power, QuorumCertificate, Sequence, SubnetId, TimestampMs, Validator, ValidatorSet, VoteKey,
};

fn owner() -> Address {
    Address::new_secp256k1(&[4; 65]).expect("65 bytes make an f1 address")
}

fn child() -> SubnetId {
    SubnetId::root(31415926).child(Address::new_actor(b"checkpoint actor")).expect("one level")
}

fn validators() -> ValidatorSet {
    let validators = [2, 1]
        .map(|seed| Validator {
            owner: owner(),
            vote_key: VoteKey([seed; 32]),
            checkpoint_key: BlsPublicKey([seed; 48]),
            power: Power::new(u64::from(seed) * 100),
        })
        .to_vec();
    ValidatorSet::new(ConfigurationNumber::FIRST, validators).expect("a set")
}

fn message(nonce: u64, kind: CrossKind) -> CrossMessage {
    CrossMessage {
        id: message_id(&Digest([1; 32]), &owner(), nonce),
        origin: CrossAddress { subnet: child(), address: owner() },
        origin_sequence: nonce,
        destination: CrossAddress { subnet: SubnetId::root(31415926), address: owner() },
        value: TokenAmount::from_whole(3),
        kind,
        nonce: Nonce::new(nonce),
        gas_limit: 10,
        fee: TokenAmount::from_atto(5),
        expires: Some(Height::new(9)),
        wants_receipt: false,
    }
}

fn messages() -> Vec<CrossMessage> {
    vec![
        message(7, CrossKind::Transfer),
        message(8, CrossKind::Call { method: 2, params: RawBytes::new(vec![1, 2, 3]) }),
        message(
            9,
            CrossKind::Receipt {
                of: Digest([6; 32]),
                of_sequence: 4,
                exit_code: ExitCode::USR_NOT_FOUND,
                return_data: RawBytes::default(),
            },
        ),
    ]
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        version: CHECKPOINT_VERSION,
        chain: Digest([1; 32]),
        sequence: Sequence::new(2),
        height: Height::new(20),
        block: cid_of_bytes(b"block"),
        state_root: cid_of_bytes(b"state"),
        previous: Digest([2; 32]),
        messages: MessageBatch::of(Nonce::new(7), &messages()),
        burned: TokenAmount::from_atto(7),
        top_down_applied: TopDownApplied { nonce: Nonce::new(3), parent_height: Height::new(90) },
        configuration: ConfigurationApplied {
            number: ConfigurationNumber::FIRST,
            validators_hash: validators().hash(),
        },
        upgrade: Digest::ZERO,
    }
}

fn genesis() -> Genesis {
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(31415926),
        timestamp: TimestampMs::new(1_700_000_000_000),
        chain: ChainParameters {
            block_interval_ms: 1000,
            block_gas_limit: 10_000_000_000,
            base_fee_min: TokenAmount::from_atto(100),
            signatures: SignaturePolicy::Bound,
            checkpoint_period_blocks: 10,
            trusting_period_ms: 604_800_000,
            cross_gas_price: TokenAmount::default(),
            bundle: cid_of_bytes(b"bundle"),
        },
        validators: validators(),
        balances: vec![GenesisBalance { address: owner(), balance: TokenAmount::from_whole(1) }],
        parent: None,
    }
}

fn user_message() -> Message {
    Message {
        version: 0,
        from: owner(),
        to: Address::new_id(64),
        sequence: 4,
        value: TokenAmount::from_whole(1),
        // Any user method.
        method_num: 209_017_424,
        params: RawBytes::new(vec![0x80]),
        gas_limit: 1_000_000,
        gas_fee_cap: TokenAmount::from_atto(200),
        gas_premium: TokenAmount::from_atto(1),
    }
}

fn header() -> BlockHeader {
    BlockHeader {
        version: BLOCK_VERSION,
        chain: Digest([1; 32]),
        height: Height::new(5),
        parent: cid_of_bytes(b"parent"),
        timestamp: TimestampMs::new(1_700_000_001_000),
        proposer: VoteKey([1; 32]),
        payload_root: Payload::new(&BlockInfo::default(), &[]).root(),
        state_root: cid_of_bytes(b"state"),
        receipts_root: cid_of_bytes(b"receipts"),
        gas_used: 12,
        base_fee: TokenAmount::from_atto(100),
        validators_hash: Digest([3; 32]),
        next_validators_hash: Digest([4; 32]),
    }
}

fn anchor() -> ParentAnchor {
    ParentAnchor {
        identity: Digest([1; 32]),
        height: Height::new(3),
        timestamp: TimestampMs::new(4),
        validators: validators(),
    }
}

fn certificate() -> QuorumCertificate {
    QuorumCertificate {
        configuration: ConfigurationNumber::FIRST,
        signers: QuorumCertificate::bitmap(2, [1]),
        signature: BlsSignature([8; 96]),
        key_sum: vec![9; 96],
    }
}

fn finality() -> FinalityCertificate {
    let signature = CommitSignature { validator: VoteKey([1; 32]), signature: Ed25519Signature([7; 64]) };
    FinalityCertificate { height: Height::new(5), round: 1, block: header().id(), signatures: vec![signature] }
}

fn changes() -> Vec<MembershipChange> {
    let validator = Validator { power: Power::ZERO, ..validators().validators()[0].clone() };
    vec![MembershipChange { number: ConfigurationNumber::new(2), validator }]
}

#[track_caller]
fn frozen(what: &str, actual: impl ToString, expected: &str) {
    assert_eq!(actual.to_string(), expected, "the frozen bytes of {what} changed");
}

fn hash_of(bytes: &[u8]) -> Digest {
    subnet_types::hash::blake2b_256(bytes)
}

#[test]
fn names_and_identities_are_frozen() {
    frozen("subnet name", child(), "/r31415926/f26avvgniabwpqzou2qxpj7o2qax7lng3ojrftg2i");
    frozen(
        "subnet encoding",
        hash_of(&encode(&child())),
        "f813e2428b6d4aa0ad2b311a2fb4a7cc10062e77fac8ed78b8985768c4cd023b",
    );
    frozen("genesis", genesis().cid(), "bafy2bzaceag44kkta6of7ijxvf5dsqneoybu4b2k3x35toelc6wdem66ikjms");
    let identity = chain_identity(&child(), &Cid::default());
    frozen("chain identity", identity, "5ad48b5badd8183cdd40cd3c960c5158ccf15dca16b0176aa4085a45ed7c0841");
}

#[test]
fn method_numbers_are_frozen() {
    use subnet_types::actors::{checkpoint, gateway, reward};
    let numbers = [
        reward::AWARD_TIPS,
        gateway::REGISTER_CHILD,
        gateway::ACTIVATE_CHILD,
        gateway::LOG_CHANGE,
        gateway::COMMIT_CHECKPOINT,
        gateway::DELIVER,
        gateway::SEND,
        gateway::ANSWER,
        gateway::APPLY_PARENT_UPDATE,
        gateway::CUT_CHECKPOINT,
        gateway::CLAIM,
        checkpoint::REGISTER,
        checkpoint::JOIN,
        checkpoint::SET_POWER,
        checkpoint::SUBMIT_CHECKPOINT,
        checkpoint::DELIVER_BATCH,
        checkpoint::DELIVER_UNCLAIMED,
        checkpoint::LOCK,
    ];
    frozen(
        "method numbers",
        format!("{numbers:?}"),
        "[2759002490, 2244898997, 3473110351, 3872957536, 313041084, 2022264799, 1445621589, 829620332, 3243198434, 3261993900, 4045527845, 2155413993, 2758473253, 2478603016, 1487690799, 210240611, 2295590860, 339822128]",
    );
}

// Actors of users have the receiver's in their code.
#[test]
fn method_numbers_of_courier_and_receivers_are_frozen() {
    use subnet_types::actors::{courier, receiver};
    let numbers =
        [courier::CARRY_CALL, courier::CARRY_RECEIPT, receiver::RECEIVE_CROSS_CALL, receiver::RECEIVE_CROSS_RECEIPT];
    frozen(
        "method numbers of courier and receivers",
        format!("{numbers:?}"),
        "[3511064652, 2467690817, 420971063, 445281607]",
    );
}

#[test]
fn checkpoint_digest_and_batch_are_frozen() {
    let domain = CheckpointDomain { parent: Digest([4; 32]), actor: Address::new_actor(b"checkpoint actor") };
    frozen(
        "batch root",
        checkpoint().messages.root,
        "a67fb0b65384a6a06b136309d261525f54ac74f8835a09c0f8fe0c034a1b6ea5",
    );
    frozen(
        "validator set hash",
        validators().hash(),
        "464468a2732c7d10c03273704f9ab5ae2f0e09c2cf484b6337c76fea76327ced",
    );
    frozen(
        "checkpoint digest",
        checkpoint().digest(&domain).expect("a digest"),
        "0dc6a5b39dfa3765edeac4ae9442a0c31d05679f3f696ecbddfbecbddf09d254",
    );
    frozen(
        "checkpoint encoding",
        cid_of(&checkpoint()),
        "bafy2bzaceb6cggwy22bdcz7u6vdtxdjm63kznovqs7dhxp2c6wwlxv3fwot54",
    );
    frozen("message id", messages()[0].id, "db0b1e8882193aac8c2e61e77027ef8002b764054f132c142e4d4809d4ab6c95");
}

/// Expected values of this test were computed without this package, by a Python script that follows `Checkpoint::digest`
/// and the comments on leaves and roots: `eth_abi` 6.0 encodes the words (`bytes32`, `uint64`, `uint256` in the order of
/// the fields), `pycryptodome` hashes them. All words of the checkpoint differ, so that no two can change places. The
/// same script gives the values of the test before, leaves and validator set included.
#[test]
fn checkpoint_digest_and_merkle_roots_agree_with_another_implementation() {
    let checkpoint = Checkpoint {
        version: u64::MAX,
        chain: Digest([0x12; 32]),
        sequence: Sequence::new(0x0101),
        height: Height::new(0x0202),
        block: cid_of_bytes(b"block"),
        state_root: cid_of_bytes(b"state"),
        previous: Digest([0x13; 32]),
        messages: MessageBatch {
            root: Digest([0x14; 32]),
            first_nonce: Nonce::new(0x0303),
            count: 0x0404,
            value: TokenAmount::from_atto((BigInt::from(1) << 256) - 1),
        },
        burned: TokenAmount::from_atto((BigInt::from(1) << 64) + 5),
        top_down_applied: TopDownApplied { nonce: Nonce::new(0x0505), parent_height: Height::new(0x0606) },
        configuration: ConfigurationApplied {
            number: ConfigurationNumber::new(0x0707),
            validators_hash: Digest([0x15; 32]),
        },
        upgrade: Digest([0x16; 32]),
    };
    let domain = CheckpointDomain { parent: Digest([0x11; 32]), actor: Address::new_actor(b"checkpoint actor") };
    frozen(
        "checkpoint digest",
        checkpoint.digest(&domain).expect("a digest"),
        "18d6f96f5b2c36878eea665b97b9d4cb8dc1c25a4f72d8967e37ec119f2c6672",
    );
    let root = |count: u8| merkle_root((1..=count).map(|leaf| Digest([leaf; 32])));
    frozen("root of one leaf", root(1), "b11a95f7ddcfbdc542f175f12554edd00d11d2bdc67124e3e3f39f1a1e54bc4a");
    frozen("root of two leaves", root(2), "6674e6b1fd07d288e813849586c794cc68b17ddbbb7c552d9ca2c34259fca435");
    frozen("root of three leaves", root(3), "dc3d8ff7b6a3c804a00ed2dd29d07a2fd0558ae8afef24d4263541f88f5a600a");
}

#[test]
fn signed_preimages_are_frozen() {
    let (identity, block) = (Digest([1; 32]), cid_of_bytes(b"block"));
    let key = VoteKey([9; 32]);
    let vote = |kind, block| hash_of(&vote_signing_bytes(&identity, kind, Height::new(5), 2, block, &key));
    frozen(
        "prevote for nil",
        vote(VoteKind::Prevote, None),
        "adc93fad830bbf949b81d1511dd2fab146a8e512a776210dfc2d3cfeaa49c4c3",
    );
    frozen(
        "precommit",
        vote(VoteKind::Precommit, Some(&block)),
        "95ba3e52f57609d08025f6b8da557e41c60fd5e621974b6d71bc2a6ab2f9bc49",
    );
    let extension = extension_signing_bytes(&identity, Height::new(5), 2, &block, &key, b"extension");
    frozen("vote extension", hash_of(&extension), "e8db9e61ecc7829c5bba8816d350587686e0a4bb5ebd56aea33da4dec01c4351");
    let proposal = |polka| hash_of(&proposal_signing_bytes(&identity, Height::new(5), 2, &block, polka, &key));
    frozen("proposal", proposal(None), "9d64ceaa458e1af1a1c634d8fea00082b4593956f5fe6f00fc103fae9db9288a");
    frozen(
        "proposal of a block with a polka",
        proposal(Some(1)),
        "446e1cba962f629fe05bf3f56920456c069d76374bc707c12662743e42dfae2c",
    );
    let stream = block_stream_signing_bytes(&identity, Height::new(5), 2, &block, 1_000, &key);
    frozen("block stream", hash_of(&stream), "560eda1f6b1e46d9c88e31594a43684d2b5f83945b5ae4c08ae9ccc712aed846");
    let hints = hint_stream_signing_bytes(&identity, Height::new(5), 2, &block, 1_000, &Digest([3; 32]), &key);
    frozen("hint stream", hash_of(&hints), "36ef8c5b78c120e2046740fb3f020c64b6fa3f6dab9ba4adf365b8ba9c59157a");
    let peer = validator_peer_signing_bytes(&identity, key.as_bytes(), b"peer");
    frozen(
        "network identity of a validator",
        hash_of(&peer),
        "2affa9da8b40118aa6b904f42ad76ef890bbbde7b1d261b83e91b971476f06aa",
    );
    frozen(
        "account message",
        hash_of(&signing_bytes(&user_message(), &identity)),
        "46bc4606969315e17648820d9b49bb3de1575d86fc6164042db3484bf45c2e1f",
    );
    let actor = Address::new_actor(b"checkpoint actor");
    let possession = |kind, key: &[u8]| hash_of(&proof_of_possession_bytes(kind, &identity, &actor, &owner(), key));
    frozen(
        "possession of a vote key",
        possession(KeyKind::Vote, &[9; 32]),
        "de4693a4a496d01d0cd19fd19f5de331c1d2b9a513870897b80198c4255baf9d",
    );
    frozen(
        "possession of a checkpoint key",
        possession(KeyKind::Checkpoint, &[9; 48]),
        "fa4c3b31dad9fc6bac42c14429a5b58e93cb8a53df02707f8cc985a3919d9d21",
    );
}

#[test]
fn block_ids_and_parent_anchor_are_frozen() {
    frozen("header", header().id(), "bafy2bzaceaxq4j5l3sbudh5p7au7zvha4tqqxall5idlltfytvpbgpjn5mhdo");
    frozen(
        "empty payload",
        Payload::new(&BlockInfo::default(), &[]).root(),
        "bafy2bzaceaxfp4f4sxnsapny2bzbmvsqjn5rf6xrbuwy3dnvdihu3xr6rx6he",
    );
    frozen("parent anchor", cid_of(&anchor()), "bafy2bzacectkdjr226qjtwkjzmvymvwgsc5mgmcyz4byykfnyx2vvkrxmfctu");
}

#[test]
fn genesis_of_an_activation_is_frozen() {
    let record = ActivationRecord {
        subnet: child(),
        chain: genesis().chain,
        validators: validators(),
        parent: ParentAnchor { timestamp: TimestampMs::new(1_700_000_000_000), ..anchor() },
    };
    frozen("activation record", cid_of(&record), "bafy2bzaced6zihl7vo4zf5hxpfb2yymcfnn5dcb47xyt2xnv4q7bebvqmkmaw");
    let genesis = Genesis::from_activation(&record);
    frozen("genesis of a subnet", genesis.cid(), "bafy2bzacecbleqeygztsjw3msq5pub6mzuej4ywcvty3j5jrjmlcvq6fssbmm");
    frozen(
        "identity of that subnet",
        genesis.identity(),
        "7628633510b665d713bf9531f1be4b71711f7296c1a057f53668d28f83cfb449",
    );
}

#[test]
fn what_crosses_between_chains_and_to_the_actors_is_frozen() {
    let handover = Handover { header: header(), certificate: finality(), validators: validators() };
    let update = ParentUpdate {
        handovers: vec![handover],
        header: header(),
        certificate: finality(),
        witness: vec![WitnessBlock { bytes: vec![1, 2, 3] }],
    };
    frozen("parent update", cid_of(&update), "bafy2bzacebh4af7h5z5bigyvlhkdm336cpe5nero4b3qvh2nnelicyqfnxa76");
    let apply = ApplyParentUpdateParams {
        parent_height: Height::new(4),
        parent_block: header().id(),
        parent_timestamp: TimestampMs::new(1_700_000_001_000),
        parent_validators: None,
        messages: messages(),
        changes: changes(),
        next_nonce: Nonce::ZERO,
        next_configuration: ConfigurationNumber::FIRST,
    };
    frozen(
        "parameters of ApplyParentUpdate",
        cid_of(&apply),
        "bafy2bzacec2n476oagoeyqci2qhk4huv6kgipzmpku6666ypfflpxglpmfvu2",
    );
    let join = JoinParams {
        owner: owner(),
        vote_key: VoteKey([9; 32]),
        vote_proof: Ed25519Signature([10; 64]),
        checkpoint_key: BlsPublicKey([11; 48]),
        checkpoint_proof: BlsSignature([12; 96]),
        endpoint: "/ip4/127.0.0.1/tcp/1".to_owned(),
    };
    frozen("parameters of Join", cid_of(&join), "bafy2bzacedcbiox2x3zhxczkbays2pwn4vkw7cp7wq55bvrfi2mtmxmpigcjk");
    let submission =
        SubmitCheckpointParams { checkpoint: checkpoint(), certificate: certificate(), messages: messages() };
    frozen(
        "parameters of SubmitCheckpoint",
        cid_of(&submission),
        "bafy2bzacebtcyckvwgwcmxza4vr3ac7rp4xrm5i54h5lp3uuzqllxr3qww5le",
    );
}
