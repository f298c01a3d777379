//! The client against servers that answer garbage, late, too much, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerHandle};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::api::{ApiError, JsonCid, MessageJson, RejectionReason, SignedMessageJson};
use crate::keys::{AccountKey, AccountScheme, CheckpointKeypair, VoteKeypair};
use crate::sender::{Draft, SendError, Sender};
use crate::subnet::{Joining, join};
use subnet_types::hash::cid_of_bytes;

/// A server whose every method is `answer(method, parameters)`.
pub(crate) async fn server<F>(methods: &[&'static str], answer: F) -> (Client, ServerHandle)
where
    F: Fn(&str, Value) -> Result<Value, ErrorObjectOwned> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    let mut module = RpcModule::new(());
    for method in methods.iter().copied() {
        let answer = answer.clone();
        let handler = move |params: jsonrpsee::types::Params<'_>, _: &(), _: &jsonrpsee::Extensions| {
            answer(method, params.parse::<Value>().unwrap_or(Value::Null))
        };
        module.register_method(method, handler).unwrap();
    }
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    (Client::connect(&url).unwrap(), server.start(module))
}

/// A server that sends `response` to everybody, whatever they say, and closes.
async fn raw_server(response: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let response = response.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&response).await;
            });
        }
    });
    url
}

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

const ALL: &[&str] = &[
    "Filecoin.Version",
    "Filecoin.ChainHead",
    "Filecoin.StateGetActor",
    "Filecoin.WalletBalance",
    "Filecoin.MpoolGetNonce",
    "Subnet.Info",
    "Subnet.Validators",
    "Subnet.Header",
    "Subnet.Activation",
    "Subnet.GenesisFile",
    "Subnet.Proof",
    "Subnet.BalanceProof",
    "Subnet.Checkpoint",
    "Subnet.Supply",
];

/// Calls everything in [`ALL`] and returns the errors by method.
async fn call_all(client: &Client) -> Vec<Result<(), RpcError>> {
    let address = Address::new_id(1);
    let subnet: subnet_types::SubnetId = "/r1/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia".parse().unwrap();
    let (nonce, first) = (subnet_types::Nonce::ZERO, subnet_types::ConfigurationNumber::FIRST);
    let tracked = crate::api::TrackedSet { number: first, hash: subnet_types::Digest::ZERO };
    vec![
        client.version().await.map(drop),
        client.chain_head().await.map(drop),
        client.state_get_actor(&address).await.map(drop),
        client.wallet_balance(&address).await.map(drop),
        client.mpool_get_nonce(&address).await.map(drop),
        client.info().await.map(drop),
        client.validators(None).await.map(drop),
        client.header(None).await.map(drop),
        client.activation(&subnet).await.map(drop),
        client.genesis_file().await.map(drop),
        client.proof(&subnet, nonce, first, tracked, None).await.map(drop),
        client.balance_proof(subnet_types::hash::cid_of_bytes(b"root"), address).await.map(drop),
        client.checkpoint(subnet_types::Sequence::new(1)).await.map(drop),
        client.supply(None).await.map(drop),
    ]
}

#[tokio::test]
async fn garbage_answers_are_errors_that_name_the_method() {
    let garbage = [
        json!({"a": 1}),
        json!([1, 2, 3]),
        json!("!not base64, no number, no address!"),
        json!(-1),
        json!({"dagCbor": "AAAA"}),
        json!({"/": "bafy"}),
    ];
    for value in garbage {
        let answer = value.clone();
        let (client, _handle) = server(ALL, move |_, _| Ok(answer.clone())).await;
        for (method, outcome) in ALL.iter().zip(call_all(&client).await) {
            let error = outcome.expect_err(&format!("{method} took {value}"));
            assert!(matches!(error, RpcError::Garbage { .. }), "{method} {value}: {error:?}");
            assert!(error.to_string().contains(method), "{error}");
            assert!(!error.is_retryable() && !error.is_unreachable());
        }
    }
}

#[tokio::test]
async fn answers_that_are_no_json_rpc_are_garbage() {
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}}", "[".repeat(100_000));
    for body in ["", "<html>", "{", "null", "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":1}", deep.as_str()] {
        let client = Client::connect(&raw_server(http(body)).await).unwrap();
        let error = client.version().await.expect_err(body);
        assert!(matches!(error, RpcError::Garbage { .. }), "{error:?}");
    }
    let client =
        Client::connect(&raw_server(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()).await).unwrap();
    let error = client.version().await.unwrap_err();
    assert!(error.to_string().contains("HTTP status 500"), "{error}");
    let client = Client::connect(&raw_server(b"SSH-2.0-OpenSSH\r\n".to_vec()).await).unwrap();
    assert!(client.version().await.is_err());
}

