//! Our answers have the shapes of FRC-0104, the Common Node API.
//!
//! The specification is not part of this repository. Set `FRC_0104` to the path of `common-node-api.json` to check
//! against it; by default it is looked for beside the project. `scripts/test.sh` says whether it is there.

mod rpc_support;

use std::path::PathBuf;

use rpc_support::TestChain;
use serde_json::{Value, json};

/// Where the specification lies, relative to the project, unless `FRC_0104` names another place.
const DEFAULT_PLACE: &str = "../shared/spec/frc-0104-common-node-api.json";

/// Methods that a wallet needs and FRC-0104 does not describe.
const BEYOND_THE_SPECIFICATION: [&str; 4] = [
    "Filecoin.Version",
    "Filecoin.StateNetworkName",
    "Filecoin.FilecoinAddressToEthAddress",
    "Filecoin.EthAddressToFilecoinAddress",
];

fn specification() -> Option<Value> {
    let named = std::env::var_os("FRC_0104").map(PathBuf::from);
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"))
            .join("..")
            .join(DEFAULT_PLACE)
    });
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("the specification is JSON")),
        // Whoever names it wants the check.
        Err(error) if is_named => panic!("FRC_0104 names {}, which cannot be read: {error}", path.display()),
        Err(error) => {
            eprintln!("NOT CHECKED against FRC-0104: {} cannot be read ({error}).", path.display());
            eprintln!("Set FRC_0104 to the path of common-node-api.json from the FIPs repository to check.");
            None
        }
    }
}

fn method<'a>(specification: &'a Value, name: &str) -> Option<&'a Value> {
    let methods = specification["methods"].as_array().expect("an OpenRPC document lists methods");
    methods.iter().find(|method| method["name"] == name)
}

/// Every way in which `answer` is not what the specification says `name` returns.
fn misfits(specification: &Value, name: &str, answer: &Value) -> Vec<String> {
    let description = method(specification, name).unwrap_or_else(|| panic!("FRC-0104 does not describe {name}"));
    // The schema's references point into the whole document.
    let schema = json!({
        "allOf": [description["result"]["schema"]],
        "components": specification["components"],
    });
    let validator = jsonschema::validator_for(&schema).expect("the specification's schemas are valid");
    validator.iter_errors(answer).map(|error| format!("{name}{}: {error}", error.instance_path)).collect()
}

