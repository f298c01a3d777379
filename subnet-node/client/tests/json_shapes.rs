//! The JSON shapes of the interface, frozen. A change here breaks every caller.

use cid::Cid;
use client::api::{
    ApiError, BlockHeaderJson, CrossPosition, CrossTraceInfo, DagCbor, JsonAddress, JsonAmount, JsonBytes, JsonCid,
    MessageJson, RejectionReason, SignatureJson, SignedMessageJson, SubnetInfo, Tipset, ValidatorsInfo,
};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use subnet_types::hash::cid_of_bytes;
use subnet_types::{
    BlsPublicKey, ConfigurationNumber, Digest, Height, Nonce, Power, SignedMessage, SubnetId, Validator, ValidatorSet,
    VoteKey,
};

const CID: &str = "bafy2bzaceaa466o2jfc4g4ggrmtf55ygigvkmxvkr5mvhy4qbwlxetbmlkqjk";

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("reads")
}

fn refused<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
    serde_json::from_value::<T>(value.clone()).expect_err(&value.to_string()).to_string()
}

/// Reads `value` as a `T` and finds it the same when written again.
fn same<T: Serialize + DeserializeOwned>(value: &Value) {
    let back = serde_json::to_value(read::<T>(value.clone())).expect("writes");
    assert_eq!(&back, value);
}

fn cid() -> Cid {
    CID.parse().expect("a CID")
}

#[test]
fn scalars_have_one_form() {
    same::<JsonCid>(&json!({"/": CID}));
    same::<JsonAddress>(&json!("f01000"));
    same::<JsonAmount>(&json!("2000000000000000000000000000"));
    same::<JsonBytes>(&json!("AAEC"));
    assert_eq!(read::<JsonAddress>(json!("t01000")).0, Address::new_id(1000));
    assert_eq!(read::<JsonBytes>(Value::Null).0, Vec::<u8>::new());
}

#[test]
fn scalars_refuse_everything_else() {
    for value in [json!(CID), json!({"/": "bafy"}), json!({}), json!(1), Value::Null] {
        refused::<JsonCid>(value);
    }
    for value in [json!("x01"), json!("f0"), json!("f1aaaa"), json!(1), json!(""), json!("f018446744073709551616")] {
        refused::<JsonAddress>(value);
    }
    for value in
        [json!(1), json!(""), json!("-1"), json!("+1"), json!("1.5"), json!("0x1"), json!(" 1"), json!("1".repeat(79))]
    {
        refused::<JsonAmount>(value);
    }
    for value in [json!("!"), json!("AAE"), json!(1), json!(["AAEC"])] {
        refused::<JsonBytes>(value);
    }
    let long = refused::<JsonAddress>(json!("f".repeat(100_000)));
    assert!(long.len() < 400, "an error does not repeat a book");
}

fn message() -> Value {
    json!({
        "Version": 0, "To": "f01001", "From": "f01000", "Nonce": 3, "Value": "7", "GasLimit": 1000000,
        "GasFeeCap": "100", "GasPremium": "1", "Method": 2, "Params": "AQI=",
        "CID": {"/": "bafy2bzacebpgtb2i3gfhptbggv4rzslokz52nmygb7bj74knzkz6hqu4w5rvu"},
    })
}

#[test]
fn messages_have_lotus_shape_and_their_cid() {
    let parsed = Message::from(read::<MessageJson>(message()));
    assert_eq!(parsed.to, Address::new_id(1001));
    assert_eq!(parsed.value, TokenAmount::from_atto(7));
    let written = serde_json::to_value(MessageJson::from(&parsed)).expect("writes");
    let mut expected = message();
    expected["CID"] = json!({"/": subnet_types::message::message_cid(&parsed).to_string()});
    assert_eq!(written, expected);
}

#[test]
fn a_message_needs_only_its_two_addresses() {
    let parsed = Message::from(read::<MessageJson>(json!({"To": "f01", "From": "f02", "Params": null})));
    assert_eq!((parsed.sequence, parsed.gas_limit, parsed.method_num), (0, 0, 0));
    refused::<MessageJson>(json!({"To": "f01"}));
    refused::<MessageJson>(json!({"To": "f01", "From": "f02", "Nonce": -1}));
    refused::<MessageJson>(json!({"To": "f01", "From": "f02", "Value": 7}));
}

