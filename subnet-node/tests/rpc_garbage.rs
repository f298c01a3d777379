//! Whatever a caller sends, the server answers with an error that helps, and goes on.

mod rpc_support;

use std::time::Duration;

use rpc_support::TestChain;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const INVALID_PARAMS: i32 = -32602;
const METHOD_NOT_FOUND: i32 = -32601;
const INTERNAL: i32 = -32603;

/// A good call of every method, but for those whose good call waits.
async fn good_calls(chain: &TestChain) -> Vec<(&'static str, Vec<Value>)> {
    let head = chain.ok("Filecoin.ChainHead", &[]).await;
    let (key, block) = (head["Cids"].clone(), head["Cids"][0].clone());
    let cid = chain.ok("Filecoin.ChainGetBlockMessages", std::slice::from_ref(&block)).await["Cids"][0].clone();
    let alice = json!(chain.alice.address().to_string());
    let message = json!({ "To": alice, "From": alice });
    let signed: client::api::SignedMessageJson = (&chain.payment(1, 1)).into();
    let child = json!("/r31415926/f2nnjpjvqj2nvqdd3mbq4u7ewyvpnovlk5jvbn3ma");
    let digest = json!("11".repeat(32));
    vec![
        ("Filecoin.ChainGetTipSetByHeight", vec![json!(1), key.clone()]),
        ("Filecoin.ChainGetBlock", vec![block.clone()]),
        ("Filecoin.ChainGetMessage", vec![cid.clone()]),
        ("Filecoin.ChainGetBlockMessages", vec![block]),
        ("Filecoin.MpoolPush", vec![serde_json::to_value(signed).expect("JSON")]),
        ("Filecoin.MpoolPending", vec![key.clone()]),
        ("Filecoin.MpoolGetNonce", vec![alice.clone()]),
        ("Filecoin.GasEstimateMessageGas", vec![message.clone(), json!({ "MaxFee": "0" }), key.clone()]),
        ("Filecoin.StateGetActor", vec![alice.clone(), key.clone()]),
        ("Filecoin.StateLookupID", vec![alice.clone(), key.clone()]),
        ("Filecoin.StateAccountKey", vec![alice.clone(), key.clone()]),
        ("Filecoin.StateCall", vec![message, key.clone()]),
        ("Filecoin.StateSearchMsg", vec![key.clone(), cid.clone(), json!(-1), json!(true)]),
        ("Filecoin.StateWaitMsg", vec![cid.clone(), json!(0), json!(-1), json!(true)]),
        ("Filecoin.StateReadState", vec![alice.clone(), key]),
        ("Filecoin.WalletBalance", vec![alice.clone()]),
        ("Filecoin.FilecoinAddressToEthAddress", vec![alice.clone(), Value::Null]),
        ("Filecoin.EthAddressToFilecoinAddress", vec![json!("0xff00000000000000000000000000000000000064")]),
        ("Subnet.Validators", vec![json!(1)]),
        ("Subnet.Header", vec![json!(1)]),
        ("Subnet.Block", vec![json!(1)]),
        (
            "Subnet.Proof",
            vec![child.clone(), json!(0), json!(2), json!({ "number": 1, "hash": digest.clone() }), cid.clone()],
        ),
        ("Subnet.ParentProof", vec![json!(0), json!(2), json!({ "number": 1, "hash": digest.clone() }), cid.clone()]),
        ("Subnet.Activation", vec![child.clone()]),
        ("Subnet.ChildStatus", vec![child.clone()]),
        ("Subnet.Checkpoint", vec![json!(1)]),
        ("Subnet.Checkpoints", vec![json!(1), json!(10)]),
        ("Subnet.MessageStatus", vec![cid]),
        ("Subnet.CrossTrace", vec![digest.clone()]),
        ("Subnet.CrossAwaited", vec![digest.clone(), json!(1), json!(1)]),
        ("Subnet.CrossOwed", vec![digest, json!(1), json!(1)]),
        ("Subnet.CrossUnclaimed", vec![alice, json!(1), json!(1)]),
        ("Subnet.CrossPending", vec![json!(1)]),
        ("Subnet.CrossQueue", vec![Value::Null, json!(0), json!(1)]),
        ("Subnet.CrossQueue", vec![child.clone(), json!(0), json!(1)]),
        ("Subnet.CrossPrice", vec![child.clone()]),
        ("Subnet.Supply", vec![json!(1)]),
    ]
}