/// One good call of each method, with the answer.
async fn answers(chain: &TestChain) -> Vec<(&'static str, Vec<Value>, Value)> {
    let head = chain.ok("Filecoin.ChainHead", &[]).await;
    let (key, block) = (head["Cids"].clone(), head["Cids"][0].clone());
    let messages = chain.ok("Filecoin.ChainGetBlockMessages", std::slice::from_ref(&block)).await;
    let included = messages["Cids"][0].clone();
    let (alice, bob) = (json!(chain.alice.address().to_string()), json!(chain.bob.address().to_string()));
    let open = json!({ "To": bob, "From": alice, "Value": "7" });
    let signed: client::api::SignedMessageJson = (&chain.payment(1, 6)).into();
    let signed = serde_json::to_value(signed).expect("a message has a JSON form");
    let calls = [
        ("Filecoin.Version", vec![]),
        ("Filecoin.ChainHead", vec![]),
        ("Filecoin.ChainGetTipSetByHeight", vec![json!(1), key.clone()]),
        ("Filecoin.ChainGetTipSetByHeight", vec![json!(0), Value::Null]),
        ("Filecoin.ChainGetBlock", vec![block.clone()]),
        ("Filecoin.ChainGetMessage", vec![included.clone()]),
        ("Filecoin.ChainGetBlockMessages", vec![block]),
        ("Filecoin.MpoolPush", vec![signed]),
        ("Filecoin.MpoolPending", vec![Value::Null]),
        ("Filecoin.MpoolGetNonce", vec![alice.clone()]),
        ("Filecoin.GasEstimateMessageGas", vec![open.clone(), json!({ "MaxFee": "0" }), Value::Null]),
        ("Filecoin.StateNetworkName", vec![]),
        ("Filecoin.StateGetActor", vec![alice.clone(), key.clone()]),
        ("Filecoin.StateGetActor", vec![json!("f01000000"), key.clone()]),
        ("Filecoin.StateLookupID", vec![bob.clone(), key.clone()]),
        ("Filecoin.StateAccountKey", vec![json!("f0100"), key.clone()]),
        ("Filecoin.StateCall", vec![open, key.clone()]),
        ("Filecoin.StateSearchMsg", vec![Value::Null, included.clone(), json!(-1), json!(true)]),
        ("Filecoin.StateWaitMsg", vec![included, json!(1), json!(-1), json!(true)]),
        ("Filecoin.StateReadState", vec![alice.clone(), key]),
        ("Filecoin.WalletBalance", vec![alice]),
        ("Filecoin.FilecoinAddressToEthAddress", vec![bob]),
        ("Filecoin.EthAddressToFilecoinAddress", vec![json!("0x52963ef50e27e06d72d59fcb4f3c2a687be3cfef")]),
    ];
    let mut answers = Vec::new();
    for (name, params) in calls {
        let answer = chain.ok(name, &params).await;
        answers.push((name, params, answer));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_shapes_of_frc_0104() {
    let Some(specification) = specification() else { return };
    let chain = TestChain::start().await;
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, params, answer) in answers(&chain).await {
        if BEYOND_THE_SPECIFICATION.contains(&name) {
            assert!(method(&specification, name).is_none(), "FRC-0104 describes {name} now; check it");
            continue;
        }
        let described = method(&specification, name).expect("described")["params"].as_array().map_or(0, Vec::len);
        if described != params.len() {
            wrong.push(format!("{name}: called with {} parameters, FRC-0104 has {described}", params.len()));
        }
        wrong.extend(misfits(&specification, name, &answer));
        checked += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    println!("{checked} answers have the shapes of FRC-0104");
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_notices_a_wrong_shape() {
    let Some(specification) = specification() else { return };
    let chain = TestChain::start().await;
    let mut head = chain.ok("Filecoin.ChainHead", &[]).await;
    assert_eq!(misfits(&specification, "Filecoin.ChainHead", &head), Vec::<String>::new());
    head["Blocks"][0].as_object_mut().expect("a header").remove("ParentStateRoot");
    assert_eq!(misfits(&specification, "Filecoin.ChainHead", &head).len(), 1);
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_one_story() {
    let chain = TestChain::start().await;
    let head = chain.ok("Filecoin.ChainHead", &[]).await;
    assert_eq!(head["Height"], 2);
    let same = chain.ok("Filecoin.ChainGetTipSetByHeight", &[json!(2), Value::Null]).await;
    assert_eq!(head, same);
    let before = chain.ok("Filecoin.ChainGetTipSetByHeight", &[json!(1), Value::Null]).await;
    assert_eq!(head["Blocks"][0]["Parents"], before["Cids"]);
    assert_eq!(head["Blocks"][0]["Miner"], json!(chain.alice.address().to_string()));

    let messages = chain.ok("Filecoin.ChainGetBlockMessages", &[head["Cids"][0].clone()]).await;
    let cid = messages["Cids"][0].clone();
    assert_eq!(messages["SecpkMessages"][0]["CID"], cid);
    let lookup = chain.ok("Filecoin.StateSearchMsg", &[Value::Null, cid.clone(), json!(-1), json!(true)]).await;
    assert_eq!((&lookup["Height"], &lookup["TipSet"]), (&json!(2), &head["Cids"]));
    assert_eq!(lookup["Receipt"]["ExitCode"], 0);

    // A state call at a block sees what the block did.
    let bob = json!(chain.bob.address().to_string());
    let after = chain.ok("Filecoin.StateGetActor", &[bob.clone(), head["Cids"].clone()]).await;
    let earlier = chain.ok("Filecoin.StateGetActor", &[bob.clone(), before["Cids"].clone()]).await;
    assert_eq!(after["Balance"], "1000000000000000000005");
    assert_eq!(earlier["Balance"], "1000000000000000000000");
    assert_eq!(chain.ok("Filecoin.WalletBalance", std::slice::from_ref(&bob)).await, after["Balance"]);

    // The id and its masked Ethereum form name the same actor.
    let id = chain.ok("Filecoin.StateLookupID", &[bob.clone(), Value::Null]).await;
    let masked = chain.ok("Filecoin.FilecoinAddressToEthAddress", std::slice::from_ref(&bob)).await;
    assert_eq!(chain.ok("Filecoin.EthAddressToFilecoinAddress", &[masked]).await, id);
    assert_eq!(chain.ok("Filecoin.StateAccountKey", &[id, Value::Null]).await, bob);

    let info = chain.ok("Subnet.Info", &[]).await;
    assert_eq!((&info["height"], &info["blockId"]), (&head["Height"], &head["Cids"][0]));
    let supply = chain.ok("Subnet.Supply", &[Value::Null]).await;
    let number = |field: &str| supply[field].as_str().expect("text").parse::<u128>().expect("a number");
    assert_eq!(number("minted") - number("burnt"), number("circulating"));
    assert!(number("burnt") > 0, "the payment burned its base fee");

    let actors = chain.ok("Subnet.Actors", &[]).await;
    let codes = actors.as_array().expect("a list");
    let of = |name: &str| codes.iter().find(|actor| actor["name"] == name).expect("is there");
    assert_eq!((&of("checkpoint")["code"], &of("checkpoint")["isOwn"]), (&info["checkpointCode"], &json!(false)));

    // A root without children sends nothing anywhere.
    let pending = chain.ok("Subnet.CrossPending", &[Value::Null]).await;
    assert_eq!((&pending["height"], &pending["children"]), (&head["Height"], &json!([])));
    assert!(pending["outbox"].is_null() && pending["parent"].is_null());
    let all = [Value::Null, json!(u64::MAX), Value::Null];
    assert_eq!(chain.ok("Subnet.CrossQueue", &all).await, json!([]));
    let id = json!("11".repeat(32));
    let trace = chain.ok("Subnet.CrossTrace", std::slice::from_ref(&id)).await;
    assert_eq!(trace, json!({ "id": id, "subnet": info["subnet"], "steps": [], "isAwaited": false }));
    let own = chain.call("Subnet.CrossPrice", &[info["subnet"].clone()]).await.expect_err("no edge leads home");
    assert!(own.message().contains("no edge"), "{}", own.message());
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_message_waits_is_counted_and_is_found_once_executed() {
    let chain = TestChain::start().await;
    let alice = json!(chain.alice.address().to_string());
    let estimate = chain
        .ok("Filecoin.GasEstimateMessageGas", &[json!({ "To": alice, "From": alice }), Value::Null, Value::Null])
        .await;
    assert!(estimate["GasLimit"].as_u64().expect("a number") > 0);
    assert_ne!(estimate["GasFeeCap"], "0");

    let signed: client::api::SignedMessageJson = (&chain.payment(1, 6)).into();
    let cid = chain.ok("Filecoin.MpoolPush", &[serde_json::to_value(signed).expect("JSON")]).await;
    assert_eq!(chain.ok("Filecoin.MpoolGetNonce", &[alice]).await, 2);
    assert_eq!(chain.ok("Subnet.MessageStatus", std::slice::from_ref(&cid)).await["stage"], "pending");
    let none = chain.ok("Filecoin.StateSearchMsg", &[Value::Null, cid.clone(), json!(-1), json!(true)]).await;
    assert_eq!(none, Value::Null);

    let params = [cid.clone(), json!(0), json!(-1), json!(true)];
    let wait = chain.call("Filecoin.StateWaitMsg", &params);
    let commit = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        chain.commit_block().await
    };
    let (found, height) = tokio::join!(wait, commit);
    assert_eq!(found.expect("found")["Height"], json!(height.get()));
    assert_eq!(chain.ok("Subnet.MessageStatus", &[cid]).await["stage"], "included");
    chain.stop().await;
}