#[test]
fn signature_types_are_read_as_number_or_name_and_written_as_number() {
    let signature = |of: Value| json!({"Type": of, "Data": "AA=="});
    same::<SignatureJson>(&signature(json!(1)));
    same::<SignatureJson>(&signature(json!(2)));
    for name in ["Secp256k1", "secp256k1"] {
        assert_eq!(read::<SignatureJson>(signature(json!(name))), read::<SignatureJson>(signature(json!(1))));
    }
    assert_eq!(read::<SignatureJson>(signature(json!("Bls"))), read::<SignatureJson>(signature(json!(2))));
    for of in [json!(0), json!(3), json!("Delegated"), json!("delegated"), Value::Null, json!([1])] {
        refused::<SignatureJson>(signature(of));
    }
}

#[test]
fn signed_messages_survive_the_way_there_and_back() {
    let key = client::keys::AccountKey::generate(client::keys::AccountScheme::Secp256k1);
    let bare = Message { from: key.address(), ..Message::from(read::<MessageJson>(message())) };
    let signed = client::sign_message(&bare, &key, &Digest([1; 32]));
    let json = serde_json::to_value(SignedMessageJson::from(&signed)).expect("writes");
    assert_eq!(json["CID"], json!({"/": signed.cid().to_string()}));
    assert_eq!(SignedMessage::from(read::<SignedMessageJson>(json)), signed);
}

#[test]
fn a_stock_tipset_reads() {
    let header = json!({
        "Miner": "f01000", "Ticket": {"VRFProof": "AA=="}, "ElectionProof": {"WinCount": 1, "VRFProof": "AA=="},
        "BeaconEntries": [{"Round": 1, "Data": "AA=="}], "WinPoStProof": [{"PoStProof": 8, "ProofBytes": "AA=="}],
        "Parents": [{"/": CID}], "ParentWeight": "12", "Height": 10, "ParentStateRoot": {"/": CID},
        "ParentMessageReceipts": {"/": CID}, "Messages": {"/": CID}, "BLSAggregate": {"Type": 2, "Data": "AA=="},
        "Timestamp": 1700000000, "BlockSig": {"Type": 2, "Data": "AA=="}, "ForkSignaling": 0, "ParentBaseFee": "100",
    });
    same::<BlockHeaderJson>(&header);
    same::<Tipset>(&json!({"Cids": [{"/": CID}], "Blocks": [header], "Height": 10}));
}

#[test]
fn dag_cbor_is_read_only_in_its_one_form() {
    let value = DagCbor(Height::new(7));
    let json = serde_json::to_value(&value).expect("writes");
    assert_eq!(json, json!({"dagCbor": "Bw=="}));
    assert_eq!(read::<DagCbor<Height>>(json), value);
    // 7 in two bytes, text, and nothing.
    for other in ["GAc=", "YWE=", ""] {
        assert!(refused::<DagCbor<Height>>(json!({"dagCbor": other})).contains("dagCbor holds no Height"));
    }
}

#[test]
fn validators_carry_readable_fields_and_the_exact_set() {
    let validator = Validator {
        owner: Address::new_id(100),
        vote_key: VoteKey([1; 32]),
        checkpoint_key: BlsPublicKey([2; 48]),
        power: Power::new(5),
    };
    let set = ValidatorSet::new(ConfigurationNumber::FIRST, vec![validator]).expect("a set");
    let info = ValidatorsInfo::new(Height::new(3), set.clone());
    let json = serde_json::to_value(&info).expect("writes");
    assert_eq!(json["height"], 3);
    assert_eq!(json["totalPower"], 5);
    assert_eq!(json["validators"][0]["voteKey"], "01".repeat(32));
    assert_eq!(json["validators"][0]["owner"], "f0100");
    assert_eq!(json["hash"], set.hash().to_string());
    assert_eq!(read::<ValidatorsInfo>(json).set.0, set);
}

#[test]
fn info_leaves_out_what_there_is_not() {
    let info = json!({
        "subnet": "/r31415926", "identity": "01".repeat(32), "genesis": {"/": CID}, "moniker": "alice",
        "version": "0.1.0", "height": 9, "blockId": {"/": CID}, "timestampMs": 1_700_000_000_000u64,
        "blockIntervalMs": 1000, "blockGasLimit": 10_000_000_000u64, "checkpointPeriodBlocks": 10, "signatures": "bound", "bundle": {"/": CID},
        "checkpointCode": {"/": CID}, "isSyncing": false, "consensusListen": ["/ip4/127.0.0.1/tcp/1"],
        "mempoolListen": [], "consensusPeers": 3, "mempoolPeers": 3, "mempoolMessages": 0,
    });
    same::<SubnetInfo>(&info);
    let mut child = info;
    child["parent"] = json!({"subnet": "/r31415926", "identity": "02".repeat(32)});
    child["voteKey"] = json!("03".repeat(32));
    same::<SubnetInfo>(&child);
    child["subnet"] = json!("/r1/f0100");
    refused::<SubnetInfo>(child);
}