#[tokio::test]
async fn an_answer_above_the_limit_is_not_read() {
    let (client, _handle) = server(&["Filecoin.StateNetworkName"], |_, _| Ok(json!("x".repeat(100_000)))).await;
    assert_eq!(client.state_network_name().await.unwrap().len(), 100_000);
    let options = ClientOptions { response_bytes_max: 10_000, ..ClientOptions::default() };
    let client = Client::connect_with(client.url(), options).unwrap();
    let error = client.state_network_name().await.unwrap_err();
    assert!(error.to_string().contains("more than 10000 bytes"), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_timeout_and_may_be_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = ClientOptions { timeout: Duration::from_millis(200), ..ClientOptions::default() };
    let error = Client::connect_with(&url, options).unwrap().version().await.unwrap_err();
    assert!(matches!(error, RpcError::Timeout { .. }), "{error:?}");
    assert!(error.is_retryable() && error.is_unreachable());
}

#[tokio::test]
async fn nobody_there_is_said_with_address_and_method() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::connect(&url).unwrap().version().await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable { .. }) && error.is_retryable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&url) && text.contains("Filecoin.Version") && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn unusable_addresses_are_refused_before_anything_is_sent() {
    for url in ["", "127.0.0.1:1234", "ftp://127.0.0.1", "http://", "http://[", "http://a b"] {
        assert!(matches!(Client::connect(url), Err(RpcError::Url { .. })), "{url}");
    }
    assert_eq!(Client::connect("ws://127.0.0.1:1").unwrap().url(), "http://127.0.0.1:1");
}

#[tokio::test]
async fn errors_of_the_node_keep_their_kind() {
    let reason = RejectionReason::Balance;
    let cases = [
        ApiError::NotFound("no such block".to_owned()),
        ApiError::NotReady("syncing".to_owned()),
        ApiError::InvalidParams("height".to_owned()),
        ApiError::Internal("disk".to_owned()),
        ApiError::Rejected { reason, message: "too poor".to_owned() },
    ];
    for case in cases {
        let answer = case.clone();
        let (client, _handle) = server(&["Filecoin.Version"], move |_, _| Err(answer.clone().into())).await;
        let error = client.version().await.unwrap_err();
        assert_eq!(error.is_not_found(), matches!(case, ApiError::NotFound(_)));
        assert_eq!(error.is_retryable(), matches!(case, ApiError::NotReady(_)));
        assert_eq!(error.rejection(), matches!(case, ApiError::Rejected { .. }).then_some(reason));
        assert!(matches!(error, RpcError::Refused { error, .. } if error == case));
    }
    let (client, _handle) = server(&[], |_, _| Ok(Value::Null)).await;
    let error = client.version().await.unwrap_err();
    assert!(matches!(error, RpcError::Foreign { code: -32601, .. }), "an unknown method: {error:?}");
}

/// What [`Sender`] calls.
const SENDER: &[&str] =
    &["Filecoin.MpoolGetNonce", "Filecoin.GasEstimateMessageGas", "Filecoin.MpoolPush", "Subnet.MessageStatus"];

fn sender(client: Client) -> Sender {
    let key = AccountKey::generate(AccountScheme::Secp256k1);
    Sender::with_identity(client, key, subnet_types::Digest([1; 32]))
}

fn draft() -> Draft {
    Draft::transfer(Address::new_id(7), TokenAmount::from_whole(1))
}

/// The message in the parameters of an estimate, with gas filled in.
fn estimated(params: &Value, fee_cap: &str) -> Value {
    let mut message: MessageJson = serde_json::from_value(params[0].clone()).unwrap();
    message.gas_limit = 1_000_000;
    message.gas_fee_cap = serde_json::from_value(json!(fee_cap)).unwrap();
    serde_json::to_value(message).unwrap()
}

fn pushed(params: &Value) -> subnet_types::SignedMessage {
    serde_json::from_value::<SignedMessageJson>(params[0].clone()).unwrap().into()
}

fn taken(nonce: u64) -> ErrorObjectOwned {
    ApiError::Rejected { reason: RejectionReason::NonceTooLow, message: format!("nonce {nonce} is used") }.into()
}