/// Values of every kind that no parameter expects, or that are of the right kind and absurd.
fn garbage() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("garbage"),
        json!("f0"),
        json!("f099999999999999999999999999"),
        json!("f1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        json!("/r1/f2"),
        json!("\u{0}\u{202e}ż\u{10ffff}"),
        json!("9".repeat(100_000)),
        json!([]),
        json!([{ "/": "bafy" }]),
        json!([null, null]),
        json!({}),
        json!({ "/": "" }),
        json!({ "/": "bafy2bzacedarbage" }),
        json!({ "/": 7 }),
        json!({ "To": "f00", "From": "f00", "Value": "-1" }),
        json!({ "To": "f00", "From": "f00", "Value": "9".repeat(1000) }),
        json!({ "To": "f00", "From": "f0999999", "GasLimit": u64::MAX, "Method": u64::MAX, "Params": "####" }),
        json!({ "Message": { "To": "f00", "From": "f00" }, "Signature": { "Type": 1, "Data": "" } }),
        json!({ "Message": {}, "Signature": { "Type": 99, "Data": null } }),
        deep,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_may_be_garbage() {
    let chain = TestChain::start().await;
    let mut refused = 0;
    for (method, params) in good_calls(&chain).await {
        for position in 0..params.len() {
            for junk in garbage() {
                let mut params = params.clone();
                params[position] = junk.clone();
                // A wait for a message that never comes is right to wait.
                let call = tokio::time::timeout(Duration::from_secs(2), chain.call(method, &params));
                let Ok(Err(error)) = call.await else { continue };
                let shown = junk.to_string().chars().take(60).collect::<String>();
                assert_ne!(error.code(), INTERNAL, "{method} at {position} with {shown}: {}", error.message());
                assert!(error.message().len() > 10, "{method} at {position} with {shown}: {}", error.message());
                assert!(error.message().len() < 2000, "{method} repeats {} bytes", error.message().len());
                refused += 1;
            }
        }
    }
    assert!(refused > 500, "only {refused} pieces of garbage were refused");
    assert_eq!(chain.ok("Filecoin.ChainHead", &[]).await["Height"], 2, "the chain is unimpressed");
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misfits_are_told_what_the_method_takes() {
    let chain = TestChain::start().await;
    let error = chain.call("Filecoin.StateGetActor", &[json!("nonsense")]).await.expect_err("no address");
    assert_eq!(error.code(), INVALID_PARAMS);
    assert!(error.message().contains("Filecoin.StateGetActor takes [address, tipsetKey?]"), "{}", error.message());
    assert!(error.message().contains("nonsense"), "{}", error.message());

    let surplus = chain.call("Filecoin.WalletBalance", &[json!("f00"), json!(1)]).await.expect_err("one too many");
    assert!(surplus.message().contains("got 2 parameters"), "{}", surplus.message());
    let missing = chain.call("Filecoin.WalletBalance", &[]).await.expect_err("one too few");
    assert_eq!(missing.code(), INVALID_PARAMS);
    assert!(missing.message().contains("[address]"), "{}", missing.message());

    let unknown = chain.call("Filecoin.StateMinerPower", &[]).await.expect_err("no miners here");
    assert_eq!(unknown.code(), METHOD_NOT_FOUND);
    let ahead = chain.call("Subnet.Block", &[json!(99)]).await.expect_err("not there yet");
    assert!(ahead.message().contains("99") && ahead.message().contains("the head is 2"), "{}", ahead.message());
    let negative = chain.call("Filecoin.ChainGetTipSetByHeight", &[json!(-1)]).await.expect_err("below genesis");
    assert!(negative.message().contains("expected 0 or above"), "{}", negative.message());
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_included_are_refused_with_the_reason() {
    let chain = TestChain::start().await;
    let push = |signed: &subnet_types::SignedMessage| {
        serde_json::to_value(client::api::SignedMessageJson::from(signed)).expect("JSON")
    };
    let reason = |error: &jsonrpsee::types::ErrorObjectOwned| {
        let data: Value = serde_json::from_str(error.data().expect("says why").get()).expect("JSON");
        data["reason"].as_str().expect("text").to_owned()
    };
    let mut forged = chain.payment(1, 1);
    forged.message.value = fvm_shared::econ::TokenAmount::from_atto(2);
    let mut foreign = chain.payment(1, 1);
    foreign = client::sign_message(&foreign.message, &chain.alice, &subnet_types::Digest([9; 32]));
    let mut poor = chain.unsigned_payment(1, 1);
    poor.value = fvm_shared::econ::TokenAmount::from_whole(2000);
    let mut cheap = chain.unsigned_payment(1, 1);
    cheap.gas_fee_cap = fvm_shared::econ::TokenAmount::from_atto(99);
    let mut thirsty = chain.unsigned_payment(1, 1);
    thirsty.gas_limit = u64::MAX;
    let sign = |message| client::sign_message(&message, &chain.alice, &chain.identity);
    for (signed, expected) in [
        (forged, "signature"),
        (foreign, "signature"),
        (chain.payment(0, 1), "nonce-too-low"),
        (chain.payment(100_000, 1), "nonce-too-high"),
        (sign(poor), "balance"),
        (sign(cheap), "fee"),
        (sign(thirsty), "gas-limit"),
    ] {
        let error = chain.call("Filecoin.MpoolPush", &[push(&signed)]).await.expect_err(expected);
        assert_eq!(reason(&error), expected, "{}", error.message());
    }
    assert_eq!(chain.ok("Filecoin.MpoolPending", &[]).await, json!([]));
    chain.stop().await;
}

/// Sends a raw HTTP body and returns status line and body.
async fn post(chain: &TestChain, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(chain.listen).await.expect("connects");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        chain.listen,
        body.len()
    );
    // The server may close before a body that is too large is read in full.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_calls_are_refused() {
    let chain = TestChain::start().await;
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let batch: Vec<Value> = (0..10_000)
        .map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "Filecoin.ChainHead", "params": [] }))
        .collect();
    let batch = serde_json::to_vec(&batch).expect("JSON");
    let bodies: [&[u8]; 7] = [b"", b"\xff\xfe\x00", b"{", b"[]", b"{\"jsonrpc\":\"1.0\"}", nested.as_bytes(), &batch];
    for body in bodies {
        let (status, answer) = post(&chain, body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert!(status.contains("200") || status.contains("400") || status.contains("413"), "{shown}: {status}");
        assert!(!answer.contains("\"result\""), "{shown}: {}", &answer[..answer.len().min(200)]);
    }
    let huge = vec![b' '; 3 * 1024 * 1024];
    let (status, _) = post(&chain, &huge).await;
    assert!(status.contains("413"), "{status}");
    assert_eq!(chain.ok("Filecoin.ChainHead", &[]).await["Height"], 2);
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_and_http_share_the_port() {
    use jsonrpsee::core::client::ClientT;
    let chain = TestChain::start().await;
    let url = format!("ws://{}", chain.listen);
    let socket = jsonrpsee::ws_client::WsClientBuilder::default().build(url).await.expect("connects");
    let head: Value = socket.request("Filecoin.ChainHead", jsonrpsee::rpc_params![]).await.expect("answers");
    assert_eq!(head, chain.ok("Filecoin.ChainHead", &[]).await);
    chain.stop().await;
}