#[test]
fn steps_of_a_cross_message_say_by_which_edge_it_came() {
    let step = json!({
        "event": "applied", "height": 3, "timestampMs": 5, "exitCode": 0, "came": {"edge": "/r1", "nonce": 7},
    });
    let trace = json!({"id": "01".repeat(32), "subnet": "/r1", "isAwaited": false, "steps": [step]});
    same::<CrossTraceInfo>(&trace);
    let trace = read::<CrossTraceInfo>(trace);
    let at = |nonce| CrossPosition { edge: SubnetId::root(1), nonce: Nonce::new(nonce) };
    assert_eq!(trace.arrival(&at(7)).map(|step| step.height), Some(Height::new(3)));
    assert_eq!(trace.arrival(&at(8)), None, "another message with the same id");
}

#[test]
fn errors_keep_code_and_reason() {
    let error = ApiError::Rejected { reason: RejectionReason::NonceTooLow, message: "nonce 3, expected 4".to_owned() };
    let object = ErrorObjectOwned::from(error.clone());
    let json = serde_json::to_value(&object).expect("writes");
    let expected = json!({"code": -32010, "message": "nonce 3, expected 4", "data": {"reason": "nonce-too-low"}});
    assert_eq!(json, expected);
    assert_eq!(ApiError::from_object(&object), Some(error));
    let foreign = ErrorObjectOwned::owned(1, "actor not found", None::<()>);
    assert_eq!(ApiError::from_object(&foreign), None);
    let hollow = ErrorObjectOwned::owned(-32010, "rejected", Some("because"));
    assert_eq!(ApiError::from_object(&hollow), None);
}

#[test]
fn shapes_are_within_the_common_node_api() {
    let named = std::env::var("FRC_0104").ok();
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        package + "/../../../shared/spec/frc-0104-common-node-api.json"
    });
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        // Whoever names it wants the check.
        Err(error) if is_named => panic!("FRC_0104 names {path}, which cannot be read: {error}"),
        // A test that passes shows no output; `scripts/test.sh` says it visibly.
        Err(error) => {
            println!("NOT CHECKED against FRC-0104: {path} cannot be read ({error}).");
            return;
        }
    };
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    let check = |schema: &str, value: Value| {
        let mut root = json!({"$ref": format!("#/components/schemas/{schema}")});
        root["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&root).expect("a schema");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{schema}: {errors:?} in {value}");
        let broken = json!({"nothing": "of it"});
        assert!(!validator.is_valid(&broken), "{schema} refuses something else");
    };
    check("Message", serde_json::to_value(read::<MessageJson>(message())).expect("writes"));
    check("Cid", serde_json::to_value(JsonCid(cid_of_bytes(b"x"))).expect("writes"));
    let key = client::keys::AccountKey::generate(client::keys::AccountScheme::Bls);
    let signed = client::sign_message(&read::<MessageJson>(message()).into(), &key, &Digest([1; 32]));
    check("SignedMessage", serde_json::to_value(SignedMessageJson::from(&signed)).expect("writes"));
    let receipt =
        client::api::ReceiptJson { exit_code: 0, r#return: JsonBytes(vec![1]), gas_used: 2, events_root: None };
    check("Receipt", serde_json::to_value(&receipt).expect("writes"));
    let lookup = client::api::MessageLookup {
        message: cid().into(),
        receipt: receipt.clone(),
        return_dec: Value::Null,
        tip_set: vec![cid().into()],
        height: 4,
    };
    check("MessageLookup", serde_json::to_value(&lookup).expect("writes"));
    let actor = client::api::ActorStateJson {
        code: cid().into(),
        head: cid().into(),
        nonce: 1,
        balance: JsonAmount::default(),
        delegated_address: None,
    };
    check("ActorState", serde_json::to_value(&actor).expect("writes"));
    let invocation = client::api::InvocationResult {
        msg_cid: cid().into(),
        msg: read(message()),
        msg_rct: Some(receipt),
        gas_cost: Default::default(),
        execution_trace: None,
        error: String::new(),
        duration: 1,
    };
    check("ApiInvocResult", serde_json::to_value(&invocation).expect("writes"));
}