#[tokio::test]
async fn a_taken_nonce_is_read_again_and_the_message_signed_anew() {
    let next = AtomicU64::new(5);
    let (client, _handle) = server(SENDER, move |method, params| match method {
        "Filecoin.MpoolGetNonce" => Ok(json!(next.load(Ordering::SeqCst))),
        "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "100")),
        // Somebody else was quicker, twice.
        _ if next.load(Ordering::SeqCst) < 7 => Err(taken(next.fetch_add(1, Ordering::SeqCst))),
        _ => Ok(serde_json::to_value(JsonCid(pushed(&params).cid())).unwrap()),
    })
    .await;
    let sent = sender(client).push(&draft()).await.unwrap();
    assert_eq!(sent.message.sequence, 7);
}

#[tokio::test]
async fn a_nonce_that_is_always_taken_is_given_up() {
    let pushes = Arc::new(AtomicU64::new(0));
    let count = pushes.clone();
    let (client, _handle) = server(SENDER, move |method, params| match method {
        "Filecoin.MpoolGetNonce" => Ok(json!(5)),
        "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "100")),
        _ => {
            count.fetch_add(1, Ordering::SeqCst);
            Err(taken(5))
        }
    })
    .await;
    let error = sender(client).push(&draft()).await.unwrap_err();
    assert!(matches!(error, SendError::Rpc(error) if error.rejection() == Some(RejectionReason::NonceTooLow)));
    assert_eq!(pushes.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn joining_asks_for_much_gas_but_for_no_more_than_a_block_has() {
    for (block_gas_limit, expected) in [(10_000_000_000u64, 1_000_000_000), (300_000_000, 300_000_000)] {
        let asked = Arc::new(AtomicU64::new(0));
        let seen = asked.clone();
        let (client, _handle) = server(&[SENDER, &["Subnet.Info"]].concat(), move |method, params| match method {
            "Filecoin.MpoolGetNonce" => Ok(json!(0)),
            "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "100")),
            "Subnet.Info" => Ok(json!({
                "subnet": "/r1", "identity": "01".repeat(32), "genesis": JsonCid(cid_of_bytes(b"genesis")),
                "moniker": "a", "version": "0", "height": 9, "blockId": JsonCid(cid_of_bytes(b"block")),
                "timestampMs": 1, "blockIntervalMs": 1000, "blockGasLimit": block_gas_limit,
                "checkpointPeriodBlocks": 10, "signatures": "bound", "bundle": JsonCid(cid_of_bytes(b"bundle")),
                "checkpointCode": JsonCid(cid_of_bytes(b"code")), "isSyncing": false, "consensusListen": [],
                "mempoolListen": [], "consensusPeers": 0, "mempoolPeers": 0, "mempoolMessages": 0,
            })),
            _ => {
                seen.store(pushed(&params).message.gas_limit, Ordering::SeqCst);
                Err(ApiError::NotReady("enough seen".to_owned()).into())
            }
        })
        .await;
        let (vote, checkpoint) = (VoteKeypair::generate(), CheckpointKeypair::generate());
        let (actor, stake) = (Address::new_actor(b"actor"), TokenAmount::from_whole(1));
        let joining = Joining { actor, stake, vote: &vote, checkpoint: &checkpoint, endpoint: String::new() };
        assert!(join(&sender(client), &joining, WaitOptions::default(), |_| ()).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn other_rejections_are_not_retried() {
    let pushes = Arc::new(AtomicU64::new(0));
    let count = pushes.clone();
    let (client, _handle) = server(SENDER, move |method, params| match method {
        "Filecoin.MpoolGetNonce" => Ok(json!(0)),
        "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "100")),
        _ => {
            count.fetch_add(1, Ordering::SeqCst);
            Err(ApiError::Rejected { reason: RejectionReason::Balance, message: "poor".to_owned() }.into())
        }
    })
    .await;
    assert!(sender(client).push(&draft()).await.is_err());
    assert_eq!(pushes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_node_cannot_have_another_message_signed_than_the_one_to_send() {
    let changes: [fn(&mut Message); 4] = [
        |message| message.to = Address::new_id(666),
        |message| message.value = TokenAmount::from_whole(1000),
        |message| message.sequence += 1,
        |message| message.method_num = 2,
    ];
    for change in changes {
        let (client, _handle) = server(SENDER, move |method, params| match method {
            "Filecoin.MpoolGetNonce" => Ok(json!(0)),
            "Filecoin.GasEstimateMessageGas" => {
                let json: MessageJson = serde_json::from_value(estimated(&params, "100")).unwrap();
                let mut message = Message::from(json);
                change(&mut message);
                Ok(serde_json::to_value(MessageJson::from(&message)).unwrap())
            }
            _ => panic!("the message was signed and sent"),
        })
        .await;
        let error = sender(client).push(&draft()).await.unwrap_err();
        assert!(error.to_string().contains("more than the gas fields"), "{error}");
    }
}

#[tokio::test]
async fn a_node_cannot_choose_a_fee_above_the_senders_limit() {
    let (client, _handle) = server(SENDER, |method, params| match method {
        "Filecoin.MpoolGetNonce" => Ok(json!(0)),
        // A million gas at 2000 nanoFIL: two FIL.
        "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "2000000000000")),
        _ => Ok(serde_json::to_value(JsonCid(pushed(&params).cid())).unwrap()),
    })
    .await;
    let poor = sender(client);
    let error = poor.push(&draft()).await.unwrap_err();
    assert!(matches!(error, SendError::Fee { .. }), "{error}");
    assert!(poor.fee_max(TokenAmount::from_whole(2)).push(&draft()).await.is_ok());
}

#[tokio::test]
async fn a_node_that_names_the_message_differently_is_not_believed() {
    let (client, _handle) = server(SENDER, |method, params| match method {
        "Filecoin.MpoolGetNonce" => Ok(json!(0)),
        "Filecoin.GasEstimateMessageGas" => Ok(estimated(&params, "100")),
        _ => Ok(serde_json::to_value(JsonCid(cid_of_bytes(b"another"))).unwrap()),
    })
    .await;
    assert!(sender(client).push(&draft()).await.is_err());
}

#[tokio::test]
async fn waiting_tells_the_stages_and_ends_with_the_outcome() {
    let asked = AtomicU64::new(0);
    let cid = cid_of_bytes(b"message");
    let (client, _handle) = server(SENDER, move |_, _| {
        let mut status = json!({"message": JsonCid(cid), "stage": "unknown"});
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => {}
            1 => return Err(ApiError::NotReady("restarting".to_owned()).into()),
            2 => status["stage"] = json!("pending"),
            _ => {
                status["stage"] = json!("included");
                status["height"] = json!(9);
                status["exitCode"] = json!(18);
            }
        }
        Ok(status)
    })
    .await;
    let options = WaitOptions { timeout: Duration::from_secs(10), poll: Duration::from_millis(1) };
    let mut stages = Vec::new();
    let status = client.wait_message(cid, options, |waiting| stages.push(waiting.stage.clone())).await.unwrap();
    assert_eq!((status.height.unwrap().get(), status.exit_code), (9, Some(18)));
    assert_eq!((stages[0].as_str(), stages[2].as_str()), ("unknown", "pending"));
    assert!(stages[1].contains("restarting"));
    // The same outcome through a sender is a failure that says what the code means.
    let sent = crate::sender::Sent { cid, message: Message::from(message_json()) };
    let error = sender(client).wait(&sent, options, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("exit code 18 (forbidden)"), "{error}");
}

fn message_json() -> MessageJson {
    serde_json::from_value(json!({"To": "f01", "From": "f02"})).unwrap()
}

#[tokio::test]
async fn waiting_for_ever_ends_at_the_deadline_with_the_last_stage() {
    let cid = cid_of_bytes(b"message");
    let (client, _handle) = server(SENDER, move |_, _| Ok(json!({"message": JsonCid(cid), "stage": "pending"}))).await;
    let options = WaitOptions { timeout: Duration::from_millis(50), poll: Duration::from_millis(5) };
    let error = client.wait_message(cid, options, |_| ()).await.unwrap_err();
    assert!(matches!(&error, WaitError::Deadline { stage, .. } if stage == "pending"), "{error}");
}

#[tokio::test]
async fn an_outcome_without_its_parts_is_garbage() {
    let cid = cid_of_bytes(b"message");
    let (client, _handle) = server(SENDER, move |_, _| Ok(json!({"message": JsonCid(cid), "stage": "included"}))).await;
    let sent = crate::sender::Sent { cid, message: Message::from(message_json()) };
    let error = sender(client).wait(&sent, WaitOptions::default(), |_| ()).await.unwrap_err();
    assert!(matches!(error, SendError::Rpc(RpcError::Garbage { .. })), "{error}");
}
